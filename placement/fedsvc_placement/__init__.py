"""Placement engine: on which clusters a unit runs, with how many replicas, and why not elsewhere.

Pure: no clock, no I/O, no randomness, only the standard library; the same input gives the same bytes. Start at
`decide.decide`; to add a rule see `filters.RULES`. Callers take what they need from here.
"""

from fedsvc_placement.decide import decide
from fedsvc_placement.explain import explain_lines
from fedsvc_placement.model import (
    ClusterMatcher,
    ClusterSnapshot,
    ClusterVerdict,
    Decision,
    Division,
    Effect,
    LabelRequirement,
    LabelSelector,
    Mode,
    Operator,
    Placement,
    PlacementWarning,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    ScorePart,
    Share,
    Shortfall,
    Strategy,
    Taint,
    Target,
    Toleration,
    TolerationOperator,
    UnitInput,
    Verdict,
    WorkloadInput,
)
from fedsvc_placement.record import from_dict, to_dict
from fedsvc_placement.selectors import matches, matches_cluster
from fedsvc_placement.touches import touches
from fedsvc_placement.validate import (
    Problem,
    validate,
    validate_labels,
    validate_matcher,
    validate_selector,
    validate_taints,
)

__all__ = [
    "ClusterMatcher",
    "ClusterSnapshot",
    "ClusterVerdict",
    "Decision",
    "Division",
    "Effect",
    "LabelRequirement",
    "LabelSelector",
    "Mode",
    "Operator",
    "Placement",
    "PlacementWarning",
    "PreviousBinding",
    "Problem",
    "ReplicaPolicy",
    "ReplicaRule",
    "ScorePart",
    "Share",
    "Shortfall",
    "Strategy",
    "Taint",
    "Target",
    "Toleration",
    "TolerationOperator",
    "UnitInput",
    "Verdict",
    "WorkloadInput",
    "decide",
    "explain_lines",
    "from_dict",
    "matches",
    "matches_cluster",
    "to_dict",
    "touches",
    "validate",
    "validate_labels",
    "validate_matcher",
    "validate_selector",
    "validate_taints",
]
