"""Taints and tolerations."""

from datetime import datetime

from fedsvc_placement.model import Effect, Taint, Verdict
from fedsvc_placement.rules.candidate import Candidate, Rule, always
from fedsvc_placement.selectors import tolerated_until, toleration_for
from fedsvc_placement.texts import instant_text, taint_text

_NO_EXECUTE = "NoExecute"
_NO_SCHEDULE = "NoSchedule"


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
    return _taint_verdict(_NO_EXECUTE, refusals, borne)


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
    return _taint_verdict(_NO_SCHEDULE, refusals, borne)


def avoided_taints(candidate: Candidate) -> list[Taint]:
    """Return the PreferNoSchedule taints that the unit does not tolerate."""
    return [
        taint
        for taint in _taints(candidate, Effect.PREFER_NO_SCHEDULE)
        if toleration_for(taint, candidate.placement.tolerations) is None
    ]


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


_NO_TAINTS = {rule: Verdict(rule=rule, passed=True, reason="NoTaints") for rule in (_NO_EXECUTE, _NO_SCHEDULE)}

NO_EXECUTE = Rule(name=_NO_EXECUTE, applies=always, judge=no_execute)
NO_SCHEDULE = Rule(name=_NO_SCHEDULE, applies=always, judge=no_schedule)
