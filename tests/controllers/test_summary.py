from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.controllers.summary import DecisionInfo, summarise
from fedsvc.model.cluster import ClusterObservation, Condition, ConditionStatus
from fedsvc.model.hold import Hold, HoldKind, HoldScope, words_of
from fedsvc.model.silence import Silence, silence_of
from fedsvc.model.summary import ClusterWorks, WorstHealth, WorstWork
from fedsvc.model.unit import Unit, UnitSpec, UnitState, UnitStatus, WorkState

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLACED = DecisionInfo(id="d", targets=("a", "b"), reason="", message="", shortfall=(), warnings=())
NOWHERE = replace(PLACED, targets=(), reason="NoClusterFits", message="none of the registered clusters fits")


def summed(*args: Any, **kwargs: Any) -> UnitStatus:
    return summarise(*args, **{"silent": {}, **kwargs})


def unit(**changes: Any) -> Unit:
    made = Unit(
        namespace="shop",
        name="web",
        uid="u",
        labels={},
        annotations={},
        spec=UnitSpec(),
        revision=3,
        generation=5,
        decided_generation=5,
        status=UnitStatus(),
        resource_count=2,
        create_time=NOW,
        update_time=NOW,
    )
    return replace(made, **changes)


def works(cluster: str = "a", **changes: Any) -> ClusterWorks:
    made = ClusterWorks(
        cluster=cluster,
        work_count=2,
        applied_count=2,
        healthy_count=2,
        desired_replicas=3,
        ready_replicas=3,
        worst=WorstWork(object="v1 ConfigMap shop/x", state=WorkState.APPLIED, reason="", message=""),
        worst_health=None,
    )
    return replace(made, **changes)


def worst(state: WorkState, reason: str = "", message: str = "") -> WorstWork:
    return WorstWork(object="v1 ConfigMap shop/x", state=state, reason=reason, message=message)


def ill(health: str, reason: str = "", message: str = "") -> WorstHealth:
    return WorstHealth(object="apps/v1 Deployment shop/web", health=health, reason=reason, message=message)


@pytest.mark.parametrize(
    ("given", "decision", "lines", "state"),
    [
        pytest.param(unit(delete_time=NOW), PLACED, [works()], UnitState.DELETING, id="deleting"),
        pytest.param(unit(decided_generation=0), None, [], UnitState.PENDING, id="undecided"),
        pytest.param(unit(), NOWHERE, [], UnitState.UNPLACED, id="nowhere"),
        pytest.param(unit(), PLACED, [works()], UnitState.READY, id="ready"),
        pytest.param(unit(decided_generation=4), PLACED, [works()], UnitState.APPLYING, id="changed-meanwhile"),
        pytest.param(
            unit(), PLACED, [works(worst=worst(WorkState.PENDING), applied_count=1)], UnitState.APPLYING, id="pending"
        ),
        pytest.param(
            unit(), PLACED, [works(worst=worst(WorkState.RETRYING, "MemberError"))], UnitState.APPLYING, id="retrying"
        ),
        pytest.param(
            unit(),
            PLACED,
            [works(worst=worst(WorkState.RETRYING, "MemberUnreachable"))],
            UnitState.DEGRADED,
            id="unreachable",
        ),
        pytest.param(
            unit(), PLACED, [works(worst=worst(WorkState.FAILED, "Invalid"))], UnitState.DEGRADED, id="failed"
        ),
        pytest.param(unit(), PLACED, [works(worst=worst(WorkState.DRIFTED))], UnitState.DEGRADED, id="drifted"),
        pytest.param(unit(), PLACED, [works(worst_health=ill("Progressing"))], UnitState.PROGRESSING, id="progressing"),
        pytest.param(unit(), PLACED, [works(worst_health=ill(""))], UnitState.PROGRESSING, id="not-observed"),
        pytest.param(unit(), PLACED, [works(worst_health=ill("Degraded"))], UnitState.DEGRADED, id="degraded"),
        pytest.param(unit(), NOWHERE, [works(worst=worst(WorkState.REMOVING))], UnitState.UNPLACED, id="leaving"),
    ],
)
def test_the_state_is_the_first_that_holds(
    given: Unit, decision: DecisionInfo | None, lines: list[ClusterWorks], state: UnitState
) -> None:
    assert summed(given, decision, lines, now=NOW).state == state


def conditions(*args: Any, **kwargs: Any) -> dict[str, tuple[str, str]]:
    status = summed(*args, now=NOW, **kwargs)
    return {condition.type: (condition.status.value, condition.reason) for condition in status.conditions}


def test_all_conditions_of_a_ready_unit_are_true() -> None:
    assert conditions(unit(), PLACED, [works("a"), works("b")]) == {
        "Placed": ("True", "Placed"),
        "Applied": ("True", "Applied"),
        "Ready": ("True", "Ready"),
        "Heard": ("True", "Heard"),
    }


def test_a_failed_work_is_named_with_its_cluster_and_the_words_of_the_member() -> None:
    failed = works("b", applied_count=1, worst=worst(WorkState.FAILED, "Forbidden", "may not patch"))
    status = summed(unit(), PLACED, [works("a"), failed], now=NOW)
    applied = status.conditions[1]
    assert (applied.status, applied.reason) == ("False", "Forbidden")
    assert applied.message == "3 of 4 works are applied; b: v1 ConfigMap shop/x is Failed (may not patch)"
    assert [(line.cluster, line.state, line.reason) for line in status.clusters] == [
        ("a", "Applied", ""),
        ("b", "Failed", "Forbidden"),
    ]


def test_an_unplaced_unit_is_neither_applied_nor_ready() -> None:
    assert conditions(unit(), NOWHERE, []) == {
        "Placed": ("False", "NoClusterFits"),
        "Applied": ("False", "Unplaced"),
        "Ready": ("False", "Unplaced"),
    }


def test_a_shortfall_and_warnings_are_told() -> None:
    short = replace(PLACED, shortfall=("2 of 9 replicas found no place",), warnings=("names x, which is unknown",))
    placed = summed(unit(), short, [works()], now=NOW).conditions[0]
    assert placed.reason == "Shortfall"
    assert "2 of 9" in placed.message
    assert "unknown" in placed.message


def test_a_decision_that_waits_says_for_what() -> None:
    status = summed(unit(decided_generation=4), None, [], blocked="another unit's objects are ...", now=NOW)
    assert (status.conditions[0].reason, status.conditions[0].status) == ("WaitingForRemoval", "Unknown")


def test_nothing_new_gives_an_equal_status_with_the_old_times() -> None:
    given = unit()
    first = summed(given, PLACED, [works()], now=NOW)
    second = summed(replace(given, status=first), PLACED, [works()], now=NOW + timedelta(hours=1))
    assert first == second


def test_a_new_message_keeps_the_time_of_the_transition() -> None:
    first = summed(unit(), PLACED, [works(worst=worst(WorkState.FAILED, "Invalid", "one"))], now=NOW)
    later = NOW + timedelta(hours=1)
    lines = [works(worst=worst(WorkState.FAILED, "Invalid", "two"))]
    second = summed(unit(status=first), PLACED, lines, now=later)
    assert second.conditions[1].message != first.conditions[1].message
    assert second.conditions[1].last_transition_time == NOW
    assert second.clusters[0].update_time == later


def test_replicas_are_summed_over_clusters() -> None:
    status = summed(unit(), PLACED, [works("a"), works("b", ready_replicas=1)], now=NOW)
    assert (status.desired_replicas, status.ready_replicas) == (6, 4)


def test_the_revision_is_that_of_the_newest_decision() -> None:
    assert summed(unit(), PLACED, [], now=NOW).observed_revision == 3
    waiting = unit(decided_generation=4, status=UnitStatus(observed_revision=2))
    assert summed(waiting, PLACED, [], now=NOW).observed_revision == 2


HEARD = NOW - timedelta(minutes=5)
REFUSED = Silence(reason="MemberUnreachable", message="the cluster does not answer (refused)", last_heard_time=HEARD)


def test_a_unit_is_not_ready_by_what_a_silent_cluster_said_once() -> None:
    status = summed(unit(), PLACED, [works("a"), works("b")], silent={"b": REFUSED}, now=NOW)
    assert status.state == UnitState.DEGRADED
    told = {condition.type: (condition.status.value, condition.message) for condition in status.conditions}
    unheard = "1 of 2 clusters is not heard: b (MemberUnreachable)"
    assert told["Ready"] == ("Unknown", unheard)
    assert told["Heard"] == ("False", unheard)
    assert told["Applied"] == ("True", "all 4 works are applied")


def test_the_line_of_a_silent_cluster_is_unknown_and_keeps_its_numbers_with_their_time() -> None:
    status = summed(unit(), PLACED, [works("a"), works("b", ready_replicas=2)], silent={"b": REFUSED}, now=NOW)
    heard, silent = status.clusters
    assert (heard.state, heard.last_heard_time) == (WorkState.APPLIED, None)
    assert (silent.state, silent.reason, silent.message) == (WorkState.UNKNOWN, REFUSED.reason, REFUSED.message)
    assert (silent.ready_replicas, silent.desired_replicas, silent.last_heard_time) == (2, 3, HEARD)
    assert (status.ready_replicas, status.desired_replicas) == (5, 6)


def test_what_waits_for_a_silent_cluster_is_told() -> None:
    waiting = works("b", applied_count=1, worst=worst(WorkState.RETRYING, "MemberUnreachable"))
    line = summed(unit(), PLACED, [waiting], silent={"b": REFUSED}, now=NOW).clusters[0]
    assert line.state == WorkState.UNKNOWN
    assert line.message == f"{REFUSED.message}; 1 of 2 works there are not as they should be"


def test_a_removal_that_waits_until_its_cluster_is_trusted_again_says_so() -> None:
    health = Hold(
        subject="clusters/a",
        kind=HoldKind.HEALTH,
        scope=HoldScope.REMOVALS,
        reason="it is Unreachable (answers again, for 20 s of 60 s)",
        create_time=NOW,
    )
    lines = [works(worst=worst(WorkState.REMOVING)), works("b", worst=worst(WorkState.REMOVING))]
    status = summed(unit(delete_time=NOW), PLACED, lines, now=NOW, holds=[health])
    a, b = status.clusters
    assert (a.reason, a.message) == ("RemovalWaits", f"v1 ConfigMap shop/x: {words_of(health)}")
    assert b.reason == ""


def test_trouble_in_a_cluster_that_is_heard_is_told_before_silence() -> None:
    lines = [works("a", worst_health=ill("Degraded", "CrashLoop")), works("b", worst_health=ill("Progressing"))]
    ready = conditions(unit(), PLACED, lines, silent={"b": REFUSED})
    assert ready["Ready"] == ("False", "CrashLoop")
    assert ready["Heard"] == ("False", "ClustersNotHeard")


def test_health_that_a_silent_cluster_told_once_is_not_told_as_if_it_were_so_now() -> None:
    lines = [works("a"), works("b", worst_health=ill("Degraded", "CrashLoop"))]
    assert conditions(unit(), PLACED, lines, silent={"b": REFUSED})["Ready"] == ("Unknown", "ClustersNotHeard")


def test_silence_of_a_cluster_without_works_of_the_unit_changes_nothing() -> None:
    assert summed(unit(), PLACED, [works("a")], silent={"x": REFUSED}, now=NOW).state == UnitState.READY


def test_a_unit_is_as_before_when_its_cluster_is_heard_again() -> None:
    before = summed(unit(), PLACED, [works("a")], now=NOW)
    silent = summed(unit(status=before), PLACED, [works("a")], silent={"a": REFUSED}, now=NOW + timedelta(hours=1))
    assert silent == summed(
        unit(status=silent), PLACED, [works("a")], silent={"a": REFUSED}, now=NOW + timedelta(hours=2)
    )
    again = summed(unit(status=silent), PLACED, [works("a")], now=NOW + timedelta(hours=3))
    assert again.state == UnitState.READY
    assert again.clusters[0].last_heard_time is None


def observed(*conditions: tuple[str, ConditionStatus, str]) -> ClusterObservation:
    return ClusterObservation(
        conditions=tuple(
            Condition(type=kind, status=status, reason="X", message=message, last_transition_time=NOW)
            for kind, status, message in conditions
        ),
        last_seen_time=HEARD,
    )


@pytest.mark.parametrize(
    ("observation", "silence"),
    [
        pytest.param(observed(), None, id="never-asked"),
        pytest.param(observed(("Reachable", ConditionStatus.TRUE, "")), None, id="answers"),
        pytest.param(observed(("Reachable", ConditionStatus.FALSE, "refused")), REFUSED, id="unreachable"),
        pytest.param(observed(("Reachable", ConditionStatus.UNKNOWN, "refused")), REFUSED, id="never-reached"),
        pytest.param(
            observed(
                ("Reachable", ConditionStatus.TRUE, ""), ("CredentialsValid", ConditionStatus.FALSE, "join again")
            ),
            Silence(reason="CredentialsInvalid", message="join again", last_heard_time=NOW),
            id="refuses-us",
        ),
        pytest.param(
            observed(("Reachable", ConditionStatus.TRUE, ""), ("Ready", ConditionStatus.FALSE, "etcd")),
            None,
            id="answers-but-is-not-ready",
        ),
    ],
)
def test_a_cluster_is_silent_when_it_tells_nothing_of_its_objects(
    observation: ClusterObservation, silence: Silence | None
) -> None:
    assert silence_of(observation) == silence
