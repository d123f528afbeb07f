from datetime import UTC, datetime

import pytest

from fedsvc.api.convert.verdict import verdict_messages
from fedsvc_placement import (
    ClusterSnapshot,
    Effect,
    Placement,
    Taint,
    Toleration,
    TolerationOperator,
    UnitInput,
    decide,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVERYTHING = Toleration(operator=TolerationOperator.EXISTS)


def taint(effect: Effect) -> Taint:
    return Taint(key="upkeep", effect=effect, time_added=NOW)


def reasons(*taints: Taint, tolerations: tuple[Toleration, ...] = (), clusters: tuple[str, ...] = ("a",)) -> list[str]:
    placement = Placement(clusters=clusters, tolerations=tolerations)
    fleet = [ClusterSnapshot(name="a", taints=taints)]
    (verdict,), _ = verdict_messages(decide(UnitInput(key="shop/web", placement=placement), fleet, (), NOW))
    return list(verdict.reasons)


def test_a_chosen_cluster_without_taints_says_nothing_of_taints() -> None:
    assert [reason.partition(":")[0] for reason in reasons()] == ["Named"]


@pytest.mark.parametrize("effect", [Effect.NO_EXECUTE, Effect.NO_SCHEDULE])
def test_a_taint_that_is_borne_is_told(effect: Effect) -> None:
    told = reasons(taint(effect), tolerations=(EVERYTHING,))
    assert len(told) == 2
    assert "upkeep" in told[1]


@pytest.mark.parametrize(
    ("taints", "clusters"),
    [
        ((taint(Effect.NO_EXECUTE),), ("a",)),
        ((taint(Effect.NO_EXECUTE), taint(Effect.NO_SCHEDULE)), ("a",)),
        ((taint(Effect.NO_SCHEDULE),), ("b",)),
    ],
)
def test_a_refused_cluster_tells_every_reason_once_and_nothing_that_speaks_for_it(
    taints: tuple[Taint, ...], clusters: tuple[str, ...]
) -> None:
    told = reasons(*taints, clusters=clusters)
    assert len(told) == len(set(told)) == len(taints) + ("a" not in clusters)
    assert not any("NoTaints" in reason or reason.startswith("Named") for reason in told)


def test_warnings_of_a_decision_are_told_without_saying_twice_that_they_are() -> None:
    placement = Placement(clusters=("a", "mars"))
    decision = decide(UnitInput(key="shop/web", placement=placement), [ClusterSnapshot(name="a")], (), NOW)
    _, general = verdict_messages(decision)
    assert general == ["placement.clusters names clusters that are not registered: mars"]


def test_why_no_cluster_is_chosen_is_told_first() -> None:
    _, general = verdict_messages(decide(UnitInput(key="shop/web", placement=Placement(clusters=("b",))), [], (), NOW))
    assert general == [
        "no cluster is chosen (NoClusters): no cluster is registered",
        "placement.clusters names clusters that are not registered: b",
    ]
