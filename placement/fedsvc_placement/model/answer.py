"""The answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_placement.model.state import Memory


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
    # One verdict for each rule that the unit makes use of, in the order of the rules; all failing ones are kept. Last
    # comes that of `Select`, of clusters that fit, where not all of them may be taken.
    verdicts: tuple[Verdict, ...]
    # Parts of the score, those that are not zero.
    score: tuple[ScorePart, ...] = ()
    # Replicas by workload key, empty when not chosen.
    replicas: Mapping[str, int] = field(default_factory=dict)
    # Replicas it has room for by workload key, those that run there included; empty where room was not asked for.
    room: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One cluster in one division."""

    # Name of the cluster.
    cluster: str
    # Weight (times room with strategy Capacity), lower and upper bound; `max` counts a NoScheduleNew hold, not room.
    weight: int
    min: int
    max: int | None
    # Index of the replica rule it took, None when no rule matched or there are none.
    rule: int | None
    # The upper bound is what it had before, because of a NoScheduleNew taint.
    held: bool
    # Result.
    replicas: int
    # Replicas there before; None: not known, or it is new there.
    before: int | None = None
    # Replicas it has room for, those before included; None: not asked for, or unknown and hence no limit.
    room: int | None = None
    # Tier in which it took part, for strategy Overflow and the overflow of affinity groups.
    tier: int = 0
    # Its part of a Job's completions; None for anything else.
    completions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How the replicas of one workload were divided; `placed + unplaced == wanted`."""

    # Key of the workload.
    workload: str
    # Mode, strategy and movement that were used.
    mode: str
    strategy: str
    movement: str
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
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster the unit shall be on."""

    # Name of the cluster.
    cluster: str
    # Replicas by workload key, sorted by key; 0 is possible, the workload is then present without replicas.
    replicas: Mapping[str, int] = field(default_factory=dict)
    # Completions of Jobs by workload key.
    completions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Replicas that a user asked for and does not get."""

    # Key of the workload.
    workload: str
    # How many.
    replicas: int
    # CamelCase constant: MaximumsReached, NoWeight, NoRoom, HeldByTaint, NoCluster or MinimumsNotMet.
    reason: str
    # One sentence.
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadResult:
    """How far a spread constraint is met."""

    # Index of the constraint in the placement.
    constraint: int
    # Groups that are used, sorted.
    groups: tuple[str, ...]
    # How many are missing.
    missing: int
    # What was done, one sentence.
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change against what was before."""

    # Name of the cluster.
    cluster: str
    # Key of the workload; empty where the unit as a whole comes or goes.
    workload: str
    # Replicas before and after; of the whole unit 0 or 1.
    before: int
    after: int
    # Whether a hard rule asks for it, or the intent; a voluntary move could have waited.
    voluntary: bool
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
    clusters: Sequence[ClusterVerdict]
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
    # Affinity group in use, empty for none.
    group: str = ""
    # One for each spread constraint.
    spread: tuple[SpreadResult, ...] = ()
    # What changes against `previous`, sorted by cluster and workload.
    moves: tuple[Move, ...] = ()
    # Better places that were not taken, and why (stability); sorted.
    held_back: tuple[str, ...] = ()
    # To be handed in with the next run.
    memory: Memory = field(default_factory=Memory)
