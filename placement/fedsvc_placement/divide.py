"""Divide a number of replicas by weights, within bounds: Webster's method (Sainte-Laguë), exact and monotone.

Seen as an auction, the k-th replica of a cluster of weight w bids w / (2k - 1), and the highest bids win; a cluster's
first `min` replicas are given before bidding starts, and it does not bid beyond its `max`. Ties go by `order`, so bids
are totally ordered. The result for n replicas is the set of the n highest bids; hence it grows one by one with n, never
taking a replica from anyone, and taking away a cluster only ever gives to the others.

Minimums that together exceed the total are given in full, one cluster after the other, the heaviest first (as KubeFed
does): a minimum is what makes replicas there worth having, and some kept are worth more than all broken.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One that gets a part."""

    # Relative share, 0 or more; 0 gets no more than `min`.
    weight: int
    # Given before weights count.
    min: int
    # Upper bound, None for none; where it is below `min`, it wins.
    max: int | None
    # Place in ties, lower wins. Must differ between parties for the result not to depend on their sequence.
    order: tuple[int, str]


def bounds(total: int, parties: Sequence[Party]) -> tuple[list[int], list[int]]:
    """Return the least and the most each party may get of a total, whatever the others get.

    Raises:
        ValueError: total, a weight or a bound is negative.
    """
    if total < 0 or any(party.weight < 0 or party.min < 0 or (party.max or 0) < 0 for party in parties):
        raise ValueError("replicas, weights, minimums and maximums must be 0 or more")
    caps = [total if party.max is None else min(party.max, total) for party in parties]
    lows = [min(party.min, cap) for party, cap in zip(parties, caps, strict=True)]
    highs = [cap if party.weight else low for party, low, cap in zip(parties, lows, caps, strict=True)]
    return lows, highs


def divide(total: int, parties: Sequence[Party]) -> tuple[int, ...]:
    """Return each party's part, in the sequence of the parties; they sum to total unless the bounds allow no more.

    Starts from the real-valued solution rounded, which is off by at most half a replica a party, and corrects that by
    the auction: O(C log C) for C parties in practice, whatever the total.

    Raises:
        ValueError: total, a weight or a bound is negative.
    """
    lows, highs = bounds(total, parties)
    if total <= sum(lows):
        return _minimums(total, parties, lows)
    if total >= sum(highs):
        return tuple(highs)
    weights = [party.weight for party in parties]
    numerator, denominator = _replicas_per_weight(total, weights, lows, highs)
    parts = [
        # Rounding half up takes in exactly the bids of 1 / (2 * ratio) and higher: a prefix of the auction.
        min(max((2 * weight * numerator + denominator) // (2 * denominator), low), high)
        for weight, low, high in zip(weights, lows, highs, strict=True)
    ]
    ranks = _ranks(parties)
    # Bids are compared as integers: two different fractions with denominators below d differ by more than 1 / d**2.
    scale = (2 * total + 3) ** 2
    missing = total - sum(parts)
    if missing > 0:
        _auction(missing, 1, parts, highs, lambda i: (-(weights[i] * scale // (2 * parts[i] + 1)), ranks[i], i))
    else:
        _auction(-missing, -1, parts, lows, lambda i: (weights[i] * scale // (2 * parts[i] - 1), -ranks[i], i))
    return tuple(parts)


def _minimums(total: int, parties: Sequence[Party], lows: list[int]) -> tuple[int, ...]:
    parts = [0] * len(parties)
    left = total
    for index in sorted(range(len(parties)), key=lambda i: (-parties[i].weight, parties[i].order)):
        parts[index] = min(lows[index], left)
        left -= parts[index]
    return tuple(parts)


def _ranks(parties: Sequence[Party]) -> list[int]:
    ranks = [0] * len(parties)
    for rank, index in enumerate(sorted(range(len(parties)), key=lambda i: parties[i].order)):
        ranks[index] = rank
    return ranks


def _replicas_per_weight(total: int, weights: list[int], lows: list[int], highs: list[int]) -> tuple[int, int]:
    """Return the ratio r for which the sum of w * r, each cut to its bounds, is the total; as a fraction.

    Parties beyond a bound are fixed there and the rest is shared anew. Of those below their minimum and those above
    their maximum, the side that is further off is fixed: the final ratio lies on that side, so they stay beyond it.
    """
    free = [index for index, weight in enumerate(weights) if weight]
    left = total - sum(low for low, weight in zip(lows, weights, strict=True) if not weight)
    weight_sum = sum(weights)
    while True:
        below = [i for i in free if weights[i] * left < lows[i] * weight_sum]
        above = [i for i in free if weights[i] * left > highs[i] * weight_sum]
        deficit = sum(lows[i] * weight_sum - weights[i] * left for i in below)
        excess = sum(weights[i] * left - highs[i] * weight_sum for i in above)
        bounds, fixed = (lows, below) if deficit >= excess else (highs, above)
        if not fixed or len(fixed) == len(free):
            return left, weight_sum
        left -= sum(bounds[i] for i in fixed)
        weight_sum -= sum(weights[i] for i in fixed)
        gone = set(fixed)
        free = [i for i in free if i not in gone]


def _auction(
    count: int, step: int, parts: list[int], bounds: list[int], bid: Callable[[int], tuple[int, int, int]]
) -> None:
    """Give (step 1) or take back (step -1) `count` replicas one by one, the lowest bid first; changes `parts`."""
    heap = [bid(index) for index, bound in enumerate(bounds) if parts[index] != bound]
    heapq.heapify(heap)
    for _ in range(count):
        index = heap[0][2]
        parts[index] += step
        if parts[index] == bounds[index]:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, bid(index))
