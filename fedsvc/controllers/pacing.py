"""Pure: how many requests a member is given at once: one more while it does well, a third less when in trouble."""

from typing import Final

_CUT: Final = 0.7
_CUT_INTERVAL_SECONDS: Final = 1.0
"""Answers that were under way together tell of one trouble, not of many."""


class Pace:
    """Additive increase, multiplicative decrease (RFC 5681's idea) of the requests in flight to one member."""

    def __init__(self, *, start: int, maximum: int) -> None:
        self._limit = float(start)
        self._maximum = maximum
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """Requests that may be in flight; at least one."""
        return int(self._limit)

    def good(self) -> None:
        """A request was answered as it should be: after as many as are in flight, one more may be."""
        self._limit = min(self._maximum, self._limit + 1 / self._limit)

    def bad(self, now: float) -> None:
        """The member was overloaded or slow at `now` (seconds of a clock that never goes back)."""
        if now - self._cut_at >= _CUT_INTERVAL_SECONDS:
            self._limit = max(1.0, self._limit * _CUT)
            self._cut_at = now
