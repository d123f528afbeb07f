"""Pick the way to choose: all, the best one by one, by the tree, or by search."""

from collections.abc import Sequence
from dataclasses import replace
from heapq import nlargest

from fedsvc_placement.spread import Limit, Picked, Problem, exceeds, lacking_rooms, missing_groups
from fedsvc_placement.spread_search import best_by_search
from fedsvc_placement.spread_tree import TooWideError, best_in_tree, chain_of


def pick(problem: Problem) -> Picked:
    """Choose the best items that exceed no limit."""
    slim, counts = _slim(problem)
    if all(limit.max_groups is None for limit in slim.limits):
        return Picked(indexes=tuple(range(len(problem.values))), proven=True)
    clear = clear_choice(slim, counts)
    if clear is not None:
        return Picked(indexes=clear, proven=True)
    chain = chain_of(slim)
    if chain is not None:
        try:
            return Picked(indexes=best_in_tree(slim, chain), proven=True)
        except TooWideError:
            indexes, _ = best_by_search(slim)
            return Picked(indexes=indexes, proven=False)
    indexes, proven = best_by_search(slim)
    return Picked(indexes=indexes, proven=proven)


def clear_choice(problem: Problem, counts: Sequence[int]) -> tuple[int, ...] | None:
    """Return the best so many items, each by itself, where they keep every limit together and have room; else None.

    No other choice is better then: none has more items, and the worst of these is better than all others. So it is
    with most units that are placed already, where each item would otherwise have to be weighed against all.

    Args:
        problem: what to choose from.
        counts: how many groups there are under each limit.
    """
    count = len(problem.values)
    most = min(
        (
            limit.max_groups
            for limit, groups in zip(problem.limits, counts, strict=True)
            if limit.max_groups is not None and groups == count
        ),
        default=0,
    )
    if not most:
        return None
    kept, values = problem.kept, problem.values
    # The first of equals comes first, as elsewhere.
    best = [*kept] if len(kept) >= most else [*kept, *nlargest(most, range(count), key=values.__getitem__)]
    best = sorted(dict.fromkeys(best), key=lambda index: (index not in kept, -values[index], index))[:most]
    if exceeds(problem, best) or any(missing_groups(problem, best)) or lacking_rooms(problem, best):
        return None
    return tuple(sorted(best))


def _slim(problem: Problem) -> tuple[Problem, Sequence[int]]:
    """Leave out limits that limit nothing, and maximums that there are too few groups for; tell how many there are.

    A minimum counts beside a maximum only: where nothing is limited, everything is taken, which has the most groups.
    """
    limits: list[Limit] = []
    columns: list[Sequence[str]] = []
    counts: list[int] = []
    for limit, column in zip(problem.limits, problem.groups, strict=True):
        groups = len(set(column))
        most = None if limit.max_groups is None or limit.max_groups >= groups else limit.max_groups
        least = min(limit.min_groups, groups)
        if most is not None or least > 1:
            limits.append(Limit(min_groups=least, max_groups=most))
            columns.append(column)
            counts.append(groups)
    return replace(problem, limits=tuple(limits), groups=tuple(columns)), counts
