"""A decision in the words of an engineer's answer: one line a cluster, the deciding reason first."""

from fedsvc_placement.model import ClusterVerdict, Decision, Mode, ScorePart, Share, Verdict
from fedsvc_placement.refusals import SELECT
from fedsvc_placement.texts import count_text, instant_text


def explain_lines(decision: Decision) -> tuple[str, ...]:
    """Return one line for each cluster, then one for each thing that concerns the unit as a whole.

    The clusters' lines are sorted by name and start with it. The unit's lines start with `unit:` and tell why nothing
    is chosen, which affinity group is used, how it spreads, what is missing, what has no effect, what would be better,
    what it leaves without need, and when the answer may change by itself.
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
    if decision.group:
        lines.append(f"unit: affinity group {decision.group} is used")
    for entry in decision.spread:
        lines.append(f"unit: spread[{entry.constraint}]: {entry.message}")
        if entry.missing:
            lines.append(
                f"unit: shortfall (SpreadNotMet) of spread[{entry.constraint}]: "
                f"{count_text(entry.missing, 'group')} missing; no more can be used"
            )
    lines.extend(
        f"unit: shortfall ({shortfall.reason}) of {shortfall.workload}: {shortfall.message}"
        for shortfall in decision.shortfall
    )
    lines.extend(f"unit: warning ({warning.reason}): {warning.message}" for warning in decision.warnings)
    lines.extend(f"unit: leaves {move.cluster} by choice: {move.message}" for move in decision.moves if move.voluntary)
    lines.extend(f"unit: held back: {text}" for text in decision.held_back)
    if decision.reconsider_at is not None:
        lines.append(f"unit: decided again at {instant_text(decision.reconsider_at)}, when {_why_then(decision)}")
    return tuple(lines)


def _why_then(decision: Decision) -> str:
    ends = []
    if any("until " in rule.message for entry in decision.clusters if entry.chosen for rule in entry.verdicts):
        ends.append("a toleration")
    if any("until " in part.message for entry in decision.clusters for part in entry.score):
        ends.append("a score")
    if decision.held_back:
        ends.append("what holds back")
    return f"{' or '.join(ends) or 'a wait'} ends"


def _chosen_line(verdict: ClusterVerdict, shares: dict[tuple[str, str], tuple[str, Share]]) -> str:
    *rules, last = verdict.verdicts
    # What chose it among those that fit says more than what selected it.
    first, others = (last, rules) if last.rule == SELECT and last.message else (verdict.verdicts[0], [*rules[1:], last])
    parts = [f"{verdict.cluster}: chosen ({first.reason}): {first.message}"]
    for workload in sorted(verdict.replicas):
        mode, share = shares[verdict.cluster, workload]
        parts.append(f"{workload} {count_text(share.replicas, 'replica')}{_terms(mode, share)}")
    parts.extend(other.message for other in others if other.message)
    parts.extend(_score(verdict))
    parts.append("stays" if verdict.bound else "new")
    return "; ".join(parts)


def _refused_line(verdict: ClusterVerdict) -> str:
    first, *others = (entry for entry in verdict.verdicts if not entry.passed)
    parts = [f"{verdict.cluster}: not chosen {_reason(first)}"]
    parts.extend(f"also {_reason(other)}" for other in others)
    if first.rule == SELECT:
        parts.extend(_score(verdict))
    if verdict.bound:
        parts.append("the unit leaves it")
    return "; ".join(parts)


def _score(verdict: ClusterVerdict) -> list[str]:
    return [f"score {_part(part)}" for part in verdict.score]


def _part(part: ScorePart) -> str:
    return f"{part.value}: {part.message}"


def _reason(verdict: Verdict) -> str:
    return f"({verdict.reason}): {verdict.message}"


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
    if share.room is not None:
        terms.append(f"room {share.room}")
    if share.tier:
        terms.append(f"tier {share.tier}")
    return f" ({', '.join(terms)})" if terms else ""
