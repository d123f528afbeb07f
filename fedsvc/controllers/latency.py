"""Pure: whether a member answers as fast as it can, or lets requests queue: a gradient of its latency against its best.

The idea is that of TCP Vegas (Brakmo, Peterson 1995) as Netflix's concurrency-limits applies it to requests: where n
are in flight and answers take `now` against `base` with nothing waiting, about n * (1 - base / now) of them wait in the
member's queue. A few that wait keep it busy; more only wait longer, and make it slow for everybody else.
"""

from typing import Final

_SMOOTHING: Final = 0.1  # of a new sample; about the last 20 count
_BASE_AGE_SECONDS: Final = 60.0
"""A best older than this is forgotten: a member that became slower for good is not throttled for ever."""

_FEW_WAITING: Final = 3.0
_MANY_WAITING: Final = 8.0
_FAST_SECONDS: Final = 0.1
"""Answers faster than this are no sign of a queue, whatever the best was: there it is noise that is measured."""


class Latency:
    """The answers of one member."""

    def __init__(self) -> None:
        self._recent = 0.0
        self._best = float("inf")  # of this age
        self._best_before = float("inf")  # of the age before
        self._age_begin = float("-inf")

    @property
    def recent_seconds(self) -> float:
        """What answers take now, smoothed; 0 before the first."""
        return self._recent

    @property
    def base_seconds(self) -> float:
        """What they take with nothing waiting: the best of the last one to two minutes; infinite before the first."""
        return min(self._best, self._best_before)

    def answered(self, seconds: float, now: float) -> None:
        """A request took so long, at `now` (seconds of a clock that never goes back)."""
        self._recent = seconds if self._recent == 0.0 else self._recent + _SMOOTHING * (seconds - self._recent)
        if now - self._age_begin >= _BASE_AGE_SECONDS:
            self._best_before, self._best = self._best, float("inf")
            self._age_begin = now
        self._best = min(self._best, seconds)

    def waiting(self, in_flight: int) -> float:
        """How many of the requests in flight wait in the member, as far as can be told."""
        if self._recent <= _FAST_SECONDS or self._recent <= self.base_seconds:
            return 0.0
        return in_flight * (1.0 - self.base_seconds / self._recent)

    def may_grow(self, in_flight: int) -> bool:
        """Whether one more in flight would be answered sooner than it would wait."""
        return self.waiting(in_flight) < _FEW_WAITING

    def must_shrink(self, in_flight: int) -> bool:
        """Whether so many wait that fewer in flight would be answered as fast."""
        return self.waiting(in_flight) > _MANY_WAITING
