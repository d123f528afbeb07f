"""`fedctl get` and `describe`: clusters, works, events and all forms of output."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import yaml
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import cluster_pb2, common_pb2, resource_pb2, resource_service_pb2, unit_pb2, watch_service_pb2
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
Code = grpc.StatusCode
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def ago(**span: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOW - dt.timedelta(**span))
    return stamp


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


def test_colours_are_for_terminals(fedctl: Run, world: FakeServer) -> None:
    for words in (("status", "shop"), ("describe", "unit", "shop"), ("get", "units,clusters,works")):
        assert "\x1b" not in fedctl(*words, environment={"TERM": "xterm-256color"}).stdout


@pytest.mark.parametrize("words", [("cluster", "eu-1"), ("work", "42")], ids=" ".join)
def test_describe_knows_other_kinds(fedctl: Run, world: FakeServer, words: tuple[str, ...]) -> None:
    result = fedctl("describe", *words)
    assert result.exit_code == 0
    assert "Forbidden" in result.stdout


@pytest.mark.parametrize("heard", [True, False], ids=["heard before", "never heard"])
def test_what_is_known_of_works_of_a_cluster_that_is_not_heard_is_marked(
    fedctl: Run, server: FakeServer, now: Any, *, heard: bool
) -> None:
    work = resource_pb2.Work(
        name="works/7",
        unit="namespaces/default/units/shop",
        cluster="us-1",
        ref=common_pb2.ManifestRef(api_version="apps/v1", kind="Deployment", namespace="default", name="web"),
        state=unit_pb2.WORK_STATE_APPLIED,
        health="Healthy",
        desired_replicas=2,
        ready_replicas=2,
        update_time=ago(minutes=9),
        silence_reason="MemberUnreachable",
        last_heard_time=ago(minutes=5) if heard else None,
    )
    told = resource_pb2.Work(name="works/8", unit=work.unit, cluster="eu-1", state=work.state, health="Healthy")
    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(works=[work, told]))
    when = "5m ago" if heard else "never"
    shown = fedctl("get", "works", "-o", "wide")
    assert lines(shown)[1].split()[4:] == ["web", "Applied*", "Healthy*", "2/2*", "0", "9m", "MemberUnreachable", "-"]
    assert "*" not in lines(shown)[2]
    assert shown.stderr == f"* as last heard: us-1 {when}\n"
    (document, _) = json.loads(fedctl("get", "works", "-o", "json").stdout)["items"]
    assert document["status"]["silenceReason"] == "MemberUnreachable"
    assert ("lastHeardTime" in document["status"]) == heard
    assert f"Cluster heard: {when} (MemberUnreachable)" in fedctl("describe", "work", "7").stdout
    assert "Cluster heard: yes" in fedctl("describe", "work", "8").stdout


def test_a_work_is_found_by_its_number_in_any_namespace(fedctl: Run, world: FakeServer) -> None:
    assert fedctl("describe", "work", "42", "-n", "elsewhere").exit_code == 0
    assert world.requests("ListWorks")[0].parent == "namespaces/-/units/-"


def test_events_of_a_cluster_are_in_no_namespace(fedctl: Run, world: FakeServer) -> None:
    assert fedctl("get", "events", "--cluster", "eu-1").exit_code == 0
    asked = world.requests("ListEvents")[0]
    assert (asked.subject, asked.namespace) == ("clusters/eu-1", "")


@pytest.mark.parametrize(
    ("flags", "environment", "namespace"),
    [
        ((), {}, ""),
        (("-n", "default"), {}, "default"),
        ((), {"FEDCTL_NAMESPACE": "web"}, "web"),
        (("-n", "web", "-A"), {}, ""),
    ],
    ids=["nothing", "flag", "environment", "all"],
)
def test_events_are_of_everything_unless_a_namespace_is_named(
    fedctl: Run, world: FakeServer, flags: tuple[str, ...], environment: dict[str, str], namespace: str
) -> None:
    assert fedctl("get", "events", *flags, environment=environment).exit_code == 0
    assert world.requests("ListEvents")[0].namespace == namespace


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
