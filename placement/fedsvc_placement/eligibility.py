"""The verdicts of the rules on a whole fleet, made once for all units that ask the same."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import ClusterSnapshot, ClusterVerdict, Move, Target, UnitInput, Verdict
from fedsvc_placement.rules import RULES, Candidate, Rule
from fedsvc_placement.rules.taints import holds_replicas, timeless_taints, toleration_ends
from fedsvc_placement.texts import taint_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one cluster stands with a unit, as far as the rules are concerned."""

    cluster: ClusterSnapshot
    # Whether the unit is there already.
    bound: bool
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
    # How it is recorded where selecting and dividing add nothing.
    record: ClusterVerdict
    # What a unit without replicas to divide has there, and its coming there where it is not yet.
    target: Target
    arrival: Move


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """The standings of all clusters for units that ask the same: same placement, same kinds, same neighbours."""

    fleet: PreparedFleet
    # One of the units.
    unit: UnitInput
    # Of clusters the unit is not bound to, in the order of the fleet; None where time counts.
    unbound: tuple[Standing | None, ...]
    # Of clusters a unit was found bound to, by place, where time does not count.
    _bound: dict[int, Standing] = field(default_factory=dict)

    def standings(self, bound: Collection[str], now: datetime) -> list[Standing]:
        """Return how each cluster stands, in the order of the fleet."""
        here = {self.fleet.places[name] for name in bound if name in self.fleet.places}
        found = [
            _standing(self.unit, self.fleet, place, bound=place in here, now=now) if standing is None else standing
            for place, standing in enumerate(self.unbound)
        ]
        for place in here:
            if self.unbound[place] is not None:
                if place not in self._bound:
                    self._bound[place] = _standing(self.unit, self.fleet, place, bound=True, now=now)
                found[place] = self._bound[place]
        return found


def eligibility_of(unit: UnitInput, fleet: PreparedFleet, now: datetime) -> Eligibility:
    """Return the eligibility of clusters for a unit, shared with all units for which it is the same."""
    neighbours = (unit.key, frozenset(unit.labels.items())) if unit.placement.affinities else None
    key: Hashable = ("eligibility", unit.placement, unit.kinds, neighbours)
    return fleet.keep(key, lambda: _eligibility(unit, fleet, now))


def _eligibility(unit: UnitInput, fleet: PreparedFleet, now: datetime) -> Eligibility:
    standings = (_standing(unit, fleet, place, bound=False, now=now) for place in range(len(fleet.clusters)))
    return Eligibility(
        fleet=fleet, unit=unit, unbound=tuple(None if standing.ends else standing for standing in standings)
    )


def _standing(unit: UnitInput, fleet: PreparedFleet, place: int, *, bound: bool, now: datetime) -> Standing:
    cluster = fleet.clusters[place]
    candidate = Candidate(unit=unit, cluster=cluster, bound=bound, fleet=fleet, now=now)
    rules: tuple[Rule, ...] = fleet.keep(
        ("rules", unit.placement, bool(unit.kinds)), lambda: tuple(rule for rule in RULES if rule.applies(unit))
    )
    verdicts = _shared(tuple(rule.judge(candidate) for rule in rules), fleet)
    fits = all(verdict.passed for verdict in verdicts)
    tainted = bool(cluster.taints)
    return Standing(
        cluster=cluster,
        bound=bound,
        fits=fits,
        verdicts=verdicts,
        holds=tainted and holds_replicas(candidate),
        ends=toleration_ends(candidate) if tainted else (),
        timeless=tuple(taint_text(taint) for taint in timeless_taints(candidate)) if tainted else (),
        record=ClusterVerdict(cluster=cluster.name, chosen=fits, bound=bound, verdicts=verdicts),
        target=Target(cluster=cluster.name),
        arrival=Move(
            cluster=cluster.name, workload="", before=0, after=1, voluntary=False, message="it fits and is taken"
        ),
    )


def _shared(verdicts: tuple[Verdict, ...], fleet: PreparedFleet) -> tuple[Verdict, ...]:
    """Return equal verdicts as one value: a decision has thousands of them, and few that differ."""
    return fleet.keep(("verdicts", verdicts), lambda: verdicts)
