"""The verdicts of the rules on a whole fleet, made once for all units that ask the same."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import ClusterSnapshot, UnitInput, Verdict
from fedsvc_placement.rules import RULES, Candidate, Rule
from fedsvc_placement.rules.taints import holds_replicas, timeless_taints, toleration_ends
from fedsvc_placement.texts import taint_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What the rules say of a cluster; clusters of which they say the same share one value."""

    # Whether no rule refuses it.
    fits: bool
    # In the order of the rules.
    verdicts: tuple[Verdict, ...]
    # Whether an untolerated NoScheduleNew taint keeps replicas there from growing.
    holds: bool
    # When tolerations of its NoExecute taints end or ended, sorted.
    ends: tuple[datetime, ...]
    # Taints whose tolerations would end if it were known since when they are there.
    timeless: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """How one cluster stands with a unit, as far as the rules are concerned."""

    cluster: ClusterSnapshot
    # Among the clusters of the fleet.
    place: int
    # Whether the unit is there already.
    bound: bool
    judged: Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """How all clusters stand with one unit."""

    # In the order of the fleet.
    standings: Sequence[Standing]
    # Those that no rule refuses.
    fitting: Sequence[Standing]
    # Of standings, those that are not as they are for every unit that asks the same, by place: it is bound there, or
    # time counts.
    own: Mapping[int, Standing]
    # Whether the same clusters fit as for every unit that asks the same.
    usual: bool
    eligibility: "Eligibility"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Eligibility:
    """How clusters stand with units that ask the same: same placement, same kinds, same neighbours."""

    fleet: PreparedFleet
    # One of the units.
    unit: UnitInput
    # Of clusters the unit is not bound to, in the order of the fleet.
    unbound: tuple[Standing, ...]
    # Those of them that fit.
    fitting: tuple[Standing, ...]
    # Place in `fitting` by place in the fleet.
    places: Mapping[int, int]
    # Places where time counts: what is said of them here is to be said anew.
    timed: tuple[int, ...]
    # Of clusters a unit was found bound to, by place, where time does not count.
    _bound: dict[int, Standing] = field(default_factory=dict)
    # Where time counts, by place and whether a unit is bound there: how they stand at the one instant asked about.
    _at: dict[datetime, dict[tuple[int, bool], Standing]] = field(default_factory=dict)
    # Digests of room in the clusters that fit, with the version of the column they are of.
    room_digests: dict[Hashable, tuple[int, str]] = field(default_factory=dict)
    _kept: dict[Hashable, Any] = field(default_factory=dict)

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for this key beside this eligibility, making it the first time."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def among_fitting(self, values: Sequence[int | None]) -> Sequence[int | None]:
        """Return those of some values by place that are of clusters that fit."""
        return [values[place] for place in self.places]

    def field(self, bound: Collection[str], now: datetime) -> Field:
        """Return how each cluster stands with a unit that is bound to some."""
        places = self.fleet.places
        here = {places[name] for name in bound if name in places}
        own: dict[int, Standing] = {}
        for place in self.timed:
            own[place] = self._timed_at(place, now, bound=place in here)
        known = self._bound
        for place in here:
            if place not in own:
                own[place] = known.get(place) or self._bound_at(place, now)
        standings = list(self.unbound)
        usual = True
        for place, standing in own.items():
            standings[place] = standing
            if standing.judged.fits != (place in self.places):
                usual = False
        if usual:
            fitting = list(self.fitting)
            for place, standing in own.items():
                if standing.judged.fits:
                    fitting[self.places[place]] = standing
        else:
            fitting = [standing for standing in standings if standing.judged.fits]
        return Field(standings=standings, fitting=fitting, own=own, usual=usual, eligibility=self)

    def _timed_at(self, place: int, now: datetime, *, bound: bool) -> Standing:
        if now not in self._at:
            self._at.clear()
            self._at[now] = {}
        known = self._at[now]
        if (place, bound) not in known:
            known[place, bound] = _standing(self.unit, self.fleet, place, bound=bound, now=now)
        return known[place, bound]

    def _bound_at(self, place: int, now: datetime) -> Standing:
        found = self._bound[place] = _standing(self.unit, self.fleet, place, bound=True, now=now)
        return found


def eligibility_of(unit: UnitInput, fleet: PreparedFleet, now: datetime) -> Eligibility:
    """Return the eligibility of clusters for a unit, shared with all units for which it is the same."""
    key: Hashable = ("eligibility", fleet.number_of(unit.placement), unit.kinds)
    if any(rule.by_neighbours for rule in _rules_of(unit, fleet)):
        neighbours = (key, unit.key, frozenset(unit.labels.items()))
        return fleet.keep_beside(neighbours, lambda: _eligibility(unit, fleet, now))
    return fleet.keep(key, lambda: _eligibility(unit, fleet, now))


def _eligibility(unit: UnitInput, fleet: PreparedFleet, now: datetime) -> Eligibility:
    unbound = _unbound(unit, fleet, now)
    timed = tuple(standing.place for standing in unbound if standing.judged.ends)
    fitting = tuple(standing for standing in unbound if standing.judged.fits and not standing.judged.ends)
    return Eligibility(
        fleet=fleet,
        unit=unit,
        unbound=unbound,
        fitting=fitting,
        places={standing.place: index for index, standing in enumerate(fitting)},
        timed=timed,
    )


def _unbound(unit: UnitInput, fleet: PreparedFleet, now: datetime) -> tuple[Standing, ...]:
    if any(rule.by_name(unit) for rule in _rules_of(unit, fleet)):
        return tuple([_standing(unit, fleet, place, bound=False, now=now) for place in range(len(fleet.clusters))])
    # What differs in name and room alone is judged once.
    first = {likeness: place for place, likeness in reversed(list(enumerate(fleet.likeness())))}
    judged = {likeness: _standing(unit, fleet, place, bound=False, now=now).judged for likeness, place in first.items()}
    return tuple(
        [
            Standing(cluster=cluster, place=place, bound=False, judged=judged[likeness])
            for place, (cluster, likeness) in enumerate(zip(fleet.clusters, fleet.likeness(), strict=True))
        ]
    )


def _standing(unit: UnitInput, fleet: PreparedFleet, place: int, *, bound: bool, now: datetime) -> Standing:
    cluster = fleet.clusters[place]
    candidate = Candidate(unit=unit, cluster=cluster, bound=bound, fleet=fleet, now=now)
    return Standing(cluster=cluster, place=place, bound=bound, judged=_judged(candidate, place))


def _judged(candidate: Candidate, place: int) -> Judged:
    """Judge what clusters that only differ in name have in common once, and the rest for each."""
    unit, fleet = candidate.unit, candidate.fleet
    rules = _rules_of(unit, fleet)
    likeness = fleet.likeness()[place]
    alike = ("alike", fleet.number_of(unit.placement), unit.kinds, likeness, candidate.bound, candidate.now)
    common: tuple[Verdict | None, ...] = fleet.keep(
        alike, lambda: tuple(None if rule.by_name(unit) else rule.judge(candidate) for rule in rules)
    )
    if None not in common:
        return fleet.keep(("judged", alike), lambda: _made(candidate, tuple(filter(None, common))))
    found = tuple(
        rule.judge(candidate) if verdict is None else verdict for rule, verdict in zip(rules, common, strict=True)
    )
    # What is beside the verdicts depends on taints and tolerations alone, which are those of the likeness.
    return fleet.keep(("judged", alike, found), lambda: _made(candidate, found))


def _made(candidate: Candidate, verdicts: tuple[Verdict, ...]) -> Judged:
    tainted = bool(candidate.cluster.taints)
    holds = tainted and holds_replicas(candidate)
    ends = toleration_ends(candidate) if tainted else ()
    timeless = tuple(taint_text(taint) for taint in timeless_taints(candidate)) if tainted else ()
    # Most clusters that differ are told the same all the same.
    return candidate.fleet.keep(
        ("judged", verdicts, holds, ends, timeless),
        lambda: Judged(
            fits=all(verdict.passed for verdict in verdicts),
            verdicts=verdicts,
            holds=holds,
            ends=ends,
            timeless=timeless,
        ),
    )


def _rules_of(unit: UnitInput, fleet: PreparedFleet) -> tuple[Rule, ...]:
    key = ("rules", fleet.number_of(unit.placement), bool(unit.kinds))
    return fleet.keep(key, lambda: tuple(rule for rule in RULES if rule.applies(unit)))
