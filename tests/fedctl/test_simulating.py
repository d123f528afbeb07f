"""`fedctl simulate` and `fedctl rebalance`."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import yaml
from click.testing import Result

from fedctl.simulations import move_texts
from fedsvc.v1 import decision_pb2, unit_pb2, unit_service_pb2
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
Code = grpc.StatusCode
SHOP = "namespaces/default/units/shop"
WEB = "apps/v1 Deployment default/web"
LOST = pb.UnitSimulation(
    unit=SHOP,
    clusters_before=["eu-1", "us-1"],
    clusters_after=["us-1"],
    moves=[
        decision_pb2.Move(cluster="eu-1", before=1, message="it is lost"),
        decision_pb2.Move(cluster="eu-1", workload=WEB, before=6),
        decision_pb2.Move(cluster="us-1", workload=WEB, before=6, after=8, message="the division gives 8 instead of 6"),
    ],
    shortfalls=[decision_pb2.Shortfall(workload=WEB, replicas=4, reason="NoRoom", message="4 of 12 found no place")],
)
MOVED = pb.UnitSimulation(
    unit=SHOP, clusters_before=["eu-1", "us-1"], clusters_after=["eu-1", "us-1"], moves=LOST.moves[2:]
)
NOWHERE = pb.UnitSimulation(
    unit="namespaces/web/units/api",
    clusters_before=["eu-1"],
    moves=[decision_pb2.Move(cluster="eu-1", before=1, message="it is lost")],
    message="none of 1 registered clusters fits",
)


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


@pytest.fixture
def world(server: FakeServer) -> FakeServer:
    server.on("ListUnits", lambda _: unit_service_pb2.ListUnitsResponse(units=[unit_pb2.Unit(name=SHOP)]))
    server.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(units=[LOST], unit_count=3))
    server.on("RebalanceUnits", lambda _: pb.RebalanceUnitsResponse(units=[MOVED], unit_count=1))
    return server


def test_moves_of_several_workloads_are_told_by_name() -> None:
    moves = [
        decision_pb2.Move(cluster="eu-1", after=1, message="it fits and is taken"),
        decision_pb2.Move(cluster="eu-1", workload=WEB, after=2),
        decision_pb2.Move(cluster="eu-1", workload="apps/v1 Deployment default/api", after=1),
        decision_pb2.Move(cluster="far-1", workload=WEB, before=2, after=1),
        decision_pb2.Move(cluster="us-1", after=1, message="it fits and is taken"),
    ]
    assert move_texts(moves) == [
        "eu-1   web 0 -> 2, api 0 -> 1: it fits and is taken",
        "far-1  web 2 -> 1",
        "us-1   comes: it fits and is taken",
    ]


# --- simulate -------------------------------------------------------------------------------------------------------


def test_a_simulation_tells_moves_and_what_finds_no_place(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("simulate", "--lose-region", "eu")

    assert result.exit_code == 1
    assert lines(result) == [
        "UNIT           BEFORE      AFTER   MOVES   SHORT",
        "default/shop   eu-1,us-1   us-1    2       4",
        "",
        "default/shop",
        "  eu-1  6 -> 0: it is lost",
        "  us-1  6 -> 8",
        "  4 of 12 found no place",
        "1 of 3 units would move; 4 replicas would find no place",
    ]
    assert world.requests("SimulatePlacement")[0] == pb.SimulatePlacementRequest(
        lost_regions=["eu"], replicas_percent=100
    )


def test_all_that_can_be_supposed_is_sent(fedctl: Run, world: FakeServer) -> None:
    fedctl(
        *("simulate", "shop", "web/api", "unit/x", "--replicas", "200", "--placement", "everywhere"),
        *("--lose-cluster", "eu-1", "--lose-cluster", "clusters/eu-2", "--lose-zone", "z", "--lose-provider", "aws"),
        *("--add", "us-1", "--add", "us-2", "--count", "3", "--add-region", "ap"),
    )

    assert world.requests("SimulatePlacement")[0] == pb.SimulatePlacementRequest(
        units=[SHOP, "namespaces/web/units/api", "namespaces/default/units/x"],
        lost_clusters=["eu-1", "eu-2"],
        lost_zones=["z"],
        lost_providers=["aws"],
        added_clusters=[pb.AddedClusters(like=like, count=3, region="ap") for like in ("us-1", "us-2")],
        replicas_percent=200,
        placement_policy="everywhere",
    )


def test_where_everything_finds_its_place_the_exit_code_is_0(fedctl: Run, world: FakeServer) -> None:
    world.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(unit_count=1))
    result = fedctl("simulate")

    assert (result.exit_code, lines(result)) == (0, ["0 of 1 unit would move; everything finds its place"])


def test_a_unit_that_would_be_nowhere_is_no_success(fedctl: Run, world: FakeServer) -> None:
    world.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(units=[NOWHERE, MOVED], unit_count=2))
    result = fedctl("simulate", "--lose-cluster", "eu-1")

    assert result.exit_code == 1
    assert lines(result)[-6:] == [
        "web/api",
        "  eu-1  goes: it is lost",
        "  on no cluster: none of 1 registered clusters fits",
        "default/shop",
        "  us-1  6 -> 8",
        "2 of 2 units would move; 1 unit would be on no cluster",
    ]


def test_minimums_that_are_not_met_are_not_replicas_without_a_place(fedctl: Run, world: FakeServer) -> None:
    below = pb.UnitSimulation(
        unit=SHOP,
        clusters_before=["eu-1"],
        clusters_after=["eu-1"],
        shortfalls=[
            decision_pb2.Shortfall(
                workload=WEB, replicas=2, reason="MinimumsNotMet", message="eu-1 has 0 of at least 2"
            )
        ],
    )
    world.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(units=[below], unit_count=1))
    result = fedctl("simulate")

    assert result.exit_code == 1
    assert lines(result)[-2:] == [
        "default/shop: eu-1 has 0 of at least 2",
        "0 of 1 unit would move; minimums would lack 2 replicas",
    ]


def test_of_a_large_fleet_the_first_are_shown_and_the_rest_is_counted(fedctl: Run, world: FakeServer) -> None:
    units = []
    for number in range(60):
        unit = pb.UnitSimulation()
        unit.CopyFrom(LOST)
        unit.unit = f"namespaces/default/units/u{number:02}"
        units.append(unit)
    world.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(units=units, unit_count=10_000))
    shown = lines(fedctl("simulate", "--lose-region", "eu"))

    assert shown[50].startswith("default/u49 ")
    assert shown[51:53] == ["... and 10 more: -o json has them all", ""]
    assert shown[53] == "120 moves: -o json tells each, and why"
    assert len(shown) == 76, "no move by itself, and 20 of what finds no place"
    assert shown[-2:] == [
        "... and 40 more of these",
        "60 of 10000 units would move; 240 replicas would find no place",
    ]


def test_wide_shows_the_room_that_would_be_left(fedctl: Run, world: FakeServer) -> None:
    room = pb.ClusterRoom(cluster="us-1", cpu_millicores=1500, memory_bytes=2**33, pods=88)
    world.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(unit_count=1, room=[room]))

    assert lines(fedctl("simulate", "-o", "wide"))[1:] == [
        "",
        "CLUSTER   CPU LEFT   MEMORY LEFT   PODS LEFT",
        "us-1      1.5        8Gi           88",
    ]


@pytest.mark.parametrize("output", ["json", "yaml"])
@pytest.mark.parametrize(("words", "code"), [(("simulate",), 1), (("rebalance", "shop", "--dry-run"), 0)])
def test_what_would_be_is_printed_as_a_document(
    fedctl: Run, world: FakeServer, output: str, words: tuple[str, ...], code: int
) -> None:
    result = fedctl(*words, "-o", output)
    document = json.loads(result.stdout) if output == "json" else yaml.safe_load(result.stdout)

    assert result.exit_code == code
    assert document["units"][0]["unit"] == SHOP
    assert document["units"][0]["clustersBefore"] == ["eu-1", "us-1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--count", "2"), "--count and --add-region say more of --add CLUSTER, which is missing"),
        (("--add-region", "eu"), "--count and --add-region say more of --add CLUSTER, which is missing"),
        (("--replicas", "0"), "0 is not in the range 1<=x<=10000"),
        (("--add", "a", "--count", "0"), "0 is not in the range 1<=x<=1000"),
    ],
    ids=" ".join,
)
def test_wrong_flags_of_a_simulation_are_refused(
    fedctl: Run, world: FakeServer, words: tuple[str, ...], message: str
) -> None:
    result = fedctl("simulate", *words)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not world.asked


def test_names_the_server_does_not_know_are_told_in_its_words(fedctl: Run, world: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        fields = [("lost_regions[0]", "there is no region 'mars'; there are: eu, us")]
        raise RefusalError(Code.INVALID_ARGUMENT, "FIELD_INVALID", "x", fields=fields)

    world.on("SimulatePlacement", refuse)
    result = fedctl("simulate", "--lose-region", "mars")

    assert result.exit_code == 1
    assert result.stderr == "error: lost_regions[0]: there is no region 'mars'; there are: eu, us\n"


# --- rebalance ------------------------------------------------------------------------------------------------------


def asked(world: FakeServer) -> list[tuple[list[str], bool]]:
    return [(list(request.units), request.validate_only) for request in world.requests("RebalanceUnits")]


def test_a_dry_run_only_shows(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("rebalance", "shop", "--dry-run")

    assert result.exit_code == 0
    assert lines(result) == [
        "UNIT           BEFORE      AFTER       MOVES   SHORT",
        "default/shop   eu-1,us-1   eu-1,us-1   1       -",
        "",
        "default/shop",
        "  us-1  6 -> 8",
        "1 of 1 unit would move; everything finds its place",
    ]
    assert asked(world) == [([SHOP], True)]


def test_whoever_is_sure_is_not_asked(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("rebalance", "--all", "--yes")

    assert (result.exit_code, result.stderr) == (0, "1 unit is being moved\n")
    assert asked(world) == [(["namespaces/-/units/-"], True), (["namespaces/-/units/-"], False)]
    assert world.requests("RebalanceUnits")[1].request_id


@pytest.mark.parametrize(("answer", "code", "calls"), [("y\n", 0, 2), ("n\n", 1, 1), ("", 1, 1)], ids=repr)
@pytest.mark.parametrize("output", ["table", "json"])
def test_a_person_is_asked_and_nothing_moves_without_a_yes(
    fedctl: Run, world: FakeServer, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, calls: int, output: str
) -> None:
    monkeypatch.setattr("fedctl.commands.rebalance.can_answer", lambda: True)
    result = fedctl("rebalance", "shop", "-o", output, stdin=answer)

    assert result.exit_code == code
    assert "Move them? [y/N]" in result.stderr
    assert len(asked(world)) == calls
    if output == "json":
        assert "1 unit would move" in result.stderr
        assert (json.loads(result.stdout)["unitCount"] == 1) if code == 0 else not result.stdout


def test_where_nobody_can_be_asked_nothing_moves(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("rebalance", "shop")

    assert result.exit_code == 1
    assert "error: nothing was moved: say --yes to move without being asked" in result.stderr
    assert asked(world) == [([SHOP], True)]


def test_where_nothing_would_move_nobody_is_asked(fedctl: Run, world: FakeServer) -> None:
    world.on("RebalanceUnits", lambda _: pb.RebalanceUnitsResponse(unit_count=2))
    result = fedctl("rebalance", "--all")

    assert (result.exit_code, lines(result)) == (0, ["0 of 2 units would move; everything finds its place"])
    assert len(asked(world)) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [((), "say which units, or --all"), (("shop", "--all"), "--all means all units: name none")],
    ids=["none", "both"],
)
def test_a_rebalancing_says_which_units(fedctl: Run, world: FakeServer, words: tuple[str, ...], message: str) -> None:
    result = fedctl("rebalance", *words)

    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")
    assert not world.asked


@pytest.mark.parametrize("command", ["simulate", "rebalance"])
def test_units_that_are_not_there_are_told_with_what_is_near(fedctl: Run, world: FakeServer, command: str) -> None:
    def refuse(_: Any) -> Any:
        metadata = {"name": "namespaces/default/units/shpo"}
        raise RefusalError(Code.NOT_FOUND, "NOT_FOUND", "does not exist", metadata=metadata)

    world.on("SimulatePlacement", refuse)
    world.on("RebalanceUnits", refuse)
    result = fedctl(command, "shop", "shpo")

    assert result.exit_code == 3
    assert result.stderr == "error: there is no unit 'shpo' in namespace 'default'\nDid you mean shop?\n"
