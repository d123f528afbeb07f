"""The state placement looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_placement.model.request import Placement, Taint


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ApiKind:
    """A kind of objects that an API server serves."""

    # API group, empty for the core.
    group: str
    # Version, such as `v1`.
    version: str
    # Kind, such as `Deployment`.
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """So many nodes that are alike. Amounts are in the resource's smallest unit: millicores, bytes, pods, pieces."""

    # How many.
    count: int
    # What each offers to pods, by resource (`cpu`, `memory`, `pods`, `nvidia.com/gpu`, ...).
    allocatable: Mapping[str, int]
    # What of it no pod on it has requested.
    free: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Replicas that were placed on a cluster and do not run there yet: their room is spoken for."""

    # Requests of each replica, by resource.
    requests: Mapping[str, int]
    # How many.
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The room of a cluster: by node, since a pod needs its room on one."""

    # Ready nodes that take pods; nodes that are alike together.
    nodes: tuple[NodeShape, ...]
    # To be taken off.
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a cluster costs by the hour, in millionths of the fleet's currency."""

    # A core.
    micros_per_core: int
    # A GiB of memory.
    micros_per_gib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalScore:
    """What somebody else thinks of a cluster."""

    # Which score it is, such as `carbon`.
    name: str
    # From -100 to 100.
    value: int
    # From then on it counts as none (time zone aware); None: never.
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """All that placement may know of a member cluster."""

    # Unique name.
    name: str
    # Labels that selectors look at.
    labels: Mapping[str, str] = field(default_factory=dict)
    # Taints, in any order.
    taints: tuple[Taint, ...] = ()
    # Cloud or site, empty where unknown.
    provider: str = ""
    # Region, empty where unknown.
    region: str = ""
    # Zones it spans.
    zones: tuple[str, ...] = ()
    # Law it is under, empty where unknown.
    jurisdiction: str = ""
    # It is being unregistered: every unit leaves it.
    deleting: bool = False
    # Its Ready condition, None while unknown. Never changes placement by itself (taints do), nor the digest.
    ready: bool | None = None
    # Statuses by type of condition; only those that a placement requires count.
    conditions: Mapping[str, str] = field(default_factory=dict)
    # Such as `v1.30.2`, empty while unknown.
    kubernetes_version: str = ""
    # Kinds its API server serves; None while unknown.
    kinds: frozenset[ApiKind] | None = None
    # Its room; None while unknown: no limit for strategy Weighted, room for what is there and no more for the others.
    capacity: Capacity | None = None
    # None where unknown: then it gets no points for being cheap.
    cost: Cost | None = None
    # At most one of a name.
    scores: tuple[ExternalScore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedUnit:
    """Another unit, and where it is."""

    # Its key.
    key: str
    # Its labels.
    labels: Mapping[str, str] = field(default_factory=dict)
    # Names of the clusters it is on.
    clusters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCopy:
    """A copy of a dataset that can be read."""

    # Name of the cluster that holds it.
    cluster: str
    # How far it is behind the primary; None while unknown.
    lag_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Data that units work on."""

    # Unique name.
    name: str
    # Name of the cluster where it is written, empty while there is none.
    primary: str
    # Read-only copies elsewhere.
    copies: tuple[DataCopy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """Room that is kept free so that the fleet survives the loss of any one group of clusters.

    Each cluster keeps back the same part of what it offers: the part the largest group has of the whole.
    """

    # What is lost together: a word of `Topology`.
    by: str
    # The label's key for topology label, else empty.
    label_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Everything that units are placed on and next to; parts in any order."""

    # All registered clusters.
    clusters: tuple[ClusterSnapshot, ...] = ()
    # All other units that may matter.
    units: tuple[PlacedUnit, ...] = ()
    # Known datasets.
    datasets: tuple[Dataset, ...] = ()
    # Milliseconds between regions; one direction serves for both, from a region to itself it is 0.
    distances_ms: Mapping[tuple[str, str], int] = field(default_factory=dict)
    # None: all room may be used.
    headroom: Headroom | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadInput:
    """A workload of the unit that has replicas to divide."""

    # Stable id, such as `apps/Deployment/shop/web`.
    key: str
    # Replicas in its template; the parallelism of a Job.
    replicas: int
    # Completions of a Job with several, divided in proportion to its parallelism; None for anything else.
    completions: int | None = None
    # What each replica requests, by resource; a replica takes one of `pods` besides.
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitInput:
    """The unit to be placed."""

    # Stable id, such as `shop/web`; seeds the tie-breaks.
    key: str
    # What its owner asks for, policies already resolved.
    placement: Placement
    # Its labels; only its own affinities may match them.
    labels: Mapping[str, str] = field(default_factory=dict)
    # Its divisible workloads, in any order.
    workloads: tuple[WorkloadInput, ...] = ()
    # Kinds its resources need and it does not bring along; keeps new units away from clusters without them.
    kinds: tuple[ApiKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousBinding:
    """Where the unit is now, by the decision before this one."""

    # Name of the cluster.
    cluster: str
    # Replicas there by workload key; a NoScheduleNew taint holds to them, a workload that is not listed to 0. None: not
    # known, then nothing is held.
    replicas: Mapping[str, int] | None = None
    # Since when it is bound there, where known.
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """That a cluster ran fewer replicas of a workload than it was given: the others stayed unschedulable."""

    # Name of the cluster.
    cluster: str
    # Key of the workload.
    workload: str
    # Given, and of them running.
    wanted: int
    running: int
    # When it was seen (time zone aware).
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Room of a cluster that an earlier decision on the same fleet gave away."""

    # Name of the cluster.
    cluster: str
    # Requests of each replica, by resource.
    requests: Mapping[str, int]
    # How many.
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a unit remembers from one decision to the next: handed in as it came out."""

    # Affinity group in use, empty for none.
    group: str = ""
    # Since when each earlier group has been fitting, by name; sorted.
    fitting_since: tuple[tuple[str, datetime], ...] = ()
    # When a voluntary move was last decided.
    moved_at: datetime | None = None
    # A word of `Trigger` whose moves wait for the end of the cooldown, empty for none.
    pending: str = ""
    # What was learned of clusters, sorted by cluster and workload; forgotten by and by.
    learned: tuple[Learned, ...] = ()
