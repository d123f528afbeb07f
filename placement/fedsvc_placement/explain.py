"""A decision in the words of an engineer's answer: one line a cluster, the deciding reason first."""

from fedsvc_placement.model import (
    ClusterVerdict,
    Decision,
    Division,
    Learned,
    Mode,
    ScorePart,
    Share,
    Strategy,
    Verdict,
)
from fedsvc_placement.refusals import SELECT
from fedsvc_placement.texts import count_text, instant_text


def explain_lines(decision: Decision) -> tuple[str, ...]:
    """Return one line for each cluster, then one for each thing that concerns the unit as a whole.

    The clusters' lines are sorted by name and start with it. The unit's lines start with `unit:` and tell why nothing
    is chosen, which affinity group is used, how it spreads, what is missing, what was learned of clusters, what has no
    effect, what would be better, what it leaves without need, and when the answer may change by itself.
    """
    shares = {
        (share.cluster, division.workload): (division, share)
        for division in decision.divisions
        for share in division.shares
    }
    lines = [
        _chosen_line(verdict, shares) if verdict.chosen else _refused_line(verdict) for verdict in decision.clusters
    ]
    return (*lines, *unit_lines(decision))


def unit_lines(decision: Decision, *, learned_of: str = "") -> tuple[str, ...]:
    """Return the lines that concern the unit as a whole; where a cluster is named, what was learned of that alone."""
    lines: list[str] = []
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
    lines.extend(
        f"unit: learned: {_lesson(entry)}"
        for entry in _lessons(decision)
        if not learned_of or entry.cluster == learned_of
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
    reasons = [f"{' or '.join(ends)} ends"] if ends else []
    if _lessons(decision):
        reasons.append("what was learned counts less")
    return " or ".join(reasons) or "a wait ends"


def _lessons(decision: Decision) -> list[Learned]:
    """What was learned of clusters whose room was asked for."""
    if not decision.memory.learned:
        return []
    asked = {(entry.cluster, workload) for entry in decision.clusters for workload in entry.room}
    return [entry for entry in decision.memory.learned if (entry.cluster, entry.workload) in asked]


def _lesson(entry: Learned) -> str:
    out = entry.wanted - entry.running
    return (
        f"{out} of {count_text(entry.wanted, 'replica')} of {entry.workload} found no node on {entry.cluster} "
        f"at {instant_text(entry.at)}, which bounds its room; it is forgotten by halves"
    )


def _chosen_line(verdict: ClusterVerdict, shares: dict[tuple[str, str], tuple[Division, Share]]) -> str:
    first = deciding(verdict)
    others = [other for other in verdict.verdicts if other is not first]
    parts = [f"{verdict.cluster}: chosen {reason_text(first)}"]
    for workload in sorted(verdict.replicas):
        division, share = shares[verdict.cluster, workload]
        count = count_text(share.replicas, "replica")
        if share.completions is not None:
            count += f", {count_text(share.completions, 'completion')}"
        parts.append(f"{workload} {count}{_terms(division, share)}")
    parts.extend(other.message for other in others if other.message)
    parts.extend(_score(verdict))
    parts.append("stays" if verdict.bound else "new")
    return "; ".join(parts)


def deciding(verdict: ClusterVerdict) -> Verdict:
    """Return what decided of a cluster: the first rule that refuses it, or what chose it."""
    refusal = next((entry for entry in verdict.verdicts if not entry.passed), None)
    if refusal is not None:
        return refusal
    first, last = verdict.verdicts[0], verdict.verdicts[-1]
    # What chose it among those that fit says more than what selected it.
    return last if last.rule == SELECT and last.message else first


def _refused_line(verdict: ClusterVerdict) -> str:
    first, *others = (entry for entry in verdict.verdicts if not entry.passed)
    parts = [f"{verdict.cluster}: not chosen {reason_text(first)}"]
    parts.extend(f"also {reason_text(other)}" for other in others)
    if first.rule == SELECT:
        parts.extend(_score(verdict))
    if verdict.bound:
        parts.append("the unit leaves it")
    return "; ".join(parts)


def _score(verdict: ClusterVerdict) -> list[str]:
    return [f"score {_part(part)}" for part in verdict.score]


def _part(part: ScorePart) -> str:
    return f"{part.value}: {part.message}"


def reason_text(verdict: Verdict) -> str:
    """Return the reason of a verdict for programs, and the one for people behind it."""
    return f"({verdict.reason}): {verdict.message}"


def _terms(division: Division, share: Share) -> str:
    terms: list[str] = []
    if division.mode == Mode.DIVIDED:
        # Weights of strategy Capacity are 0 also where there is no room.
        full = division.strategy == Strategy.CAPACITY and share.room == 0
        unmatched = share.rule is None and not share.weight and not full
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
