import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.removal import EMPTIED, OVER_BUDGET, Limits, RemovalBudget, limits, lost_objects, refusal

UNSAID = RemovalBudget()


@pytest.mark.parametrize(
    ("fleet", "unit", "objects", "per_change", "per_hour"),
    [
        (UNSAID, None, 15, 200, 1_000),  # three clusters and five objects
        (UNSAID, None, 100_000, 1_000, 5_000),
        (RemovalBudget(objects_per_change=0), None, 10_000, 100, 1_000),
        (RemovalBudget(objects_per_change=0, percent_per_change=0), None, 10_000, 0, 1_000),
        (RemovalBudget(percent_per_hour=100), None, 10_000, 200, 10_000),
        (UNSAID, RemovalBudget(objects_per_change=3), 100_000, 3, 5_000),
        (UNSAID, RemovalBudget(percent_per_change=50), 100_000, 20, 5_000),  # of the unit's 40
        (UNSAID, RemovalBudget(allow_empty=True), 10_000, 200, 1_000),
    ],
)
def test_of_number_and_percent_the_larger_counts(
    fleet: RemovalBudget, unit: RemovalBudget | None, objects: int, per_change: int, per_hour: int
) -> None:
    found = limits(fleet, unit, fleet_objects=objects, unit_objects=40)
    assert (found.per_change, found.per_hour) == (per_change, per_hour)


@pytest.mark.parametrize(
    ("fleet", "unit", "allowed"),
    [
        (UNSAID, None, False),
        (RemovalBudget(allow_empty=True), None, True),
        (RemovalBudget(allow_empty=True), RemovalBudget(allow_empty=False), False),
        (UNSAID, RemovalBudget(allow_empty=True), True),
    ],
)
def test_a_unit_may_be_emptied_where_it_or_else_the_fleet_says_so(
    fleet: RemovalBudget, unit: RemovalBudget | None, *, allowed: bool
) -> None:
    assert limits(fleet, unit, fleet_objects=1, unit_objects=1).allow_empty is allowed


@pytest.mark.parametrize(
    ("dropped", "left", "gained", "keeps_replicas", "lost"),
    [
        ({"a": 2, "b": 2}, {}, 0, False, 4),  # resources leave the unit
        ({}, {"a": 5}, 1, False, 0),  # it moves
        ({}, {"a": 5, "b": 5}, 1, False, 5),  # it moves from one and leaves one for nothing
        ({}, {"a": 9, "b": 5}, 1, False, 9),  # which of them is not known: the larger
        ({}, {"a": 5, "b": 5}, 0, True, 0),  # fewer clusters with the same replicas
        ({"c": 1}, {"a": 5}, 0, True, 1),
    ],
)
def test_what_a_unit_gets_elsewhere_is_not_lost(
    dropped: dict[str, int], left: dict[str, int], gained: int, *, keeps_replicas: bool, lost: int
) -> None:
    assert lost_objects(dropped, left, gained=gained, keeps_replicas=keeps_replicas) == lost


WITHIN = Limits(per_change=10, per_hour=20, allow_empty=False)


@pytest.mark.parametrize(
    ("objects", "change", "hour", "emptied", "reason"),
    [
        (0, 0, 99, True, None),
        (10, 0, 0, False, None),
        (11, 0, 0, False, OVER_BUDGET),
        (6, 5, 5, False, OVER_BUDGET),
        (5, 0, 15, False, None),
        (6, 0, 15, False, OVER_BUDGET),
        (1, 0, 0, True, EMPTIED),
    ],
)
def test_what_passes_a_budget_or_empties_a_unit_is_refused(
    objects: int, change: int, hour: int, *, emptied: bool, reason: str | None
) -> None:
    found = refusal(objects, change_objects=change, hour_objects=hour, is_emptied=emptied, within=WITHIN)
    assert (None if found is None else found[0]) == reason


COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50), max_size=6)


@given(COUNTS, COUNTS, st.integers(0, 6))
def test_never_more_is_lost_than_there_is_and_gaining_more_never_loses_more(
    dropped: dict[str, int], left: dict[str, int], gained: int
) -> None:
    lost = lost_objects(dropped, left, gained=gained)
    assert sum(dropped.values()) <= lost <= sum(dropped.values()) + sum(left.values())
    assert lost_objects(dropped, left, gained=gained + 1) <= lost


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 100), st.integers(0, 200))
def test_what_is_let_through_one_by_one_never_passes_the_budgets(
    asked: list[int], per_change: int, per_hour: int
) -> None:
    within = Limits(per_change=per_change, per_hour=per_hour, allow_empty=False)
    done = 0
    for objects in asked:
        if refusal(objects, change_objects=done, hour_objects=done, is_emptied=False, within=within) is None:
            done += objects
    assert done <= min(per_change, per_hour) or done == 0
