"""Pure: what a zone has to change to hold what was planned: under a budget of removals, on top of what was seen.

Values change freely: a real failover needs that. Names that go are what a mistake looks like: of more than the budget
lets go, none goes before somebody confirmed exactly those.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fedsvc_dns.planner.memory import Memory
from fedsvc_dns.planner.plan import Plan
from fedsvc_dns.planner.zone import Budget
from fedsvc_dns.records import RecordSet

Sets = Mapping[tuple[str, str], RecordSet]


class StaleChangeError(Exception):
    """A change was made on top of another generation than the zone is at: it has to be planned again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a zone holds.

    Attributes:
        generation: counts the changes.
        sets: (name, type) -> record set.
    """

    generation: int
    sets: Sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One record set before and after; None: there is none."""

    before: RecordSet | None
    after: RecordSet | None

    @property
    def key(self) -> tuple[str, str]:
        """Name and type."""
        made = self.after or self.before
        assert made is not None
        return made.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a zone is to change.

    Attributes:
        expects: the generation that it was made on.
        replacements: what is done now, by name and type; at each name what goes comes before what is new.
        held: what waits, and is done when `approval` is given.
        why_held: in words; empty: nothing waits.
        approval: the digest of what waits; empty: nothing does, or nothing can be confirmed.
    """

    expects: int
    replacements: tuple[Replacement, ...] = ()
    held: tuple[Replacement, ...] = ()
    why_held: str = ""
    approval: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is done now."""
        return not self.replacements


def difference(
    desired: Sets,
    published: Published,
    budget: Budget,
    *,
    is_frozen: bool = False,
    approved: str = "",
    removed_last_minute: int = 0,
) -> Change:
    """Return what a zone has to change.

    A name counts as removed when all of it goes, or one type that no alias takes the place of. What is held of a name
    is all of it, so that its record sets stay in step.

    Args:
        desired: what it shall hold.
        published: what it holds.
        budget: of removals.
        is_frozen: nothing is done, all is held.
        approved: the digest of what somebody confirmed; of anything else it confirms nothing.
        removed_last_minute: names that were removed in the minute before.
    """
    wanted = _differences(desired, published.sets)
    if is_frozen and wanted:
        return Change(expects=published.generation, held=wanted, why_held="the zone is frozen")
    removed = _removed_names(wanted, desired)
    why = _over_budget(removed, desired, published.sets, budget, removed_last_minute)
    if not why:
        return Change(expects=published.generation, replacements=wanted)
    held = tuple(one for one in wanted if one.key[0] in removed)
    digest = _digest(held)
    if approved == digest:
        return Change(expects=published.generation, replacements=wanted)
    return Change(
        expects=published.generation,
        replacements=tuple(one for one in wanted if one.key[0] not in removed),
        held=held,
        why_held=why,
        approval=digest,
    )


def applied(published: Published, change: Change) -> Published:
    """Return what a zone holds after a change.

    Raises:
        StaleChangeError: the zone is at another generation than the change was made on.
    """
    if change.expects != published.generation:
        raise StaleChangeError(
            f"the change was made on generation {change.expects}, the zone is at {published.generation}: plan again"
        )
    if change.is_empty:
        return published
    sets = dict(published.sets)
    for one in change.replacements:
        if one.after is None:
            sets.pop(one.key, None)
        else:
            sets[one.key] = one.after
    return Published(generation=published.generation + 1, sets=sets)


def after(plan: Plan, published: Iterable[Published]) -> Memory:
    """Return the memory of a plan once its zones hold what they hold: with what was held back.

    Args:
        plan: that was applied.
        published: all of its zones.
    """
    names: dict[str, list[RecordSet]] = {}
    for zone in published:
        for made in zone.sets.values():
            names.setdefault(made.name, []).append(made)
    owners = {name: plan.memory.owners[name] for name in names if name in plan.memory.owners}
    return replace(plan.memory, owners=owners, published={name: tuple(names[name]) for name in owners})


def _differences(desired: Sets, published: Sets) -> tuple[Replacement, ...]:
    found = [
        Replacement(before=published.get(key), after=made)
        for key, made in desired.items()
        if published.get(key) != made
    ]
    found.extend(Replacement(before=made, after=None) for key, made in published.items() if key not in desired)
    return tuple(sorted(found, key=lambda one: (one.key[0], one.after is not None, one.key[1])))


def _removed_names(wanted: Iterable[Replacement], desired: Sets) -> frozenset[str]:
    going = [one.key for one in wanted if one.after is None]
    return frozenset(name for name, type_ in going if not _has_heir(name, type_, desired))


def _has_heir(name: str, type_: str, desired: Sets) -> bool:
    """Whether something else answers in the place of a set that goes: an alias for addresses, or they for it."""
    if type_ == "CNAME":
        return (name, "A") in desired or (name, "AAAA") in desired
    return (name, "CNAME") in desired


def _over_budget(
    removed: frozenset[str], desired: Sets, published: Sets, budget: Budget, removed_last_minute: int
) -> str:
    if not removed:
        return ""
    if not desired:
        return f"the zone would be empty: {_names(len(removed))} would go"
    total = len({name for name, _ in published})
    allowed = max(budget.names, int(budget.share * total))
    if len(removed) > allowed:
        return f"{len(removed)} of {_names(total)} would go, {allowed} may"
    if len(removed) + removed_last_minute > budget.names_a_minute:
        return (
            f"{_names(len(removed))} would go after {removed_last_minute} in the last minute,"
            f" {budget.names_a_minute} may in a minute"
        )
    return ""


def _names(count: int) -> str:
    return f"{count} name" if count == 1 else f"{count} names"


def _digest(held: Iterable[Replacement]) -> str:
    made = hashlib.sha256()
    for one in held:
        made.update(repr((one.before, one.after)).encode())
    return made.hexdigest()[:16]
