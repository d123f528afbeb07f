import datetime as dt
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    event_service_pb2,
    fleet_pb2,
    hold_pb2,
    placement_service_pb2,
)
from fedsvc.v1 import hold_service_pb2 as pb

WEB = "namespaces/shop/units/web"


def at(**span: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(**span))
    return stamp


async def freeze(api: Any, *windows: fleet_pb2.FreezeWindow) -> Any:
    settings = fleet_pb2.FleetSettings(spec=fleet_pb2.FleetSettingsSpec(freezes=windows))
    return await api.placement.UpdateFleetSettings(
        placement_service_pb2.UpdateFleetSettingsRequest(fleet_settings=settings)
    )


async def cluster(api: Any, name: str) -> cluster_pb2.Cluster:
    request = cluster_service_pb2.GetClusterRequest(name=f"clusters/{name}")
    found: cluster_pb2.Cluster = (await api.clusters.GetCluster(request)).cluster
    return found


def always(name: str) -> fleet_pb2.FreezeWindow:
    return fleet_pb2.FreezeWindow(name=name, start="2020-01-01 00:00", end="2099-01-01 00:00")


async def test_a_pause_tells_who_why_and_until_when(api: Any) -> None:
    await api.join("eu-1")
    request = pb.PauseRequest(subject="clusters/eu-1", reason="disks", end_time=at(hours=1))
    hold = (await api.holds.Pause(request)).hold
    assert (hold.subject, hold.reason, hold.author) == ("clusters/eu-1", "disks", "tester")
    assert (hold.kind, hold.scope) == (hold_pb2.HOLD_KIND_PAUSE, hold_pb2.HOLD_SCOPE_EVERYTHING)
    assert hold.end_time == request.end_time
    assert list((await api.holds.ListHolds(pb.ListHoldsRequest())).holds) == [hold]
    assert list((await cluster(api, "eu-1")).status.holds) == [hold]

    ended = await api.holds.Resume(pb.ResumeRequest(subject="clusters/eu-1"))
    assert list(ended.ended) == [hold]
    assert not (await api.holds.ListHolds(pb.ListHoldsRequest())).holds
    events = event_service_pb2.ListEventsRequest(subject="clusters/eu-1")
    told = {event.reason: event.message for event in (await api.events.ListEvents(events)).events}
    assert told["Paused"].startswith("paused by tester until ")
    assert told["Resumed"].startswith("resumed by tester: was paused by tester")


async def test_a_pause_that_is_there_is_replaced_and_keeps_its_begin(api: Any) -> None:
    await api.apply("web")
    first = (await api.holds.Pause(pb.PauseRequest(subject=WEB, reason="a"))).hold
    second = (await api.holds.Pause(pb.PauseRequest(subject=WEB, reason="b"))).hold
    assert (second.reason, second.create_time) == ("b", first.create_time)
    only = pb.PauseRequest(subject=WEB, scope=hold_pb2.HOLD_SCOPE_REMOVALS)
    await api.holds.Pause(only)
    assert len((await api.holds.ListHolds(pb.ListHoldsRequest(subject=WEB))).holds) == 2
    ended = await api.holds.Resume(pb.ResumeRequest(subject=WEB, scope=hold_pb2.HOLD_SCOPE_REMOVALS))
    assert [hold.scope for hold in ended.remaining] == [hold_pb2.HOLD_SCOPE_EVERYTHING]


async def test_validate_only_pauses_nothing(api: Any) -> None:
    await api.holds.Pause(pb.PauseRequest(subject="fleet", validate_only=True))
    assert not (await api.holds.ListHolds(pb.ListHoldsRequest())).holds


async def test_what_is_wrong_with_a_pause_is_told_by_field(api: Any, helpers: Any) -> None:
    refusal = await helpers.refused(api.holds.Pause(pb.PauseRequest(subject="region/eu")))
    form = "fleet, regions/{region}, clusters/{cluster} or namespaces/{namespace}/units/{unit}"
    assert refusal.fields == [("subject", f"'region/eu' is not a name of this kind: write {form}")]
    late = pb.PauseRequest(subject="fleet", reason="x" * 501, end_time=at(hours=-1))
    assert [path for path, _ in (await helpers.refused(api.holds.Pause(late))).fields] == ["reason", "end_time"]
    for subject in ("clusters/none", "namespaces/shop/units/none"):
        refusal = await helpers.refused(api.holds.Pause(pb.PauseRequest(subject=subject)))
        assert (refusal.code, refusal.metadata) == (grpc.StatusCode.NOT_FOUND, {"name": subject})


async def test_a_freeze_is_broken_by_naming_its_window_and_a_reason(api: Any, helpers: Any) -> None:
    await api.apply("web")
    await freeze(api, always("one"), always("two"))
    held = (await api.holds.ListHolds(pb.ListHoldsRequest(subject=WEB))).holds
    assert [(hold.kind, hold.reason) for hold in held] == [(hold_pb2.HOLD_KIND_FREEZE, name) for name in ("one", "two")]
    refusal = await helpers.refused(api.holds.Thaw(pb.ThawRequest(subject=WEB)))
    assert dict(refusal.fields) == {
        "reason": "is missing: say why a freeze is broken",
        "windows": "is missing: name the freeze windows that are to let it through; on are: one, two",
    }
    refusal = await helpers.refused(api.holds.Thaw(pb.ThawRequest(subject=WEB, windows=["three"], reason="INC-1")))
    assert refusal.fields == [("windows[0]", "'three' is no freeze window that is on; on are: one, two")]

    answer = await api.holds.Thaw(pb.ThawRequest(subject=WEB, windows=["one"], reason="INC-1", end_time=at(hours=1)))
    assert [hold.reason for hold in answer.remaining] == ["two"]
    held = (await api.holds.ListHolds(pb.ListHoldsRequest())).holds
    assert {hold.reason: list(hold.thawed) for hold in held} == {"one": [WEB], "two": []}


async def test_freeze_windows_are_checked_and_kept_in_order(api: Any, helpers: Any) -> None:
    wrong = fleet_pb2.FreezeWindow(
        name="Big", start="22:00", end="Fri 06:00", time_zone="Moon", namespaces=["-"], units=["web"]
    )
    refusal = await helpers.refused(freeze(api, always("a"), always("a"), wrong))
    assert [path for path, _ in refusal.fields] == [
        "fleet_settings.spec.freezes[1].name",
        "fleet_settings.spec.freezes[2].name",
        "fleet_settings.spec.freezes[2].time_zone",
        "fleet_settings.spec.freezes[2].end",
        "fleet_settings.spec.freezes[2].namespaces[0]",
        "fleet_settings.spec.freezes[2].units[0]",
    ]
    nightly = fleet_pb2.FreezeWindow(name="nightly", start="22:00", end="06:00", days=["Sun", "Mon"])
    stored = (await freeze(api, nightly, always("a"))).fleet_settings.spec.freezes
    assert [window.name for window in stored] == ["a", "nightly"]
    assert (list(stored[1].days), stored[1].time_zone) == (["Mon", "Sun"], "UTC")
