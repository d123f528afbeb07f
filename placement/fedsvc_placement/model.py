"""What placement looks at and what it answers: plain values, made by the callers and kept with every decision.

Words that come from a document (operators, effects, modes) are kept as the `str` the user wrote, so that `validate` can
name them; the enumerations here list the words that mean something. They are `StrEnum`s, hence equal to their words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Operator(StrEnum):
    """How a `LabelRequirement` compares a label with its values (Kubernetes label selectors)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Effect(StrEnum):
    """What a taint does to units that do not tolerate it."""

    # Nothing new comes here; a unit that is here already stays, and its replicas may grow.
    NO_SCHEDULE = "NoSchedule"
    # Lowers the cluster's score: used last where only some of the fitting clusters are taken.
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    # Nothing new comes here and what is here leaves, at once or when its toleration ends.
    NO_EXECUTE = "NoExecute"
    # Keeps exactly what runs here: no new unit, and no more replicas for a unit that stays.
    NO_SCHEDULE_NEW = "NoScheduleNew"


class TolerationOperator(StrEnum):
    """How a toleration compares a taint's value."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class Mode(StrEnum):
    """Whether each chosen cluster gets all replicas or its part of them."""

    DUPLICATED = "Duplicated"
    DIVIDED = "Divided"


class Strategy(StrEnum):
    """How replicas are divided in mode `Divided`."""

    WEIGHTED = "Weighted"


# --- what a user asks for -------------------------------------------------------------------------------------------


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
    """Names and a selector; where both are given both must hold, where neither is, every cluster matches."""

    # Names of clusters; empty (other than None) matches none.
    names: tuple[str, ...] | None = None
    # Selector over the cluster's labels.
    selector: LabelSelector | None = None


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
    # Replicas of each workload: over all clusters when divided, in each when duplicated. None: the template's own.
    total: int | None = None
    # First match wins.
    clusters: tuple[ReplicaRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which clusters a unit may and shall run on. Absent is not empty (KubeFed's truth table).

    ========== ================= =========================================================
    clusters   cluster_selector  selects
    ========== ================= =========================================================
    None       None              no cluster
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
    # Clusters that are never used, whatever selects them. None excludes none.
    exclude: ClusterMatcher | None = None
    # Taints that do not keep the unit away.
    tolerations: tuple[Toleration, ...] = ()
    # None: every cluster gets the template's own replicas.
    replicas: ReplicaPolicy | None = None


# --- the state placement looks at -----------------------------------------------------------------------------------


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
    # It is being unregistered: every unit leaves it.
    deleting: bool = False
    # Its Ready condition, None while unknown. Never changes placement by itself (taints do), nor the digest.
    ready: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadInput:
    """A workload of the unit that has replicas to divide."""

    # Stable id, such as `apps/Deployment/shop/web`.
    key: str
    # Replicas in its template.
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitInput:
    """The unit to be placed."""

    # Stable id, such as `shop/web`; seeds the tie-breaks.
    key: str
    # What its owner asks for, policies already resolved.
    placement: Placement
    # Its divisible workloads, in any order.
    workloads: tuple[WorkloadInput, ...] = ()


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


# --- the answer -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one cluster."""

    # Name of the rule.
    rule: str
    # Whether the cluster may be used as far as this rule is concerned.
    passed: bool
    # CamelCase constant for programs.
    reason: str
    # One sentence for people; empty where the reason says it all.
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """One contribution to the score of a cluster; the score is their sum, higher is better."""

    # Name of the scorer.
    name: str
    # Points.
    value: int
    # Why.
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterVerdict:
    """Everything the decision says of one cluster, chosen or not."""

    # Name of the cluster.
    cluster: str
    # Whether the unit is placed on it.
    chosen: bool
    # Whether the unit was bound to it before.
    bound: bool
    # One verdict a rule, in the order of the rules; all failing ones are kept.
    verdicts: tuple[Verdict, ...]
    # Parts of the score, those that are not zero.
    score: tuple[ScorePart, ...] = ()
    # Replicas by workload key, empty when not chosen.
    replicas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One cluster in one division."""

    # Name of the cluster.
    cluster: str
    # Weight, lower and upper bound that were used; `max` counts a NoScheduleNew hold.
    weight: int
    min: int
    max: int | None
    # Index of the replica rule it took, None when no rule matched or there are none.
    rule: int | None
    # The upper bound is what it had before, because of a NoScheduleNew taint.
    held: bool
    # Result.
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How the replicas of one workload were divided; `placed + unplaced == wanted`."""

    # Key of the workload.
    workload: str
    # Mode that was used.
    mode: str
    # Replicas wanted over all chosen clusters together.
    wanted: int
    # Sum of the shares.
    placed: int
    # What found no place, and why (empty when 0).
    unplaced: int
    unplaced_reason: str
    # Sum of what clusters have less than their minimum.
    below_minimum: int
    # What was done, in order, a sentence each.
    steps: tuple[str, ...]
    # Sorted by cluster.
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster the unit shall be on."""

    # Name of the cluster.
    cluster: str
    # Replicas by workload key, sorted by key; 0 is possible, the workload is then present without replicas.
    replicas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Replicas that a user asked for and does not get."""

    # Key of the workload.
    workload: str
    # How many.
    replicas: int
    # CamelCase constant: MaximumsReached, NoWeight, HeldByTaint, NoCluster or MinimumsNotMet.
    reason: str
    # One sentence.
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementWarning:
    """Something in the request that has no effect, which its writer should know."""

    # CamelCase constant: UnknownClusters, SelectorIgnored, TaintWithoutTime.
    reason: str
    # One sentence.
    message: str
    # The names it is about.
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The immutable answer of one placement run."""

    # Key of the unit.
    unit: str
    # SHA-256 (hex) of what the answer depends on: equal digests, equal decisions.
    inputs_digest: str
    # One for each registered cluster, sorted by name.
    clusters: tuple[ClusterVerdict, ...]
    # Where the unit shall be, sorted by name.
    targets: tuple[Target, ...]
    # One for each workload, sorted by key.
    divisions: tuple[Division, ...]
    # What is missing, sorted by workload and reason; empty when everything is placed.
    shortfall: tuple[Shortfall, ...]
    # Sorted by reason and message.
    warnings: tuple[PlacementWarning, ...]
    # Why no cluster is chosen: NoPlacement, EmptyClusterList, NoClusters or NoClusterFits; empty when some are.
    reason: str
    # The same as one sentence.
    message: str
    # The earliest instant at which the answer may change though nothing else does; None: never.
    reconsider_at: datetime | None
