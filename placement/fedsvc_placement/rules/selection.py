"""What the placement points at, what it rules out, and clusters on their way out."""

from fedsvc_placement.model import LabelSelector, Verdict
from fedsvc_placement.rules.candidate import Candidate, Rule, always
from fedsvc_placement.selectors import excluded, field_mismatches, follows_only, mismatches

_SELECTION = "Selection"
_EXCLUSION = "Exclusion"
_LEAVING = "Leaving"
_DEPARTURE = "Departure"

# Verdicts without words of their own are shared: a fleet's decision holds thousands of them.
_NAMED = Verdict(rule=_SELECTION, passed=True, reason="Named", message="placement.clusters names it")
_ALL_SELECTED = Verdict(rule=_SELECTION, passed=True, reason="AllSelected", message="all clusters are selected")
_LABELS_MATCH = Verdict(
    rule=_SELECTION, passed=True, reason="LabelsMatch", message="its labels match placement.clusterSelector"
)
_LEADERS_SELECT = Verdict(
    rule=_SELECTION, passed=True, reason="LeadersSelect", message="placement.follows alone selects"
)
_NOT_NAMED = Verdict(rule=_SELECTION, passed=False, reason="NotNamed", message="placement.clusters does not name it")
_NO_PLACEMENT = Verdict(
    rule=_SELECTION,
    passed=False,
    reason="NoPlacement",
    message="the placement has neither clusters nor clusterSelector",
)
_EMPTY_LIST = Verdict(
    rule=_SELECTION, passed=False, reason="EmptyClusterList", message="placement.clusters is an empty list"
)
_NOT_EXCLUDED = Verdict(rule=_EXCLUSION, passed=True, reason="NotExcluded")
_EXCLUDED = Verdict(rule=_EXCLUSION, passed=False, reason="Excluded", message="placement.exclude matches it")
_NOT_LEFT = Verdict(rule=_DEPARTURE, passed=True, reason="NotLeft")
_LEFT = Verdict(rule=_DEPARTURE, passed=False, reason="Left", message="it left this cluster, and is not let back yet")
_STAYING = Verdict(rule=_LEAVING, passed=True, reason="NotLeaving")
_IS_LEAVING = Verdict(rule=_LEAVING, passed=False, reason="ClusterLeaving", message="the cluster is being unregistered")


def selection(candidate: Candidate) -> Verdict:
    """Require that names or selector of the placement point at the cluster, and its fields are as asked for."""
    verdict = _pointed_at(candidate)
    if not verdict.passed:
        return verdict
    wrong = field_mismatches(candidate.placement.fields, candidate.cluster)
    if not wrong:
        return verdict
    return Verdict(rule=_SELECTION, passed=False, reason="FieldsDoNotMatch", message="; ".join(wrong))


def exclusion(candidate: Candidate) -> Verdict:
    """Require that the placement does not rule the cluster out."""
    return _EXCLUDED if excluded(candidate.placement, candidate.cluster) else _NOT_EXCLUDED


def leaving(candidate: Candidate) -> Verdict:
    """Require that the cluster is not being unregistered."""
    return _IS_LEAVING if candidate.cluster.deleting else _STAYING


def departure(candidate: Candidate) -> Verdict:
    """Require that the unit was not taken away from the cluster."""
    return _LEFT if candidate.cluster.name in candidate.placement.left else _NOT_LEFT


def _pointed_at(candidate: Candidate) -> Verdict:
    placement = candidate.placement
    if placement.clusters is not None:
        if not placement.clusters:
            return _EMPTY_LIST
        return _NAMED if candidate.cluster.name in placement.clusters else _NOT_NAMED
    if placement.cluster_selector is None:
        return _LEADERS_SELECT if follows_only(placement) else _NO_PLACEMENT
    return _labels(placement.cluster_selector, candidate)


def _labels(selector: LabelSelector, candidate: Candidate) -> Verdict:
    if not selector.match_labels and not selector.match_expressions:
        return _ALL_SELECTED
    missing = mismatches(selector, candidate.cluster.labels)
    if not missing:
        return _LABELS_MATCH
    return Verdict(rule=_SELECTION, passed=False, reason="LabelsDoNotMatch", message="; ".join(missing))


SELECTION = Rule(
    name=_SELECTION, applies=always, judge=selection, by_name=lambda unit: unit.placement.clusters is not None
)
EXCLUSION = Rule(
    name=_EXCLUSION,
    applies=always,
    judge=exclusion,
    by_name=lambda unit: unit.placement.exclude is not None and unit.placement.exclude.names is not None,
)
LEAVING = Rule(name=_LEAVING, applies=always, judge=leaving)
DEPARTURE = Rule(name=_DEPARTURE, applies=lambda unit: bool(unit.placement.left), judge=departure, by_name=always)
