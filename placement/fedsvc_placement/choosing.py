"""From the clusters that fit to those that are taken: affinity groups, spread, and how much the unit minds moving.

A cluster that the unit is on and that still fits is kept, also where a better one has come, has more room or would
spread the unit further; only a trigger in `stability.replaceOn` lets go of it, and no two voluntary moves come within
the cooldown. What could have been better is told. No maximum is ever exceeded for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fedsvc_placement.eligibility import Field
from fedsvc_placement.groups import GroupChoice, choose_group, pool_of
from fedsvc_placement.model import Memory, Placement, Trigger
from fedsvc_placement.occasion import Occasion
from fedsvc_placement.selecting import Measures, Pool, Selection, select
from fedsvc_placement.texts import count_text, instant_text, list_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was taken, and what it means for what was before."""

    selection: Selection
    # What there was to choose from.
    pool: Pool
    # Index of the affinity group it is of, and its name where anything was taken.
    index: int = 0
    group: str = ""
    # Clusters that are left without need, each with why.
    voluntary: Mapping[str, str] | None = None
    # Clusters that fit and are left because they must be, each with why.
    forced: Mapping[str, str] | None = None
    # Better places that were not taken, sorted.
    held_back: tuple[str, ...] = ()
    # When that may change by time alone.
    reconsider_at: datetime | None = None
    memory: Memory


def choose(measures: Measures, field: Field, occasion: Occasion) -> Choice:
    """Choose among the clusters that fit.

    Args:
        measures: by what they are compared.
        field: how they stand.
        occasion: when and why.
    """
    placement = measures.unit.placement
    if not placement.groups:
        own = [field.own[place] for place in sorted(field.own)]
        bound = tuple([one for one in own if one.bound and one.judged.fits])
        pool = Pool(standings=field.fitting, tiers={}, bound=bound, key=("all",) if field.usual else None)
        return _settle(measures, pool, GroupChoice(index=0), occasion, select(measures, pool, keep=False))
    pools = [pool_of(measures, field, index) for index in range(len(placement.groups))]
    known: dict[int, Selection] = {}

    def best(index: int) -> Selection:
        if index not in known:
            known[index] = select(measures, pools[index], keep=False)
        return known[index]

    group = choose_group(placement, pools, best, occasion)
    taken = _settle(measures, pools[group.index], group, occasion, best(group.index))
    return _with_leavers(taken, group, field, occasion.now)


def _settle(measures: Measures, pool: Pool, group: GroupChoice, occasion: Occasion, best: Selection) -> Choice:
    """Choose within a group: the best, or the best that keeps what is there."""
    placement, memory = measures.unit.placement, occasion.memory
    bound = {standing.cluster.name for standing in pool.bound}
    keeping = select(measures, pool, keep=True) if bound - set(best.names) else best
    taken = best if occasion.free else keeping
    held_back = [group.held_back] if group.held_back else []
    if taken.names != best.names:
        held_back.append(_held_back_text(measures, best, taken, occasion))
    waits = (
        occasion.replaces
        and occasion.cooling_until is not None
        and (taken.names != best.names or (bool(group.held_back) and occasion.anew))
    )
    times = (group.reconsider_at, occasion.cooling_until if waits else None)
    left = sorted(bound - set(taken.names))
    voluntary = {name: _replaced_text(measures, best, keeping) for name in left if name in keeping.names}
    name = placement.groups[group.index].name if placement.groups and taken.names else ""
    return Choice(
        selection=taken,
        pool=pool,
        index=group.index,
        group=name,
        voluntary=voluntary,
        forced={name: "placement.spread allows no more" for name in left if name not in keeping.names},
        held_back=tuple(sorted(held_back)),
        reconsider_at=min((time for time in times if time is not None), default=None),
        memory=replace(
            memory,
            group=name,
            fitting_since=group.fitting_since,
            moved_at=occasion.now if voluntary else memory.moved_at,
            pending=_pending(placement, occasion) if waits else "",
        ),
    )


def _pending(placement: Placement, occasion: Occasion) -> str:
    """Return whose moves wait; a rebalance is not forgotten over a smaller trigger."""
    if occasion.anew:
        return Trigger.REBALANCE
    return occasion.trigger if occasion.trigger in placement.stability.replace_on else occasion.memory.pending


def _with_leavers(choice: Choice, group: GroupChoice, field: Field, now: datetime) -> Choice:
    """Add the clusters outside the group that the unit leaves."""
    members = {standing.cluster.name for standing in choice.pool.bound}
    left = [
        standing.cluster.name
        for _, standing in sorted(field.own.items())
        if standing.bound and standing.judged.fits and standing.cluster.name not in members
    ]
    if not left:
        return choice
    message = group.message or f"it is not in affinity group {choice.group}, which is used"
    moves = dict.fromkeys(left, message)
    if group.returned:
        memory = replace(choice.memory, moved_at=now)
        return replace(choice, voluntary={**(choice.voluntary or {}), **moves}, memory=memory)
    return replace(choice, forced={**(choice.forced or {}), **moves})


def _held_back_text(measures: Measures, best: Selection, taken: Selection, occasion: Occasion) -> str:
    if occasion.replaces and occasion.cooling_until is not None:
        why = f"the cooldown lasts until {instant_text(occasion.cooling_until)}"
    else:
        why = f"trigger {occasion.trigger} is not in stability.replaceOn"
    return f"{_replaced_text(measures, best, taken)}; not taken: {why}"


def _replaced_text(measures: Measures, best: Selection, keeping: Selection) -> str:
    """Say what is better about the best choice than about one that keeps what is there."""
    come = [name for name in best.names if name not in keeping.names]
    go = [name for name in keeping.names if name not in best.names]
    text = (
        f"{_scored(measures, come)} instead of {_scored(measures, go)}" if come else f"without {_scored(measures, go)}"
    )
    gains: list[str] = []
    if best.missing < keeping.missing:
        gains.append(f"{count_text(keeping.missing - best.missing, 'group')} more that placement.spread asks for")
    if best.lacking < keeping.lacking:
        gains.append(f"room for {count_text(keeping.lacking - best.lacking, 'replica')} more")
    return f"{text}, with {' and '.join(gains)}" if gains else text


def _scored(measures: Measures, names: Sequence[str]) -> str:
    return list_text(f"{name} (score {measures.scores.total(name)})" for name in names)
