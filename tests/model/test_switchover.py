"""How the primary of a unit goes elsewhere: pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.model.failback import FailbackMode, FailbackPolicy
from fedsvc.model.roles import (
    Ask,
    Cause,
    Evidence,
    LossPolicy,
    Phase,
    Reading,
    RolePolicy,
    Switchover,
    first_primary,
    read_evidence,
)
from fedsvc.model.switchover import ACCEPTED_WAIT, REDECIDED_WITHIN, Place, Sight, Step, step
from fedsvc.model.switchover_words import steps_of
from fedsvc.rendering.roles import Role

NOW = datetime(2026, 11, 27, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=601)
TOKEN = Evidence(kind="Cluster", name="db", path="status.demotionToken")
QUIET = Evidence(kind="Job", name="quiet")
FENCE = Evidence(kind="Job", name="fence")
OPEN = Evidence(kind="Job", name="open")
LAG = Evidence(kind="Cluster", name="db", path="status.lag", at_most=5)
PLAIN = RolePolicy()
PROVEN = RolePolicy(proof=TOKEN)
HOOKED = RolePolicy(demote=QUIET, proof=TOKEN, promote=OPEN)
NEVER = FailbackPolicy(mode=FailbackMode.NEVER)
STEADY = Switchover(primary="a")
DONE = Reading(is_there=True, value="")
RUNNING = Reading(is_there=True, lacks="Job quiet to complete")
BROKEN = Reading(is_there=True, problem="Job quiet failed: BackoffLimitExceeded")


def place(cluster: str, role: Role | None = Role.REPLICA, **fields: Any) -> Place:
    ready = {"is_applied": True, "is_healthy": True, "is_heard": True}
    return Place(cluster=cluster, role=role, **{**ready, **fields})


A = place("a", Role.PRIMARY)
B = place("b")
C = place("c")


def sight(*places: Place, wanted: str = "abc", **fields: Any) -> Sight:
    given = {one.cluster: one for one in (A, B, C)} | {one.cluster: one for one in places}
    return Sight(places=given, wanted=frozenset(wanted), **fields)


LOST_A = place("a", Role.PRIMARY, is_lost=True, is_heard=False)
DEMOTED_A = place("a", Role.REPLICA)


def at(phase: Phase, **fields: Any) -> Switchover:
    """One that is under way from a to b."""
    given: dict[str, Any] = {
        "primary": "a",
        "source": "a",
        "target": "b",
        "phase": phase,
        "cause": Cause.ASKED,
        "begin_time": NOW,
        "phase_time": NOW,
        "is_demoted": phase in (Phase.DEMOTING, Phase.AWAITING_PROOF),
    }
    if phase in (Phase.PROMOTING, Phase.FINISHING):
        given["primary"] = "b"
    return Switchover(**{**given, **fields})


def next_of(
    state: Switchover,
    seen: Sight,
    *,
    policy: RolePolicy = PLAIN,
    back: FailbackPolicy = NEVER,
    now: datetime = NOW,
    ask: Ask | None = None,
) -> Step:
    return step(policy, back, state, seen, now, ask=ask)


def test_the_first_primary_is_where_it_is_preferred_else_the_first_by_name() -> None:
    assert first_primary(PLAIN, ["b", "a"]) == Switchover(primary="a")
    assert first_primary(RolePolicy(prefer=("x", "b")), ["a", "b"]) == Switchover(primary="b")
    assert first_primary(PLAIN, []) is None


def test_nothing_happens_where_nothing_is_to_be_done() -> None:
    assert next_of(STEADY, sight()) == Step(state=STEADY)


ASKED = Ask(target="b", author="ada", why="INC-1")


@pytest.mark.parametrize(
    ("policy", "phase"), [(PLAIN, Phase.DEMOTING), (PROVEN, Phase.DEMOTING), (HOOKED, Phase.QUIESCING)]
)
def test_what_is_asked_for_begins_with_the_old_primary(policy: RolePolicy, phase: Phase) -> None:
    found = next_of(STEADY, sight(), policy=policy, ask=ASKED).state
    assert (found.phase, found.primary, found.target, found.author, found.why) == (phase, "a", "b", "ada", "INC-1")
    assert found.role_on("b") is Role.REPLICA
    assert found.role_on("a") is (Role.PRIMARY if phase is Phase.QUIESCING else Role.REPLICA)


def test_while_it_is_demoted_the_old_primary_follows_the_new_one_and_the_others_still_the_old() -> None:
    found = at(Phase.AWAITING_PROOF)
    assert [found.view(name).primary for name in "abc"] == ["b", "a", "a"]
    promoted = at(Phase.PROMOTING)
    assert [(promoted.view(name).primary, promoted.role_on(name)) for name in "abc"] == [
        ("b", Role.REPLICA),
        ("b", Role.PRIMARY),
        ("b", Role.REPLICA),
    ]


@pytest.mark.parametrize(
    ("state", "seen", "policy", "phase"),
    [
        pytest.param(
            at(Phase.QUIESCING), sight(demote={"a": DONE}), HOOKED, Phase.DEMOTING, id="what-ran-before-is-over"
        ),
        pytest.param(at(Phase.DEMOTING), sight(DEMOTED_A), PROVEN, Phase.AWAITING_PROOF, id="it-is-a-replica"),
        pytest.param(
            at(Phase.AWAITING_PROOF),
            sight(DEMOTED_A, proof={"a": Reading(is_there=True, value="t1")}),
            PROVEN,
            Phase.PROMOTING,
            id="its-proof-is-there",
        ),
        pytest.param(at(Phase.AWAITING_PROOF), sight(DEMOTED_A), PLAIN, Phase.PROMOTING, id="it-is-healthy"),
        pytest.param(
            at(Phase.PROMOTING), sight(place("b", Role.PRIMARY)), HOOKED, Phase.FINISHING, id="it-is-the-primary"
        ),
        pytest.param(
            at(Phase.FINISHING),
            sight(place("b", Role.PRIMARY), promote={"b": DONE}),
            HOOKED,
            Phase.STEADY,
            id="what-runs-after-is-over",
        ),
        pytest.param(
            at(Phase.PROMOTING), sight(place("b", Role.PRIMARY)), PLAIN, Phase.STEADY, id="it-is-healthy-there"
        ),
    ],
)
def test_a_step_follows_when_the_one_before_is_seen_to_be_over(
    state: Switchover, seen: Sight, policy: RolePolicy, phase: Phase
) -> None:
    assert next_of(state, seen, policy=policy).state.phase is phase


def test_the_proof_goes_along_to_the_new_primary() -> None:
    seen = sight(DEMOTED_A, proof={"a": Reading(is_there=True, value="t1")})
    found = next_of(at(Phase.AWAITING_PROOF), seen, policy=PROVEN).state
    assert (found.primary, found.proof, found.undemoted) == ("b", "t1", ())
    assert found.view("b").proof == "t1"


@pytest.mark.parametrize(
    ("state", "seen", "policy"),
    [
        pytest.param(at(Phase.QUIESCING), sight(demote={"a": RUNNING}), HOOKED, id="it-runs"),
        pytest.param(at(Phase.QUIESCING), sight(), HOOKED, id="it-is-not-made-yet"),
        pytest.param(at(Phase.DEMOTING), sight(), PROVEN, id="it-is-made-for-a-primary-yet"),
        pytest.param(at(Phase.DEMOTING), sight(place("a", is_applied=False)), PROVEN, id="it-is-not-applied"),
        pytest.param(at(Phase.DEMOTING), sight(place("a", is_heard=False)), PROVEN, id="it-is-not-heard"),
        pytest.param(at(Phase.AWAITING_PROOF), sight(DEMOTED_A), PROVEN, id="no-proof"),
        pytest.param(
            at(Phase.AWAITING_PROOF, stale_proof="t1"),
            sight(DEMOTED_A, proof={"a": Reading(is_there=True, value="t1")}),
            PROVEN,
            id="the-proof-of-before",
        ),
        pytest.param(
            at(Phase.AWAITING_PROOF),
            sight(place("a", is_applied=False), proof={"a": Reading(is_there=True, value="t1")}),
            PROVEN,
            id="a-proof-and-no-replica-any-more",
        ),
        pytest.param(at(Phase.AWAITING_PROOF), sight(place("a", is_healthy=False)), PLAIN, id="not-healthy"),
        pytest.param(at(Phase.FENCING), sight(LOST_A), PROVEN, id="lost-without-a-policy"),
    ],
)
def test_nobody_else_becomes_primary_before_and_it_says_what_it_waits_for(
    state: Switchover, seen: Sight, policy: RolePolicy
) -> None:
    found = next_of(state, seen, policy=policy).state
    assert (found.primary, found.phase) == ("a", state.phase)
    assert found.message


@pytest.mark.parametrize(
    ("state", "seen", "policy"),
    [
        pytest.param(at(Phase.QUIESCING), sight(demote={"a": BROKEN}), HOOKED, id="what-runs-before-failed"),
        pytest.param(at(Phase.QUIESCING, phase_time=NOW - timedelta(hours=1)), sight(), HOOKED, id="it-takes-too-long"),
        pytest.param(at(Phase.DEMOTING, phase_time=NOW - timedelta(hours=1)), sight(), PROVEN, id="no-replica-in-time"),
        pytest.param(
            at(Phase.AWAITING_PROOF, phase_time=NOW - timedelta(hours=1)),
            sight(DEMOTED_A),
            PROVEN,
            id="no-proof-in-time",
        ),
    ],
)
def test_what_is_not_proved_in_time_is_called_off_and_the_old_primary_is_primary_again(
    state: Switchover, seen: Sight, policy: RolePolicy
) -> None:
    state = replace(state, cause=Cause.LEAVING)
    found = next_of(state, seen, policy=policy).state
    assert (found.primary, found.phase, found.blocked) == ("a", Phase.PROMOTING, "CalledOff")
    assert found.role_on("a") is Role.PRIMARY
    back = next_of(found, sight(A, wanted="bc"), policy=replace(policy, promote=None)).state
    assert (back.phase, back.primary, back.blocked) == (Phase.STEADY, "a", "CalledOff")
    again = next_of(back, sight(A, wanted="bc"), policy=replace(policy, promote=None)).state
    assert again == back, "writes are not stopped once more by themselves"
    assert next_of(back, sight(A), policy=policy).state.blocked == "", "the cause is over"


def test_a_lost_primary_waits_for_somebody_and_one_who_accepts_the_loss_ends_that() -> None:
    seen = sight(LOST_A, wanted="bc")
    begun = next_of(STEADY, seen, policy=PROVEN)
    assert (begun.state.phase, begun.state.cause, begun.state.target) == (Phase.FENCING, Cause.LOST, "b")
    waits = next_of(begun.state, seen, policy=PROVEN)
    assert (waits.state.blocked, waits.state.primary) == ("NoProof", "a")
    assert [one.reason for one in waits.news] == ["SwitchoverBlocked"]
    assert next_of(waits.state, seen, policy=PROVEN).news == (), "it is told once"
    asked = next_of(waits.state, seen, policy=PROVEN, ask=Ask(target="c", accepts_loss=True, author="ada")).state
    promoted = next_of(asked, seen, policy=PROVEN).state
    assert (promoted.primary, promoted.phase, promoted.undemoted) == ("c", Phase.PROMOTING, ("a",))
    assert promoted.role_on("a") is Role.REPLICA


def test_the_old_primary_is_shown_until_it_is_known_to_be_a_replica() -> None:
    state = Switchover(primary="b", undemoted=("a",))
    assert not state.is_over
    assert next_of(state, sight(LOST_A)).state.undemoted == ("a",)
    assert next_of(state, sight(place("a", Role.REPLICA, is_applied=False))).state.undemoted == ("a",)
    found = next_of(state, sight(DEMOTED_A))
    assert (found.state.undemoted, [one.reason for one in found.news]) == ((), ["OldPrimaryDemoted"])


def test_a_lost_primary_that_is_back_before_anything_was_changed_stays_primary() -> None:
    state = at(Phase.FENCING, cause=Cause.LOST)
    found = next_of(state, sight())
    assert (found.state.phase, found.state.primary, found.news[0].reason) == (Phase.STEADY, "a", "PrimaryBack")
    undecided = next_of(state, sight(place("a", Role.PRIMARY, well_since=NOW), wanted="bc"), policy=PROVEN).state
    assert (undecided.phase, undecided.blocked) == (Phase.FENCING, "")
    still_leaving = sight(place("a", Role.PRIMARY, well_since=NOW - REDECIDED_WITHIN), wanted="bc")
    assert next_of(state, still_leaving, policy=PROVEN).state.phase is Phase.DEMOTING
    drained = sight(wanted="bc", departures={"a": ("ada", "")})
    assert next_of(state, drained, policy=PROVEN).state.phase is Phase.DEMOTING
    demoted = next_of(replace(state, is_demoted=True), sight(), policy=PROVEN).state
    assert demoted.phase is Phase.DEMOTING


FENCED = RolePolicy(proof=TOKEN, on_loss=LossPolicy(fence=FENCE, proof=LAG))


@pytest.mark.parametrize(
    ("fence", "lag", "is_promoted"),
    [(DONE, Reading(value="3"), True), (DONE, Reading(lacks="lag"), False), (RUNNING, Reading(value="3"), False)],
)
def test_what_the_policy_for_lost_clusters_asks_for_must_all_be_seen(
    fence: Reading, lag: Reading, *, is_promoted: bool
) -> None:
    seen = sight(LOST_A, wanted="bc", fence={"b": fence}, loss_proof={"b": lag})
    found = next_of(at(Phase.FENCING, cause=Cause.LOST), seen, policy=FENCED).state
    assert (found.primary == "b") is is_promoted
    if is_promoted:
        assert found.undemoted == ("a",)


def test_what_runs_at_the_target_turns_nothing_and_the_loss_of_the_target_does() -> None:
    state = at(Phase.FENCING, cause=Cause.LOST)
    busy = sight(LOST_A, place("b", is_applied=False, is_healthy=False), wanted="bc", fence={"b": RUNNING})
    assert next_of(state, busy, policy=FENCED).state.target == "b"
    lost = sight(LOST_A, place("b", is_lost=True), wanted="c", fence={"b": RUNNING})
    assert next_of(state, lost, policy=FENCED).state.target == "c"


def test_what_runs_in_a_step_is_there_in_that_step_alone() -> None:
    policy = replace(FENCED, demote=QUIET, promote=OPEN)
    found = {
        phase: {name: at(phase).hooks_on(name, policy) for name in "abc" if at(phase).hooks_on(name, policy)}
        for phase in Phase
    }
    assert {phase: hooks for phase, hooks in found.items() if hooks} == {
        Phase.QUIESCING: {"a": (QUIET,)},
        Phase.FENCING: {"b": (FENCE,)},
        Phase.FINISHING: {"b": (OPEN,)},
    }


def test_what_is_left_of_the_switchover_before_is_waited_for_and_what_is_asked_for_is_not_lost() -> None:
    found = next_of(STEADY, sight(demote={"a": DONE}), policy=HOOKED, ask=ASKED)
    assert (found.state.phase, found.keeps_ask) == (Phase.STEADY, True)
    assert "to be gone from a" in found.state.message


@pytest.mark.parametrize("state", [STEADY, at(Phase.QUIESCING), at(Phase.AWAITING_PROOF), at(Phase.FENCING)])
def test_a_hold_freezes_what_nobody_asked_for_and_nothing_else(state: Switchover) -> None:
    seen = sight(
        LOST_A if state.phase in (Phase.STEADY, Phase.FENCING) else DEMOTED_A,
        wanted="bc",
        demote={"a": DONE},
        proof={"a": Reading(value="t")},
        fence={"b": DONE},
        loss_proof={"b": DONE},
        held="automation is held",
    )
    if state.phase is Phase.STEADY:
        seen = replace(seen, fence={}, demote={})
    policy = replace(FENCED, demote=QUIET)
    frozen = next_of(replace(state, cause=Cause.LEAVING), seen, policy=policy).state
    assert (frozen.phase, frozen.primary, frozen.blocked) == (state.phase, "a", "Held")
    on = next_of(state, replace(seen, held=""), policy=policy).state
    assert on.phase is not state.phase


def test_a_unit_that_leaves_the_cluster_of_its_primary_hands_that_over_first_and_where_no_replica_is_ready_waits() -> (
    None
):
    found = next_of(STEADY, sight(wanted="bc", departures={"a": ("ada", "new disks")}), policy=PROVEN).state
    assert (found.phase, found.target, found.cause, found.author) == (Phase.DEMOTING, "b", Cause.LEAVING, "ada")
    sick = sight(place("b", is_healthy=False), place("c", is_lost=True), wanted="bc")
    waits = next_of(STEADY, sick, policy=PROVEN).state
    assert (waits.phase, waits.blocked) == (Phase.STEADY, "NoReplica")
    assert next_of(waits, sight(), policy=PROVEN).state == STEADY


BACK = FailbackPolicy(stable_seconds=600)
LEFT = Switchover(primary="b", home="a", promote_time=NOW - timedelta(hours=1))


@pytest.mark.parametrize(
    ("state", "well_since", "back", "returns"),
    [
        pytest.param(LEFT, NOW - timedelta(seconds=600), BACK, True, id="well-for-long-enough"),
        pytest.param(LEFT, NOW - timedelta(seconds=599), BACK, False, id="not-yet"),
        pytest.param(LEFT, NOW - timedelta(hours=1), replace(BACK, mode=FailbackMode.MANUAL), False, id="manual"),
        pytest.param(replace(LEFT, is_kept=True), NOW - timedelta(hours=1), BACK, False, id="somebody-moved-it"),
        pytest.param(replace(LEFT, undemoted=("c",)), NOW - timedelta(hours=1), BACK, False, id="an-old-one-is-left"),
        pytest.param(replace(LEFT, promote_time=NOW), NOW - timedelta(hours=1), BACK, False, id="just-promoted"),
    ],
)
def test_the_primary_returns_to_where_it_is_preferred(
    state: Switchover, well_since: datetime, back: FailbackPolicy, *, returns: bool
) -> None:
    seen = sight(place("a", well_since=well_since), place("b", Role.PRIMARY), place("c", Role.PRIMARY))
    found = next_of(state, seen, policy=RolePolicy(prefer=("a",)), back=back).state
    assert (found.target == "a", found.cause is Cause.RETURN) == (returns, returns)
    assert next_of(state, seen, back=back).state == state, "without a preference it stays"


def test_one_who_accepts_a_loss_on_a_cluster_that_is_heard_has_it_demoted_first_as_far_as_that_goes() -> None:
    ask = Ask(target="b", accepts_loss=True)
    begun = next_of(STEADY, sight(), policy=HOOKED, ask=ask).state
    assert begun.phase is Phase.DEMOTING
    assert next_of(begun, sight(), policy=HOOKED).state.primary == "a"
    clean = next_of(begun, sight(DEMOTED_A), policy=HOOKED).state
    assert (clean.primary, clean.undemoted) == ("b", ())
    forced = next_of(begun, sight(), policy=HOOKED, now=NOW + ACCEPTED_WAIT + timedelta(seconds=1)).state
    assert (forced.primary, forced.undemoted) == ("b", ("a",))


def test_what_is_asked_for_before_the_promotion_turns_it_and_the_old_primary_may_be_asked_back() -> None:
    state = at(Phase.AWAITING_PROOF)
    turned = next_of(state, sight(DEMOTED_A), policy=PROVEN, ask=Ask(target="c")).state
    assert (turned.phase, turned.target) == (Phase.AWAITING_PROOF, "c")
    back = next_of(state, sight(DEMOTED_A), policy=PROVEN, ask=Ask(target="a")).state
    assert (back.phase, back.primary, back.role_on("a")) == (Phase.PROMOTING, "a", Role.PRIMARY)


def test_what_cannot_be_is_refused_and_what_is_not_ready_is_waited_for() -> None:
    refused = next_of(STEADY, sight(), ask=Ask(target="x"))
    assert (refused.state, refused.news[0].reason) == (STEADY, "SwitchoverRefused")
    waits = next_of(STEADY, sight(place("c", is_applied=False)), ask=Ask(target="c"))
    assert (waits.state.phase, waits.state.blocked, waits.keeps_ask) == (Phase.STEADY, "NoReplica", True)
    assert next_of(waits.state, sight(), ask=Ask(target="c")).state.phase is Phase.DEMOTING


def test_where_what_was_primary_was_deleted_nothing_else_is_to_be_proved() -> None:
    seen = replace(sight(wanted="bc", gone=frozenset("a")), places={"b": B, "c": C})
    begun = next_of(STEADY, seen, policy=PROVEN).state
    found = next_of(begun, seen, policy=PROVEN).state
    assert (found.primary, found.undemoted) == ("b", ())
    unknown = replace(seen, gone=frozenset())
    assert next_of(begun, unknown, policy=PROVEN).state.blocked == "NoProof"


@pytest.mark.parametrize(
    ("wanted", "status", "value"),
    [
        pytest.param(TOKEN, {"demotionToken": "t"}, "t", id="there"),
        pytest.param(TOKEN, {"demotionToken": ""}, None, id="empty"),
        pytest.param(TOKEN, {}, None, id="not-there"),
        pytest.param(TOKEN, None, None, id="not-seen-since"),
        pytest.param(TOKEN, {"demotionToken": "t", "generation": 3, "observedGeneration": 2}, None, id="not-observed"),
        pytest.param(replace(TOKEN, equals="true"), {"demotionToken": True}, "true", id="equal"),
        pytest.param(replace(TOKEN, equals="true"), {"demotionToken": "no"}, None, id="not-equal"),
        pytest.param(LAG, {"lag": 5}, "5", id="at-most"),
        pytest.param(LAG, {"lag": "4.5"}, "4.5", id="at-most-as-text"),
        pytest.param(LAG, {"lag": 6}, None, id="more"),
        pytest.param(LAG, {"lag": True}, None, id="no-number"),
    ],
)
def test_evidence_is_what_the_status_shows(
    wanted: Evidence, status: Mapping[str, Any] | None, value: str | None
) -> None:
    found = read_evidence(wanted, status, health="Healthy", reason="", message="", is_hook=False)
    assert found.value == value
    assert bool(found.lacks) is (value is None)


@pytest.mark.parametrize(
    ("health", "reason", "value", "is_problem"),
    [
        ("Healthy", "Completed", "", False),
        ("Healthy", "Suspended", None, False),
        ("Progressing", "Running", None, False),
        ("Degraded", "JobFailed", None, True),
    ],
)
def test_a_job_is_over_when_it_completed(health: str, reason: str, value: str | None, *, is_problem: bool) -> None:
    found = read_evidence(QUIET, {"active": 1}, health=health, reason=reason, message="", is_hook=True)
    assert (found.value, bool(found.problem)) == (value, is_problem)


def test_the_steps_are_told_before() -> None:
    told = list(steps_of(HOOKED, STEADY, "b", is_lost=False, accepts_loss=False))
    assert told == [
        "Job quiet runs on a",
        "a is made a replica of b",
        "it is proved that a takes no more writes: status.demotionToken of Cluster db is there",
        "else, after 600 s, a is primary again",
        "b becomes primary",
        "Job open runs on b",
    ]
    lost = list(steps_of(PROVEN, STEADY, "b", is_lost=True, accepts_loss=False))
    assert "it waits until a is back" in lost[0]
    accepted = list(steps_of(PROVEN, STEADY, "b", is_lost=True, accepts_loss=True))
    assert accepted[0] == "a is made a replica of b when it is back; what it did not copy is lost"
