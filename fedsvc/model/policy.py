"""Policies: a placement, overrides or status rules under a name of their own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from fedsvc.rendering.overrides import Override
from fedsvc.rendering.status.rules import StatusRule
from fedsvc_placement.model import Placement

SpecT = TypeVar("SpecT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Generic[SpecT]):
    """A shared specification."""

    name: str
    uid: str
    labels: dict[str, str]
    spec: SpecT
    generation: int
    unit_count: int  # units that use it
    create_time: datetime
    update_time: datetime

    @property
    def etag(self) -> str:
        """Quoted, opaque; changes with every change of intent (AIP-154)."""
        return f'"{self.uid[:8]}-{self.generation}"'


PlacementPolicy = Policy[Placement]
OverridePolicy = Policy[tuple[Override, ...]]
StatusPolicy = Policy[tuple[StatusRule, ...]]
