"""The rules that say whether a unit may run on a cluster. Every rule is asked for every cluster; all refusals are kept.

To add a rule: write a function from `Candidate` to `Verdict`, and put it into `RULES` at the place where its refusal
would be the answer to "why not there?"; the first refusal in this order is the one that `explain` names first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fedsvc_placement.model import ClusterSnapshot, Effect, Placement, ScorePart, Taint, Verdict
from fedsvc_placement.selectors import excluded, mismatches, selected, tolerated_until, toleration_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cluster that a unit asks about."""

    # What the unit's owner asks for.
    placement: Placement
    # The cluster asked about.
    cluster: ClusterSnapshot
    # Whether the unit is there already.
    bound: bool
    # The time of the decision.
    now: datetime


Rule = Callable[[Candidate], Verdict]

SELECTION = "Selection"
EXCLUSION = "Exclusion"
LEAVING = "Leaving"
NO_EXECUTE = "NoExecute"
NO_SCHEDULE = "NoSchedule"

# Verdicts without words of their own are shared: a fleet's decision holds thousands of them.
_NAMED = Verdict(rule=SELECTION, passed=True, reason="Named", message="placement.clusters names it")
_ALL_SELECTED = Verdict(rule=SELECTION, passed=True, reason="AllSelected", message="all clusters are selected")
_LABELS_MATCH = Verdict(
    rule=SELECTION, passed=True, reason="LabelsMatch", message="its labels match placement.clusterSelector"
)
_NOT_NAMED = Verdict(rule=SELECTION, passed=False, reason="NotNamed", message="placement.clusters does not name it")
_NO_PLACEMENT = Verdict(
    rule=SELECTION, passed=False, reason="NoPlacement", message="the placement has neither clusters nor clusterSelector"
)
_EMPTY_LIST = Verdict(
    rule=SELECTION, passed=False, reason="EmptyClusterList", message="placement.clusters is an empty list"
)
_NOT_EXCLUDED = Verdict(rule=EXCLUSION, passed=True, reason="NotExcluded")
_EXCLUDED = Verdict(rule=EXCLUSION, passed=False, reason="Excluded", message="placement.exclude matches it")
_STAYING = Verdict(rule=LEAVING, passed=True, reason="NotLeaving")
_LEAVING = Verdict(rule=LEAVING, passed=False, reason="ClusterLeaving", message="the cluster is being unregistered")


def selection(candidate: Candidate) -> Verdict:
    """Require that names or selector of the placement point at the cluster."""
    placement, cluster = candidate.placement, candidate.cluster
    if placement.clusters is not None:
        if not placement.clusters:
            return _EMPTY_LIST
        return _NAMED if selected(placement, cluster) else _NOT_NAMED
    selector = placement.cluster_selector
    if selector is None:
        return _NO_PLACEMENT
    if not selector.match_labels and not selector.match_expressions:
        return _ALL_SELECTED
    missing = mismatches(selector, cluster.labels)
    if not missing:
        return _LABELS_MATCH
    return Verdict(rule=SELECTION, passed=False, reason="LabelsDoNotMatch", message="; ".join(missing))


def exclusion(candidate: Candidate) -> Verdict:
    """Require that the placement does not rule the cluster out."""
    return _EXCLUDED if excluded(candidate.placement, candidate.cluster) else _NOT_EXCLUDED


def leaving(candidate: Candidate) -> Verdict:
    """Require that the cluster is not being unregistered."""
    return _LEAVING if candidate.cluster.deleting else _STAYING


def no_execute(candidate: Candidate) -> Verdict:
    """Require that every NoExecute taint is tolerated, and still is.

    A toleration with seconds keeps a unit where it is for that long, and brings none to the cluster: whoever can bear
    something for five minutes does not ask to be sent there. (Kubernetes gets the same by setting a NoSchedule taint
    beside its own NoExecute taints.)
    """
    refusals: list[tuple[str, str]] = []
    borne: list[tuple[str, str]] = []
    for taint in _taints(candidate, Effect.NO_EXECUTE):
        toleration = toleration_for(taint, candidate.placement.tolerations)
        if toleration is None:
            refusals.append(("TaintNotTolerated", f"taint {taint_text(taint)} is not tolerated"))
            continue
        if toleration.toleration_seconds is None:
            borne.append(("TaintTolerated", f"taint {taint_text(taint)} is tolerated"))
            continue
        until = tolerated_until(taint, toleration)
        if until is not None and until <= candidate.now:
            refusals.append(("TolerationEnded", f"taint {taint_text(taint)} was tolerated until {instant_text(until)}"))
        elif not candidate.bound:
            refusals.append(
                ("TolerationLimited", f"taint {taint_text(taint)} is tolerated for a time, which brings nothing new")
            )
        else:
            end = "without end, its time is unknown" if until is None else f"until {instant_text(until)}"
            borne.append(("TaintTolerated", f"taint {taint_text(taint)} is tolerated {end}"))
    return _taint_verdict(NO_EXECUTE, refusals, borne)


def no_schedule(candidate: Candidate) -> Verdict:
    """Require that taints which keep new units away are tolerated, or that the unit is there already.

    An effect that this release does not know counts as NoSchedule: the careful reading that moves nothing.
    """
    refusals: list[tuple[str, str]] = []
    borne: list[tuple[str, str]] = []
    for taint in _taints(candidate):
        if taint.effect in {Effect.NO_EXECUTE, Effect.PREFER_NO_SCHEDULE}:
            continue
        if toleration_for(taint, candidate.placement.tolerations) is not None:
            borne.append(("TaintTolerated", f"taint {taint_text(taint)} is tolerated"))
        elif candidate.bound:
            borne.append(("AlreadyHere", f"taint {taint_text(taint)} keeps new units away, this one is here already"))
        else:
            refusals.append(("TaintNotTolerated", f"taint {taint_text(taint)} is not tolerated"))
    return _taint_verdict(NO_SCHEDULE, refusals, borne)


RULES: tuple[Rule, ...] = (selection, exclusion, leaving, no_execute, no_schedule)


def score(candidate: Candidate) -> tuple[ScorePart, ...]:
    """Return what speaks for or against a cluster that may be used: one point less for each PreferNoSchedule taint."""
    avoided = [
        taint
        for taint in _taints(candidate, Effect.PREFER_NO_SCHEDULE)
        if toleration_for(taint, candidate.placement.tolerations) is None
    ]
    if not avoided:
        return ()
    message = ", ".join(f"taint {taint_text(taint)}" for taint in avoided)
    return (ScorePart(name="PreferNoSchedule", value=-len(avoided), message=message),)


def holds_replicas(candidate: Candidate) -> bool:
    """Tell whether an untolerated NoScheduleNew taint keeps the unit's replicas there from growing."""
    return any(
        toleration_for(taint, candidate.placement.tolerations) is None
        for taint in _taints(candidate, Effect.NO_SCHEDULE_NEW)
    )


def toleration_ends(candidate: Candidate) -> tuple[datetime, ...]:
    """Return when tolerations of the cluster's NoExecute taints end or ended, sorted."""
    ends = (
        tolerated_until(taint, toleration)
        for taint in _taints(candidate, Effect.NO_EXECUTE)
        if (toleration := toleration_for(taint, candidate.placement.tolerations)) is not None
    )
    return tuple(sorted(end for end in ends if end is not None))


def timeless_taints(candidate: Candidate) -> tuple[Taint, ...]:
    """Return NoExecute taints tolerated for a number of seconds that cannot be counted: they tell no `time_added`."""
    return tuple(
        taint
        for taint in _taints(candidate, Effect.NO_EXECUTE)
        if taint.time_added is None
        and (toleration := toleration_for(taint, candidate.placement.tolerations)) is not None
        and toleration.toleration_seconds is not None
    )


def taint_text(taint: Taint) -> str:
    """Return a taint as it is written on a command line: `key=value:Effect`."""
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def instant_text(instant: datetime) -> str:
    """Return an instant in ISO 8601."""
    return instant.isoformat().replace("+00:00", "Z")


def _taints(candidate: Candidate, effect: str | None = None) -> list[Taint]:
    taints = candidate.cluster.taints
    if not taints:
        return []
    return sorted(
        (taint for taint in taints if effect is None or taint.effect == effect),
        key=lambda taint: (taint.effect, taint.key, taint.value),
    )


def _taint_verdict(rule: str, refusals: list[tuple[str, str]], borne: list[tuple[str, str]]) -> Verdict:
    findings = refusals or borne
    if not findings:
        return _NO_TAINTS[rule]
    return Verdict(
        rule=rule,
        passed=not refusals,
        reason=findings[0][0],
        message="; ".join(text for _, text in findings),
    )


_NO_TAINTS = {rule: Verdict(rule=rule, passed=True, reason="NoTaints") for rule in (NO_EXECUTE, NO_SCHEDULE)}
