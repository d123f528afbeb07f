"""All that a decision says of one cluster, as an engineer would go through it: rules, score, room, division, moves."""

from collections.abc import Iterator, Sequence

from fedsvc_placement.explain import deciding, reason_text, unit_lines
from fedsvc_placement.model import ClusterVerdict, Decision, Division, Mode, Move, Share, Strategy, Verdict, verdicts_of
from fedsvc_placement.refusals import SELECT
from fedsvc_placement.texts import count_text
from fedsvc_placement.verdicts import REPLICAS

# Verdicts of what comes after the rules: a cluster that these refuse fits.
_AFTER_RULES = frozenset({SELECT, REPLICAS})


def explain_cluster(decision: Decision, cluster: str) -> tuple[str, ...]:
    """Return everything that a decision says of one cluster, each line with its subject before the first colon.

    First the cluster itself with what decided; then subjects `rule NAME`, `score`, `score PART`, `room WORKLOAD`,
    `division WORKLOAD` and `move`; at last `unit` as in `explain_lines`.

    Raises:
        KeyError: the decision knows no such cluster.
    """
    found = verdicts_of(decision, [cluster])
    if not found:
        raise KeyError(cluster)
    (verdict,) = found
    return (
        _head(verdict),
        *(f"rule {one.rule}: {'met' if one.passed else 'not met'} {_told(one)}" for one in verdict.verdicts),
        *_score_lines(decision, verdict),
        *(line for workload in sorted(verdict.room) for line in _room_lines(decision, verdict, workload)),
        *(line for division in decision.divisions for line in _division_lines(division, cluster)),
        *_move_lines([move for move in decision.moves if move.cluster == cluster], verdict),
        *unit_lines(decision, learned_of=cluster),
    )


def _head(verdict: ClusterVerdict) -> str:
    text = f"{verdict.cluster}: {'chosen' if verdict.chosen else 'not chosen'} {_told(deciding(verdict))}"
    if verdict.chosen:
        return f"{text}; {'stays' if verdict.bound else 'new'}"
    return f"{text}; the unit leaves it" if verdict.bound else text


def _told(verdict: Verdict) -> str:
    return reason_text(verdict) if verdict.message else f"({verdict.reason})"


def _fits(verdict: ClusterVerdict) -> bool:
    return all(one.passed or one.rule in _AFTER_RULES for one in verdict.verdicts)


def _total(verdict: ClusterVerdict) -> int:
    return sum(part.value for part in verdict.score)


def _score_lines(decision: Decision, verdict: ClusterVerdict) -> Iterator[str]:
    fitting = [one for one in decision.clusters if _fits(one)]
    if not _fits(verdict) or not any(one.score for one in fitting):
        return
    mine, best = _total(verdict), max(_total(one) for one in fitting)
    place = 1 + sum(1 for one in fitting if _total(one) > mine)
    text = f"score: {mine} in all, place {place} of {len(fitting)} that fit"
    if mine < best:
        text += f"; the best is {next(one.cluster for one in fitting if _total(one) == best)} with {best}"
    yield text
    yield from (f"score {part.name}: {part.value}: {part.message}" for part in verdict.score)


def _room_lines(decision: Decision, verdict: ClusterVerdict, workload: str) -> Iterator[str]:
    room = verdict.room[workload]
    before, gets = _before(decision, verdict.cluster, workload), verdict.replicas.get(workload, 0)
    text = f"room {workload}: for {count_text(room, 'replica')}"
    text += f", {before} of them there before" if before else ""
    if verdict.chosen:
        text += f"; it gets {gets}, which leaves room for {max(0, room - gets)}"
    yield text


def _before(decision: Decision, cluster: str, workload: str) -> int:
    return next(
        (
            share.before or 0
            for division in decision.divisions
            if division.workload == workload
            for share in division.shares
            if share.cluster == cluster
        ),
        0,
    )


def _division_lines(division: Division, cluster: str) -> Iterator[str]:
    share = next((one for one in division.shares if one.cluster == cluster), None)
    if share is None:
        return
    yield from (f"division {division.workload}: {step}" for step in division.steps)
    text = f"{count_text(share.replicas, 'replica')} here"
    if share.before is not None:
        text += f", {share.before} before"
    if share.completions is not None:
        text += f", with {count_text(share.completions, 'completion')}"
    terms = "; ".join([*_terms(division, share), *_limits(share)])
    yield f"division {division.workload}: {text}" + (f": {terms}" if terms else "")


def _terms(division: Division, share: Share) -> Iterator[str]:
    if division.mode != Mode.DIVIDED:
        return
    if share.rule is not None:
        yield f"by placement.replicas.clusters[{share.rule}]"
    weights = sum(one.weight for one in division.shares)
    if weights and share.weight and division.strategy in {Strategy.WEIGHTED, Strategy.CAPACITY}:
        whole, hundredths = divmod(100 * division.wanted * share.weight // weights, 100)
        yield (
            f"weight {share.weight} of {weights} in all, by which alone it would have {whole}.{hundredths:02} of "
            f"{division.wanted}"
        )
    else:
        yield f"weight {share.weight}"
    if share.min:
        yield f"at least {share.min}"
    if share.tier:
        yield f"tier {share.tier}"


def _limits(share: Share) -> Iterator[str]:
    """What bounds a share, and whether it is at that."""
    if share.max is not None:
        why = "which runs there and is not to grow" if share.held else "the most it may have"
        yield f"at most {share.max}, {why}" + (", and it has that" if share.replicas == share.max else "")
    if share.room is not None:
        yield f"room for {share.room}" + (", and it is full" if share.replicas >= share.room else "")


def _move_lines(moves: Sequence[Move], verdict: ClusterVerdict) -> Iterator[str]:
    for move in moves:
        choice = ", by choice" if move.voluntary else ""
        if move.workload:
            yield f"move: {move.workload} from {move.before} to {move.after}{choice}: {move.message}"
        else:
            yield f"move: the unit {'comes' if move.after else 'goes'}{choice}: {move.message}"
    if verdict.chosen and not moves:
        yield "move: nothing changes here"
