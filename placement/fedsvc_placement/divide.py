"""Divide a number of replicas by weights, within bounds: Webster's method (Sainte-Laguë), exact and monotone.

Seen as an auction, the k-th replica of a cluster of weight w bids w / (2k - 1), and the highest bids win; a cluster's
first `min` replicas are given before bidding starts, and it does not bid beyond its `max`. Ties go by `order`, so bids
are totally ordered. The result for n replicas is the set of the n highest bids; hence it grows one by one with n, never
taking a replica from anyone, and taking away a cluster only ever gives to the others.

Minimums that together exceed the total are given in full, one cluster after the other, the heaviest first (as KubeFed
does): a minimum is what makes replicas there worth having, and some kept are worth more than all broken.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Those that get a part, in columns."""

    # Relative shares, 0 or more; 0 gets no more than the minimum.
    weights: Sequence[int]
    # Given before weights count.
    mins: Sequence[int]
    # Upper bounds, None for none; where one is below the minimum, it wins.
    maxs: Sequence[int | None]
    # Places in ties, lower wins. Must differ for the result not to depend on the sequence of the parties.
    orders: Sequence[tuple[int, str]]

    def among(self, indices: Sequence[int]) -> "Parties":
        """Return some of them, in the sequence of the indices."""
        if len(indices) == len(self.weights) and isinstance(indices, range):
            return self
        return Parties(
            weights=[self.weights[index] for index in indices],
            mins=[self.mins[index] for index in indices],
            maxs=[self.maxs[index] for index in indices],
            orders=[self.orders[index] for index in indices],
        )

    def bounded(self, mins: Sequence[int], maxs: Sequence[int | None]) -> "Parties":
        """Return the same with other bounds."""
        return Parties(weights=self.weights, mins=mins, maxs=maxs, orders=self.orders)


# Weight, least and most of a party: parties that have all of them in common get the same until single replicas count.
_Class = tuple[int, int, int]


def bounds(total: int, parties: Parties) -> tuple[list[int], list[int]]:
    """Return the least and the most each party may get of a total, whatever the others get.

    Raises:
        ValueError: total, a weight or a bound is negative.
    """
    smallest = min([total, *parties.weights, *parties.mins, *(most for most in parties.maxs if most is not None)])
    if smallest < 0:
        raise ValueError("replicas, weights, minimums and maximums must be 0 or more")
    caps = [total if most is None or most > total else most for most in parties.maxs]
    lows = [min(cap, low) for low, cap in zip(parties.mins, caps, strict=True)]
    highs = [cap if weight else low for weight, low, cap in zip(parties.weights, lows, caps, strict=True)]
    return lows, highs


def divide(total: int, parties: Parties) -> tuple[int, ...]:
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
    weights, orders = parties.weights, parties.orders
    rows = list(zip(weights, lows, highs, strict=True))
    classes = Counter(rows)
    numerator, denominator = _replicas_per_weight(total, classes)
    # Rounding half up takes in exactly the bids of 1 / (2 * ratio) and higher: a prefix of the auction.
    rounded = {
        row: min(max((2 * row[0] * numerator + denominator) // (2 * denominator), row[1]), row[2]) for row in classes
    }
    parts = [rounded[row] for row in rows]
    # Bids are compared as integers: two different fractions with denominators below d differ by more than 1 / d**2.
    scale = (2 * total + 3) ** 2
    missing = total - sum(parts)
    if missing > 0:
        _auction(missing, 1, parts, highs, lambda i: (-(weights[i] * scale // (2 * parts[i] + 1)), orders[i], i))
    elif missing < 0:
        ranks = _ranks(orders)
        _auction(-missing, -1, parts, lows, lambda i: (weights[i] * scale // (2 * parts[i] - 1), -ranks[i], i))
    return tuple(parts)


def _minimums(total: int, parties: Parties, lows: list[int]) -> tuple[int, ...]:
    parts = [0] * len(lows)
    left = total
    for index in sorted(range(len(lows)), key=lambda i: (-parties.weights[i], parties.orders[i])) if left else ():
        parts[index] = min(lows[index], left)
        left -= parts[index]
    return tuple(parts)


def _ranks(orders: Sequence[tuple[int, str]]) -> list[int]:
    ranks = [0] * len(orders)
    for rank, index in enumerate(sorted(range(len(orders)), key=orders.__getitem__)):
        ranks[index] = rank
    return ranks


def _replicas_per_weight(total: int, classes: Mapping[_Class, int]) -> tuple[int, int]:
    """Return the ratio r for which the sum of w * r, each cut to its bounds, is the total; as a fraction.

    Parties beyond a bound are fixed there and the rest is shared anew. Of those below their minimum and those above
    their maximum, the side that is further off is fixed: the final ratio lies on that side, so they stay beyond it.

    Args:
        total: what is divided.
        classes: how many parties there are of each class.
    """
    free = [(weight, low, high, count) for (weight, low, high), count in classes.items() if weight]
    left = total - sum([low * count for (weight, low, _), count in classes.items() if not weight])
    weight_sum = sum([weight * count for weight, _, _, count in free])
    while True:
        below = {row for row in free if row[0] * left < row[1] * weight_sum}
        above = {row for row in free if row[0] * left > row[2] * weight_sum}
        deficit = sum([(low * weight_sum - weight * left) * count for weight, low, _, count in below])
        excess = sum([(weight * left - high * weight_sum) * count for weight, _, high, count in above])
        bound, fixed = (1, below) if deficit >= excess else (2, above)
        if not fixed or len(fixed) == len(free):
            return left, weight_sum
        left -= sum([row[bound] * row[3] for row in fixed])
        weight_sum -= sum([row[0] * row[3] for row in fixed])
        free = [row for row in free if row not in fixed]


def _auction(
    count: int, step: int, parts: list[int], bounds: list[int], bid: Callable[[int], tuple[int, Any, int]]
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
