"""What a user asks for."""

from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_placement.model.words import (
    GroupReturn,
    Mode,
    Strategy,
    TolerationOperator,
    Topology,
    Trigger,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRequirement:
    """One entry of `matchExpressions`."""

    # The label's key.
    key: str
    # A word of `Operator`.
    operator: str
    # Compared with the label's value by In and NotIn; empty for the other operators.
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """A Kubernetes label selector: all parts must hold, hence the empty one matches everything."""

    # (key, value) pairs that must be among the labels.
    match_labels: tuple[tuple[str, str], ...] = ()
    # Further requirements.
    match_expressions: tuple[LabelRequirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRequirement:
    """Compares provider, region or zones of a cluster; of several zones, one in the values is enough for In."""

    # A word of `ClusterField`.
    field: str
    # A word of `Operator`.
    operator: str
    # Empty for Exists and DoesNotExist.
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A mark on a cluster that keeps units away which do not tolerate it."""

    # Taint key, such as `maintenance` or `fedsvc.io/unreachable`.
    key: str
    # Compared by tolerations with operator Equal.
    value: str = ""
    # A word of `Effect`.
    effect: str
    # When it was set (time zone aware); toleration seconds count from here. None: such a toleration does not end.
    time_added: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """Which taints a unit bears; the fields mean what they mean in a Kubernetes pod."""

    # Taint key; empty together with operator Exists tolerates every key.
    key: str = ""
    # A word of `TolerationOperator`.
    operator: str = TolerationOperator.EQUAL
    # The taint's value for operator Equal; empty for Exists.
    value: str = ""
    # A word of `Effect`; None means all effects.
    effect: str | None = None
    # How long a NoExecute taint is borne after its `time_added`; None means for ever, 0 and less not at all.
    toleration_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterMatcher:
    """Names, a selector and fields; all that are given must hold, where none is, every cluster matches."""

    # Names of clusters; empty (other than None) matches none.
    names: tuple[str, ...] | None = None
    # Selector over the cluster's labels.
    selector: LabelSelector | None = None
    # Requirements of provider, region and zone.
    fields: tuple[FieldRequirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityGroup:
    """One of several sets of clusters in order of preference: the first that holds the whole unit is used.

    The overflow tiers belong to the group: where the clusters of the group have no room for all replicas, those of the
    first tier take the rest, then those of the second. They are not used for anything else.
    """

    # Names the group in decisions; unique in the placement.
    name: str
    # Its clusters, of those the placement selects.
    clusters: ClusterMatcher = field(default_factory=ClusterMatcher)
    # Tiers in order.
    overflow: tuple[ClusterMatcher, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReturnPolicy:
    """Whether and when a unit returns to an earlier affinity group."""

    # A word of `GroupReturn`.
    mode: str = GroupReturn.NEVER
    # For mode After, in seconds.
    stable_seconds: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """Kubernetes versions a unit runs on, as `major.minor`; both ends may be open."""

    # The oldest, such as `1.25`; empty for any.
    at_least: str = ""
    # The first that is too new, such as `1.31`; empty for none.
    below: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRequirement:
    """A condition a cluster must have for anything new to go there; what is there already stays."""

    # Type, such as `Ready`.
    type: str
    # True, False or Unknown.
    status: str = "True"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadConstraint:
    """Over how many groups of clusters the unit spreads.

    Clusters without a value (no region, say) cannot be used under a constraint over it. Clusters over several zones
    form a group with those over exactly the same zones: within them, the member's own scheduler spreads.
    """

    # A word of `Topology`.
    by: str = Topology.CLUSTER
    # The label's key for topology label, else empty.
    label_key: str = ""
    # Fewest groups; fewer are a recorded shortfall.
    min_groups: int = 1
    # Most groups, never exceeded; None for no limit.
    max_groups: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMatcher:
    """Names and a selector over units; all that are given must hold, and one must be given."""

    # Keys of units, such as `shop/web`; empty (other than None) matches none.
    names: tuple[str, ...] | None = None
    # Selector over the labels of units.
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAffinity:
    """Be where other units are, or where none of them is.

    A required Together whose units are placed nowhere keeps the unit from being placed, unless it matches itself (the
    first of a set has to start somewhere, as with pod affinity).
    """

    # A word of `AffinityMode`.
    mode: str
    # The other units; the unit itself is never one of them.
    units: UnitMatcher
    # What counts as the same place: a word of `Topology`.
    by: str = Topology.CLUSTER
    # The label's key for topology label, else empty.
    label_key: str = ""
    # Points for or against, 1 to 100; None makes it a rule.
    weight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAnchor:
    """A dataset the unit works on: it runs only where that can be read, or written. Holds for what runs already too."""

    # Name of the dataset.
    dataset: str
    # A word of `DataAccess`.
    access: str
    # How far a copy may lag behind for reading; None for any lag.
    max_lag_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPreference:
    """Clusters that are rather used; exactly one of the parts says what for."""

    # Points, 1 to 100, for the best cluster; the others get their part of them.
    weight: int
    # These clusters get the points, others none.
    clusters: ClusterMatcher | None = None
    # The nearer to one of these regions the better, by the fleet's table of distances.
    near_regions: tuple[str, ...] = ()
    # The cheaper the better, by what the unit requests and a core and a GiB cost there.
    cheap: bool = False
    # The higher this external score the better; one that has expired counts as none.
    score: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRule:
    """How replicas are divided to the clusters it matches; min and max hold for each of them alone.

    A cluster takes the first rule that matches it, and nothing from later ones: the list then reads from the special to
    the general, as firewall rules do, and no two rules ever have to be merged.
    """

    # The clusters it is for.
    clusters: ClusterMatcher = field(default_factory=ClusterMatcher)
    # Share relative to the weights of the other clusters; None means 1, 0 means no more than `min`.
    weight: int | None = None
    # Replicas each cluster gets before weights count.
    min: int = 0
    # Most replicas a cluster gets; None means no limit.
    max: int | None = None
    # Strategy Overflow fills lower tiers first; None means the rule's place in the list, from 0.
    tier: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPolicy:
    """How many replicas of each divisible workload go to each chosen cluster.

    Without rules every cluster has weight 1. With rules a cluster that no rule matches has weight 0: it stays a target
    and holds the workload with 0 replicas, as in KubeFed, so that the objects around it are there when replicas come.
    """

    # A word of `Mode`.
    mode: str = Mode.DUPLICATED
    # A word of `Strategy`; looked at in mode Divided only.
    strategy: str = Strategy.WEIGHTED
    # A word of `Movement`; None: Fresh for Weighted, whose shares are a promise, Steady for the others.
    movement: str | None = None
    # Replicas of each workload: over all clusters when divided, in each when duplicated. None: the template's own.
    total: int | None = None
    # First match wins.
    clusters: tuple[ReplicaRule, ...] = ()
    # Whether replicas go only where there is room for them. None: for every strategy but Weighted.
    within_capacity: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How much a decision minds what runs already. Hard rules (taints, jurisdiction, data) move it all the same."""

    # Points for a cluster that the unit is on.
    stickiness: int = 100
    # What may move a unit from a cluster that still fits to a better one; words of `Trigger`.
    replace_on: tuple[str, ...] = (Trigger.INTENT, Trigger.REBALANCE)
    # Seconds between two voluntary moves; 0 for no limit.
    cooldown_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which clusters a unit may and shall run on. Absent is not empty (KubeFed's truth table).

    ========== ================= =========================================================
    clusters   cluster_selector  selects
    ========== ================= =========================================================
    None       None              no cluster, or where the units it follows are
    None       empty             all clusters
    None       not empty         clusters whose labels match
    ()         anything          no cluster
    names      anything          the registered ones among the names; selector is ignored
    ========== ================= =========================================================
    """

    # Names of clusters.
    clusters: tuple[str, ...] | None = None
    # Selector over cluster labels.
    cluster_selector: LabelSelector | None = None
    # Requirements of provider, region and zone, on top.
    fields: tuple[FieldRequirement, ...] = ()
    # Clusters that are never used, whatever selects them. None excludes none.
    exclude: ClusterMatcher | None = None
    # Names of clusters that it was taken away from and is not let back to yet: said by who asks, never by a document.
    left: tuple[str, ...] = ()
    # Sets of clusters in order of preference; empty: all that are selected are one set.
    groups: tuple[AffinityGroup, ...] = ()
    # Whether it returns to an earlier group.
    group_return: GroupReturnPolicy = field(default_factory=GroupReturnPolicy)
    # Taints that do not keep the unit away.
    tolerations: tuple[Toleration, ...] = ()
    # Kubernetes versions; keeps new units away, what is there stays.
    kubernetes: VersionRange | None = None
    # Conditions of clusters.
    conditions: tuple[ConditionRequirement, ...] = ()
    # Where it may be by law or contract; () allows none, None everywhere. No failover breaks it.
    jurisdictions: tuple[str, ...] | None = None
    # Data it works on.
    data: tuple[DataAnchor, ...] = ()
    # Keys of units it goes with: it is on a cluster only while one of them is.
    follows: tuple[str, ...] = ()
    # Other units it wants near or far.
    affinities: tuple[UnitAffinity, ...] = ()
    # All hold together.
    spread: tuple[SpreadConstraint, ...] = ()
    # What makes a cluster better than another, where not all are used.
    preferences: tuple[ClusterPreference, ...] = ()
    # None: every cluster gets the template's own replicas.
    replicas: ReplicaPolicy | None = None
    # How much it minds moving.
    stability: Stability = field(default_factory=Stability)
