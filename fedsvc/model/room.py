"""The room of a member cluster, as it was last read."""

from dataclasses import dataclass
from datetime import datetime

from fedsvc_placement.model import Grant, NodeShape


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StuckWorkload:
    """A workload whose pods find no place on a member's nodes."""

    group: str
    kind: str
    namespace: str
    name: str
    replicas: int  # pods that have been unschedulable for a while


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the nodes of a member offer, and what of it is free."""

    nodes: tuple[NodeShape, ...] = ()  # ready nodes that take pods; those that are alike together
    waiting: tuple[Grant, ...] = ()  # pods that no node has taken yet: their room is spoken for
    stuck: tuple[StuckWorkload, ...] = ()  # sorted
    read_time: datetime  # when reading began; what was placed since is not in it
