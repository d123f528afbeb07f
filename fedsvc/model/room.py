"""The room of a member cluster, as it was last read."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fedsvc_placement.model import Grant, NodeShape

MEMORY: Final = "memory"
PODS: Final = "pods"

ROOM_LASTS: Final = timedelta(minutes=15)
"""How long a room counts that cannot be read anew. The slowest member is read more often, and an API server that is
upgraded or loses a node is back by then; of one that is not, nothing is known of its nodes any more either."""


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

    def free(self, resource: str) -> int:
        """What is free of a resource over all nodes, in its smallest unit; one pod gets no more than its node has."""
        return sum(shape.count * shape.free.get(resource, 0) for shape in self.nodes)


def still_counts(room: Room, *, now: datetime) -> bool:
    """Whether placement may still go by a room; from then on the cluster's room is unknown."""
    return now - room.read_time < ROOM_LASTS
