"""A decision in the words of an engineer's answer: one line a cluster, the deciding reason first."""

from fedsvc_placement.model import ClusterVerdict, Decision, Mode, Share, Verdict
from fedsvc_placement.texts import instant_text


def explain_lines(decision: Decision) -> tuple[str, ...]:
    """Return one line for each cluster, then one for each thing that concerns the unit as a whole.

    The clusters' lines are sorted by name and start with it. The unit's lines start with `unit:` and tell why nothing
    is chosen, what is missing, what has no effect, and when the answer may change by itself.
    """
    shares = {
        (share.cluster, division.workload): (division.mode, share)
        for division in decision.divisions
        for share in division.shares
    }
    lines = [
        _chosen_line(verdict, shares) if verdict.chosen else _refused_line(verdict) for verdict in decision.clusters
    ]
    if decision.reason:
        lines.append(f"unit: no cluster is chosen ({decision.reason}): {decision.message}")
    lines.extend(
        f"unit: shortfall ({shortfall.reason}) of {shortfall.workload}: {shortfall.message}"
        for shortfall in decision.shortfall
    )
    lines.extend(f"unit: warning ({warning.reason}): {warning.message}" for warning in decision.warnings)
    if decision.reconsider_at is not None:
        lines.append(f"unit: decided again at {instant_text(decision.reconsider_at)}, when a toleration ends")
    return tuple(lines)


def _chosen_line(verdict: ClusterVerdict, shares: dict[tuple[str, str], tuple[str, Share]]) -> str:
    first, *others = verdict.verdicts
    parts = [f"{verdict.cluster}: chosen ({first.reason}): {first.message}"]
    for workload in sorted(verdict.replicas):
        mode, share = shares[verdict.cluster, workload]
        parts.append(f"{workload} {_count(share.replicas)}{_terms(mode, share)}")
    parts.extend(other.message for other in others if other.message)
    parts.extend(f"score {part.value}: {part.message}" for part in verdict.score)
    parts.append("stays" if verdict.bound else "new")
    return "; ".join(parts)


def _refused_line(verdict: ClusterVerdict) -> str:
    first, *others = (entry for entry in verdict.verdicts if not entry.passed)
    parts = [f"{verdict.cluster}: not chosen {_reason(first)}"]
    parts.extend(f"also {_reason(other)}" for other in others)
    if verdict.bound:
        parts.append("the unit leaves it")
    return "; ".join(parts)


def _reason(verdict: Verdict) -> str:
    return f"({verdict.reason}): {verdict.message}"


def _count(replicas: int) -> str:
    return "1 replica" if replicas == 1 else f"{replicas} replicas"


def _terms(mode: str, share: Share) -> str:
    terms: list[str] = []
    if mode == Mode.DIVIDED:
        unmatched = share.rule is None and not share.weight
        terms.append("no replica rule matches" if unmatched else f"weight {share.weight}")
        if share.min:
            terms.append(f"min {share.min}")
    if share.held:
        terms.append(f"held at {share.max}")
    elif share.max is not None:
        terms.append(f"max {share.max}")
    return f" ({', '.join(terms)})" if terms else ""
