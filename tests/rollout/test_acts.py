"""What people do to a rollout, and what a look at it comes to, case by case."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.errors import RolloutStateError
from fedsvc.rollout import ClusterView, Phase, Release, Rollout, RolloutPolicy, RolloutWave, acts
from fedsvc.rollout.acts import NewRevision, begin
from fedsvc.rollout.holding import revision_for
from fedsvc.rollout.policy import OnFailure, OnSilence
from fedsvc.rollout.step import PATIENCE_SECONDS, step
from fedsvc_placement import ClusterMatcher, ClusterSnapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RolloutPolicy(
    waves=(RolloutWave(name="canary", clusters=ClusterMatcher(names=("a",))), RolloutWave(approval=True)),
    soak_seconds=60,
)
RELEASED = (Release(cluster="a", time=NOW, unwell_since=None),)


def rollout(phase: Phase = Phase.PROGRESSING, **fields: Any) -> Rollout:
    return Rollout(revision=5, stable=4, phase=phase, begin_time=NOW, phase_time=NOW, **fields)


def view(name: str, revision: int = 4, **fields: Any) -> ClusterView:
    defaults = {"applied": True, "healthy": True}
    return ClusterView(facts=ClusterSnapshot(name=name), revision=revision, **{**defaults, **fields})


def new(**fields: Any) -> NewRevision:
    defaults = {"number": 6, "previous": 5, "same_as_previous": False, "same_as_stable": False, "at_once": False}
    return NewRevision(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("before", "revision", "expected"),
    [
        pytest.param(None, new(number=1, previous=0), None, id="the first revision"),
        pytest.param(None, new(at_once=True), None, id="at once"),
        pytest.param(None, new(same_as_previous=True), None, id="nothing that goes in waves"),
        pytest.param(None, new(), (6, 5, Phase.PROGRESSING), id="a new one"),
        pytest.param(rollout(Phase.COMPLETED), new(), (6, 5, Phase.PROGRESSING), id="after one that is completed"),
        pytest.param(
            rollout(Phase.COMPLETED), new(same_as_previous=True), (6, 6, Phase.COMPLETED), id="the same once more"
        ),
        pytest.param(rollout(released=RELEASED), new(), (6, 4, Phase.PROGRESSING), id="takes over from the stable one"),
        pytest.param(rollout(Phase.PAUSED), new(), (6, 4, Phase.PAUSED), id="what a person paused stays so"),
        pytest.param(rollout(Phase.FAILED), new(), (6, 4, Phase.PROGRESSING), id="a failure does not"),
        pytest.param(rollout(Phase.ROLLED_BACK), new(), (6, 4, Phase.PROGRESSING), id="after one that went back"),
        pytest.param(
            rollout(Phase.ROLLED_BACK), new(same_as_previous=True), (6, 4, Phase.ROLLED_BACK), id="it stays back"
        ),
        pytest.param(rollout(released=RELEASED), new(same_as_stable=True), None, id="the way back"),
    ],
)
def test_a_new_revision_begins_ends_or_goes_on_with_a_rollout(
    before: Rollout | None, revision: NewRevision, expected: tuple[int, int, Phase] | None
) -> None:
    found = begin(before, revision, NOW)

    assert (None if found is None else (found.revision, found.stable, found.phase)) == expected


def test_with_another_policy_clusters_that_are_done_stay_done() -> None:
    before = rollout(wave=1, released=RELEASED, approved=(1,), healthy_since=NOW)

    found = begin(before, new(same_as_previous=True), NOW)

    assert found is not None
    assert (found.wave, found.released, found.approved, found.healthy_since) == (0, RELEASED, (), None)


@pytest.mark.parametrize(
    ("state", "held", "expected"),
    [
        (None, 4, 5),
        (None, None, 5),
        (rollout(Phase.COMPLETED), 4, 5),
        (rollout(Phase.ROLLING_BACK, released=(Release(cluster="x", time=NOW, unwell_since=None),)), 5, 4),
        (rollout(Phase.ROLLED_BACK), 5, 4),
        (rollout(released=(Release(cluster="x", time=NOW, unwell_since=None),)), 4, 5),
        (rollout(), 4, 4),
        (rollout(), 3, 3),
        (rollout(), None, 4),
    ],
)
def test_which_revision_a_cluster_shall_hold(state: Rollout | None, held: int | None, expected: int) -> None:
    assert revision_for(state, 5, "x", held=held) == expected


ACTS: dict[str, Callable[[Rollout], Rollout]] = {
    "pause": lambda state: acts.pause(state, NOW, by="me", reason="why"),
    "resume": lambda state: acts.resume(state, NOW, by="me"),
    "abort": lambda state: acts.abort(state, NOW, by="me", reason="why"),
    "approve": lambda state: acts.approve(POLICY, state, wave=None, by="me"),
    "retry": lambda state: acts.retry(state, NOW, by="me"),
}
ALLOWED = {
    Phase.PROGRESSING: {"pause": Phase.PAUSED, "abort": Phase.ROLLING_BACK},
    Phase.SOAKING: {"pause": Phase.PAUSED, "abort": Phase.ROLLING_BACK},
    Phase.WAITING_FOR_APPROVAL: {
        "pause": Phase.PAUSED,
        "abort": Phase.ROLLING_BACK,
        "approve": Phase.WAITING_FOR_APPROVAL,
    },
    Phase.PAUSED: {"pause": Phase.PAUSED, "resume": Phase.PROGRESSING, "abort": Phase.ROLLING_BACK},
    Phase.FAILED: {"pause": Phase.PAUSED, "resume": Phase.PROGRESSING, "abort": Phase.ROLLING_BACK},
    Phase.ROLLING_BACK: {"retry": Phase.PROGRESSING},
    Phase.ROLLED_BACK: {"retry": Phase.PROGRESSING},
    Phase.COMPLETED: {},
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", ACTS)
def test_each_act_is_done_where_it_makes_sense_and_refused_with_advice_elsewhere(phase: Phase, name: str) -> None:
    before = rollout(phase, wave=1)
    expected = ALLOWED[phase].get(name)

    if expected is not None:
        assert ACTS[name](before).phase is expected
        return
    with pytest.raises(RolloutStateError, match=r"revision 5 .*: \w"):
        ACTS[name](before)


def test_a_wave_that_asks_for_no_approval_cannot_be_approved() -> None:
    with pytest.raises(RolloutStateError, match="wave 1 asks for no approval; those that do: 2"):
        acts.approve(POLICY, rollout(), wave=0, by="me")

    assert acts.approve(POLICY, rollout(), wave=1, by="me").approved == (1,)


def test_who_goes_on_after_a_failure_excuses_those_that_failed() -> None:
    unwell = (Release(cluster="a", time=NOW, unwell_since=NOW), *RELEASED[:0])
    failed = step(POLICY, rollout(released=unwell), [view("a", 5, healthy=False)], NOW + timedelta(seconds=700)).rollout
    assert failed.phase is Phase.FAILED

    resumed = acts.resume(failed, NOW, by="me")

    assert resumed.excused == ("a",)
    again = step(POLICY, resumed, [view("a", 5, healthy=False), view("b")], NOW + timedelta(seconds=800)).rollout
    assert again.phase is Phase.SOAKING


@pytest.mark.parametrize(
    ("seen", "seconds", "phase"),
    [
        pytest.param({"healthy": False}, 599, Phase.PROGRESSING, id="not healthy yet"),
        pytest.param({"healthy": False}, 600, Phase.FAILED, id="not healthy in time"),
        pytest.param(
            {"healthy": False, "trouble": "it crashes"}, PATIENCE_SECONDS, Phase.FAILED, id="broken for a while"
        ),
        pytest.param({"healthy": False, "trouble": "it crashes"}, 5, Phase.PROGRESSING, id="broken just now"),
        pytest.param({"applied": False, "waits_for": "paused"}, 6000, Phase.PROGRESSING, id="paused by somebody"),
        pytest.param({"silent": "it does not answer"}, 600, Phase.FAILED, id="not heard"),
        pytest.param({}, 59, Phase.SOAKING, id="healthy, not for long enough"),
        pytest.param({}, 60, Phase.WAITING_FOR_APPROVAL, id="healthy for long enough"),
    ],
)
def test_what_becomes_of_a_wave_with_time(seen: dict[str, Any], seconds: int, phase: Phase) -> None:
    clusters = [view("a", 5, **seen), view("b")]
    begun = rollout(released=(Release(cluster="a", time=NOW, unwell_since=NOW),))

    first = step(POLICY, begun, clusters, NOW).rollout
    later = step(POLICY, first, clusters, NOW + timedelta(seconds=seconds))

    assert later.rollout.phase is phase
    assert "b" not in later.rollout.names


def test_trouble_from_before_the_revision_came_counts_for_nothing() -> None:
    begun = rollout(released=(Release(cluster="a", time=NOW, unwell_since=NOW),))
    old = [view("a", 4, healthy=False, trouble="it crashes")]

    first = step(POLICY, begun, old, NOW).rollout

    assert step(POLICY, first, old, NOW + timedelta(seconds=60)).rollout.phase is Phase.PROGRESSING


def test_getting_unwell_again_begins_the_soak_anew() -> None:
    begun = rollout(released=RELEASED)
    soaking = step(POLICY, begun, [view("a", 5), view("b")], NOW).rollout
    assert soaking.phase is Phase.SOAKING

    unwell = step(POLICY, soaking, [view("a", 5, healthy=False), view("b")], NOW + timedelta(seconds=50)).rollout
    well = step(POLICY, unwell, [view("a", 5), view("b")], NOW + timedelta(seconds=55))

    assert (well.rollout.phase, well.look_again) == (Phase.SOAKING, NOW + timedelta(seconds=115))


def test_a_failure_rolls_back_where_the_policy_says_so_and_says_which_revision_is_held_again() -> None:
    policy = replace(POLICY, on_failure=OnFailure.ROLL_BACK)
    begun = rollout(released=(Release(cluster="a", time=NOW, unwell_since=NOW),))

    back = step(policy, begun, [view("a", 5, healthy=False), view("b")], NOW + timedelta(seconds=600))
    done = step(policy, back.rollout, [view("a"), view("b", silent="gone")], NOW + timedelta(seconds=610))

    assert [reason for reason, _, _ in back.news] == ["RolloutFailed"]
    assert back.rollout.phase is Phase.ROLLING_BACK
    assert done.rollout.phase is Phase.ROLLED_BACK
    assert done.news[0][1] == "revision 5 was rolled back to 4; not heard, and to follow when it is back: b"


def test_a_silent_cluster_that_is_skipped_holds_nobody_up() -> None:
    policy = RolloutPolicy(on_silence=OnSilence.SKIP)

    found = step(policy, rollout(), [view("a", silent="gone")], NOW).rollout

    assert found.phase is Phase.COMPLETED
