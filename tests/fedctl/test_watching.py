"""A watch shows what the list of the same flags shows, and nothing of anything else."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from click.testing import Result

from fedsvc.v1 import (
    event_pb2,
    event_service_pb2,
    policy_pb2,
    policy_service_pb2,
    resource_pb2,
    resource_service_pb2,
    unit_pb2,
    unit_service_pb2,
    zone_pb2,
    zone_service_pb2,
)
from fedsvc.v1 import watch_service_pb2 as pb
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]

SHOP, BLOG = "namespaces/default/units/shop", "namespaces/web/units/blog"
END = RefusalError(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "the token has ended")
MINE = resource_pb2.Work(name="works/1", unit=SHOP, cluster="eu-1")
OTHER_CLUSTER = resource_pb2.Work(name="works/2", unit=SHOP, cluster="us-1")
OTHER_NAMESPACE = resource_pb2.Work(name="works/3", unit=BLOG, cluster="eu-1")
NEW = resource_pb2.Work(name="works/4", unit=SHOP, cluster="eu-1")


def work(row: resource_pb2.Work) -> pb.WatchChange:
    return pb.WatchChange(type=pb.CHANGE_TYPE_UPSERTED, name=row.name, kind=pb.WATCH_KIND_WORK, work=row)


def gone(name: str, kind: pb.WatchKind.ValueType = pb.WATCH_KIND_WORK) -> pb.WatchChange:
    return pb.WatchChange(type=pb.CHANGE_TYPE_DELETED, name=name, kind=kind)


def streaming(*changes: pb.WatchChange) -> Callable[[Any], Any]:
    def stream(_: Any) -> Any:
        yield pb.WatchResponse(changes=changes, resume_token="2")
        raise END

    return stream


@pytest.mark.parametrize(
    ("flags", "namespace", "name", "shown"),
    [
        pytest.param(
            ("--cluster", "eu-1"), "default", "clusters/eu-1", ["work/1", "work/4", "work/1 deleted"], id="cluster"
        ),
        pytest.param(
            ("--cluster", "eu-1", "-A"),
            "",
            "clusters/eu-1",
            ["work/1", "work/3", "work/4", "work/1 deleted"],
            id="anywhere",
        ),
        pytest.param(("--unit", "shop"), "default", SHOP, ["work/1", "work/2", "work/4", "work/1 deleted"], id="unit"),
        pytest.param(
            ("--unit", "shop", "--cluster", "eu-1"), "default", SHOP, ["work/1", "work/4", "work/1 deleted"], id="both"
        ),
        pytest.param((), "default", "", ["work/1", "work/2", "work/4", "work/1 deleted"], id="namespace"),
    ],
)
def test_works_are_followed_as_they_are_listed(
    fedctl: Run, server: FakeServer, flags: tuple[str, ...], namespace: str, name: str, shown: list[str]
) -> None:
    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(works=[MINE], resume_token="1"))
    others = (work(OTHER_CLUSTER), work(OTHER_NAMESPACE), work(NEW))
    server.on("Watch", streaming(*others, gone("works/9"), gone("works/1"), gone("works/1")))

    result = fedctl("get", "works", *flags, "-w", "-o", "name")

    assert result.stdout.splitlines() == shown
    (asked,) = server.requests("Watch")
    assert (asked.namespace, asked.name, asked.resume_token) == (namespace, name, "1")


def test_a_row_follows_only_when_something_in_it_is_new(fedctl: Run, server: FakeServer) -> None:
    def at(seconds: int, **values: Any) -> pb.WatchChange:
        row = resource_pb2.Work(name=MINE.name, unit=SHOP, cluster="eu-1", health="Progressing")
        row.update_time.FromSeconds(seconds)
        row.MergeFrom(resource_pb2.Work(**values))
        return work(row)

    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(works=[at(1).work], resume_token="1"))
    touched, tried, healthy = at(60), at(70, attempts=2), at(80, attempts=2, health="Healthy")
    server.on("Watch", streaming(touched, tried, healthy, healthy, gone(MINE.name), healthy))

    def shown(*words: str) -> list[str]:
        lines = fedctl("get", "works", "-w", *words).stdout.splitlines()
        return [word for line in lines for word in ("Progressing", "Healthy", "deleted") if word in line]

    assert shown() == ["Progressing", "Healthy", "deleted", "Healthy"]
    assert shown("-o", "wide") == ["Progressing", "Progressing", "Healthy", "deleted", "Healthy"]  # with the tries
    assert fedctl("get", "works", "-w", "-o", "json").stdout.count("updateTime") == 5  # that is shown there


def test_an_event_that_comes_again_is_shown_again(fedctl: Run, server: FakeServer) -> None:
    def event(seconds: int) -> pb.WatchChange:
        row = event_pb2.Event(name="events/1", subject=SHOP, reason="Drift")
        row.update_time.FromSeconds(seconds)
        return pb.WatchChange(type=pb.CHANGE_TYPE_UPSERTED, name=row.name, kind=pb.WATCH_KIND_EVENT, event=row)

    server.on("ListEvents", lambda _: event_service_pb2.ListEventsResponse(resume_token="1"))
    server.on("Watch", streaming(event(5), event(5), event(9)))

    assert fedctl("get", "events", "-w").stdout.count("Drift") == 2


def test_one_work_is_followed_among_those_of_its_unit(fedctl: Run, server: FakeServer) -> None:
    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(works=[MINE, NEW], resume_token="1"))
    changed = resource_pb2.Work(name=MINE.name, unit=SHOP, cluster="eu-1", attempts=1)
    server.on("Watch", streaming(work(NEW), gone("works/4"), work(changed), work(changed), gone("works/1")))

    result = fedctl("watch", "work/1", "-o", "name")

    assert result.stdout.splitlines() == ["work/1", "work/1", "work/1 deleted"]
    assert server.requests("Watch")[0].name == SHOP


def test_events_of_a_cluster_are_not_those_of_units_on_it(fedctl: Run, server: FakeServer) -> None:
    def event(name: str, subject: str) -> pb.WatchChange:
        row = event_pb2.Event(name=name, subject=subject, cluster="eu-1")
        return pb.WatchChange(type=pb.CHANGE_TYPE_UPSERTED, name=name, kind=pb.WATCH_KIND_EVENT, event=row)

    server.on("ListEvents", lambda _: event_service_pb2.ListEventsResponse(resume_token="1"))
    server.on("Watch", streaming(event("events/1", SHOP), event("events/2", "clusters/eu-1")))

    assert fedctl("get", "events", "--cluster", "eu-1", "-w", "-o", "name").stdout.splitlines() == ["event/2"]
    assert server.requests("Watch")[0].namespace == ""


def test_what_leaves_a_selection_is_not_called_deleted(fedctl: Run, server: FakeServer) -> None:
    unit = unit_pb2.Unit(name=SHOP)
    server.on("ListUnits", lambda _: unit_service_pb2.ListUnitsResponse(units=[unit], resume_token="1"))
    server.on("Watch", streaming(gone(SHOP, pb.WATCH_KIND_UNIT), gone(BLOG, pb.WATCH_KIND_UNIT)))

    result = fedctl("get", "units", "-l", "a=b", "-w", "-o", "name")

    assert result.stdout.splitlines() == ["unit/default/shop", "unit/shop deleted, or no longer selected"]


@pytest.mark.parametrize("words", [("get", "policies", "-w"), ("watch", "policies")], ids=" ".join)
def test_policies_of_all_kinds_are_followed_together(fedctl: Run, server: FakeServer, words: tuple[str, ...]) -> None:
    everywhere = policy_pb2.PlacementPolicy(name="placementPolicies/everywhere")
    replicas = policy_pb2.OverridePolicy(name="overridePolicies/few")
    changed = pb.WatchChange(
        type=pb.CHANGE_TYPE_UPSERTED,
        name=replicas.name,
        kind=pb.WATCH_KIND_OVERRIDE_POLICY,
        override_policy=replicas,
    )
    placements = policy_service_pb2.ListPlacementPoliciesResponse(placement_policies=[everywhere], resume_token="1")
    server.on("ListPlacementPolicies", lambda _: placements)
    server.on("ListOverridePolicies", lambda _: policy_service_pb2.ListOverridePoliciesResponse(resume_token="5"))
    server.on("ListStatusPolicies", lambda _: policy_service_pb2.ListStatusPoliciesResponse(resume_token="6"))
    server.on("Watch", streaming(changed, gone(everywhere.name, pb.WATCH_KIND_PLACEMENT_POLICY)))

    shown = fedctl(*words).stdout.splitlines()

    assert [line.split()[0] for line in shown] == [
        "NAME",
        "placementpolicy/everywhere",
        "NAME",
        "overridepolicy/few",
        "placementpolicy/everywhere",
    ]
    (asked,) = server.requests("Watch")
    assert (list(asked.kinds), asked.resume_token) == (
        [pb.WATCH_KIND_PLACEMENT_POLICY, pb.WATCH_KIND_OVERRIDE_POLICY, pb.WATCH_KIND_STATUS_POLICY],
        "1",
    )


@pytest.mark.parametrize("words", [("watch", "zones"), ("get", "zones", "-w"), ("dns", "zones", "-w")])
def test_zones_are_followed(fedctl: Run, server: FakeServer, words: tuple[str, ...]) -> None:
    zone = zone_pb2.Zone(name="zones/main", spec=zone_pb2.ZoneSpec(domain="example.org"))
    held = zone_pb2.ZoneStatus(serial=9)
    ready = zone_pb2.Zone(name="zones/main", spec=zone_pb2.ZoneSpec(domain="example.org"), status=held)
    changed = pb.WatchChange(type=pb.CHANGE_TYPE_UPSERTED, name=zone.name, kind=pb.WATCH_KIND_ZONE, zone=ready)
    server.on("ListZones", lambda _: zone_service_pb2.ListZonesResponse(zones=[zone], resume_token="1"))
    server.on("Watch", streaming(changed, gone(zone.name, pb.WATCH_KIND_ZONE)))

    shown = fedctl(*words).stdout.splitlines()

    assert [line.split()[2] for line in shown[1:3]] == ["Pending", "Ready"]
    assert shown[3] == "zone/main deleted"
    (asked,) = server.requests("Watch")
    assert (list(asked.kinds), asked.resume_token) == ([pb.WATCH_KIND_ZONE], "1")


def test_a_server_that_is_lost_and_comes_back_is_told_on_stderr(fedctl: Run, server: FakeServer) -> None:
    left = [RefusalError(grpc.StatusCode.UNAVAILABLE, "DRAINING", "the server is stopping"), END]

    def stream(_: Any) -> Any:
        yield pb.WatchResponse(resume_token="2")
        raise left.pop(0)

    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(resume_token="1"))
    server.on("Watch", stream)

    result = fedctl("watch", "works", "-A")

    assert result.stderr.splitlines()[:2] == [
        "(the server is stopping; waiting for it)",
        "(the server is back)",
    ]
    assert result.stdout == ""
