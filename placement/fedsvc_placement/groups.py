"""Affinity groups: the first that holds the whole unit, and whether the unit returns to it.

A unit that is placed changes its group only for one that holds it whole: the first such one where its own does not any
more (that is what the later groups are for), an earlier one when the return policy says so. A rebalance starts from the
first group again, whatever the policy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from fedsvc_placement.eligibility import Field
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import ClusterSnapshot, GroupReturn, Memory, Placement
from fedsvc_placement.occasion import Occasion
from fedsvc_placement.selecting import Measures, Pool, Selection
from fedsvc_placement.selectors import matches_cluster
from fedsvc_placement.texts import count_text, instant_text


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChoice:
    """The group to be used."""

    # Its index.
    index: int
    # Whether the unit was in another one, and comes back to this one without need.
    returned: bool = False
    # Why it comes from another one, empty where it does not.
    message: str = ""
    # See `Memory.fitting_since`.
    fitting_since: tuple[tuple[str, datetime], ...] = ()
    # A return that was not made, and why.
    held_back: str = ""
    # When it may be.
    reconsider_at: datetime | None = None


def pool_of(measures: Measures, field: Field, index: int) -> Pool:
    """Return what a group has to choose from: its clusters, and those of its overflow tiers that are not among them."""
    tier_of = tiers_of(measures.fleet, measures.unit.placement, index)
    key = ("group", index) if field.usual else None

    def places() -> tuple[list[int], dict[str, int]]:
        members = [place for place, one in enumerate(field.fitting) if tier_of[one.place] is not None]
        standings = [field.fitting[place] for place in members]
        return members, {one.cluster.name: tier for one in standings if (tier := tier_of[one.place])}

    members, tiers = measures.scores.points.lasting.keep(None if key is None else ("pool", *key), places)
    standings = [field.fitting[place] for place in members]
    bound = tuple(
        one for place, one in sorted(field.own.items()) if one.bound and one.judged.fits and tier_of[place] is not None
    )
    return Pool(standings=standings, tiers=tiers, bound=bound, key=key)


def tiers_of(fleet: PreparedFleet, placement: Placement, index: int) -> Sequence[int | None]:
    """Return the tier in which each cluster of the fleet is for a group, 0 for its own; None where it is in none."""
    group = placement.groups[index]

    def tier(cluster: ClusterSnapshot) -> int | None:
        matchers = (group.clusters, *group.overflow)
        return next((place for place, entry in enumerate(matchers) if matches_cluster(entry, cluster)), None)

    return fleet.keep(
        ("tiers", fleet.number_of(placement), index), lambda: [tier(cluster) for cluster in fleet.clusters]
    )


def choose_group(
    placement: Placement, pools: Sequence[Pool], best: Callable[[int], Selection], occasion: Occasion
) -> GroupChoice:
    """Choose among affinity groups.

    Args:
        placement: with at least one group.
        pools: what each group has to choose from.
        best: what each group would take at best, by index.
        occasion: when and why.
    """
    current = _current(placement, pools, occasion.memory)
    holding = next((index for index in range(len(pools)) if best(index).whole), None)
    if current is None:
        return GroupChoice(index=_least_missing(pools, best) if holding is None else holding)
    if holding is None or holding == current:
        return GroupChoice(index=current)
    if not best(current).whole:
        names = placement.groups
        message = f"affinity group {names[holding].name} holds the whole unit, {names[current].name} does not any more"
        return GroupChoice(index=holding, message=message)
    if holding > current:
        return GroupChoice(index=current)
    if occasion.anew and occasion.free:
        return _back(placement, holding)
    return _returning(placement, current, best, occasion)


def _current(placement: Placement, pools: Sequence[Pool], memory: Memory) -> int | None:
    """Return the index of the group the unit is in, None where it is in none or nothing of it is left there.

    Where it is not remembered, it is the first in which all clusters are that the unit is on.
    """
    names = [group.name for group in placement.groups]
    if memory.group in names:
        index = names.index(memory.group)
        return index if pools[index].bound else None
    bound = {standing.cluster.name for pool in pools for standing in pool.bound}
    return next(
        (
            index
            for index, pool in enumerate(pools)
            if bound and bound <= {standing.cluster.name for standing in pool.bound}
        ),
        None,
    )


def _least_missing(pools: Sequence[Pool], best: Callable[[int], Selection]) -> int:
    def shortage(index: int) -> tuple[bool, int, int]:
        found = best(index)
        return not found.names, found.missing, found.lacking

    return min(range(len(pools)), key=shortage)


def _returning(placement: Placement, current: int, best: Callable[[int], Selection], occasion: Occasion) -> GroupChoice:
    """Stay in a group that is there, or return to an earlier one; at least one of them holds the whole unit."""
    policy, groups = placement.group_return, placement.groups
    ready = [index for index in range(current) if best(index).whole]
    since: dict[str, datetime] = {}
    if policy.mode == GroupReturn.NEVER:
        return _staying(current, f"{_holds_again(placement, ready[0])}; groupReturn Never keeps it where it is")
    if policy.mode == GroupReturn.AFTER:
        known = dict(occasion.memory.fitting_since)
        since = {groups[index].name: known.get(groups[index].name, occasion.now) for index in ready}
        stable = timedelta(seconds=policy.stable_seconds)
        end = min(since.values()) + stable
        first = min(ready, key=lambda index: (since[groups[index].name], index))
        ready = [index for index in ready if since[groups[index].name] + stable <= occasion.now]
        if not ready:
            message = (
                f"{_holds_again(placement, first)} since {instant_text(since[groups[first].name])}, "
                f"of which it takes {count_text(policy.stable_seconds, 'second')} to return"
            )
            cooling = occasion.cooling_until
            return _staying(current, message, since, end if cooling is None else max(end, cooling))
    elif policy.mode != GroupReturn.IMMEDIATE:
        raise ValueError(f"group return {policy.mode!r} is not one of {', '.join(GroupReturn)}")
    if occasion.cooling_until is not None:
        until = occasion.cooling_until
        message = f"{_holds_again(placement, ready[0])}; the cooldown lasts until {instant_text(until)}"
        return _staying(current, message, since, until)
    return _back(placement, ready[0])


def _staying(
    current: int, held_back: str, since: Mapping[str, datetime] = MappingProxyType({}), until: datetime | None = None
) -> GroupChoice:
    return GroupChoice(
        index=current, held_back=held_back, fitting_since=tuple(sorted(since.items())), reconsider_at=until
    )


def _back(placement: Placement, index: int) -> GroupChoice:
    return GroupChoice(index=index, returned=True, message=_holds_again(placement, index))


def _holds_again(placement: Placement, index: int) -> str:
    return f"affinity group {placement.groups[index].name} holds the whole unit again"
