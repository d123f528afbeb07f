"""`fedctl explain`, `simulate`, `rebalance`, and the fleet settings."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import yaml
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import decision_pb2, fleet_pb2, placement_pb2, unit_pb2, unit_service_pb2
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
Code = grpc.StatusCode
SHOP = "namespaces/default/units/shop"
WEB = "apps/v1 Deployment default/web"
ID = "1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77"
FIVE_MINUTES_AGO = Timestamp(seconds=1795521300)  # of NOW in conftest.py

DECISION = decision_pb2.Decision(
    name=f"decisions/{ID}",
    unit=SHOP,
    revision=4,
    create_time=FIVE_MINUTES_AGO,
    inputs_digest="ab" * 32,
    clusters=[
        decision_pb2.ClusterDecision(cluster="ap-10", reasons=["LabelsDoNotMatch: label tier is missing"]),
        decision_pb2.ClusterDecision(cluster="eu-1", chosen=True, bound=True, replicas={WEB: 8}),
        decision_pb2.ClusterDecision(cluster="us-1", chosen=True, replicas={WEB: 2}),
    ],
    shortfalls=[decision_pb2.Shortfall(workload=WEB, replicas=2, reason="NoRoom", message="2 of 12 found no place")],
    moves=[decision_pb2.Move(cluster="us-1", after=1, message="it fits and is taken")],
    record_json=json.dumps({"unit": "default/shop", "clusters": [{"cluster": "ap-10"}, {"cluster": "eu-1"}]}).encode(),
)
EXPLAINED = pb.ExplainPlacementResponse(
    decision=DECISION,
    lines=[
        "ap-10: not chosen (LabelsDoNotMatch): label tier is missing; also (Tainted): taint gpu:NoSchedule",
        f"eu-1: chosen (LabelsMatch): its labels match; {WEB} 8 replicas (weight 8, room 8); stays",
        f"us-1: chosen (LabelsMatch): its labels match; {WEB} 2 replicas (weight 2, room 2); new",
        f"unit: shortfall (NoRoom) of {WEB}: 2 of 12 found no place",
    ],
)
LOST = pb.UnitSimulation(
    unit=SHOP,
    clusters_before=["eu-1", "us-1"],
    clusters_after=["us-1"],
    moves=[
        decision_pb2.Move(cluster="eu-1", before=1, message="it is not registered any more"),
        decision_pb2.Move(cluster="us-1", workload=WEB, before=6, after=8, message="the division gives 8 instead of 6"),
    ],
    shortfalls=[decision_pb2.Shortfall(workload=WEB, replicas=4, reason="NoRoom", message="4 of 12 found no place")],
)
MOVED = pb.UnitSimulation(
    unit=SHOP, clusters_before=["eu-1", "us-1"], clusters_after=["eu-1", "us-1"], moves=LOST.moves[1:]
)
NOWHERE = pb.UnitSimulation(
    unit="namespaces/web/units/api",
    clusters_before=["eu-1"],
    moves=[decision_pb2.Move(cluster="eu-1", before=1, message="it is not registered any more")],
    message="none of 1 registered clusters fits",
)


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


@pytest.fixture
def world(server: FakeServer) -> FakeServer:
    server.on("ExplainPlacement", lambda _: EXPLAINED)
    server.on("ListUnits", lambda _: unit_service_pb2.ListUnitsResponse(units=[unit_pb2.Unit(name=SHOP)]))
    server.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(units=[LOST], unit_count=3))
    server.on("RebalanceUnits", lambda _: pb.RebalanceUnitsResponse(units=[MOVED], unit_count=1))
    return server


def missing(_: Any) -> Any:
    raise RefusalError(Code.NOT_FOUND, "NOT_FOUND", "does not exist", metadata={"name": "x"})


# --- explain --------------------------------------------------------------------------------------------------------


def test_an_explanation_has_a_line_a_cluster_the_chosen_ones_and_the_reason_first(
    fedctl: Run, world: FakeServer, now: Any
) -> None:
    result = fedctl("explain", "shop")

    assert result.exit_code == 0
    assert lines(result) == [
        f"unit default/shop, revision 4: decision {ID}, 5m ago",
        "on 2 of 3 clusters: eu-1, us-1",
        "",
        "eu-1   chosen      LabelsMatch: its labels match; 8 replicas (weight 8, room 8); stays",
        "us-1   chosen      LabelsMatch: its labels match; 2 replicas (weight 2, room 2); new",
        "ap-10  not chosen  LabelsDoNotMatch: label tier is missing; also (Tainted): taint gpu:NoSchedule",
        "",
        f"unit: shortfall (NoRoom) of {WEB}: 2 of 12 found no place",
    ]


@pytest.mark.parametrize(
    "words", [("shop",), ("unit/shop",), ("units/shop",), ("unit", "shop"), ("u", "shop"), ("default/shop",)]
)
def test_a_unit_can_be_named_in_all_ways(fedctl: Run, world: FakeServer, words: tuple[str, ...]) -> None:
    assert fedctl("explain", *words).exit_code == 0
    assert world.requests("ExplainPlacement")[0].unit == SHOP


def test_several_workloads_are_told_apart_by_name(fedctl: Run, world: FakeServer) -> None:
    api = "apps/v1 Deployment default/api"
    entry = decision_pb2.ClusterDecision(cluster="eu-1", chosen=True, replicas={WEB: 8, api: 1})
    line = f"eu-1: chosen (LabelsMatch): its labels match; {api} 1 replica (weight 1); {WEB} 8 replicas (weight 1); new"
    decision = decision_pb2.Decision(unit=SHOP, clusters=[entry])
    world.on("ExplainPlacement", lambda _: pb.ExplainPlacementResponse(decision=decision, lines=[line]))

    assert lines(fedctl("explain", "shop", "--now")) == [
        "unit default/shop, revision 0: as it would be decided now",
        "on 1 of 1 clusters: eu-1",
        "",
        "eu-1  chosen      LabelsMatch: its labels match; api 1 replica (weight 1); web 8 replicas (weight 1); new",
    ]
    assert world.requests("ExplainPlacement")[0].now


def test_a_unit_on_no_cluster_says_why_first(fedctl: Run, world: FakeServer, now: Any) -> None:
    decision = decision_pb2.Decision(
        name=f"decisions/{ID}",
        unit=SHOP,
        create_time=FIVE_MINUTES_AGO,
        reason="NoClusters",
        message="no cluster is registered",
    )
    told = ["unit: no cluster is chosen (NoClusters): no cluster is registered"]
    world.on("ExplainPlacement", lambda _: pb.ExplainPlacementResponse(decision=decision, lines=told))

    assert lines(fedctl("explain", "shop"))[1:] == ["on no cluster: no cluster is registered", ""]


@pytest.mark.parametrize("cluster", ["ap-10", "clusters/ap-10"])
def test_one_cluster_can_be_asked_about(fedctl: Run, world: FakeServer, now: Any, cluster: str) -> None:
    assert lines(fedctl("explain", "shop", "--cluster", cluster)) == [
        f"unit default/shop, revision 4: decision {ID}, 5m ago",
        "",
        "ap-10  not chosen  LabelsDoNotMatch: label tier is missing; also (Tainted): taint gpu:NoSchedule",
    ]
    document = json.loads(fedctl("explain", "shop", "--cluster", cluster, "-o", "json").stdout)
    assert [entry["cluster"] for entry in document["clusters"]] == ["ap-10"]
    assert document["record"]["clusters"] == [{"cluster": "ap-10"}]
    assert document["lines"] == [EXPLAINED.lines[0]]


def test_a_cluster_the_decision_does_not_know_is_refused_with_those_it_knows(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("explain", "shop", "--cluster", "mars")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: the decision knows no cluster 'mars'; it knows: ap-10, eu-1, us-1\n"


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_an_explanation_is_printed_whole_as_a_document(fedctl: Run, world: FakeServer, output: str) -> None:
    text = fedctl("explain", "shop", "-o", output).stdout
    document = json.loads(text) if output == "json" else yaml.safe_load(text)

    assert document["name"] == f"decisions/{ID}"
    assert document["record"] == json.loads(DECISION.record_json)
    assert document["lines"] == list(EXPLAINED.lines)
    assert len(document["clusters"]) == 3
    assert not {"recordJson", "same"} & document.keys()


def test_a_replay_tells_whether_the_same_came_out(fedctl: Run, world: FakeServer) -> None:
    other = fedctl("explain", "shop", "--decision", ID, "--replay")
    same = pb.ExplainPlacementResponse()
    same.CopyFrom(EXPLAINED)
    same.same = True
    world.on("ExplainPlacement", lambda _: same)
    good = fedctl("explain", "shop", "--replay", "-o", "json")

    assert other.exit_code == 1
    assert "warning: deciding again from the inputs that were kept gave another result" in other.stderr
    assert world.requests("ExplainPlacement")[0].decision == f"decisions/{ID}"
    assert good.exit_code == 0
    assert "gave the same, byte for byte" in good.stderr
    assert json.loads(good.stdout)["same"] is True


def test_history_is_a_table_the_newest_first(fedctl: Run, world: FakeServer, now: Any) -> None:
    pages = {"": pb.ListDecisionsResponse(decisions=[DECISION], next_page_token="2")}
    none = decision_pb2.Decision(name=f"decisions/{ID[:-1]}8", revision=3, message="no cluster is registered")
    pages["2"] = pb.ListDecisionsResponse(decisions=[none])
    world.on("ListDecisions", lambda request: pages[request.page_token])

    assert lines(fedctl("explain", "shop", "--history")) == [
        "ID                                     AGE   REVISION   CLUSTERS    MOVES   SHORT   MESSAGE",
        f"{ID}   5m    4          eu-1,us-1   1       2       -",
        f"{ID[:-1]}8   -     3          -           0       -       no cluster is registered",
    ]
    listed = json.loads(fedctl("explain", "shop", "--history", "-o", "json").stdout)
    assert [entry["revision"] for entry in listed] == [4, 3]


def test_a_unit_without_history_says_so(fedctl: Run, world: FakeServer) -> None:
    world.on("ListDecisions", lambda _: pb.ListDecisionsResponse())
    result = fedctl("explain", "shop", "--history")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No decision yet.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--history", "--now"), "--history goes with none of --decision, --now and --replay"),
        (("--history", "--replay"), "--history goes with none of --decision, --now and --replay"),
        (("--history", "--cluster", "a"), "--history lists whole decisions: explain one with --decision ID --cluster"),
        (("--now", "--decision", ID), "--now decides anew: it goes with neither --decision nor --replay"),
        (("--now", "--replay"), "--now decides anew: it goes with neither --decision nor --replay"),
        (("--colour",), "No such option"),
        (("other",), "there is no kind 'shop'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_flags_that_contradict_each_other_are_refused(
    fedctl: Run, world: FakeServer, words: tuple[str, ...], message: str
) -> None:
    result = fedctl("explain", "shop", *words)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not world.asked


def test_two_units_are_not_explained_at_once(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("explain", "unit", "shop", "other")

    assert (result.exit_code, result.stderr) == (2, "error: one unit at a time is explained\n")


def test_a_unit_that_is_not_there_is_told_with_what_is_near(fedctl: Run, world: FakeServer) -> None:
    world.on("ExplainPlacement", missing)
    result = fedctl("explain", "shpo")

    assert result.exit_code == 3
    assert result.stderr == "error: there is no unit 'shpo' in namespace 'default'\nDid you mean shop?\n"


def test_a_decision_that_is_not_there_is_told_in_the_words_of_the_server(fedctl: Run, world: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(Code.NOT_FOUND, "NOT_FOUND", "decisions/x does not exist", metadata={"name": "decisions/x"})

    world.on("ExplainPlacement", refuse)
    result = fedctl("explain", "shop", "--decision", ID)

    assert (result.exit_code, result.stderr) == (3, "error: decisions/x does not exist\n")


def test_a_unit_that_is_not_decided_on_is_a_conflict(fedctl: Run, world: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(Code.FAILED_PRECONDITION, "NOT_DECIDED", f"{SHOP} is not decided on yet")

    world.on("ExplainPlacement", refuse)
    result = fedctl("explain", "shop")

    assert (result.exit_code, result.stderr) == (4, f"error: {SHOP} is not decided on yet\n")


# --- simulate -------------------------------------------------------------------------------------------------------


def test_a_simulation_tells_moves_and_what_finds_no_place(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("simulate", "--lose-region", "eu")

    assert result.exit_code == 1
    assert lines(result) == [
        "UNIT           BEFORE      AFTER   MOVES   SHORT",
        "default/shop   eu-1,us-1   us-1    2       4",
        "",
        "default/shop: eu-1: it is not registered any more",
        "default/shop: us-1 default/web 6 -> 8: the division gives 8 instead of 6",
        "default/shop: 4 of 12 found no place",
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
    assert lines(result)[-2:] == [
        "web/api: on no cluster: none of 1 registered clusters fits",
        "2 of 2 units would move; 1 unit would be on no cluster",
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
    assert len(shown) == 75, "no move by itself, and 20 of what finds no place"
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
        "default/shop: us-1 default/web 6 -> 8: the division gives 8 instead of 6",
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
    monkeypatch.setattr("fedctl.commands.rebalance._can_answer", lambda: True)
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


# --- fleet settings -------------------------------------------------------------------------------------------------

SETTINGS = fleet_pb2.FleetSettings(
    name="fleetSettings",
    spec=fleet_pb2.FleetSettingsSpec(
        distances=[fleet_pb2.RegionDistance(region="eu", other="us", milliseconds=90)],
        datasets=[
            fleet_pb2.Dataset(name="orders", primary="eu-1", copies=[fleet_pb2.DataCopy(cluster="us-1", lag_seconds=0)])
        ],
        headroom=fleet_pb2.Headroom(by=placement_pb2.TOPOLOGY_REGION),
    ),
    update_time=FIVE_MINUTES_AGO,
    etag='"fleet-3"',
)


@pytest.mark.parametrize("words", [("fleetsettings",), ("fs",), ("fleetsettings", "fleet"), ("fs/fleet",)])
def test_fleet_settings_are_shown(
    fedctl: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch, now: Any, words: tuple[str, ...]
) -> None:
    server.on("GetFleetSettings", lambda _: pb.GetFleetSettingsResponse(fleet_settings=SETTINGS))

    (title, row) = lines(fedctl("get", *words))
    assert title.split() == ["NAME", "DISTANCES", "DATASETS", "HEADROOM", "AGE"]
    assert row.split()[1:4] == ["1", "orders", "region"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_fleet_settings_that_are_printed_can_be_applied_again(fedctl: Run, server: FakeServer, output: str) -> None:
    server.on("GetFleetSettings", lambda _: pb.GetFleetSettingsResponse(fleet_settings=SETTINGS))
    server.on(
        "UpdateFleetSettings", lambda request: pb.UpdateFleetSettingsResponse(fleet_settings=request.fleet_settings)
    )
    printed = fedctl("get", "fleetsettings", "fleet", "-o", output).stdout
    result = fedctl("apply", "-f", "-", stdin=printed)

    assert (result.exit_code, lines(result)) == (0, ["fleetsettings/fleet unchanged"])
    (request,) = server.requests("UpdateFleetSettings")
    assert (request.fleet_settings.spec, request.fleet_settings.etag) == (SETTINGS.spec, SETTINGS.etag)
    assert not request.validate_only


DOCUMENT = "apiVersion: fedsvc.io/v1\nkind: FleetSettings\nmetadata: {name: fleet}\nspec: {headroom: {by: region}}\n"


def test_a_dry_run_of_fleet_settings_says_so_with_the_warnings(fedctl: Run, server: FakeServer) -> None:
    answer = pb.UpdateFleetSettingsResponse(changed=True, warnings=["dataset a names clusters that are not registered"])
    server.on("UpdateFleetSettings", lambda _: answer)
    result = fedctl("apply", "-f", "-", "--dry-run", stdin=DOCUMENT)

    assert (result.exit_code, lines(result)) == (0, ["fleetsettings/fleet configured (dry run)"])
    assert "warning: dataset a names clusters that are not registered" in result.stderr
    assert server.requests("UpdateFleetSettings")[0].validate_only


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOCUMENT.replace("fleet}", "two}"), "there is one of them, and its name is fleet"),
        (DOCUMENT.replace("{name: fleet}", "{name: fleet, labels: {a: b}}"), "fleet settings have no labels"),
        (DOCUMENT.replace("by: region", "by: moon"), "moon"),
        (DOCUMENT.replace("headroom", "headrom"), "headroom"),
    ],
    ids=["name", "labels", "word", "field"],
)
def test_wrong_fleet_settings_are_refused_before_they_are_sent(
    fedctl: Run, server: FakeServer, text: str, message: str
) -> None:
    result = fedctl("apply", "-f", "-", stdin=text)

    assert result.exit_code != 0
    assert message in result.stderr
    assert not server.requests("UpdateFleetSettings")


def test_fleet_settings_that_somebody_else_changed_are_a_conflict(fedctl: Run, server: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(Code.ABORTED, "ETAG_MISMATCH", "fleetSettings was changed by somebody else meanwhile")

    server.on("UpdateFleetSettings", refuse)
    result = fedctl("apply", "-f", "-", stdin=DOCUMENT)

    assert result.exit_code == 4
    assert "the fleet settings: fleetSettings was changed by somebody else meanwhile" in result.stderr
