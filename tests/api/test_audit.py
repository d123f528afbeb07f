"""AuditService, and what it keeps of the calls of people."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc.model.audit import AuditKind, NewRecord
from fedsvc.store import audit
from fedsvc.v1 import (
    audit_pb2,
    automation_service_pb2,
    cluster_pb2,
    cluster_service_pb2,
    hold_pb2,
    hold_service_pb2,
    removal_service_pb2,
)
from fedsvc.v1 import audit_service_pb2 as pb

UUID = "7d0a1f0e-5a3c-4b0e-8d43-0f1f4c1f6a13"
WEB = "namespaces/shop/units/web"
DID, REFUSED = audit_pb2.AUDIT_OUTCOME_DID, audit_pb2.AUDIT_OUTCOME_REFUSED


async def records(api: Any, **wanted: Any) -> list[audit_pb2.AuditRecord]:
    """The records that match, the oldest first."""
    found = (await api.audit.ListAuditRecords(pb.ListAuditRecordsRequest(page_size=1000, **wanted))).records
    return list(reversed(found))


async def test_what_people_ask_of_automation_is_kept_with_who_and_why(api: Any, helpers: Any) -> None:
    for name, region in (("a", "eu"), ("b", "eu"), ("c", "us")):
        await api.join(name, region=region)
    await api.apply("web", helpers.config_map(), placement=helpers.everywhere())
    pause = hold_service_pb2.PauseRequest(subject="fleet", scope=hold_pb2.HOLD_SCOPE_AUTOMATION, reason="network")
    await api.holds.Pause(pause)
    await api.automation.ReleaseAutomation(automation_service_pb2.ReleaseAutomationRequest(subject="fleet"))
    await api.holds.Pause(hold_service_pb2.PauseRequest(subject=WEB, reason="look"))
    await api.holds.Resume(hold_service_pb2.ResumeRequest(subject=WEB))
    drain = automation_service_pb2.DrainClustersRequest(subject="regions/eu", pace_percent=50, reason="power")
    await api.automation.DrainClusters(drain)
    await api.automation.FailBack(automation_service_pb2.FailBackRequest(subject=WEB))
    await api.removals.ConfirmRemovals(removal_service_pb2.ConfirmRemovalsRequest(subject="clusters/c"))
    await api.clusters.DeleteCluster(cluster_service_pb2.DeleteClusterRequest(name="clusters/c", force=True))
    found = await records(api, author="tester")
    assert all((one.outcome, one.epoch, one.count) == (DID, 0, 1) for one in found)
    kinds = audit_pb2.AuditKind
    told = [
        (kinds.Name(one.kind).removeprefix("AUDIT_KIND_"), one.reason, one.unit, one.cluster, one.region)
        for one in found
    ]
    assert told == [
        ("CLUSTER", "Joined", "", "a", "eu"),
        ("CLUSTER", "Joined", "", "b", "eu"),
        ("CLUSTER", "Joined", "", "c", "us"),
        ("HOLD", "Paused", "", "", ""),
        ("HOLD", "Released", "", "", ""),
        ("HOLD", "Paused", WEB, "", ""),
        ("HOLD", "Resumed", WEB, "", ""),
        ("MOVE", "Drain", "", "", "eu"),
        ("MOVE", "FailBack", WEB, "", ""),
        ("CONFIRMATION", "Removals", "", "c", "us"),
        ("CLUSTER", "Forgotten", "", "c", ""),
    ]
    paused, released, drained = found[3], found[4], found[7]
    assert paused.message == "automation is held: network"
    assert json.loads(paused.evidence) == {"scope": "Automation", "why": "network"}
    assert json.loads(released.evidence)["ended"] == ["fleet by tester: network"]
    assert json.loads(drained.evidence) == {"why": "power", "pacePercent": 50, "clusters": ["a", "b"]}
    assert found[5].revision == 1


async def test_a_taint_is_kept_and_a_label_is_not(api: Any) -> None:
    await api.join("a")
    for path, cluster in (
        ("labels", cluster_pb2.Cluster(name="clusters/a", labels={"x": "y"})),
        (
            "taints",
            cluster_pb2.Cluster(
                name="clusters/a",
                taints=[cluster_pb2.Taint(key="k", effect=cluster_pb2.TAINT_EFFECT_NO_EXECUTE)],
            ),
        ),
    ):
        request = cluster_service_pb2.UpdateClusterRequest(cluster=cluster)
        request.update_mask.paths.append(path)
        await api.clusters.UpdateCluster(request)
    assert [(one.reason, one.message) for one in await records(api, author="tester")] == [
        ("Joined", "it joined"),
        ("Taints", "its taints are k:NoExecute"),
    ]


async def test_what_is_only_tried_or_was_done_before_leaves_no_record(api: Any, helpers: Any) -> None:
    request = hold_service_pb2.PauseRequest(subject="fleet", validate_only=True)
    await api.holds.Pause(request)
    assert await records(api) == []
    for _ in range(3):
        await api.holds.Pause(hold_service_pb2.PauseRequest(subject="fleet", request_id=UUID))
    await helpers.refused(api.holds.Pause(hold_service_pb2.PauseRequest(subject="clusters/none")))
    assert [one.reason for one in await records(api, author="tester")] == ["Paused"]


async def test_records_come_in_pages_the_newest_first(api: Any, store: Any) -> None:
    async with store.transaction() as tx:
        for number in range(7):
            await audit.add(tx, [NewRecord(kind=AuditKind.VERDICT, reason=f"R{number}", message="m", cluster="a")])
    seen: list[str] = []
    token = ""
    while True:
        page = await api.audit.ListAuditRecords(pb.ListAuditRecordsRequest(page_size=3, page_token=token, cluster="a"))
        seen += [one.reason for one in page.records]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"R{number}" for number in reversed(range(7))]


async def test_of_many_units_that_are_alike_the_first_are_named(api: Any, store: Any) -> None:
    names = [f"namespaces/shop/units/u{number:04}" for number in range(250)]
    async with store.transaction() as tx:
        await audit.add(tx, [NewRecord(kind=AuditKind.FAILOVER, reason="Held", message="m", units=names)])
    (one,) = await records(api, unit=names[-1])
    assert (one.unit_count, list(one.units)) == (250, names[:100])


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"unit": "web"}, "unit"),
        ({"cluster": "A b"}, "cluster"),
        ({"region": "e u"}, "region"),
        ({"kind": 99}, "kind"),
        ({"outcome": 99}, "outcome"),
        ({"page_token": "x"}, "page_token"),
    ],
)
async def test_what_makes_no_sense_is_told_with_its_field(
    api: Any, helpers: Any, wanted: dict[str, Any], field: str
) -> None:
    refusal = await helpers.refused(api.audit.ListAuditRecords(pb.ListAuditRecordsRequest(**wanted)))
    assert [path for path, _ in refusal.fields] == [field]


async def test_a_time_must_not_end_before_it_begins(api: Any, helpers: Any) -> None:
    request = pb.ListAuditRecordsRequest()
    request.start_time.FromDatetime(datetime(2026, 11, 27, tzinfo=UTC))
    request.end_time.FromDatetime(datetime(2026, 11, 26, tzinfo=UTC))
    assert [path for path, _ in (await helpers.refused(api.audit.ListAuditRecords(request))).fields] == ["end_time"]
