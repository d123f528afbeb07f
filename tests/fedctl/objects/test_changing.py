"""`fedctl label`, `taint`, `cordon`, `set`, `score` and `maintenance` of clusters."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from fedctl.costs import price_text, read_price
from fedctl.output.views import CORDON_KEY, MAINTENANCE_KEY, cluster_state
from fedsvc.v1 import cluster_pb2, cluster_service_pb2
from fedsvc_client.testing import FakeServer, RefusalError
from fedsvc_placement import CORDON_TAINT, MAINTENANCE_TAINT

Run = Callable[..., Result]
Code = grpc.StatusCode
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def ago(**span: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOW - dt.timedelta(**span))
    return stamp


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def test_labels_are_set_and_removed_under_the_etag(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("label", "cluster", "eu-1", "tier=prod", "region-")
    assert lines(result) == ["cluster/eu-1 labeled: tier=prod"]
    (request,) = world.requests("UpdateCluster")
    assert (list(request.update_mask.paths), request.cluster.etag) == (["labels"], "7")
    refused = fedctl("label", "cluster/eu-1", "region=us")
    assert refused.exit_code == 2
    assert "--overwrite changes it" in refused.stderr


def test_a_label_is_tried_again_where_somebody_was_faster(fedctl: Run, world: FakeServer) -> None:
    left = [RefusalError(Code.ABORTED, "ETAG_MISMATCH", "changed")]

    def update(request: Any) -> Any:
        if left:
            raise left.pop()
        return cluster_service_pb2.UpdateClusterResponse(cluster=request.cluster)

    world.on("UpdateCluster", update)
    assert fedctl("label", "cluster", "eu-1", "a=b").exit_code == 0
    assert len(world.requests("GetCluster")) == 2


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("taint", "cluster", "eu-1", "down=yes:NoExecute"), "cluster/eu-1 tainted: down=yes:NoExecute"),
        (("taint", "cluster", "us-1", "fedsvc.io/cordoned-"), "cluster/us-1 tainted: no taints"),
        (("cordon", "eu-1"), "cluster/eu-1 cordoned"),
        (("cordon", "us-1"), "cluster/us-1 already cordoned"),
        (("uncordon", "us-1"), "cluster/us-1 uncordoned"),
        (("uncordon", "eu-1"), "cluster/eu-1 already uncordoned"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_taints_are_set_and_removed(fedctl: Run, world: FakeServer, words: tuple[str, ...], shown: str) -> None:
    assert lines(fedctl(*words)) == [shown]


@pytest.mark.parametrize(
    ("changes", "shown", "mask", "cost"),
    [
        (("jurisdiction=CH",), "jurisdiction CH", ["jurisdiction"], (31_000, 4_000)),
        (("cost-core=0.05",), "cost 0.05/0.004", ["cost"], (50_000, 4_000)),
        (("cost-gib=0",), "cost 0.031/0", ["cost"], (31_000, 0)),
        (
            ("cost-gib=1", "jurisdiction-"),
            "jurisdiction unknown, cost 0.031/1",
            ["jurisdiction", "cost"],
            (31_000, 10**6),
        ),
        (("cost-",), "cost unknown", ["cost"], None),
    ],
    ids=["jurisdiction", "core", "gib-0", "both", "cost-"],
)
def test_jurisdiction_and_cost_are_set_and_taken_away(
    fedctl: Run,
    world: FakeServer,
    changes: tuple[str, ...],
    shown: str,
    mask: list[str],
    cost: tuple[int, int] | None,
) -> None:
    assert lines(fedctl("set", "cluster", "eu-1", *changes)) == [f"cluster/eu-1 set: {shown}"]
    (request,) = world.requests("UpdateCluster")
    assert (list(request.update_mask.paths), request.cluster.etag) == (mask, "7")
    found = request.cluster.cost
    assert request.cluster.HasField("cost") == (cost is not None)
    assert (found.micros_per_core, found.micros_per_gib) == (cost or (0, 0))


def test_a_price_of_nothing_is_a_price(fedctl: Run, world: FakeServer) -> None:
    assert lines(fedctl("set", "cluster/us-1", "cost-core=0", "cost-gib=0")) == ["cluster/us-1 set: cost 0/0"]
    assert world.requests("UpdateCluster")[0].cluster.HasField("cost")
    assert lines(fedctl("set", "cluster", "us-1", "jurisdiction-")) == ["cluster/us-1 unchanged"]


def test_scores_are_set_for_a_while_and_others_stay(fedctl: Run, world: FakeServer, now: Any) -> None:
    result = fedctl("score", "eu-1", "carbon=-20", "green=7", "old-", "--for", "1h")
    assert lines(result) == ["cluster/eu-1 scored: carbon=-20 (60m left), green=7 (60m left), latency=-5"]
    (request,) = world.requests("UpdateCluster")
    assert (list(request.update_mask.paths), request.cluster.etag) == (["scores"], "7")
    until = {entry.name: entry.valid_until for entry in request.cluster.scores if entry.HasField("valid_until")}
    assert until == {"carbon": ago(hours=-1), "green": ago(hours=-1)}
    assert lines(fedctl("score", "cluster/us-1", "carbon=3")) == ["cluster/us-1 scored: carbon=3"]
    assert lines(fedctl("score", "us-1", "carbon-")) == ["cluster/us-1 unchanged"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("set", "cluster", "eu-1", "cost-core=cheap"),
            "cost-core 'cheap': write a price by the hour from 0 to 1000000",
        ),
        (("set", "cluster", "eu-1", "cost-gib=-1"), "cost-gib '-1': write a price by the hour from 0 to 1000000"),
        (("set", "cluster", "eu-1", "cost-gib=NaN"), "cost-gib 'NaN': write a price by the hour"),
        (("set", "cluster", "eu-1", "cost-gib=1e9"), "cost-gib '1e9': write a price by the hour"),
        (("set", "cluster", "eu-1", "cost-gib=0.0000001"), "at most six digits after the point"),
        (("set", "cluster", "eu-1", "region=eu"), "'region=eu': write one of jurisdiction=VALUE, cost-core=VALUE"),
        (("set", "cluster", "eu-1", "cost-core-"), "'cost-core-': write one of"),
        (("set", "cluster", "eu-1", "cost-", "cost-core=1"), "cost cannot be set and taken away at once"),
        (("set", "cluster", "eu-1"), "write:  fedctl set cluster NAME KEY=VALUE"),
        (("score", "eu-1", "carbon=high"), "'carbon=high': a score is a whole number from -100 to 100"),
        (("score", "eu-1", "carbon"), "'carbon': write SCORE=VALUE to set a score, SCORE- to remove it"),
        (("score", "eu-1", "carbon-", "--for", "1h"), "--for is how long a score counts that is set"),
        (("score", "eu-1", "carbon=1", "--for", "0"), "--for is how long a score counts that is set"),
        (("maintenance", "eu-1"), "say --announce, --on or --off"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_set_is_told_by_what_can(
    fedctl: Run, world: FakeServer, words: tuple[str, ...], told: str
) -> None:
    result = fedctl(*words)
    assert told in result.stderr
    assert result.exit_code == 2
    assert not world.requests("UpdateCluster")


MAINTAINED = {
    "": [],
    "announced": [cluster_pb2.Taint(key=MAINTENANCE_KEY, effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)],
    "on": [cluster_pb2.Taint(key=MAINTENANCE_KEY, effect=cluster_pb2.TAINT_EFFECT_NO_EXECUTE)],
}


@pytest.mark.parametrize(
    ("before", "option", "shown", "after"),
    [
        ("", "--announce", "announced", "announced"),
        ("", "--on", "on", "on"),
        ("announced", "--on", "on", "on"),
        ("on", "--on", "already on", None),
        ("on", "--announce", "announced", "announced"),
        ("on", "--off", "off", ""),
        ("", "--off", "already off", None),
    ],
)
def test_maintenance_is_one_taint_that_goes_as_it_came(
    fedctl: Run, world: FakeServer, before: str, option: str, shown: str, after: str | None
) -> None:
    other = cluster_pb2.Taint(key="disk", value="slow", effect=cluster_pb2.TAINT_EFFECT_NO_EXECUTE)
    cluster = cluster_pb2.Cluster(name="clusters/eu-1", etag="7", taints=[other, *MAINTAINED[before]])
    world.on("GetCluster", lambda _: cluster_service_pb2.GetClusterResponse(cluster=cluster))
    assert lines(fedctl("maintenance", "eu-1", option)) == [f"cluster/eu-1 maintenance {shown}"]
    sent = [list(request.cluster.taints) for request in world.requests("UpdateCluster")]
    assert sent == ([] if after is None else [[other, *MAINTAINED[after]]])


def test_the_state_says_what_keeps_units_away(eu: cluster_pb2.Cluster) -> None:
    cordoned = cluster_pb2.Taint(key=CORDON_KEY, effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)
    cluster = cluster_pb2.Cluster(taints=[*MAINTAINED["announced"], cordoned], status=eu.status)
    assert cluster_state(cluster) == "Ready,Cordoned,Maintenance"


def test_the_keys_of_taints_are_those_of_placement() -> None:
    assert (CORDON_KEY, MAINTENANCE_KEY) == (CORDON_TAINT, MAINTENANCE_TAINT)


@given(st.integers(0, 10**12))
def test_a_price_is_read_as_it_was_written(micros: int) -> None:
    assert read_price(price_text(micros), "price") == micros
