"""Pure: why fedsvc writes less to members than it would, and what of it a hold keeps back.

Intent is stored and decided, and members are listened to, whatever is held. A hold is of the fleet, a cluster or a
unit. Holds add up: what any of them keeps back is not written.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

FLEET_SUBJECT: Final = "fleet"
"""What a hold of everything is of."""

REGIONS: Final = "regions/"
"""Begins what a hold of a region is of."""


class HoldKind(StrEnum):
    """Where a hold comes from."""

    PAUSE = "Pause"  # somebody asked for it
    FREEZE = "Freeze"  # a freeze window of the fleet settings
    BREAKER = "Breaker"  # many members seem lost at once
    HEALTH = "Health"  # a member is in trouble: nothing is removed from it


class HoldScope(StrEnum):
    """What a hold keeps back."""

    EVERYTHING = "Everything"
    CHANGES = "Changes"  # removals, and whatever was not applied before; what was is still kept up
    REMOVALS = "Removals"
    AUTOMATION = "Automation"  # failovers, and whatever would be removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason."""

    subject: str  # FLEET_SUBJECT, "clusters/x", "regions/x" or "namespaces/x/units/y"
    kind: HoldKind
    scope: HoldScope
    reason: str  # in the words of whoever asked; of a freeze the name of its window
    author: str = ""  # name of the token; empty: nobody's
    create_time: datetime  # of a freeze: when it began
    end_time: datetime | None = None  # None: until it is ended
    clusters: frozenset[str] | None = (
        None  # it is for these alone (of a region: its own); None: all that `subject` says
    )
    namespaces: frozenset[str] | None = None  # it is for units of these, and for `units`; both None: for all
    units: frozenset[str] | None = None  # names in the API
    thawed: frozenset[str] = frozenset()  # subjects that are let through in an emergency

    @property
    def is_of_region(self) -> bool:
        """Whether it is of all clusters of a region."""
        return self.subject.startswith(REGIONS)

    def is_over(self, cluster: str, unit_name: str) -> bool:
        """Whether it holds for a unit's works on a cluster."""
        places = (FLEET_SUBJECT, f"clusters/{cluster}", unit_name)
        if not (self.subject in places or self.is_of_region) or any(place in self.thawed for place in places):
            return False
        if self.clusters is not None and cluster not in self.clusters:
            return False
        return self.is_for(unit_name)

    def is_for(self, unit_name: str) -> bool:
        """Whether a unit is among those that it is for, wherever that is."""
        if self.namespaces is None and self.units is None:
            return True
        return unit_name.split("/")[1] in (self.namespaces or ()) or unit_name in (self.units or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Something that is about to be written to a member."""

    cluster: str
    unit_name: str  # "namespaces/{namespace}/units/{unit}"
    is_removal: bool
    is_change: bool  # the member is to hold something else than it was made to hold before

    def is_kept_back(self, scope: HoldScope) -> bool:
        """Whether a hold of that scope is for this."""
        match scope:
            case HoldScope.EVERYTHING:
                return True
            case HoldScope.CHANGES:
                return self.is_change or self.is_removal
            case HoldScope.REMOVALS | HoldScope.AUTOMATION:
                return self.is_removal


def hold_of(holds: Iterable[Hold], write: Write) -> Hold | None:
    """The first of the holds that keeps a write back; None: it may be sent."""
    over = (hold for hold in holds if hold.is_over(write.cluster, write.unit_name))
    return next((hold for hold in over if write.is_kept_back(hold.scope)), None)


def holds_of_unit(holds: Iterable[Hold], unit_name: str, clusters: Collection[str]) -> Iterator[tuple[Hold, list[str]]]:
    """The holds that are over a unit, each with those of its clusters, sorted, where that is so.

    A hold of the unit itself, or of the whole fleet, is over it also while it is on no cluster.
    """
    for hold in holds:
        names = sorted(cluster for cluster in clusters if hold.is_over(cluster, unit_name))
        if names or (hold.subject == unit_name and not clusters):
            yield hold, names


def holds_of_cluster(holds: Iterable[Hold], cluster: str) -> list[Hold]:
    """The holds that are over a cluster, whatever units they are for."""
    places = (FLEET_SUBJECT, f"clusters/{cluster}")
    return [
        hold
        for hold in holds
        if (hold.subject in places or hold.is_of_region)
        and (hold.clusters is None or cluster in hold.clusters)
        and not hold.thawed.intersection(places)
    ]


def words_of(hold: Hold) -> str:
    """A hold as a sentence without its end: "paused by ann until 2026-11-26 18:00 UTC: migration"."""
    if hold.kind is HoldKind.FREEZE:
        return f"frozen by window {hold.reason}{_until(hold)}"
    if hold.kind is HoldKind.BREAKER:
        return f"automation is held: {hold.reason}"
    if hold.kind is HoldKind.HEALTH:
        return f"nothing is removed from {hold.subject.removeprefix('clusters/')}: {hold.reason}"
    what = {
        HoldScope.EVERYTHING: "",
        HoldScope.CHANGES: "changes are ",
        HoldScope.REMOVALS: "removals are ",
        HoldScope.AUTOMATION: "automation is ",
    }
    who = f" by {hold.author}" if hold.author else ""
    why = f": {hold.reason}" if hold.reason else ""
    return f"{what[hold.scope]}paused{who}{_until(hold)}{why}"


def _until(hold: Hold) -> str:
    return "" if hold.end_time is None else f" until {hold.end_time:%Y-%m-%d %H:%M} UTC"
