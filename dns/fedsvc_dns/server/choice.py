"""Pure: which records of a set an answer has, by weight and by place. Chance is an argument."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from fedsvc_dns.server.zone import Option, WireSet

_MASK = (1 << 64) - 1


def candidates(found: WireSet, place: str) -> tuple[Option, ...]:
    """The options that a client at a place may get, never none.

    They are those at its place that have a weight; all that have one where there are none such; all where none has one.
    """
    weighted = [option for option in found.options if option.weight]
    near = [option for option in weighted if option.place == place] if place else []
    return tuple(near or weighted or found.options)


class Draw:
    """Draws some of a row of things, each by its weight and once: what has no weight never, unless nothing has one."""

    def __init__(self, weights: Sequence[int], count: int) -> None:
        drawable = weights if any(weights) else [1] * len(weights)
        self._indexes = tuple(index for index, weight in enumerate(drawable) if weight)
        self._weights = tuple(weight for weight in drawable if weight)
        self._ends = tuple(accumulate(self._weights))
        self.count = min(count, len(self._weights))

    def indexes(self, seed: int) -> Sequence[int]:
        """Which ones, by 64 bits of chance; in the order in which they were drawn."""
        first = bisect_right(self._ends, seed * self._ends[-1] >> 64)
        if self.count == 1:
            return (self._indexes[first],)
        left, weights = list(self._indexes), list(self._weights)
        drawn = [left.pop(first)]
        del weights[first]
        while len(drawn) < self.count:
            seed = _next(seed)
            index = bisect_right(list(accumulate(weights)), seed * sum(weights) >> 64)
            drawn.append(left.pop(index))
            del weights[index]
        return drawn


def _next(seed: int) -> int:
    """The next of a row of evenly spread 64-bit numbers (SplitMix64)."""
    seed = seed + 0x9E3779B97F4A7C15 & _MASK
    mixed = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return mixed ^ mixed >> 31
