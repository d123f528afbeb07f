"""Choose clusters under limits on how many groups they may and shall form. Pure numbers: knows nothing of placements.

Of all sets that exceed no maximum the best is taken, in this order: most clusters kept that run the unit, fewest groups
missing, fewest replicas without room, highest value. Values are above 0, so no cluster is left out without need.

Where the groups of each limit lie within those of the next (zones in regions in providers, clusters in anything) that
is a tree, and `spread_tree` finds the best set by dynamic programming. Where two limits cross each other, choosing
groups of both so that many clusters lie in their intersection is the maximum edge biclique problem, which is NP-hard
(Peeters 2003, https://doi.org/10.1016/S0166-218X(03)00333-0): `spread_search` then looks as far as its bound allows,
and says so where that was not far enough to be sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many groups may and shall be used."""

    min_groups: int
    max_groups: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Items (clusters to choose or not) in columns, the limits on them, and how many replicas need room."""

    # What each is worth, above 0.
    values: Sequence[int]
    # Under each limit, the group of each item.
    groups: tuple[Sequence[str], ...]
    limits: tuple[Limit, ...]
    # Items where the unit runs and shall stay.
    kept: frozenset[int] = frozenset()
    # How many replicas of each workload need room; none where room does not count.
    needs: tuple[int, ...] = ()
    # Of each item how many of these it can hold, not more than are needed; empty where room does not count.
    rooms: Sequence[tuple[int, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A choice."""

    # Indexes of items, ascending.
    indexes: tuple[int, ...]
    # Whether no other choice is better for sure.
    proven: bool


# Kept, groups missing, replicas missing (both negative), value: the higher the better.
Rank = tuple[int, int, int, int]


def rank_of(problem: Problem, indexes: Sequence[int]) -> Rank:
    """Return how good a choice is."""
    kept = len(problem.kept.intersection(indexes))
    value = sum([problem.values[index] for index in indexes])
    return kept, -sum(missing_groups(problem, indexes)), -lacking_rooms(problem, indexes), value


def missing_groups(problem: Problem, indexes: Sequence[int]) -> tuple[int, ...]:
    """Return how many groups a choice has too few, by limit."""
    return tuple(
        [
            max(0, limit.min_groups - _used(groups, indexes))
            for limit, groups in zip(problem.limits, problem.groups, strict=True)
        ]
    )


def lacking_rooms(problem: Problem, indexes: Sequence[int]) -> int:
    """Return for how many replicas a choice has no room."""
    held = [sum([problem.rooms[index][place] for index in indexes]) for place in range(len(problem.needs))]
    return sum([max(0, need - room) for need, room in zip(problem.needs, held, strict=True)])


def exceeds(problem: Problem, indexes: Sequence[int]) -> bool:
    """Tell whether a choice has more groups than a limit allows."""
    return any(
        limit.max_groups is not None and _used(groups, indexes) > limit.max_groups
        for limit, groups in zip(problem.limits, problem.groups, strict=True)
    )


def _used(groups: Sequence[str], indexes: Sequence[int]) -> int:
    return len({groups[index] for index in indexes})
