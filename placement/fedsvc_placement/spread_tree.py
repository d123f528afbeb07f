"""The best choice under limits that nest, by dynamic programming over the tree of groups.

A table says for every possible number of groups used, by limit, which choices below a node are worth considering: where
room counts, all those for which no other has both more room and more value. Tables of sisters are joined by adding up.
Numbers of groups are cut at the limits and rooms at what is needed, hence the work grows with the number of clusters,
the limits and the replicas, not with the number of subsets.

Exact. Choosing few clusters by value so that their rooms suffice is a knapsack problem, so only pseudo-polynomial: what
would take more than `MAX_STEPS` is left to the bounded search.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heapreplace, nlargest
from itertools import pairwise

from fedsvc_placement.spread import Limit, Problem

MAX_STEPS = 200_000
"""Joins of two choices: about half a second."""

# What was chosen: index of an item, or what was chosen in two parts; None for nothing.
_Trace = int | tuple["_Trace", "_Trace"] | None
# Rooms, value, what was chosen.
_Point = tuple[tuple[int, ...], int, _Trace]
# Groups used by limit, cut where more of them make no difference.
_Counts = tuple[int, ...]
_Table = dict[_Counts, list[_Point]]


class TooWideError(Exception):
    """Finding the best choice would take too long."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """A problem and its limits from coarse to fine."""

    problem: Problem
    chain: tuple[int, ...]
    # So much more is keeping a cluster worth than all values together.
    kept_value: int
    # Most groups (None for no limit) and fewest, from coarse to fine.
    bounds: tuple[tuple[int | None, int], ...]
    steps: int = field(default=0)

    def value(self, index: int) -> int:
        return self.problem.values[index] + (self.kept_value if index in self.problem.kept else 0)

    def limit(self, depth: int) -> Limit:
        return self.problem.limits[self.chain[depth]]

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise TooWideError


def chain_of(problem: Problem) -> tuple[int, ...] | None:
    """Return the limits from coarse to fine so that each one's groups lie within those of the one before, else None."""
    counts = [len(set(groups)) for groups in problem.groups]
    chain = tuple(sorted(range(len(counts)), key=lambda place: (counts[place], place)))
    for coarse, fine in pairwise(chain):
        if len(set(zip(problem.groups[fine], problem.groups[coarse], strict=True))) != counts[fine]:
            return None
    return chain


def best_in_tree(problem: Problem, chain: tuple[int, ...]) -> tuple[int, ...]:
    """Return the best choice under limits that nest, given from coarse to fine.

    Raises:
        TooWideError: it would take more than `MAX_STEPS`.
    """
    whole = sum(problem.values) + 1
    bounds = tuple((problem.limits[place].max_groups, problem.limits[place].min_groups) for place in chain)
    work = _Work(problem=problem, chain=chain, kept_value=whole, bounds=bounds)
    table = _table(work, list(range(len(problem.values))), 0)
    best: tuple[tuple[int, int, int, int], _Trace] | None = None
    for counts, points in table.items():
        missing = sum(
            max(0, problem.limits[place].min_groups - count) for place, count in zip(chain, counts, strict=True)
        )
        for rooms, value, trace in points:
            lacking = sum(need - room for need, room in zip(problem.needs, rooms, strict=True))
            rank = (value // whole, -missing, -lacking, value % whole)
            if best is None or rank > best[0]:
                best = rank, trace
    return tuple(sorted(_chosen(best[1]))) if best is not None else ()


def _table(work: _Work, indexes: list[int], depth: int) -> _Table:
    zero = (0,) * len(work.chain)
    if depth == len(work.chain):
        return {zero: [_all(work, indexes)]}
    column = work.problem.groups[work.chain[depth]]
    groups: dict[str, list[int]] = {}
    for index in indexes:
        groups.setdefault(column[index], []).append(index)
    if depth == len(work.chain) - 1 and len(groups) == len(indexes):
        return _singles(work, indexes, depth)
    table: _Table = {zero: [((0,) * len(work.problem.needs), 0, None)]}
    tables = [_counted(_table(work, members, depth + 1), depth) for members in groups.values()]
    for used in _undominated_tables(work, tables, depth):
        table = _joined(work, table, {zero: [((0,) * len(work.problem.needs), 0, None)], **used})
    return table


def _undominated_tables(work: _Work, tables: list[_Table], depth: int) -> list[_Table]:
    """Leave out choices for which there are as many better ones, each in another group, as groups can be used.

    One of those is free in their place, and counts the same. Where room counts too, all stay.
    """
    most = work.limit(depth).max_groups
    if work.problem.needs or most is None or most >= len(tables):
        return tables
    places: dict[_Counts, list[int]] = {}
    for place, table in enumerate(tables):
        for counts in table:
            places.setdefault(counts, []).append(place)
    left: list[_Table] = [{} for _ in tables]
    for counts, found in places.items():
        for place in nlargest(most, found, key=lambda place: tables[place][counts][0][1]):
            left[place][counts] = tables[place][counts]
    return [table for table in left if table]


def _singles(work: _Work, indexes: list[int], depth: int) -> _Table:
    """Choose among items that are a group each under the finest limit."""
    limit = work.limit(depth)
    zero = (0,) * len(work.chain)
    if limit.max_groups is None:
        return {_at(zero, depth, min(len(indexes), limit.min_groups)): [_all(work, indexes)]}
    most = min(limit.max_groups, len(indexes))
    ordered = sorted(indexes, key=lambda index: (-work.value(index), index))
    if work.problem.needs:
        return _knapsack(work, _undominated(work, ordered, most), depth, most)
    point: _Point = ((), 0, None)
    table: _Table = {zero: [point]}
    for number, index in enumerate(ordered[:most], 1):
        point = ((), point[1] + work.value(index), (point[2], index))
        table[_at(zero, depth, number)] = [point]
    return table


def _knapsack(work: _Work, indexes: list[int], depth: int, most: int) -> _Table:
    layers: list[list[_Point]] = [[] for _ in range(most + 1)]
    layers[0].append(((0,) * len(work.problem.needs), 0, None))
    for index in indexes:
        item: _Point = (work.problem.rooms[index], work.value(index), index)
        for number in range(most, 0, -1):
            work.spend(len(layers[number - 1]))
            more = [_sum(work, point, item) for point in layers[number - 1]]
            if more:
                layers[number] = _frontier([*layers[number], *more])
    zero = (0,) * len(work.chain)
    return {_at(zero, depth, number): points for number, points in enumerate(layers) if points}


def _undominated(work: _Work, ordered: list[int], most: int) -> list[int]:
    """Leave out items for which there are as many better ones as can be taken: one of these is free in their place.

    `ordered` comes by value, so only room is to be compared.
    """
    found: list[int] = []
    if len(work.problem.needs) == 1:
        largest: list[int] = []
        for index in ordered:
            room = work.problem.rooms[index][0]
            if len(largest) < most:
                heappush(largest, room)
            elif largest[0] >= room:
                continue
            else:
                heapreplace(largest, room)
            found.append(index)
        return found
    for index in ordered:
        rooms = work.problem.rooms[index]
        work.spend(len(found))
        better = sum(1 for other in found if _covers(work.problem.rooms[other], rooms))
        if better < most:
            found.append(index)
    return found


def _joined(work: _Work, one: _Table, other: _Table) -> _Table:
    found: _Table = {}
    for counts, points in one.items():
        for more, others in other.items():
            total = _added(work, counts, more)
            if total is None:
                continue
            work.spend(len(points) * len(others))
            sums = [_sum(work, a, b) for a in points for b in others]
            if total in found:
                found[total].extend(sums)
            else:
                found[total] = sums
    return {counts: _frontier(points) if len(points) > 1 else points for counts, points in found.items()}


def _counted(table: _Table, depth: int) -> _Table:
    """Count the group that a table is about; a group of which nothing is chosen is not used."""
    return {
        _at(counts, depth, 1): points
        for counts, all_points in table.items()
        if (points := [point for point in all_points if point[2] is not None])
    }


def _added(work: _Work, one: _Counts, other: _Counts) -> _Counts | None:
    found: list[int] = []
    for count, more, (most, least) in zip(one, other, work.bounds, strict=True):
        both = count + more
        if most is None:
            found.append(min(both, least))
        elif both > most:
            return None
        else:
            found.append(both)
    return tuple(found)


def _at(counts: _Counts, depth: int, count: int) -> _Counts:
    return (*counts[:depth], count, *counts[depth + 1 :])


def _all(work: _Work, indexes: Sequence[int]) -> _Point:
    rooms = work.problem.rooms if work.problem.needs else [()] * len(work.problem.values)
    point: _Point = ((0,) * len(work.problem.needs), 0, None)
    for index in indexes:
        point = _sum(work, point, (rooms[index], work.value(index), index))
    return point


def _sum(work: _Work, one: _Point, other: _Point) -> _Point:
    rooms: tuple[int, ...] = ()
    if work.problem.needs:
        rooms = tuple(min(a + b, need) for a, b, need in zip(one[0], other[0], work.problem.needs, strict=True))
    trace = other[2] if one[2] is None else one[2] if other[2] is None else (one[2], other[2])
    return rooms, one[1] + other[1], trace


def _frontier(points: list[_Point]) -> list[_Point]:
    """Return the points for which no other has as much room and as much value."""
    points.sort(key=lambda point: (point[0], point[1]), reverse=True)
    found: list[_Point] = []
    if points and len(points[0][0]) <= 1:
        for point in points:
            if not found or point[1] > found[-1][1]:
                found.append(point)
        return found
    for point in points:
        if not any(other[1] >= point[1] and _covers(other[0], point[0]) for other in found):
            found.append(point)
    return found


def _covers(rooms: tuple[int, ...], others: tuple[int, ...]) -> bool:
    return all(room >= other for room, other in zip(rooms, others, strict=True))


def _chosen(trace: _Trace) -> Iterable[int]:
    stack = [trace]
    while stack:
        part = stack.pop()
        if isinstance(part, int):
            yield part
        elif part is not None:
            stack.extend(part)
