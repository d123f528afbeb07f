"""What makes one fitting cluster better than another: points, by part.

Every part goes from 0 to its weight: the best of the fitting clusters gets all of it, the worst nothing, and the others
their part of the way between. Integers throughout, rounded down, so that no machine scores otherwise.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from fedsvc_placement.eligibility import Field, Standing
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import (
    AffinityMode,
    ClusterPreference,
    ClusterSnapshot,
    Cost,
    ExternalScore,
    Placement,
    ScorePart,
    UnitAffinity,
    UnitInput,
)
from fedsvc_placement.rules import Candidate
from fedsvc_placement.rules.neighbours import Places, places_of
from fedsvc_placement.rules.taints import avoided_taints
from fedsvc_placement.selectors import matches_cluster
from fedsvc_placement.texts import instant_text, list_text, taint_text, topology_text
from fedsvc_placement.topology import domains

T = TypeVar("T")

STICKINESS = "Stickiness"

_GIB = 2**30
_MILLI = 1000

# A figure by which clusters are compared, lower is better, and how it is told; None where there is none.
_Figure = tuple[int, str] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """What speaks for and against the fitting clusters, whichever unit asks."""

    # Parts by cluster, those that are not zero; clusters without any are left out.
    parts: Mapping[str, tuple[ScorePart, ...]]
    # Their sums.
    totals: Mapping[str, int]
    # The earliest instant at which a score that counts now counts no more.
    until: datetime | None
    # What of them is the same wherever other units are; None where all is.
    base: "Points | None" = None
    # Number of the spot of each cluster, by name: those of one are near to the same units. Empty without `base`.
    spots: Mapping[str, int] = field(default_factory=dict)
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def lasting(self) -> "Points":
        """What of them is the same wherever other units are."""
        return self if self.base is None else self.base

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for this key from these points, making it the first time; anew where it is None."""
        if key is None:
            return make()
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What speaks for and against the fitting clusters."""

    # Of all units that ask the same.
    points: Points
    # What the unit gets for being there already, by cluster.
    sticky: Mapping[str, ScorePart]

    def parts(self, cluster: str) -> tuple[ScorePart, ...]:
        """Return the parts of a cluster's score, those that are not zero."""
        found = self.points.parts.get(cluster, ())
        return (*found, self.sticky[cluster]) if cluster in self.sticky else found

    def total(self, cluster: str) -> int:
        """Return the sum of a cluster's parts."""
        found = self.points.totals.get(cluster, 0)
        return found + self.sticky[cluster].value if cluster in self.sticky else found

    def unbiased(self, cluster: str) -> int:
        """Return the sum of a cluster's parts without what it gets for being there already."""
        return self.points.totals.get(cluster, 0)


def scores_of(unit: UnitInput, fleet: PreparedFleet, standings: Field, now: datetime) -> Scores:
    """Score the clusters that fit.

    Stickiness is counted only where `placement.spread` leaves a choice: elsewhere all that fit are taken.
    """
    placement = unit.placement
    weighted = any(affinity.weight is not None for affinity in placement.affinities)
    key = ("points", *_points_key(unit, now))
    if standings.usual:
        points = standings.eligibility.keep(key, lambda: _points(unit, fleet, standings.fitting, now))
    else:
        points = _points(unit, fleet, standings.fitting, now)
    if weighted and standings.usual:
        beside = ("points", points, unit.key)
        points = fleet.keep_beside(beside, lambda: _beside_others(points, unit, fleet, standings.fitting))
    elif weighted:
        points = _beside_others(points, unit, fleet, standings.fitting)
    return Scores(points=points, sticky=_sticky(placement, standings))


def _points_key(unit: UnitInput, now: datetime) -> tuple[Hashable, ...]:
    preferences = unit.placement.preferences
    needs = _needs(unit) if any(entry.cheap for entry in preferences) else None
    return needs, now if any(entry.score for entry in preferences) else None


def _points(unit: UnitInput, fleet: PreparedFleet, fitting: Sequence[Standing], now: datetime) -> Points:
    """Return what speaks for and against clusters wherever other units are."""
    placement = unit.placement
    found: dict[str, list[ScorePart]] = {}
    for name, part in (
        *_avoided(unit, fleet, fitting, now),
        *(part for entry in placement.preferences for part in _preferred(entry, unit, fleet, fitting, now)),
    ):
        if part.value:
            found.setdefault(name, []).append(part)
    # Clusters of which the same parts count share one value.
    shared: dict[tuple[ScorePart, ...], tuple[ScorePart, ...]] = {}
    return Points(
        parts={name: shared.setdefault(parts, parts) for name, parts in ((n, tuple(p)) for n, p in found.items())},
        totals={name: sum(part.value for part in parts) for name, parts in found.items()},
        until=_first_expiry(placement, fitting, now),
    )


def _beside_others(base: Points, unit: UnitInput, fleet: PreparedFleet, fitting: Sequence[Standing]) -> Points:
    """Add what other units count for, found once for all clusters that are at the same spot."""
    affinities = [entry for entry in unit.placement.affinities if entry.weight is not None]
    spots, examples = base.keep(("spots",), lambda: _spots(affinities, fitting))
    extras = [_neighbour_parts(affinities, unit, fleet, cluster) for cluster in examples]
    shared: dict[tuple[int, int], tuple[ScorePart, ...]] = {}
    parts: dict[str, tuple[ScorePart, ...]] = {}
    nothing: tuple[ScorePart, ...] = ()
    for name, spot in spots.items():
        own = base.parts.get(name, nothing)
        both = shared.get((id(own), spot))
        if both is None:
            both = shared[id(own), spot] = (*own, *extras[spot])
        if both:
            parts[name] = both
    sums = {id(both): sum([part.value for part in both]) for both in shared.values()}
    return Points(
        parts=parts,
        totals={name: sums[id(both)] for name, both in parts.items()},
        until=base.until,
        base=base,
        spots=spots,
    )


def _spots(
    affinities: Sequence[UnitAffinity], fitting: Sequence[Standing]
) -> tuple[Mapping[str, int], Sequence[ClusterSnapshot]]:
    """Number the spots of clusters, by name, and return a cluster of each."""
    numbers: dict[Hashable, int] = {}
    examples: list[ClusterSnapshot] = []
    found: dict[str, int] = {}
    for standing in fitting:
        cluster = standing.cluster
        key = tuple([domains(cluster, entry.by, entry.label_key) or cluster.name for entry in affinities])
        number = found[cluster.name] = numbers.setdefault(key, len(numbers))
        if number == len(examples):
            examples.append(cluster)
    return found, examples


def _neighbour_parts(
    affinities: Sequence[UnitAffinity], unit: UnitInput, fleet: PreparedFleet, cluster: ClusterSnapshot
) -> tuple[ScorePart, ...]:
    found: list[ScorePart] = []
    for affinity in affinities:
        by = topology_text(affinity.by, affinity.label_key)
        text = _affinity_text(affinity.mode, places_of(fleet, unit, affinity), cluster, by)
        if text and affinity.weight:
            found.append(ScorePart(name="UnitAffinity", value=affinity.weight, message=text))
    return tuple(found)


def external_score(cluster: ClusterSnapshot, name: str, now: datetime) -> ExternalScore | None:
    """Return a cluster's score of that name, None where there is none or it has expired."""
    found = next((score for score in cluster.scores if score.name == name), None)
    if found is None or (found.valid_until is not None and found.valid_until <= now):
        return None
    return found


def _avoided(
    unit: UnitInput, fleet: PreparedFleet, fitting: Sequence[Standing], now: datetime
) -> Iterator[tuple[str, ScorePart]]:
    for standing in fitting:
        if not standing.cluster.taints:
            continue
        candidate = Candidate(unit=unit, cluster=standing.cluster, bound=standing.bound, fleet=fleet, now=now)
        avoided = avoided_taints(candidate)
        message = ", ".join(f"taint {taint_text(taint)}" for taint in avoided)
        yield standing.cluster.name, ScorePart(name="PreferNoSchedule", value=-len(avoided), message=message)


def _sticky(placement: Placement, standings: Field) -> Mapping[str, ScorePart]:
    if not placement.spread or not placement.stability.stickiness:
        return {}
    part = ScorePart(name=STICKINESS, value=placement.stability.stickiness, message="it is here already")
    return {
        standing.cluster.name: part for standing in standings.own.values() if standing.bound and standing.judged.fits
    }


def _preferred(
    preference: ClusterPreference, unit: UnitInput, fleet: PreparedFleet, fitting: Sequence[Standing], now: datetime
) -> Iterator[tuple[str, ScorePart]]:
    figure: Callable[[ClusterSnapshot], _Figure]
    if preference.clusters is not None:
        part = ScorePart(name="Preferred", value=preference.weight, message="preferred by placement.preferences")
        for standing in fitting:
            if matches_cluster(preference.clusters, standing.cluster):
                yield standing.cluster.name, part
        return
    if preference.near_regions:
        name = "Distance"
        figure = _distance_figure(preference, fleet)
    elif preference.cheap:
        name = "Cost"
        figure = _cost_figure(unit)
    else:
        name = "ExternalScore"
        figure = _external_figure(preference, now)
    figures = [(standing.cluster.name, figure(standing.cluster)) for standing in fitting]
    known = [found[0] for _, found in figures if found is not None]
    if not known:
        return
    best, worst = min(known), max(known)
    # Many clusters are alike: in the same region, or of the same price.
    shared: dict[tuple[int, str], ScorePart] = {}
    for cluster, found in figures:
        if found is None:
            continue
        if found not in shared:
            value = preference.weight if best == worst else preference.weight * (worst - found[0]) // (worst - best)
            shared[found] = ScorePart(name=name, value=value, message=found[1])
        yield cluster, shared[found]


def _distance_figure(preference: ClusterPreference, fleet: PreparedFleet) -> Callable[[ClusterSnapshot], _Figure]:
    by_region: dict[str, _Figure] = {"": None}

    def figure(cluster: ClusterSnapshot) -> _Figure:
        region = cluster.region
        if region not in by_region:
            known = [
                (distance, near)
                for near in sorted(preference.near_regions)
                if (distance := fleet.distance_ms(region, near)) is not None
            ]
            best = min(known, default=None)
            by_region[region] = None if best is None else (best[0], f"{best[0]} ms to {best[1]}")
        return by_region[region]

    return figure


def _cost_figure(unit: UnitInput) -> Callable[[ClusterSnapshot], _Figure]:
    (cores, memory), what = _needs(unit), "the unit"
    if not cores and not memory:
        # Nothing tells what it needs: compare what a core and four GiB cost, as most machines are shaped.
        cores, memory, what = _MILLI, 4 * _GIB, "a core with 4 GiB"

    @cache
    def priced(cost: Cost) -> _Figure:
        price = cores * cost.micros_per_core * _GIB + memory * cost.micros_per_gib * _MILLI
        return price, f"{what} costs {price // (_MILLI * _GIB)} millionths an hour"

    return lambda cluster: None if cluster.cost is None else priced(cluster.cost)


def _needs(unit: UnitInput) -> tuple[int, int]:
    """Return the millicores and bytes that all replicas request together."""
    cores = sum(workload.requests.get("cpu", 0) * workload.replicas for workload in unit.workloads)
    memory = sum(workload.requests.get("memory", 0) * workload.replicas for workload in unit.workloads)
    return cores, memory


def _external_figure(preference: ClusterPreference, now: datetime) -> Callable[[ClusterSnapshot], _Figure]:
    def figure(cluster: ClusterSnapshot) -> _Figure:
        found = external_score(cluster, preference.score, now)
        if found is None:
            return None
        until = "" if found.valid_until is None else f" until {instant_text(found.valid_until)}"
        return -found.value, f"{found.name} is {found.value}{until}"

    return figure


def _affinity_text(mode: str, places: Places, cluster: ClusterSnapshot, by: str) -> str:
    near = places.near(cluster)
    if mode == AffinityMode.TOGETHER:
        return f"in the same {by} as {list_text(near)}" if near else ""
    return "" if near else f"in no {by} of the units it would rather be apart from"


def _first_expiry(placement: Placement, fitting: Sequence[Standing], now: datetime) -> datetime | None:
    if not placement.spread:
        return None
    names = {preference.score for preference in placement.preferences if preference.score}
    return min(
        (
            score.valid_until
            for standing in fitting
            for score in standing.cluster.scores
            if score.name in names and score.valid_until is not None and score.valid_until > now
        ),
        default=None,
    )
