"""`fedctl status`, and what `describe` and `wait` make of the same unit."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import (
    common_pb2,
    resource_pb2,
    resource_service_pb2,
    unit_pb2,
    unit_service_pb2,
    watch_service_pb2,
)
from fedsvc_client.testing import FakeServer

Run = Callable[..., Result]
TRUE, FALSE = common_pb2.CONDITION_STATUS_TRUE, common_pb2.CONDITION_STATUS_FALSE
UNKNOWN = common_pb2.CONDITION_STATUS_UNKNOWN
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def ago(**span: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOW - dt.timedelta(**span))
    return stamp


def condition(kind: str, status: common_pb2.ConditionStatus.ValueType, message: str = "") -> common_pb2.Condition:
    return common_pb2.Condition(type=kind, status=status, reason=f"{kind}Reason", message=message)


SILENT = unit_pb2.Unit(
    name="namespaces/default/units/shop",
    revision=4,
    create_time=ago(hours=2),
    status=unit_pb2.UnitStatus(
        state=unit_pb2.UNIT_STATE_DEGRADED,
        conditions=[
            condition("Applied", TRUE),
            condition("Ready", UNKNOWN, "1 of 1 clusters is not heard: us-1 (MemberUnreachable)"),
            condition("Heard", FALSE, "1 of 1 clusters is not heard: us-1 (MemberUnreachable)"),
        ],
        clusters=[
            unit_pb2.UnitClusterStatus(
                cluster="us-1",
                state=unit_pb2.WORK_STATE_UNKNOWN,
                reason="MemberUnreachable",
                message="the cluster does not answer (refused)",
                work_count=3,
                applied_work_count=3,
                healthy_work_count=3,
                desired_replicas=2,
                ready_replicas=2,
                update_time=ago(seconds=30),
                last_heard_time=ago(minutes=5),
            )
        ],
        observed_revision=4,
        desired_replicas=2,
        ready_replicas=2,
    ),
)


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def test_the_status_of_a_unit_has_a_line_a_cluster_and_an_exit_code(fedctl: Run, world: FakeServer, now: Any) -> None:
    result = fedctl("status", "shop")
    assert result.exit_code == 1
    assert lines(result) == [
        "unit default/shop: Degraded, 4/6 replicas ready, revision 4",
        "  Ready: 1 of 2 clusters is not as it should be",
        "",
        "CLUSTER   STATE    READY   APPLIED   HEALTHY   REVISION   AGE   REASON",
        "eu-1      Ready    4/4     3/3       3/3       -          5m    -",
        "us-1      Failed   0/2     2/3       2/3       -          30s   Forbidden",
        'us-1: deployments.apps is forbidden: User "x" cannot patch resource "deployments"',
    ]


@pytest.mark.parametrize("words", [("status", "shop"), ("describe", "unit", "shop")], ids=" ".join)
def test_numbers_of_a_cluster_that_is_not_heard_are_marked_with_their_age(
    fedctl: Run, world: FakeServer, now: Any, words: tuple[str, ...]
) -> None:
    world.on("GetUnitStatus", lambda _: unit_service_pb2.GetUnitStatusResponse(unit=SILENT))
    shown = fedctl(*words).stdout
    assert "us-1      Unknown   2/2*    3/3       3/3*      -          30s   MemberUnreachable" in shown
    assert "* as last heard: us-1 5m ago\nus-1: the cluster does not answer (refused)\n" in shown
    assert "2/2* " in shown.partition("CLUSTER ")[0]
    assert not world.requests("ListClusters")  # the server tells


def test_a_status_is_followed_until_the_unit_is_gone(
    fedctl: Run, world: FakeServer, shop: unit_pb2.Unit, now: Any
) -> None:
    older, healed = unit_pb2.Unit(), unit_pb2.Unit()
    older.CopyFrom(shop)
    older.status.clusters[1].update_time.CopyFrom(ago(minutes=9))
    healed.CopyFrom(shop)
    healed.status.state = unit_pb2.UNIT_STATE_READY
    answers = [shop, shop, older, healed]  # the first is shown, the second found when the watch begins
    world.on("GetUnitStatus", lambda _: unit_service_pb2.GetUnitStatusResponse(unit=answers.pop(0)))

    def change(kind: watch_service_pb2.ChangeType.ValueType) -> watch_service_pb2.WatchChange:
        return watch_service_pb2.WatchChange(
            type=kind,
            name=shop.name,
            unit=shop if kind == watch_service_pb2.CHANGE_TYPE_UPSERTED else None,
            kind=watch_service_pb2.WATCH_KIND_UNIT,
        )

    def stream(_: Any) -> Any:
        for _ in range(3):
            yield watch_service_pb2.WatchResponse(changes=[change(watch_service_pb2.CHANGE_TYPE_UPSERTED)])
        yield watch_service_pb2.WatchResponse(changes=[change(watch_service_pb2.CHANGE_TYPE_DELETED)])

    world.on("Watch", stream)
    result = fedctl("status", "shop", "-w")
    assert [line for line in lines(result) if line.startswith("unit ")] == [
        "unit default/shop: Degraded, 4/6 replicas ready, revision 4",
        "unit default/shop: Ready, 4/6 replicas ready, revision 4",
    ]
    assert (result.exit_code, result.stderr) == (3, "error: unit default/shop is gone\n")
    assert world.requests("Watch")[0].name == shop.name


def test_a_unit_with_a_cluster_that_is_not_heard_is_neither_well_nor_ready(fedctl: Run, world: FakeServer) -> None:
    world.on("GetUnitStatus", lambda _: unit_service_pb2.GetUnitStatusResponse(unit=SILENT))
    change = watch_service_pb2.WatchChange(
        type=watch_service_pb2.CHANGE_TYPE_UPSERTED,
        name=SILENT.name,
        unit=SILENT,
        kind=watch_service_pb2.WATCH_KIND_UNIT,
    )
    over = threading.Event()

    def stream(_: Any) -> Any:
        yield watch_service_pb2.WatchResponse(changes=[change], resume_token="u2")
        over.wait(10)

    world.on("Watch", stream)
    assert fedctl("status", "shop").exit_code == 1
    document = json.loads(fedctl("status", "shop", "-o", "json").stdout)
    assert document["clusters"][0]["state"] == "Unknown"
    assert document["clusters"][0]["lastHeardTime"]
    waited = fedctl("wait", "--for=ready", "shop", "--timeout", "0.5s")
    assert waited.exit_code == 5
    why = "it is Degraded; on us-1: the cluster does not answer (refused) (MemberUnreachable)"
    assert waited.stderr.splitlines() == [
        f"waiting until shop is ready: {why}",
        f"error: unit default/shop is not ready after 0.5 s: {why}",
    ]
    assert fedctl("wait", "--for=applied", "shop", "--timeout", "10s").stdout == "unit/default/shop is applied\n"
    over.set()


def test_why_a_work_failed_is_told_once_by_status_and_once_by_the_conditions(
    fedctl: Run, world: FakeServer, shop: unit_pb2.Unit
) -> None:
    unit = unit_pb2.Unit()
    unit.CopyFrom(shop)
    message = "5 of 6 works are applied; us-1: v1 Secret default/x is Failed (may not patch)"
    del unit.status.conditions[:]
    unit.status.conditions.extend([condition("Applied", FALSE, message), condition("Ready", FALSE, message)])
    unit.status.clusters[1].message = "v1 Secret default/x: may not patch"
    world.on("GetUnitStatus", lambda _: unit_service_pb2.GetUnitStatusResponse(unit=unit))
    shown = lines(fedctl("status", "shop"))
    assert shown[1] == "  Applied, Ready: 5 of 6 works are applied; us-1: v1 Secret default/x is Failed"
    assert shown[-1] == "us-1: v1 Secret default/x: may not patch"
    described = lines(fedctl("describe", "unit", "shop"))
    assert f"  Applied           False    AppliedReason: {message}" in described
    assert "  Ready             False    ReadyReason: see Applied" in described


def test_describe_tells_why_in_the_words_of_the_member(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("describe", "unit/shop")
    assert result.exit_code == 0
    assert "  us-1  Deployment default/web  (work 42): Failed" in lines(result)
    assert '    Forbidden: deployments.apps is forbidden: User "x" cannot patch resource "deployments"' in lines(result)
    assert "    failed 3 times" in lines(result)
    assert "  ap-1  not chosen labels do not match tier=prod" in lines(result)
    assert "  eu-1  chosen     matches the policy" in lines(result)
    assert "ApplyFailed" in result.stdout


def deployment_of(cluster: str, ready: int, *, silent: bool = False) -> resource_pb2.Work:
    return resource_pb2.Work(
        name=f"works/{ready}",
        unit=SILENT.name,
        cluster=cluster,
        ref=DEPLOYMENT,
        state=unit_pb2.WORK_STATE_APPLIED,
        health="Healthy",
        observed_status_json=json.dumps({"replicas": 3, "readyReplicas": ready, "generation": 2}).encode(),
        silence_reason="MemberUnreachable" if silent else "",
        last_heard_time=ago(minutes=5) if silent else None,
    )


DEPLOYMENT = common_pb2.ManifestRef(api_version="apps/v1", kind="Deployment", namespace="default", name="web")


@pytest.fixture
def deployed(world: FakeServer) -> FakeServer:
    """A Deployment on eu-1, which is heard, and us-1, which is not."""
    resource = resource_pb2.FederatedResource(
        name=f"{SILENT.name}/resources/7",
        ref=DEPLOYMENT,
        aggregated_status_json=b'{"replicas":6,"readyReplicas":5,"allObserved":true,"generation":4}',
        health="Healthy",
        work_count=2,
        applied_work_count=2,
        silent_clusters=["us-1"],
    )
    works = [deployment_of("eu-1", 3), deployment_of("us-1", 2, silent=True)]
    world.on("ListResources", lambda _: resource_service_pb2.ListResourcesResponse(resources=[resource]))
    world.on("GetResource", lambda _: resource_service_pb2.GetResourceResponse(resource=resource, works=works))
    return world


@pytest.mark.parametrize("name", ["Deployment/web", "deployment/web", "web", "default/web", "7"])
def test_the_status_of_a_resource_has_each_clusters_value_and_the_sum(
    fedctl: Run, deployed: FakeServer, now: Any, name: str
) -> None:
    result = fedctl("status", "shop", "--resource", name)
    assert lines(result) == [
        "apps/v1 Deployment default/web: Healthy, applied on 2 of 2 clusters, revision 4 not known to be observed by all",
        "",
        "CLUSTER   STATE      HEALTH     REPLICAS   READY REPLICAS",
        "eu-1      Applied    Healthy    3          3",
        "us-1      Applied*   Healthy*   3*         2*",
        "(all)     -          Healthy    6*         5*",
        "* as last heard: us-1 5m ago",
    ]
    assert result.exit_code == 1


def test_the_status_of_a_resource_as_a_document_tells_how_old_each_value_is(
    fedctl: Run, deployed: FakeServer, now: Any
) -> None:
    document = json.loads(fedctl("status", "shop", "--resource", "web", "-o", "json").stdout)
    assert document["status"]["readyReplicas"] == 5
    assert document["silentClusters"] == ["us-1"]
    eu, us = document["clusters"]
    assert (eu["status"]["readyReplicas"], "silenceReason" in eu) == (3, False)
    assert (us["status"]["readyReplicas"], us["silenceReason"]) == (2, "MemberUnreachable")
    assert us["lastHeardTime"] == "2026-11-24T11:55:00Z"


def test_a_resource_that_a_unit_has_not_is_told_with_those_it_has(fedctl: Run, deployed: FakeServer) -> None:
    result = fedctl("status", "shop", "--resource", "Service/web")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == "There are: Deployment/web"


def test_resources_of_clusters_that_are_not_heard_are_marked(fedctl: Run, deployed: FakeServer) -> None:
    result = fedctl("get", "resources")
    assert "Deployment   default     web    2/2       Healthy*" in result.stdout
    assert result.stderr == "* as last heard: us-1 is not heard now\n"
