"""Copies: objects of a unit on clusters that it is not placed on, since units there name them and have them follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedsvc.rendering.workloads import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyBinding:
    """(unit, cluster): some objects of this unit belong on this cluster, though the unit does not."""

    unit_uid: str
    cluster: str
    render_key: bytes  # digest of all that decides which they are and how they are rendered there
    withheld: str = ""  # why none is there though some are named, for people; empty: they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What of a unit others name, and what of it was copied so far."""

    wanted: Mapping[str, frozenset[Identity]] = field(default_factory=dict)  # by cluster, wherever the unit is itself
    stored: Mapping[str, CopyBinding] = field(default_factory=dict)  # by cluster
