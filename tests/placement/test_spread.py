"""The choice under limits, against all choices there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fedsvc_placement import spread_search, spread_tree
from fedsvc_placement.spread import Limit, Problem, Rank, exceeds, missing_groups, rank_of
from fedsvc_placement.spread_solve import pick


@dataclass(frozen=True, kw_only=True)
class Item:
    groups: tuple[str, ...]
    rooms: tuple[int, ...]
    value: int
    kept: bool = False


def problem_of(items: Sequence[Item], limits: Sequence[Limit], needs: Sequence[int]) -> Problem:
    return Problem(
        values=[item.value for item in items],
        groups=tuple([item.groups[place] for item in items] for place in range(len(limits))),
        limits=tuple(limits),
        kept=frozenset(index for index, item in enumerate(items) if item.kept),
        needs=tuple(needs),
        rooms=[item.rooms for item in items] if needs else (),
    )


def without(problem: Problem, gone: int) -> Problem:
    left = [index for index in range(len(problem.values)) if index != gone]
    return replace(
        problem,
        values=[problem.values[index] for index in left],
        groups=tuple([column[index] for index in left] for column in problem.groups),
        kept=frozenset(place for place, index in enumerate(left) if index in problem.kept),
        rooms=[problem.rooms[index] for index in left] if problem.needs else (),
    )


def best_of_all(problem: Problem) -> Rank:
    count = len(problem.values)
    choices = ([i for i in range(count) if bits >> i & 1] for bits in range(2**count))
    return max(rank_of(problem, choice) for choice in choices if not exceeds(problem, choice))


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    least = draw(st.integers(1, 3))
    more = draw(st.none() | st.integers(0, 2))
    return Limit(min_groups=least, max_groups=None if more is None else least + more)


@st.composite
def problems(draw: st.DrawFn, *, nested: bool) -> Problem:
    dimensions = draw(st.integers(0, 2))
    items: list[Item] = []
    for number in range(draw(st.integers(1, 6))):
        zone = draw(st.integers(0, 4))
        groups: tuple[str, ...] = (str(number), f"z{zone}", f"r{zone // 2}", f"p{zone // 4}")
        if not nested:
            groups = (str(number), *(draw(st.sampled_from("abc")) for _ in range(3)))
        items.append(
            Item(
                groups=groups,
                rooms=tuple(draw(st.integers(0, 5)) for _ in range(dimensions)),
                value=draw(st.integers(1, 20)),
                kept=draw(st.sampled_from((False, False, True))),
            )
        )
    used = draw(st.lists(st.integers(0, 3), max_size=3, unique=True))
    return problem_of(
        [replace(item, groups=tuple(item.groups[place] for place in used)) for item in items],
        [draw(limits()) for _ in used],
        [draw(st.integers(1, 12)) for _ in range(dimensions)],
    )


@given(problems(nested=True))
def test_where_limits_nest_no_choice_is_better(problem: Problem) -> None:
    picked = pick(problem)
    assert picked.proven
    assert not exceeds(problem, picked.indexes)
    assert rank_of(problem, picked.indexes) == best_of_all(problem)


@given(problems(nested=False))
def test_where_limits_cross_maximums_hold_minimums_are_met_where_they_can_be_and_proven_means_best(
    problem: Problem,
) -> None:
    picked = pick(problem)
    assert not exceeds(problem, picked.indexes)
    found, best = rank_of(problem, picked.indexes), best_of_all(problem)
    assert found[:2] == best[:2]
    assert found == best or not picked.proven


@given(problems(nested=False))
def test_nothing_is_left_out_that_could_be_taken(problem: Problem) -> None:
    picked = pick(problem)
    for index in set(range(len(problem.values))) - set(picked.indexes):
        assert exceeds(problem, [*picked.indexes, index])


def crossing(count: int) -> Problem:
    items = [Item(groups=(f"a{i % 7}", f"b{i % 11}", str(i)), rooms=(), value=1 + i % 5) for i in range(count)]
    maximums = (Limit(min_groups=3, max_groups=3), Limit(min_groups=4, max_groups=4), Limit(min_groups=1, max_groups=9))
    return problem_of(items, maximums, ())


def test_a_search_that_is_cut_short_says_so_and_keeps_to_the_maximums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_search, "MAX_NODES", 50)
    problem = crossing(150)
    picked = pick(problem)
    assert not picked.proven
    assert not exceeds(problem, picked.indexes)
    assert missing_groups(problem, picked.indexes) == (0, 0, 0)


def test_a_tree_that_is_too_wide_is_searched_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_tree, "MAX_STEPS", 10)
    items = [Item(groups=(str(i), f"r{i % 4}"), rooms=(i,), value=20 - i) for i in range(12)]
    problem = problem_of(items, [Limit(min_groups=1, max_groups=3), Limit(min_groups=2, max_groups=2)], [28])
    picked = pick(problem)
    assert not picked.proven
    assert not exceeds(problem, picked.indexes)
    assert missing_groups(problem, picked.indexes) == (0, 0)


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # often everything is taken
@given(problems(nested=True), st.integers(0, 5))
def test_without_an_item_that_was_not_taken_the_choice_is_the_same(problem: Problem, number: int) -> None:
    # Values that no two choices share, as the hashes below the scores make them.
    values = [(value << 8) + (1 << place) for place, value in enumerate(problem.values)]
    problem = replace(problem, values=values)
    picked = pick(problem)
    others = [index for index in range(len(values)) if index not in picked.indexes]
    assume(others)
    gone = others[number % len(others)]
    left = [index for index in range(len(values)) if index != gone]
    again = pick(without(problem, gone))
    assert rank_of(problem, [left[index] for index in again.indexes]) == rank_of(problem, picked.indexes)
