"""Pick the way to choose: all, by the tree, or by search."""

from fedsvc_placement.spread import Item, Limit, Picked, Problem, rank_of
from fedsvc_placement.spread_search import best_by_search
from fedsvc_placement.spread_tree import TooWideError, best_in_tree, chain_of


def pick(problem: Problem) -> Picked:
    """Choose the best items that exceed no limit.

    Most often values alone lead to enough room, and then no choice is better; only where they do not, room is weighed
    against value.
    """
    everything = tuple(range(len(problem.items)))
    slim = _slim(problem)
    if all(limit.max_groups is None for limit in slim.limits):
        return Picked(indexes=everything, proven=True)
    roomless = _pick(_without_rooms(slim))
    if not slim.needs or not rank_of(slim, roomless.indexes)[2]:
        return roomless
    return _pick(slim)


def _pick(problem: Problem) -> Picked:
    chain = chain_of(problem)
    if chain is not None:
        try:
            return Picked(indexes=best_in_tree(problem, chain), proven=True)
        except TooWideError:
            indexes, _ = best_by_search(problem)
            return Picked(indexes=indexes, proven=False)
    indexes, proven = best_by_search(problem)
    return Picked(indexes=indexes, proven=proven)


def _slim(problem: Problem) -> Problem:
    """Leave out limits that limit nothing, and maximums that there are too few groups for.

    A minimum counts beside a maximum only: where nothing is limited, everything is taken, which has the most groups.
    """
    limits: list[Limit] = []
    places: list[int] = []
    for place, limit in enumerate(problem.limits):
        groups = len({item.groups[place] for item in problem.items})
        most = None if limit.max_groups is None or limit.max_groups >= groups else limit.max_groups
        least = min(limit.min_groups, groups)
        if most is not None or least > 1:
            limits.append(Limit(min_groups=least, max_groups=most))
            places.append(place)
    if len(places) == len(problem.limits):
        return Problem(items=problem.items, limits=tuple(limits), needs=problem.needs)
    items = tuple(
        Item(groups=tuple([item.groups[place] for place in places]), rooms=item.rooms, value=item.value, kept=item.kept)
        for item in problem.items
    )
    return Problem(items=items, limits=tuple(limits), needs=problem.needs)


def _without_rooms(problem: Problem) -> Problem:
    if not problem.needs:
        return problem
    items = tuple(Item(groups=item.groups, rooms=(), value=item.value, kept=item.kept) for item in problem.items)
    return Problem(items=items, limits=problem.limits, needs=())
