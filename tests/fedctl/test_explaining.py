"""`fedctl explain`."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import yaml
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import decision_pb2, unit_pb2, unit_service_pb2
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


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


@pytest.fixture
def world(server: FakeServer) -> FakeServer:
    server.on("ExplainPlacement", lambda _: EXPLAINED)
    server.on("ListUnits", lambda _: unit_service_pb2.ListUnitsResponse(units=[unit_pb2.Unit(name=SHOP)]))
    server.on("GetUnit", lambda _: unit_service_pb2.GetUnitResponse(unit=unit_pb2.Unit(name=SHOP)))
    return server


def missing(_: Any) -> Any:
    raise RefusalError(Code.NOT_FOUND, "NOT_FOUND", "does not exist", metadata={"name": "x"})


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
        "ap-10  not chosen  LabelsDoNotMatch: label tier is missing; also Tainted: taint gpu:NoSchedule",
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


ONE = decision_pb2.Decision(
    name=f"decisions/{ID}",
    unit=SHOP,
    revision=4,
    create_time=FIVE_MINUTES_AGO,
    clusters=[DECISION.clusters[1]],
    record_json=json.dumps({"clusters": [{"cluster": "eu-1"}]}).encode(),
)
OF_ONE = [
    "eu-1: chosen (Taken): in affinity group all; stays",
    "rule Selection: met (LabelsMatch): its labels match",
    "rule NoSchedule: not met (NoTaints)",
    "score: 40 in all, place 1 of 2 that fit",
    "score Distance: 40: 0 ms to eu",
    f"room {WEB}: for 9 replicas; it gets 8, which leaves room for 1",
    f"division {WEB}: 10 replicas over all clusters, from the template",
    f"division {WEB}: 8 replicas here: weight 8",
    "move: nothing changes here",
    "unit: affinity group all is used",
]


@pytest.mark.parametrize("cluster", ["eu-1", "clusters/eu-1"])
def test_of_one_cluster_all_is_told_by_subject(fedctl: Run, world: FakeServer, now: Any, cluster: str) -> None:
    world.on("ExplainPlacement", lambda _: pb.ExplainPlacementResponse(decision=ONE, lines=OF_ONE))

    assert lines(fedctl("explain", "shop", "--cluster", cluster)) == [
        f"unit default/shop, revision 4: decision {ID}, 5m ago",
        "",
        "eu-1             chosen      Taken: in affinity group all; stays",
        "rule Selection   met LabelsMatch: its labels match",
        "rule NoSchedule  not met NoTaints",
        "score            40 in all, place 1 of 2 that fit",
        "score Distance   40: 0 ms to eu",
        "room             for 9 replicas; it gets 8, which leaves room for 1",
        "division         10 replicas over all clusters, from the template",
        "                 8 replicas here: weight 8",
        "move             nothing changes here",
        "",
        "unit: affinity group all is used",
    ]
    assert world.requests("ExplainPlacement")[0].cluster == "eu-1"
    document = json.loads(fedctl("explain", "shop", "--cluster", cluster, "-o", "json").stdout)
    assert [entry["cluster"] for entry in document["clusters"]] == ["eu-1"]
    assert document["record"] == {"clusters": [{"cluster": "eu-1"}]}
    assert document["lines"] == OF_ONE


def test_of_one_cluster_several_workloads_are_told_apart_by_name(fedctl: Run, world: FakeServer) -> None:
    told = [OF_ONE[0], f"division {WEB}: 8 replicas here", "division apps/v1 Deployment default/api: 1 replica here"]
    world.on("ExplainPlacement", lambda _: pb.ExplainPlacementResponse(decision=ONE, lines=told))

    assert lines(fedctl("explain", "shop", "--cluster", "eu-1"))[3:5] == [
        "division web  8 replicas here",
        "division api  1 replica here",
    ]


def test_a_cluster_the_decision_does_not_know_is_told_in_the_words_of_the_server(
    fedctl: Run, world: FakeServer
) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(
            Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", "the decision knows no cluster 'mars'; it knows: a"
        )

    world.on("ExplainPlacement", refuse)
    result = fedctl("explain", "shop", "--cluster", "mars")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "the decision knows no cluster 'mars'; it knows: a" in result.stderr


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
