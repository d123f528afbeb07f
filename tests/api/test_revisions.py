"""Revisions and rollouts over the API, without controllers."""

from typing import Any
from uuid import uuid4

import grpc
import pytest

from fedsvc.store import units
from fedsvc.store.store import Store
from fedsvc.v1 import (
    common_pb2,
    event_service_pb2,
    revision_service_pb2,
    revision_service_pb2_grpc,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
    unit_service_pb2,
)

UNIT = "namespaces/shop/units/web"
WAVES = rollout_pb2.RolloutPolicy(
    waves=[
        rollout_pb2.RolloutWave(clusters=common_pb2.ClusterMatcher(names=["eu-1"])),
        rollout_pb2.RolloutWave(approval=True),
    ]
)


@pytest.fixture
def revisions(api: Any) -> revision_service_pb2_grpc.RevisionServiceStub:
    return revision_service_pb2_grpc.RevisionServiceStub(api.channel)


@pytest.fixture
def rollouts(api: Any) -> rollout_service_pb2_grpc.RolloutServiceStub:
    return rollout_service_pb2_grpc.RolloutServiceStub(api.channel)


async def test_history_tells_page_by_page_what_each_revision_changed(api: Any, helpers: Any, revisions: Any) -> None:
    await api.apply("web", helpers.config_map("a", v="1"), helpers.config_map("b"))
    await api.apply("web", helpers.config_map("a", v="2"), helpers.config_map("c"))
    await api.apply("web", helpers.config_map("a", v="2"), helpers.config_map("c"), placement=helpers.everywhere())

    first = await revisions.ListUnitRevisions(revision_service_pb2.ListUnitRevisionsRequest(parent=UNIT, page_size=2))
    second = await revisions.ListUnitRevisions(
        revision_service_pb2.ListUnitRevisionsRequest(parent=UNIT, page_size=2, page_token=first.next_page_token)
    )

    found = [*first.revisions, *second.revisions]
    assert [(one.revision, one.current, one.author) for one in found] == [
        (3, True, "tester"),
        (2, False, "tester"),
        (1, False, "tester"),
    ]
    assert second.next_page_token == ""
    told = [
        [[ref.name for ref in refs] for refs in (one.changes.added, one.changes.changed, one.changes.removed)]
        + [list(one.changes.fields)]
        for one in found
    ]
    assert told == [[[], [], [], ["placement"]], [["c"], ["a"], ["b"], []], [["a", "b"], [], [], []]]


async def test_a_revision_comes_back_as_it_was_with_secrets_masked(api: Any, helpers: Any, revisions: Any) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "hidden"}}
    await api.apply("web", secret, placement=helpers.everywhere())
    await api.apply("web", helpers.config_map())

    found = await revisions.GetUnitRevision(revision_service_pb2.GetUnitRevisionRequest(name=f"{UNIT}/revisions/1"))

    assert found.revision.revision == 1
    assert found.spec.HasField("placement")
    assert b"***" in found.spec.resources[0].json
    assert b"hidden" not in found.spec.resources[0].json


async def test_a_rollback_brings_all_back_but_the_rollout_policy(
    api: Any, helpers: Any, revisions: Any, store: Store
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "hidden"}}
    await api.apply("web", secret, helpers.config_map(v="1"), placement=helpers.everywhere())
    newer = await api.apply("web", helpers.config_map(v="2"), rollout=WAVES)
    request = revision_service_pb2.RollBackUnitRequest(name=UNIT, etag=newer.unit.etag, validate_only=True)

    shown = await revisions.RollBackUnit(request)
    request.validate_only, request.request_id = False, str(uuid4())
    done = await revisions.RollBackUnit(request)
    again = await revisions.RollBackUnit(request)

    assert (shown.restored_revision, shown.unit.revision, list(shown.fields)) == (1, 3, ["placement"])
    assert done == again
    assert not done.in_waves  # it goes back from a rollout that came nowhere yet
    async with store.reader() as tx:
        unit = await units.get(tx, "shop", "web")
        bodies = [one.body for one in await units.resources_of(tx, unit.uid)]
    assert unit.spec.placement is not None
    assert unit.spec.rollout is not None
    assert any(b"hidden" in (body or b"") for body in bodies), "the Secret is what it was, not its mask"
    listed = await revisions.ListUnitRevisions(revision_service_pb2.ListUnitRevisionsRequest(parent=UNIT))
    assert [one.restores for one in listed.revisions] == [1, 0, 0]


async def test_a_rollback_to_what_is_changes_nothing(api: Any, helpers: Any, revisions: Any) -> None:
    await api.apply("web", helpers.config_map())

    same = await revisions.RollBackUnit(revision_service_pb2.RollBackUnitRequest(name=UNIT, revision=1))

    assert (same.outcome, same.unit.revision) == (unit_service_pb2.APPLY_OUTCOME_UNCHANGED, 1)


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"revision": 7}, grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        ({"revision": -1}, grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        ({"revision": 1, "etag": '"old"'}, grpc.StatusCode.ABORTED, "ETAG_MISMATCH"),
        ({}, grpc.StatusCode.FAILED_PRECONDITION, "NO_EARLIER_REVISION"),
    ],
)
async def test_a_rollback_that_cannot_be_is_refused(
    api: Any, helpers: Any, revisions: Any, fields: dict[str, Any], code: grpc.StatusCode, reason: str
) -> None:
    await api.apply("web", helpers.config_map())

    refusal = await helpers.refused(
        revisions.RollBackUnit(revision_service_pb2.RollBackUnitRequest(name=UNIT, **fields))
    )

    assert (refusal.code, refusal.reason) == (code, reason)


async def test_a_rollout_is_there_as_soon_as_the_revision_is_stored_and_only_acted_on_if_it_is_the_one_meant(
    api: Any, helpers: Any, rollouts: Any
) -> None:
    name = f"{UNIT}/rollout"
    first = await api.apply("web", helpers.config_map(v="1"), rollout=WAVES)
    missing = await helpers.refused(rollouts.GetRollout(rollout_service_pb2.GetRolloutRequest(name=name)))
    assert (missing.code, missing.metadata["name"]) == (grpc.StatusCode.NOT_FOUND, name)
    second = await api.apply("web", helpers.config_map(v="2"), rollout=WAVES)
    assert (first.in_waves, second.in_waves) == (False, True)

    found = (await rollouts.GetRollout(rollout_service_pb2.GetRolloutRequest(name=name))).rollout
    assert (found.revision, found.stable_revision, found.phase, found.wave) == (
        2,
        1,
        rollout_pb2.ROLLOUT_PHASE_PROGRESSING,
        1,
    )
    other = await helpers.refused(rollouts.AbortRollout(rollout_service_pb2.AbortRolloutRequest(name=name, revision=1)))
    assert (other.reason, "is of revision 2 meanwhile, not of 1" in other.message) == ("ROLLOUT_STATE", True)
    tried = await rollouts.PauseRollout(
        rollout_service_pb2.PauseRolloutRequest(name=name, reason="look", validate_only=True)
    )
    assert tried.rollout.phase == rollout_pb2.ROLLOUT_PHASE_PAUSED
    assert (await rollouts.GetRollout(rollout_service_pb2.GetRolloutRequest(name=name))).rollout == found

    paused = (await rollouts.PauseRollout(rollout_service_pb2.PauseRolloutRequest(name=name, reason="look"))).rollout
    assert (paused.message, paused.changed_by) == ("look", "tester")
    resumed = await rollouts.ResumeRollout(rollout_service_pb2.ResumeRolloutRequest(name=name, revision=2))
    assert resumed.rollout.phase == rollout_pb2.ROLLOUT_PHASE_PROGRESSING
    approved = await rollouts.ApproveRollout(rollout_service_pb2.ApproveRolloutRequest(name=name, wave=2))
    assert [wave.approved for wave in approved.rollout.waves] == [False, True]
    told = (await api.events.ListEvents(event_service_pb2.ListEventsRequest(subject=UNIT))).events
    assert {(one.reason, one.message) for one in told} == {
        ("RolloutPaused", "revision 2, by tester: look"),
        ("RolloutResumed", "revision 2, by tester"),
        ("RolloutApproved", "revision 2, by tester"),
    }
    again = await helpers.refused(rollouts.RetryRollout(rollout_service_pb2.RetryRolloutRequest(name=name)))
    assert again.reason == "ROLLOUT_STATE"


async def test_a_rollout_policy_comes_back_as_it_was_sent_with_its_defaults_told(api: Any, helpers: Any) -> None:
    applied = await api.apply("web", helpers.config_map(), rollout=WAVES)

    policy = applied.unit.spec.rollout
    assert list(policy.waves) == list(WAVES.waves)
    assert (policy.deadline_seconds, policy.on_failure, policy.on_silence) == (
        600,
        rollout_pb2.ROLLOUT_FAILURE_MODE_PAUSE,
        rollout_pb2.ROLLOUT_SILENCE_MODE_FAIL,
    )
