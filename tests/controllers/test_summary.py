from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.controllers.summary import DecisionInfo, summarise
from fedsvc.model.summary import ClusterWorks, WorstHealth, WorstWork
from fedsvc.model.unit import Unit, UnitSpec, UnitState, UnitStatus, WorkState

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLACED = DecisionInfo(id="d", targets=("a", "b"), reason="", message="", shortfall=(), warnings=())
NOWHERE = replace(PLACED, targets=(), reason="NoClusterFits", message="none of 2 registered clusters fits")


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
    assert summarise(given, decision, lines, now=NOW).state == state


def conditions(*args: Any, **kwargs: Any) -> dict[str, tuple[str, str]]:
    status = summarise(*args, now=NOW, **kwargs)
    return {condition.type: (condition.status.value, condition.reason) for condition in status.conditions}


def test_a_ready_unit_has_three_true_conditions() -> None:
    assert conditions(unit(), PLACED, [works("a"), works("b")]) == {
        "Placed": ("True", "Placed"),
        "Applied": ("True", "Applied"),
        "Ready": ("True", "Ready"),
    }


def test_a_failed_work_is_named_with_its_cluster_and_the_words_of_the_member() -> None:
    failed = works("b", applied_count=1, worst=worst(WorkState.FAILED, "Forbidden", "may not patch"))
    status = summarise(unit(), PLACED, [works("a"), failed], now=NOW)
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
    placed = summarise(unit(), short, [works()], now=NOW).conditions[0]
    assert placed.reason == "Shortfall"
    assert "2 of 9" in placed.message
    assert "unknown" in placed.message


def test_a_decision_that_waits_says_for_what() -> None:
    status = summarise(unit(decided_generation=4), None, [], blocked="another unit's objects are ...", now=NOW)
    assert (status.conditions[0].reason, status.conditions[0].status) == ("WaitingForRemoval", "Unknown")


def test_nothing_new_gives_an_equal_status_with_the_old_times() -> None:
    given = unit()
    first = summarise(given, PLACED, [works()], now=NOW)
    second = summarise(replace(given, status=first), PLACED, [works()], now=NOW + timedelta(hours=1))
    assert first == second


def test_a_new_message_keeps_the_time_of_the_transition() -> None:
    first = summarise(unit(), PLACED, [works(worst=worst(WorkState.FAILED, "Invalid", "one"))], now=NOW)
    later = NOW + timedelta(hours=1)
    lines = [works(worst=worst(WorkState.FAILED, "Invalid", "two"))]
    second = summarise(unit(status=first), PLACED, lines, now=later)
    assert second.conditions[1].message != first.conditions[1].message
    assert second.conditions[1].last_transition_time == NOW
    assert second.clusters[0].update_time == later


def test_replicas_are_summed_over_clusters() -> None:
    status = summarise(unit(), PLACED, [works("a"), works("b", ready_replicas=1)], now=NOW)
    assert (status.desired_replicas, status.ready_replicas) == (6, 4)


def test_the_revision_is_that_of_the_newest_decision() -> None:
    assert summarise(unit(), PLACED, [], now=NOW).observed_revision == 3
    waiting = unit(decided_generation=4, status=UnitStatus(observed_revision=2))
    assert summarise(waiting, PLACED, [], now=NOW).observed_revision == 2
