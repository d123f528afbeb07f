"""AutomationService, and what units and clusters say of failover."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from fedsvc.health import EvidenceKind, Health, Verdict
from fedsvc.model.cluster import ClusterObservation
from fedsvc.store import automation, clusters, failovers
from fedsvc.store.failovers import Left
from fedsvc.v1 import automation_pb2, cluster_pb2, cluster_service_pb2, event_service_pb2, hold_pb2, unit_pb2
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc.v1 import hold_service_pb2 as holds_pb

WEB = "namespaces/shop/units/web"
UUID = "7d0a1f0e-5a3c-4b0e-8d43-0f1f4c1f6a13"
SINCE = datetime(2026, 11, 26, 12, tzinfo=UTC)


async def judged(api: Any, store: Any, **verdicts: Verdict) -> None:
    """Members of regions of their own, and what is held of each."""
    for name in verdicts:
        await api.join(name, region=name)
    await judge(store, **verdicts)


async def judge(store: Any, **verdicts: Verdict) -> None:
    async with store.transaction() as tx:
        for name, verdict in verdicts.items():
            stored = await clusters.get(tx, name)
            health = Health(verdict=verdict, since=tx.now, kind=EvidenceKind.REFUSED, message=f"{name} says nothing")
            await clusters.observe(tx, name, ClusterObservation(health=health), connection=stored.connection)
        await automation.look(tx)


async def get(api: Any) -> automation_pb2.Automation:
    found: automation_pb2.Automation = (await api.automation.GetAutomation(pb.GetAutomationRequest())).automation
    return found


async def test_a_small_fleet_is_told_why_nothing_is_done(api: Any, store: Any) -> None:
    await judged(api, store, a=Verdict.HEALTHY, b=Verdict.UNREACHABLE)
    found = await get(api)
    assert (found.state, found.reason) == (automation_pb2.AUTOMATION_STATE_OFF, "FewMembers")
    assert "--witness" in found.message
    assert [(one.cluster, one.verdict, one.message) for one in found.troubles] == [
        ("b", "Unreachable", "b says nothing")
    ]


async def test_the_breaker_is_told_of_everywhere_and_released(api: Any, store: Any) -> None:
    await judged(api, store, a=Verdict.UNREACHABLE, b=Verdict.SUSPECT, c=Verdict.HEALTHY)
    found = await get(api)
    assert (found.state, found.reason) == (automation_pb2.AUTOMATION_STATE_HOLDING, "RegionsLost")
    assert [(hold.kind, hold.scope, hold.subject) for hold in found.holds] == [
        (hold_pb2.HOLD_KIND_BREAKER, hold_pb2.HOLD_SCOPE_AUTOMATION, "fleet")
    ]
    listed = (await api.holds.ListHolds(holds_pb.ListHoldsRequest(subject="clusters/a"))).holds
    assert [hold.kind for hold in listed] == [hold_pb2.HOLD_KIND_BREAKER, hold_pb2.HOLD_KIND_HEALTH]
    await api.holds.Resume(holds_pb.ResumeRequest(subject="fleet"))  # that is for what people paused
    assert (await get(api)).state == automation_pb2.AUTOMATION_STATE_HOLDING

    trial = pb.ReleaseAutomationRequest(subject="fleet", validate_only=True)
    assert (await api.automation.ReleaseAutomation(trial)).ended
    assert (await get(api)).state == automation_pb2.AUTOMATION_STATE_HOLDING
    answer = await api.automation.ReleaseAutomation(pb.ReleaseAutomationRequest(subject="fleet"))
    assert [hold.kind for hold in answer.ended] == [hold_pb2.HOLD_KIND_BREAKER]
    assert answer.automation.state == automation_pb2.AUTOMATION_STATE_ON
    assert list(answer.automation.settled_clusters) == ["a", "b"]
    events = (await api.events.ListEvents(event_service_pb2.ListEventsRequest(subject="fleet"))).events
    assert {event.reason for event in events} >= {"AutomationHolding", "AutomationReleased", "AutomationOn"}


async def test_what_people_hold_is_released_for_its_subject_alone(api: Any, store: Any, helpers: Any) -> None:
    await judged(api, store, a=Verdict.HEALTHY, b=Verdict.HEALTHY, c=Verdict.HEALTHY)
    await api.apply("web", helpers.config_map(), placement=helpers.everywhere())
    for subject in ("fleet", "clusters/a", WEB):
        await api.holds.Pause(
            holds_pb.PauseRequest(subject=subject, scope=hold_pb2.HOLD_SCOPE_AUTOMATION, reason="drill")
        )
    for subject in ("clusters/a", WEB, "fleet"):
        answer = await api.automation.ReleaseAutomation(pb.ReleaseAutomationRequest(subject=subject))
        assert [hold.subject for hold in answer.ended] == [subject]
    assert not answer.automation.holds
    again = await api.automation.ReleaseAutomation(pb.ReleaseAutomationRequest(subject="fleet"))
    assert not again.ended


@pytest.mark.parametrize("subject", ["clusters/nowhere", "namespaces/shop/units/none"])
async def test_what_is_not_there_cannot_be_released(api: Any, helpers: Any, subject: str) -> None:
    refusal = await helpers.refused(api.automation.ReleaseAutomation(pb.ReleaseAutomationRequest(subject=subject)))
    assert refusal.code == grpc.StatusCode.NOT_FOUND


async def test_a_verdict_is_part_of_the_status_of_a_cluster(api: Any, store: Any) -> None:
    await judged(api, store, a=Verdict.SUSPECT)
    cluster = (await api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/a"))).cluster
    health = cluster.status.health
    assert (health.verdict, health.reason) == (cluster_pb2.HEALTH_VERDICT_SUSPECT, "Refused")
    assert health.HasField("since")
    assert not cluster.taints  # those are for people to set


async def test_the_history_comes_in_pages_the_newest_first(api: Any, store: Any, helpers: Any) -> None:
    await judged(api, store, a=Verdict.HEALTHY)
    unit = (await api.apply("web", helpers.config_map(), placement=helpers.everywhere())).unit
    async with store.transaction() as tx:
        left = [
            Left(
                uid=unit.uid,
                unit_name=WEB,
                cluster=cluster,
                targets=["b"],
                is_elsewhere=True,
                priority=7,
                message="gone",
                trouble_time=SINCE,
                detect_time=SINCE + timedelta(seconds=10),
            )
            for cluster in ("x", "y", "x")
        ]
        await failovers.add(tx, left)
    first = await api.automation.ListFailovers(pb.ListFailoversRequest(page_size=2))
    second = await api.automation.ListFailovers(pb.ListFailoversRequest(page_size=2, page_token=first.next_page_token))
    assert [one.cluster for one in (*first.failovers, *second.failovers)] == ["x", "y", "x"]
    assert not second.next_page_token
    (one,) = (await api.automation.ListFailovers(pb.ListFailoversRequest(unit=WEB, cluster="y"))).failovers
    assert (one.unit, one.priority, list(one.targets), one.message) == (WEB, 7, ["b"], "gone")
    assert one.detect_time.seconds - one.trouble_time.seconds == 10
    assert not one.HasField("place_time")


async def test_the_policy_of_a_unit_is_kept_and_its_default_is_not_written_out(api: Any, helpers: Any) -> None:
    policy = unit_pb2.FailoverPolicy(
        mode=unit_pb2.FAILOVER_MODE_MANUAL,
        toleration_seconds=0,
        priority=5,
        failback=unit_pb2.FailbackPolicy(mode=unit_pb2.FAILBACK_MODE_NEVER, stable_seconds=0, pace_percent=100),
        floor=unit_pb2.FailoverFloor(percent=50),
        unhealthy=unit_pb2.UnhealthyPolicy(after_seconds=60, forget_seconds=600),
    )
    unit = (await api.apply("web", helpers.config_map(), placement=helpers.everywhere(), failover=policy)).unit
    assert unit.spec.failover == policy
    unit = (await api.apply("web", helpers.config_map(), placement=helpers.everywhere())).unit
    assert not unit.spec.HasField("failover")


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (unit_pb2.FailoverPolicy(toleration_seconds=-1), "toleration_seconds"),
        (unit_pb2.FailoverPolicy(toleration_seconds=86_401), "toleration_seconds"),
        (unit_pb2.FailoverPolicy(priority=1_001), "priority"),
        (unit_pb2.FailoverPolicy(mode=77), "mode"),  # type: ignore[arg-type]
        (unit_pb2.FailoverPolicy(failback=unit_pb2.FailbackPolicy(stable_seconds=-1)), "failback.stable_seconds"),
        (unit_pb2.FailoverPolicy(failback=unit_pb2.FailbackPolicy(pace_percent=0)), "failback.pace_percent"),
        (unit_pb2.FailoverPolicy(failback=unit_pb2.FailbackPolicy(pace_percent=101)), "failback.pace_percent"),
        (unit_pb2.FailoverPolicy(failback=unit_pb2.FailbackPolicy(mode=9)), "failback.mode"),  # type: ignore[arg-type]
        (unit_pb2.FailoverPolicy(unhealthy=unit_pb2.UnhealthyPolicy(after_seconds=9)), "unhealthy.after_seconds"),
        (unit_pb2.FailoverPolicy(unhealthy=unit_pb2.UnhealthyPolicy(forget_seconds=0)), "unhealthy.forget_seconds"),
        (unit_pb2.FailoverPolicy(floor=unit_pb2.FailoverFloor()), "floor"),
        (unit_pb2.FailoverPolicy(floor=unit_pb2.FailoverFloor(replicas=1, percent=1)), "floor"),
        (unit_pb2.FailoverPolicy(floor=unit_pb2.FailoverFloor(replicas=0)), "floor.replicas"),
        (unit_pb2.FailoverPolicy(floor=unit_pb2.FailoverFloor(percent=101)), "floor.percent"),
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused_by_its_field(
    api: Any, helpers: Any, policy: unit_pb2.FailoverPolicy, field: str
) -> None:
    refusal = await helpers.refused(
        api.apply("web", helpers.config_map(), placement=helpers.everywhere(), failover=policy)
    )
    assert [path for path, _ in refusal.fields] == [f"unit.spec.failover.{field}"]


async def test_automation_is_held_for_the_clusters_that_are_in_a_region(api: Any, store: Any, helpers: Any) -> None:
    await judged(api, store, a=Verdict.HEALTHY, b=Verdict.HEALTHY)
    held = holds_pb.PauseRequest(
        subject="regions/a", scope=hold_pb2.HOLD_SCOPE_AUTOMATION, reason="cut over", request_id=UUID
    )
    assert (await api.holds.Pause(held)).hold.subject == "regions/a"
    async with store.reader() as tx:
        version = (await automation.gate(tx)).version
        assert (await automation.gate(tx)).held_clusters == {"a"}
    await api.join("c", region="a")
    async with store.reader() as tx:
        assert (await automation.gate(tx)).held_clusters == {"a", "c"}
    for subject, count in (("clusters/a", 1), ("clusters/b", 0), ("regions/a", 1)):
        listed = (await api.holds.ListHolds(holds_pb.ListHoldsRequest(subject=subject))).holds
        assert len(listed) == count, subject
    answer = await api.automation.ReleaseAutomation(pb.ReleaseAutomationRequest(subject="regions/a"))
    assert [hold.subject for hold in answer.ended] == ["regions/a"]
    async with store.reader() as tx:
        gate = await automation.gate(tx)
    assert not gate.held_clusters
    assert gate.version > version
    refusal = await helpers.refused(api.holds.Pause(holds_pb.PauseRequest(subject="regions/a")))
    assert [path for path, _ in refusal.fields] == ["scope"]
    nowhere = holds_pb.PauseRequest(subject="regions/asia", scope=hold_pb2.HOLD_SCOPE_AUTOMATION)
    assert (await helpers.refused(api.holds.Pause(nowhere))).code == grpc.StatusCode.NOT_FOUND
