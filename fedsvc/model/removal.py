"""Pure: how much may be removed from members without somebody who confirms it.

What is counted are objects that fedsvc holds in members and that are to be deleted there. Objects that stay, no longer
managed, are not; nor is what a unit leaves on one cluster for another, since it goes on running.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

HOUR_SECONDS: Final = 3_600
CHANGE_SECONDS: Final = 60
"""What decisions remove within so long counts as one change: one edit of a policy is decided unit by unit."""

OVER_BUDGET: Final = "OverBudget"
EMPTIED: Final = "Emptied"
PROTECTED: Final = "Protected"
AWAITING_TAKER: Final = "AwaitingTaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalBudget:
    """What is said of it, by the fleet or a unit; None: not said.

    Of number and percent the larger counts: a number alone is much for a small fleet or little for a large one.
    """

    objects_per_change: int | None = None
    percent_per_change: int | None = None  # of the objects of the fleet; where a unit says it, of the unit's
    objects_per_hour: int | None = None  # of the fleet alone
    percent_per_hour: int | None = None
    allow_empty: bool | None = None  # whether a unit may lose all it has without having been deleted


DEFAULT: Final = RemovalBudget(
    objects_per_change=200, percent_per_change=1, objects_per_hour=1_000, percent_per_hour=5, allow_empty=False
)
"""What holds where nothing is said: no small fleet ever notices, and in a large one a mistake ends early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for the removals of one unit, or of none in particular."""

    per_change: int
    per_hour: int
    allow_empty: bool


def limits(fleet: RemovalBudget, unit: RemovalBudget | None, *, fleet_objects: int, unit_objects: int) -> Limits:
    """What may go at once and in an hour, as numbers.

    Args:
        fleet: what the fleet settings say.
        unit: what the unit says; None where it is about no unit or one that says nothing.
        fleet_objects: objects in all members.
        unit_objects: those of the unit.
    """
    own = unit is not None and (unit.objects_per_change is not None or unit.percent_per_change is not None)
    said = unit if own and unit is not None else fleet
    base = unit_objects if own else fleet_objects
    objects, percent = said.objects_per_change, said.percent_per_change
    if own:  # what a unit leaves out of the two is nothing, not the fleet's
        per_change = _larger(objects or 0, percent or 0, base)
    else:
        per_change = _larger(_or(objects, DEFAULT.objects_per_change), _or(percent, DEFAULT.percent_per_change), base)
    hour = _larger(
        _or(fleet.objects_per_hour, DEFAULT.objects_per_hour),
        _or(fleet.percent_per_hour, DEFAULT.percent_per_hour),
        fleet_objects,
    )
    empty = unit.allow_empty if unit is not None and unit.allow_empty is not None else fleet.allow_empty
    return Limits(per_change=per_change, per_hour=hour, allow_empty=bool(empty))


def lost_objects(
    dropped: Mapping[str, int], left: Mapping[str, int], *, gained: int, keeps_replicas: bool = False
) -> int:
    """How many objects a unit loses by a change.

    Args:
        dropped: objects of resources that leave the unit, by cluster that it stays on.
        left: its objects by cluster that it leaves.
        gained: clusters that are new to it; it moves to them from as many of those that it leaves.
        keeps_replicas: whether it runs with as many replicas as before, divided over other clusters.
    """
    lost = 0 if keeps_replicas else max(0, len(left) - gained)
    return sum(dropped.values()) + sum(sorted(left.values(), reverse=True)[:lost])


def refusal(
    objects: int, *, change_objects: int, hour_objects: int, is_emptied: bool, within: Limits
) -> tuple[str, str] | None:
    """Why a removal needs somebody who confirms it, as a reason and words; None: it may be done.

    Args:
        objects: that would be removed.
        change_objects: that the same change removed already.
        hour_objects: that were removed in the last hour without having been confirmed.
        is_emptied: whether the unit would lose all it has.
        within: what may go.
    """
    if not objects:
        return None
    if is_emptied and not within.allow_empty:
        return EMPTIED, "nothing would be left of it"
    if change_objects + objects > within.per_change:
        more = f" with {change_objects} that were removed just before" if change_objects else ""
        return OVER_BUDGET, f"{_count(objects)}{more} are more than the {within.per_change} that may go in one change"
    if hour_objects + objects > within.per_hour:
        spent = f"{_count(hour_objects)} were removed in the last hour, and {objects} more"
        return OVER_BUDGET, f"{spent} pass the {within.per_hour} that may go in an hour"
    return None


def shown(names: Collection[str], *, most: int = 5) -> str:
    """A few names, and how many more there are."""
    listed: Sequence[str] = sorted(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{', '.join(listed[:most])}{more}"


def _larger(objects: int, percent: int, base: int) -> int:
    return max(objects, base * percent // 100)


def _or(value: int | None, default: int | None) -> int:
    return value if value is not None else default or 0


def _count(objects: int) -> str:
    return f"{objects} object" if objects == 1 else f"{objects} objects"
