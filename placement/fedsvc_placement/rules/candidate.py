"""What a rule is asked, and what a rule is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import ClusterSnapshot, Placement, UnitInput, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cluster that a unit asks about."""

    # The unit that asks.
    unit: UnitInput
    # The cluster asked about.
    cluster: ClusterSnapshot
    # Whether the unit is there already.
    bound: bool
    # All there is.
    fleet: PreparedFleet
    # The time of the decision.
    now: datetime

    @property
    def placement(self) -> Placement:
        """What the unit's owner asks for."""
        return self.unit.placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table of rules."""

    # As it stands in verdicts.
    name: str
    # Whether the unit makes use of it.
    applies: Callable[[UnitInput], bool]
    # Its verdict on a cluster.
    judge: Callable[[Candidate], Verdict]
    # Whether the verdict depends on which cluster it is: clusters that only differ in name may then be judged apart.
    by_name: Callable[[UnitInput], bool] = lambda _unit: False
    # Whether it depends on where other units are.
    by_neighbours: bool = False


def always(_unit: UnitInput) -> bool:
    """Apply a rule to every unit."""
    return True


def stays(name: str, why: str) -> Verdict:
    """Return the verdict on a cluster that a rule would refuse to a new unit, and where this one is already."""
    return Verdict(
        rule=name, passed=True, reason="AlreadyHere", message=f"{why}; that keeps new units away, this one is here"
    )
