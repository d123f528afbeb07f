"""A good choice under limits that cross each other: a greedy start, then branch and bound as far as the bound goes.

Clusters that lie in the same group of every limit are one class: only how many of them, the best first, is to be found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fedsvc_placement.spread import Problem, Rank, exceeds, rank_of

MAX_NODES = 20_000
"""Partial choices that are looked at: about a quarter of a second."""


@dataclass(slots=True, kw_only=True)
class _Search:
    problem: Problem
    # Indexes of the items of each class, best first; classes by what they are worth together.
    classes: list[list[int]]
    # The place of a limit under which every item is its own group, None for none.
    single: int | None
    best: tuple[int, ...]
    best_rank: Rank
    nodes: int = field(default=0)

    @property
    def exhausted(self) -> bool:
        return self.nodes >= MAX_NODES


def best_by_search(problem: Problem) -> tuple[tuple[int, ...], bool]:
    """Return a choice that exceeds no maximum, and whether it is the best for sure."""
    start = _greedy(problem)
    singles = [place for place in range(len(problem.limits)) if len(set(problem.groups[place])) == len(problem.values)]
    single = singles[0] if singles else None
    classes: dict[tuple[str, ...], list[int]] = {}
    shared = [groups for place, groups in enumerate(problem.groups) if place not in singles]
    for index in range(len(problem.values)):
        classes.setdefault(tuple([groups[index] for groups in shared]), []).append(index)
    for members in classes.values():
        members.sort(key=lambda index: (index not in problem.kept, -problem.values[index], index))
    ordered = sorted(classes.values(), key=lambda members: (-sum(problem.values[index] for index in members), members))
    search = _Search(problem=problem, classes=ordered, single=single, best=start, best_rank=rank_of(problem, start))
    _descend(search, 0, [])
    # The best of a class first is right for value; where rooms decide, another selection may hold more.
    exact = single is None or not problem.needs
    return tuple(sorted(_filled(problem, search.best))), exact and not search.exhausted


def _filled(problem: Problem, chosen: tuple[int, ...]) -> list[int]:
    """Take what else exceeds no maximum: a search that stopped early may have left something out."""
    found = list(chosen)
    for index in sorted(set(range(len(problem.values))) - set(chosen)):
        if not exceeds(problem, [*found, index]):
            found.append(index)
    return found


def _descend(search: _Search, depth: int, chosen: list[int]) -> None:
    search.nodes += 1
    rank = rank_of(search.problem, chosen)
    if rank > search.best_rank:
        search.best, search.best_rank = tuple(chosen), rank
    if depth == len(search.classes) or search.exhausted:
        return
    rest = [index for members in search.classes[depth:] for index in members]
    # All that is left, whatever the limits: no choice below here can be better.
    if rank_of(search.problem, [*chosen, *rest]) <= search.best_rank:
        return
    members = search.classes[depth]
    for number in _numbers(search, members, chosen):
        more = [*chosen, *members[:number]]
        if not exceeds(search.problem, more):
            _descend(search, depth + 1, more)


def _numbers(search: _Search, members: Sequence[int], chosen: Sequence[int]) -> Sequence[int]:
    """Return how many of a class to try: all or none where nothing counts single items, else all there is place for."""
    if search.single is None:
        return (len(members), 0)
    most = search.problem.limits[search.single].max_groups
    place = len(members) if most is None else min(len(members), most - len(chosen))
    return range(place, -1, -1) if most is not None else (len(members), 0)


def _greedy(problem: Problem) -> tuple[int, ...]:
    """Take one item after the other, the one that makes the choice best; none that exceeds a maximum."""
    chosen: list[int] = []
    groups: list[set[str]] = [set() for _ in problem.limits]
    left = set(range(len(problem.values)))
    rooms = [0] * len(problem.needs)
    held = problem.rooms if problem.needs else ()
    while left:
        best: tuple[tuple[int, int, int, int, int], int] | None = None
        for index in list(left):
            new = [column[index] not in used for column, used in zip(problem.groups, groups, strict=True)]
            if any(
                fresh and limit.max_groups is not None and len(used) >= limit.max_groups
                for fresh, limit, used in zip(new, problem.limits, groups, strict=True)
            ):
                left.discard(index)  # groups only ever become more
                continue
            gained = sum(
                fresh and len(used) < limit.min_groups
                for fresh, limit, used in zip(new, problem.limits, groups, strict=True)
            )
            fits = sum(
                min(room, max(0, need - have))
                for room, need, have in zip(held[index] if held else (), problem.needs, rooms, strict=True)
            )
            rank = (int(index in problem.kept), gained, fits, problem.values[index], -index)
            if best is None or rank > best[0]:
                best = rank, index
        if best is None:
            break
        index = best[1]
        left.discard(index)
        chosen.append(index)
        for column, used in zip(problem.groups, groups, strict=True):
            used.add(column[index])
        rooms = [have + room for have, room in zip(rooms, held[index] if held else (), strict=True)]
    return tuple(sorted(chosen))
