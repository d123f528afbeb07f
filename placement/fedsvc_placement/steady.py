"""Move as few replicas as possible: only what bounds forbid leaves, and what is added or taken goes by the rule."""

from collections.abc import Callable, Sequence

from fedsvc_placement.divide import Parties, bounds

# Divides a number of replicas among parties by their bounds: returns their parts, in their sequence.
Rule = Callable[[int, Parties], tuple[int, ...]]


def steady(total: int, parties: Parties, before: Sequence[int], fresh: Rule) -> tuple[int, ...]:
    """Return each party's part so that as few replicas as possible leave from where they are.

    What is before, cut to the bounds, is a floor where replicas are added and a ceiling where they are taken; between
    these and the bounds the rule divides, counting what is there. Every result in that range moves equally little, and
    none outside moves less: the cost of each party is convex and the cut is its cheapest point. Divided again with the
    result as before it is the same.

    Args:
        total: what is divided.
        parties: those who get a part.
        before: what each has, in their sequence.
        fresh: the rule; it must keep bounds, and place everything unless they forbid it.
    """
    lows, highs = bounds(total, parties)
    if sum(lows) > total:
        return _minimums(total, parties, [min(low, was) for low, was in zip(lows, before, strict=True)], lows, fresh)
    kept = [min(max(was, low), high) for was, low, high in zip(before, lows, highs, strict=True)]
    if sum(kept) <= total:
        return fresh(total, parties.bounded(kept, parties.maxs))
    return fresh(total, parties.bounded(parties.mins, kept))


def _minimums(total: int, parties: Parties, kept: Sequence[int], lows: Sequence[int], fresh: Rule) -> tuple[int, ...]:
    """Divide what is not enough for all minimums: nobody gets more than its own, and what is there stays.

    Minimums that are met in part are completed before others are begun.
    """
    if sum(kept) >= total:
        return fresh(total, parties.bounded(kept, kept))
    parts = list(kept)
    for begun in (True, False):
        missing = [low - part if bool(was) == begun else 0 for low, part, was in zip(lows, parts, kept, strict=True)]
        amount = min(total - sum(parts), sum(missing))
        added = fresh(amount, parties.bounded(missing, missing))
        parts = [part + more for part, more in zip(parts, added, strict=True)]
    return tuple(parts)
