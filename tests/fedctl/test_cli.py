import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from fedctl.costs import price_text, read_price
from fedctl.main import COMMANDS
from fedctl.output.views import CORDON_KEY, MAINTENANCE_KEY, cluster_state
from fedsvc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    common_pb2,
    event_pb2,
    event_service_pb2,
    policy_service_pb2,
    resource_pb2,
    resource_service_pb2,
    server_service_pb2,
    unit_pb2,
    unit_service_pb2,
    watch_service_pb2,
)
from fedsvc_client.testing import FakeServer, RefusalError
from fedsvc_placement import CORDON_TAINT, MAINTENANCE_TAINT

Run = Callable[..., Result]
Code = grpc.StatusCode
TRUE, FALSE = common_pb2.CONDITION_STATUS_TRUE, common_pb2.CONDITION_STATUS_FALSE
UNKNOWN = common_pb2.CONDITION_STATUS_UNKNOWN
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def ago(**span: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOW - dt.timedelta(**span))
    return stamp


def condition(kind: str, status: common_pb2.ConditionStatus.ValueType, message: str = "") -> common_pb2.Condition:
    return common_pb2.Condition(type=kind, status=status, reason=f"{kind}Reason", message=message)


EU = cluster_pb2.Cluster(
    name="clusters/eu-1",
    region="eu",
    zones=["eu-a", "eu-b"],
    provider="aws",
    labels={"region": "eu"},
    create_time=ago(days=3, hours=4),
    etag="7",
    connection=cluster_pb2.ClusterConnection(endpoint="https://eu.example.org"),
    status=cluster_pb2.ClusterStatus(
        conditions=[condition("Reachable", TRUE), condition("Ready", TRUE), condition("CredentialsValid", TRUE)],
        kubernetes_version="v1.36.1",
        node_count=3,
        ready_node_count=3,
        work_count=5,
        allocatable=cluster_pb2.Capacity(cpu_millicores=23500, memory_bytes=96 * 2**30, pods=330),
        last_seen_time=ago(seconds=4),
        free=cluster_pb2.Capacity(cpu_millicores=21500, memory_bytes=90 * 2**30, pods=320),
        free_read_time=ago(seconds=34),
    ),
    jurisdiction="EU",
    cost=cluster_pb2.ClusterCost(micros_per_core=31_000, micros_per_gib=4_000),
    scores=[
        cluster_pb2.ExternalScore(name="carbon", value=40, valid_until=ago(minutes=-45)),
        cluster_pb2.ExternalScore(name="latency", value=-5),
        cluster_pb2.ExternalScore(name="old", value=1, valid_until=ago(minutes=1)),
    ],
)
US = cluster_pb2.Cluster(
    name="clusters/us-1",
    region="us",
    create_time=ago(minutes=3),
    taints=[cluster_pb2.Taint(key="fedsvc.io/cordoned", effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)],
    status=cluster_pb2.ClusterStatus(
        conditions=[
            condition("Reachable", FALSE, "connect to us.example.org:443: refused; it has not answered for 3 minutes"),
            condition("Ready", FALSE, "not reachable"),
        ],
        kubernetes_version="v1.35.0",
        node_count=2,
        work_count=5,
        pending_work_count=2,
    ),
)
SHOP = unit_pb2.Unit(
    name="namespaces/default/units/shop",
    labels={"team": "web"},
    revision=4,
    create_time=ago(hours=2),
    etag="shop-4",
    spec=unit_pb2.UnitSpec(placement_policy="everywhere"),
    status=unit_pb2.UnitStatus(
        state=unit_pb2.UNIT_STATE_DEGRADED,
        conditions=[condition("Placed", TRUE), condition("Ready", FALSE, "1 of 2 clusters is not as it should be")],
        clusters=[
            unit_pb2.UnitClusterStatus(
                cluster="eu-1",
                state=unit_pb2.WORK_STATE_APPLIED,
                work_count=3,
                applied_work_count=3,
                healthy_work_count=3,
                desired_replicas=4,
                ready_replicas=4,
                update_time=ago(minutes=5),
            ),
            unit_pb2.UnitClusterStatus(
                cluster="us-1",
                state=unit_pb2.WORK_STATE_FAILED,
                reason="Forbidden",
                message='deployments.apps is forbidden: User "x" cannot patch resource "deployments"',
                work_count=3,
                applied_work_count=2,
                healthy_work_count=2,
                desired_replicas=2,
                update_time=ago(seconds=30),
            ),
        ],
        observed_revision=4,
        desired_replicas=6,
        ready_replicas=4,
        resource_count=3,
    ),
)
WORK = resource_pb2.Work(
    name="works/42",
    unit=SHOP.name,
    cluster="us-1",
    ref=common_pb2.ManifestRef(api_version="apps/v1", kind="Deployment", namespace="default", name="web"),
    state=unit_pb2.WORK_STATE_FAILED,
    reason="Forbidden",
    message='deployments.apps is forbidden: User "x" cannot patch resource "deployments"',
    attempts=3,
    update_time=ago(seconds=30),
)


def missing(_: Any) -> Any:
    raise RefusalError(Code.NOT_FOUND, "NOT_FOUND", "does not exist", metadata={"name": "x"})


@pytest.fixture
def world(server: FakeServer) -> FakeServer:
    """A server with two clusters, a unit and its works."""
    clusters = {cluster.name: cluster for cluster in (EU, US)}

    def get_cluster(request: Any) -> Any:
        if request.name not in clusters:
            missing(request)
        return cluster_service_pb2.GetClusterResponse(cluster=clusters[request.name])

    def list_units(request: Any) -> Any:
        units = [SHOP] if request.parent in ("namespaces/-", "namespaces/default") else []
        return unit_service_pb2.ListUnitsResponse(units=units, resume_token="u1")

    def get_unit(request: Any) -> Any:
        return unit_service_pb2.GetUnitResponse(unit=SHOP) if request.name == SHOP.name else missing(request)

    def get_status(request: Any) -> Any:
        if request.name != SHOP.name:
            missing(request)
        verdicts = [
            unit_service_pb2.ClusterVerdict(cluster="ap-1", chosen=False, reasons=["labels do not match tier=prod"]),
            unit_service_pb2.ClusterVerdict(cluster="eu-1", chosen=True, reasons=["matches the policy"]),
        ]
        return unit_service_pb2.GetUnitStatusResponse(unit=SHOP, verdicts=verdicts)

    def update(request: Any) -> Any:
        return cluster_service_pb2.UpdateClusterResponse(cluster=request.cluster)

    def apply_unit(request: Any) -> Any:
        outcomes = [
            unit_service_pb2.ResourceOutcome(ref=WORK.ref, outcome=unit_service_pb2.APPLY_OUTCOME_CREATED)
            for _ in request.unit.spec.resources
        ]
        return unit_service_pb2.ApplyUnitResponse(
            unit=request.unit,
            outcome=unit_service_pb2.APPLY_OUTCOME_CREATED,
            resources=outcomes,
            clusters=["eu-1", "us-1"],
            warnings=["cluster ap-9 is not registered"],
        )

    server.on("GetCluster", get_cluster)
    server.on("ListClusters", lambda _: cluster_service_pb2.ListClustersResponse(clusters=[EU, US], resume_token="c1"))
    server.on("UpdateCluster", update)
    server.on("ListUnits", list_units)
    server.on("GetUnit", get_unit)
    server.on("GetUnitStatus", get_status)
    server.on("ApplyUnit", apply_unit)
    server.on("DeleteUnit", lambda _: unit_service_pb2.DeleteUnitResponse(unit=SHOP))
    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(works=[WORK]))
    server.on("ListPlacementPolicies", lambda _: policy_service_pb2.ListPlacementPoliciesResponse())
    server.on("ListOverridePolicies", lambda _: policy_service_pb2.ListOverridePoliciesResponse())
    event = event_pb2.Event(
        name="events/1", subject=SHOP.name, type="Warning", reason="ApplyFailed", message="forbidden", count=2
    )
    server.on("ListEvents", lambda _: event_service_pb2.ListEventsResponse(events=[event]))
    return server


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def test_clusters_are_shown_in_a_table(fedctl: Run, world: FakeServer, now: Any) -> None:
    result = fedctl("get", "clusters")
    assert result.exit_code == 0
    assert lines(result) == [
        "NAME   STATE         REGION   PROVIDER   VERSION   NODES   WORKS   AGE    MESSAGE",
        "eu-1   Ready         eu       aws        v1.36.1   3/3     5/5     3d4h   -",
        (
            "us-1   Unreachable   us       -          v1.35.0   0/2     3/5     3m     connect to us.example.org:443: "
            "refused; it has not answered for 3 minutes"
        ),
    ]


def test_wide_shows_more(fedctl: Run, world: FakeServer, now: Any) -> None:
    result = fedctl("get", "cl", "-o", "wide")
    assert "https://eu.example.org" in lines(result)[1]
    assert "21.5/23.5   90Gi/96Gi" in lines(result)[1]
    assert "fedsvc.io/cordoned:NoSchedule" in lines(result)[2]


def test_the_status_of_a_unit_has_a_line_a_cluster_and_an_exit_code(fedctl: Run, world: FakeServer, now: Any) -> None:
    result = fedctl("status", "shop")
    assert result.exit_code == 1
    assert lines(result) == [
        "unit default/shop: Degraded, 4/6 replicas ready, revision 4",
        "  Ready: 1 of 2 clusters is not as it should be",
        "",
        "CLUSTER   STATE    READY   APPLIED   HEALTHY   AGE   REASON",
        "eu-1      Ready    4/4     3/3       3/3       5m    -",
        "us-1      Failed   0/2     2/3       2/3       30s   Forbidden",
        'us-1: deployments.apps is forbidden: User "x" cannot patch resource "deployments"',
    ]


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


@pytest.mark.parametrize("words", [("status", "shop"), ("describe", "unit", "shop")], ids=" ".join)
def test_numbers_of_a_cluster_that_is_not_heard_are_marked_with_their_age(
    fedctl: Run, world: FakeServer, now: Any, words: tuple[str, ...]
) -> None:
    world.on("GetUnitStatus", lambda _: unit_service_pb2.GetUnitStatusResponse(unit=SILENT))
    shown = fedctl(*words).stdout
    assert "us-1      Unknown   2/2*    3/3       3/3*      30s   MemberUnreachable" in shown
    assert "* as last heard: us-1 5m ago\nus-1: the cluster does not answer (refused)\n" in shown
    assert "2/2* " in shown.partition("CLUSTER ")[0]
    assert not world.requests("ListClusters")  # the server tells


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
    assert "on us-1: the cluster does not answer (refused)" in waited.stderr
    assert fedctl("wait", "--for=applied", "shop", "--timeout", "10s").exit_code == 0
    over.set()


def test_why_a_work_failed_is_told_once_by_status_and_once_by_the_conditions(fedctl: Run, world: FakeServer) -> None:
    unit = unit_pb2.Unit()
    unit.CopyFrom(SHOP)
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


def test_colours_are_for_terminals(fedctl: Run, world: FakeServer) -> None:
    for words in (("status", "shop"), ("describe", "unit", "shop"), ("get", "units,clusters,works")):
        assert "\x1b" not in fedctl(*words, environment={"TERM": "xterm-256color"}).stdout


def test_describe_tells_why_in_the_words_of_the_member(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("describe", "unit/shop")
    assert result.exit_code == 0
    assert "  us-1  Deployment default/web  (work 42): Failed" in lines(result)
    assert '    Forbidden: deployments.apps is forbidden: User "x" cannot patch resource "deployments"' in lines(result)
    assert "    failed 3 times" in lines(result)
    assert "  ap-1  not chosen labels do not match tier=prod" in lines(result)
    assert "  eu-1  chosen     matches the policy" in lines(result)
    assert "ApplyFailed" in result.stdout


@pytest.mark.parametrize("words", [("cluster", "eu-1"), ("work", "42")], ids=" ".join)
def test_describe_knows_other_kinds(fedctl: Run, world: FakeServer, words: tuple[str, ...]) -> None:
    result = fedctl("describe", *words)
    assert result.exit_code == 0
    assert "Forbidden" in result.stdout


def test_a_work_is_found_by_its_number_in_any_namespace(fedctl: Run, world: FakeServer) -> None:
    assert fedctl("describe", "work", "42", "-n", "elsewhere").exit_code == 0
    assert world.requests("ListWorks")[0].parent == "namespaces/-/units/-"


def test_events_of_a_cluster_are_in_no_namespace(fedctl: Run, world: FakeServer) -> None:
    assert fedctl("get", "events", "--cluster", "eu-1").exit_code == 0
    asked = world.requests("ListEvents")[0]
    assert (asked.subject, asked.namespace) == ("clusters/eu-1", "")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("get", "units", "-o", "name"), ["unit/default/shop"]),
        (("get", "clusters", "-o", "name"), ["cluster/eu-1", "cluster/us-1"]),
        (("get", "works", "-o", "name"), ["work/42"]),
        (("get", "clusters,units", "-o", "name"), ["cluster/eu-1", "cluster/us-1", "unit/default/shop"]),
    ],
    ids=" ".join,
)
def test_names_can_be_given_to_other_commands(
    fedctl: Run, world: FakeServer, words: tuple[str, ...], shown: list[str]
) -> None:
    assert lines(fedctl(*words)) == shown


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_documents_are_printed(fedctl: Run, world: FakeServer, output: str) -> None:
    result = fedctl("get", "unit", "shop", "-o", output)
    document = json.loads(result.stdout) if output == "json" else yaml.safe_load(result.stdout)
    assert document["metadata"]["name"] == "shop"
    assert document["spec"] == {"placementPolicy": "everywhere"}
    assert document["status"]["state"] == "Degraded"
    listed = fedctl("get", "clusters", "-o", output).stdout
    items = (json.loads(listed) if output == "json" else yaml.safe_load(listed))["items"]
    assert [item["metadata"]["name"] for item in items] == ["eu-1", "us-1"]
    assert items[0]["status"]["kubernetesVersion"] == "v1.36.1"


def test_following_prints_what_is_there_then_the_changes(fedctl: Run, world: FakeServer, now: Any) -> None:
    changed = cluster_pb2.Cluster(name="clusters/ap-1", region="ap", create_time=ago(seconds=1))
    kind = watch_service_pb2.WATCH_KIND_CLUSTER
    changes = [
        watch_service_pb2.WatchChange(
            type=watch_service_pb2.CHANGE_TYPE_UPSERTED, name=changed.name, cluster=changed, kind=kind
        ),
        watch_service_pb2.WatchChange(type=watch_service_pb2.CHANGE_TYPE_DELETED, name="clusters/us-1", kind=kind),
    ]

    def stream(_: Any) -> Any:
        yield watch_service_pb2.WatchResponse(changes=changes, resume_token="c2")
        raise RefusalError(Code.UNAUTHENTICATED, "UNAUTHENTICATED", "the token has ended")

    world.on("Watch", stream)
    result = fedctl("get", "clusters", "-w")
    shown = lines(result)
    assert shown[0].startswith("NAME   STATE         REGION")
    assert shown[3].startswith("ap-1   Joining       ap       -")
    assert shown[4] == "cluster/us-1 deleted"
    assert world.requests("Watch")[0].resume_token == "c1"
    assert "the token has ended" in result.stderr


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_plain_manifests_become_a_unit(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "new", "--clusters", "eu-1,us-1", "-n", "web", stdin=CONFIG_MAP)
    assert result.exit_code == 0
    assert lines(result) == ["unit/web/new created (1 resource: 1 created) on eu-1, us-1"]
    assert "warning: cluster ap-9 is not registered" in result.stderr
    (request,) = world.requests("ApplyUnit")
    assert request.unit.name == "namespaces/web/units/new"
    assert list(request.unit.spec.placement.clusters.names) == ["eu-1", "us-1"]
    assert json.loads(request.unit.spec.resources[0].json)["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    ("flags", "spec"),
    [
        (("--all-clusters",), {"placement": {"clusterSelector": {}}}),
        (("--selector", "tier=prod"), {"placement": {"clusterSelector": {"matchLabels": {"tier": "prod"}}}}),
        (
            ("-l", "region in (eu, us),!old,tier!=test"),
            {
                "placement": {
                    "clusterSelector": {
                        "matchExpressions": [
                            {"key": "region", "operator": "In", "values": ["eu", "us"]},
                            {"key": "old", "operator": "DoesNotExist"},
                            {"key": "tier", "operator": "NotIn", "values": ["test"]},
                        ]
                    }
                }
            },
        ),
        (("--placement", "everywhere"), {"placementPolicy": "everywhere"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_flags_tell_where_a_unit_runs(
    fedctl: Run, world: FakeServer, flags: tuple[str, ...], spec: dict[str, Any]
) -> None:
    from fedctl.files.convert import write_message  # noqa: PLC0415 - only this test reads a spec back

    result = fedctl("apply", "-f", "-", "--unit", "new", *flags, stdin=CONFIG_MAP)
    assert result.exit_code == 0
    sent = write_message(world.requests("ApplyUnit")[0].unit.spec)
    sent.pop("resources")
    assert sent == spec


def test_a_unit_that_is_there_keeps_its_placement(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "shop", stdin=CONFIG_MAP)
    assert result.exit_code == 0
    (request,) = world.requests("ApplyUnit")
    assert request.unit.spec.placement_policy == "everywhere"
    assert (request.unit.etag, dict(request.unit.labels)) == ("shop-4", {"team": "web"})
    assert "unit default/shop keeps its placement" in result.stderr


def test_a_dry_run_says_so_and_lists_the_resources(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "new", "--all-clusters", "--dry-run", stdin=CONFIG_MAP)
    assert lines(result)[0].endswith("(dry run)")
    assert lines(result)[1] == "  Deployment default/web created"
    assert world.requests("ApplyUnit")[0].validate_only


def test_a_refused_unit_is_told_by_file_and_line(fedctl: Run, world: FakeServer, tmp_path: Path) -> None:
    def refuse(_: Any) -> Any:
        fields = [("unit.spec.resources[0].json", "metadata.name: must be small")]
        raise RefusalError(Code.INVALID_ARGUMENT, "FIELD_INVALID", "x", fields=fields)

    world.on("ApplyUnit", refuse)
    path = tmp_path / "app.yaml"
    path.write_text(CONFIG_MAP)
    result = fedctl("apply", "-f", str(path), "--all-clusters")
    assert result.exit_code == 1
    assert f"{path}:3: ConfigMap a: metadata.name: must be small" in result.stderr


def test_one_refused_item_does_not_keep_the_others_back(fedctl: Run, world: FakeServer) -> None:
    accept = world._replies["ApplyUnit"]

    def reply(request: Any) -> Any:
        if request.unit.name.endswith("/b"):
            raise RefusalError(Code.FAILED_PRECONDITION, "OBJECT_OWNED", "belongs to namespaces/x/units/y")
        return accept(request)

    world.on("ApplyUnit", reply)
    text = "---\n".join(
        f"apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {{name: {name}}}\nspec: {{}}\n" for name in "abc"
    )
    result = fedctl("apply", "-f", "-", stdin=text)
    assert result.exit_code == 4
    assert [line.split()[0] for line in lines(result)] == ["unit/default/a", "unit/default/c"]
    assert "belongs to namespaces/x/units/y" in result.stderr


def test_deleting_units_and_what_files_describe(fedctl: Run, world: FakeServer) -> None:
    assert lines(fedctl("delete", "unit", "shop", "--cascade", "orphan")) == ["unit/default/shop is being deleted"]
    assert world.requests("DeleteUnit")[0].cascade == cluster_service_pb2.OBJECT_DELETION_ORPHAN
    document = "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: u, namespace: web}\nspec: {}\n"
    assert lines(fedctl("delete", "-f", "-", stdin=document)) == ["unit/web/u is being deleted"]
    assert world.requests("DeleteUnit")[1].name == "namespaces/web/units/u"


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


def test_what_is_free_stands_before_what_there_is(fedctl: Run, world: FakeServer, now: Any) -> None:
    titles, eu, us = lines(fedctl("get", "clusters", "-o", "wide", environment={"COLUMNS": "400"}))
    for title, known, unknown in (
        ("FREE CPU", "21.5/23.5", "-/0"),
        ("FREE MEMORY", "90Gi/96Gi", "-/0"),
        ("FREE PODS", "320/330", "-/0"),
        ("READ", "34s", "-"),
        ("JURISDICTION", "EU", "-"),
        ("COST", "0.031/0.004", "-"),
        ("SCORES", "carbon=40 (45m left), latency=-5, old=1 (expired)", "-"),
    ):
        at = titles.index(f"  {title} ") + 2
        assert eu[at:].startswith(f"{known}  "), title
        assert us[at:].startswith(f"{unknown}  "), title


def test_a_cluster_is_described_with_what_is_free_and_what_placement_prefers(
    fedctl: Run, world: FakeServer, now: Any
) -> None:
    known = fedctl("describe", "cluster", "eu-1").stdout
    assert "21.5 of 23.5 cores, 90Gi of 96Gi memory, 320 of 330 pods (read 34s ago)" in known
    assert "0.031 a core, 0.004 a GiB of memory" in known
    assert "carbon=40 (45m left), latency=-5, old=1 (expired)" in known
    unknown = {
        line.partition(":")[0]: line.partition(":")[2].strip() for line in lines(fedctl("describe", "cluster/us-1"))
    }
    assert (unknown["Free"], unknown["Jurisdiction"], unknown["Cost by the hour"]) == ("unknown", "-", "-")


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


def test_the_state_says_what_keeps_units_away() -> None:
    cordoned = cluster_pb2.Taint(key=CORDON_KEY, effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)
    cluster = cluster_pb2.Cluster(taints=[*MAINTAINED["announced"], cordoned], status=EU.status)
    assert cluster_state(cluster) == "Ready,Cordoned,Maintenance"


def test_the_keys_of_taints_are_those_of_placement() -> None:
    assert (CORDON_KEY, MAINTENANCE_KEY) == (CORDON_TAINT, MAINTENANCE_TAINT)


@given(st.integers(0, 10**12))
def test_a_price_is_read_as_it_was_written(micros: int) -> None:
    assert read_price(price_text(micros), "price") == micros


def test_versions_of_both_sides_are_shown(fedctl: Run, server: FakeServer) -> None:
    server.on(
        "GetServerInfo",
        lambda _: server_service_pb2.GetServerInfoResponse(version="9.9", database_version="18.1", caller="admin"),
    )
    assert "server    9.9" in fedctl("version").stdout
    assert json.loads(fedctl("version", "-o", "json").stdout)["database"] == "18.1"


def test_versions_are_printed_for_programs_and_have_no_names(server: FakeServer, fedctl: Run) -> None:
    assert set(yaml.safe_load(fedctl("version", "--client", "-o", "yaml").stdout)) == {"fedctl"}
    assert fedctl("version", "--client", "-o", "wide").stdout.startswith("fedctl ")
    refused = fedctl("version", "-o", "name")
    assert (refused.exit_code, "versions have no names" in refused.stderr) == (2, True)


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_describe_prints_documents_with_the_verdicts_of_a_unit(fedctl: Run, world: FakeServer, output: str) -> None:
    unit = yaml.safe_load(fedctl("describe", "unit", "shop", "-o", output).stdout)
    assert (unit["kind"], unit["metadata"]["name"], unit["status"]["state"]) == ("Unit", "shop", "Degraded")
    assert "eu-1" in [verdict["cluster"] for verdict in unit["status"]["verdicts"]]
    listed = yaml.safe_load(fedctl("describe", "cluster/eu-1", "unit/shop", "-o", output).stdout)
    assert [item["kind"] for item in listed["items"]] == ["Cluster", "Unit"]


def test_every_form_of_output_is_taken_where_objects_are_printed(fedctl: Run, world: FakeServer) -> None:
    assert lines(fedctl("describe", "unit", "shop", "-o", "name")) == ["unit/default/shop"]
    assert lines(fedctl("status", "shop", "-o", "name")) == ["unit/default/shop"]
    assert lines(fedctl("status", "shop", "-o", "wide"))[0].startswith("unit default/shop: Degraded")
    for words in (("describe", "unit", "shop"), ("status", "shop"), ("get", "units")):
        assert "is not one of 'table', 'wide', 'json', 'yaml', 'name'" in fedctl(*words, "-o", "xml").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(bare: Run, shell: str) -> None:
    result = bare("completion", shell)
    assert result.exit_code == 0
    assert "_FEDCTL_COMPLETE" in result.stdout


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"join", "unjoin"}))
def test_every_command_has_examples(bare: Run, command: str) -> None:
    result = bare(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"fedctl {command}" in result.stdout
