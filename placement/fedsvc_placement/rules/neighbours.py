"""Where other units are: leaders that are followed, and units to be near to or far from.

A required affinity keeps new units away and moves nothing that runs: it is the other unit that came later, or moved,
and one unit's move shall not set off another's. Followers do go: that is what following means.
"""

from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import AffinityMode, ClusterSnapshot, UnitAffinity, UnitInput, Verdict
from fedsvc_placement.neighbourhood import Neighbourhood
from fedsvc_placement.rules.candidate import Candidate, Rule, always, stays
from fedsvc_placement.selectors import matches_unit
from fedsvc_placement.texts import list_text, topology_text
from fedsvc_placement.topology import domains

_FOLLOWS = "Follows"
_UNIT_AFFINITY = "UnitAffinity"


def follows(candidate: Candidate) -> Verdict:
    """Require that one of the units it follows is there."""
    leaders = candidate.placement.follows
    units = candidate.fleet.units_by_key
    here = [key for key in leaders if key in units and candidate.cluster.name in units[key].clusters]
    if here:
        return Verdict(rule=_FOLLOWS, passed=True, reason="LeaderHere", message=f"it follows {list_text(sorted(here))}")
    unknown = [key for key in leaders if key not in units]
    message = f"none of the units it follows is here: {list_text(sorted(leaders))}"
    if unknown:
        message += f" (not known: {list_text(sorted(unknown))})"
    return Verdict(rule=_FOLLOWS, passed=False, reason="LeaderNotHere", message=message)


def unit_affinity(candidate: Candidate) -> Verdict:
    """Require that the cluster is where other units are, or where none of them is."""
    refusals: list[tuple[str, str]] = []
    kept: list[str] = []
    for affinity in candidate.placement.affinities:
        if affinity.weight is not None:
            continue
        reason, message = _judged(candidate, affinity, places_of(candidate.fleet, candidate.unit, affinity))
        if reason:
            refusals.append((reason, message))
        else:
            kept.append(message)
    if not refusals:
        return Verdict(rule=_UNIT_AFFINITY, passed=True, reason="AffinityHolds", message="; ".join(kept))
    message = "; ".join(message for _, message in refusals)
    if candidate.bound:
        return stays(_UNIT_AFFINITY, message)
    return Verdict(rule=_UNIT_AFFINITY, passed=False, reason=refusals[0][0], message=message)


class Places:
    """Where the units that an affinity is about are, as one unit sees it: itself is none of them."""

    def __init__(self, neighbourhood: Neighbourhood, own: str) -> None:
        self._neighbourhood = neighbourhood
        self._own = own
        self._near: dict[tuple[str, ...] | str, tuple[str, ...]] = {}
        self.nowhere = neighbourhood.nowhere(own)

    def near(self, cluster: ClusterSnapshot) -> tuple[str, ...]:
        """Return the keys of the units that are in the same place as a cluster, sorted: see `Neighbourhood.near`."""
        affinity = self._neighbourhood.affinity
        key = domains(cluster, affinity.by, affinity.label_key) or cluster.name
        if key not in self._near:
            self._near[key] = self._neighbourhood.near(cluster, self._own)
        return self._near[key]


def places_of(fleet: PreparedFleet, unit: UnitInput, affinity: UnitAffinity) -> Places:
    """Return where the units of an affinity are."""
    return fleet.keep_beside(("places", unit.key, affinity), lambda: Places(fleet.neighbourhood(affinity), unit.key))


def is_first(candidate_unit: UnitInput, affinity: UnitAffinity, places: Places) -> bool:
    """Tell whether the unit is the first of a set that wants to be together, and so has to start somewhere."""
    return places.nowhere and matches_unit(affinity.units, candidate_unit.key, candidate_unit.labels)


def _judged(candidate: Candidate, affinity: UnitAffinity, places: Places) -> tuple[str, str]:
    near = places.near(candidate.cluster)
    place = f"the same {topology_text(affinity.by, affinity.label_key)}"
    if affinity.mode == AffinityMode.APART:
        if near:
            return "UnitsTooNear", f"{list_text(near)} is in {place}, from which it shall be apart"
        return "", f"none of the units it shall be apart from is in {place}"
    if affinity.mode != AffinityMode.TOGETHER:
        raise ValueError(f"affinity mode {affinity.mode!r} is not one of {', '.join(AffinityMode)}")
    if near:
        return "", f"together with {list_text(near)} in {place}"
    if is_first(candidate.unit, affinity, places):
        return "", "it is the first of the units that shall be together"
    if places.nowhere:
        return "UnitsNowhere", "the units it shall be together with are placed nowhere"
    return "UnitsNotHere", f"none of the units it shall be together with is in {place}"


FOLLOWS = Rule(
    name=_FOLLOWS,
    applies=lambda unit: bool(unit.placement.follows),
    judge=follows,
    by_name=always,
    by_neighbours=True,
)
UNIT_AFFINITY = Rule(
    name=_UNIT_AFFINITY,
    applies=lambda unit: any(affinity.weight is None for affinity in unit.placement.affinities),
    judge=unit_affinity,
    by_name=always,
    by_neighbours=True,
)
