"""What holds for the fleet as a whole: what placement knows of it, and when changes wait."""

from dataclasses import dataclass, field
from datetime import datetime

from fedsvc.model.freeze import FreezeWindow
from fedsvc.model.removal import RemovalBudget
from fedsvc_placement.model import Dataset, Headroom

FLEET_SETTINGS_NAME = "fleetSettings"
"""The one object of its kind (AIP-156)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionDistance:
    """How far two regions are from each other; one direction serves for both."""

    region: str
    other: str
    milliseconds: int  # there and back


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSpec:
    """The settings themselves."""

    distances: tuple[RegionDistance, ...] = ()  # sorted
    datasets: tuple[Dataset, ...] = ()  # sorted by name
    headroom: Headroom | None = None  # None: all room may be used
    freezes: tuple[FreezeWindow, ...] = ()  # sorted by name
    removals: RemovalBudget = field(default_factory=RemovalBudget)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """The settings as they are stored; those of an installation that was never told any have generation 0."""

    spec: FleetSpec = field(default_factory=FleetSpec)
    generation: int = 0
    update_time: datetime | None = None

    @property
    def etag(self) -> str:
        """Quoted, opaque; changes with every change of intent (AIP-154)."""
        return f'"fleet-{self.generation}"'
