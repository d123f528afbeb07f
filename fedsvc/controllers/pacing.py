"""Pure: how many requests a member is given at once, and how often what keeps coming is written."""

from enum import StrEnum
from typing import Final

from fedsvc.controllers.latency import Latency

_PAUSE: Final = 4
"""After a write, in times of what it took."""
_PAUSE_IDLE: Final = 1
"""The same where somebody can do nothing else until the next one."""
_CUT: Final = 0.7
_CUT_INTERVAL_SECONDS: Final = 1.0
"""Answers that were under way together tell of one trouble, not of many."""
_LEAST_FOR_LATENCY: Final = 4.0
"""Slowness alone cuts no further: what so few requests wait for is not each other."""


class Trouble(StrEnum):
    """Why a member is given fewer requests; a label of metrics."""

    OVERLOAD = "overload"  # it said so: 429
    ERROR = "error"  # 5xx
    SILENCE = "silence"  # no answer
    LATENCY = "latency"  # requests wait for each other


class Pace:
    """Additive increase, multiplicative decrease (RFC 5681's idea) of the requests in flight to one member.

    It also gives fewer where they only wait for each other, before the member has to say so.
    """

    def __init__(self, *, start: int, maximum: int) -> None:
        self._limit = float(start)
        self._maximum = maximum
        self._cut_at = float("-inf")
        self.latency = Latency()

    @property
    def limit(self) -> int:
        """Requests that may be in flight; at least one."""
        return int(self._limit)

    def good(self, seconds: float, *, in_flight: int, now: float) -> bool:
        """A request was answered as it should be: after as many as are in flight, one more may be, or fewer.

        Args:
            seconds: how long it took.
            in_flight: requests that were under way with it, itself included.
            now: seconds of a clock that never goes back.

        Returns:
            Whether there are fewer from now on.
        """
        self.latency.answered(seconds, now)
        if self.latency.must_shrink(in_flight):
            return self._limit > _LEAST_FOR_LATENCY and self._cut(now, least=_LEAST_FOR_LATENCY)
        if self.latency.may_grow(in_flight):
            self._limit = min(self._maximum, self._limit + 1 / self._limit)
        return False

    def bad(self, now: float) -> bool:
        """The member was overloaded, in trouble or silent at `now`; tells whether it gets fewer from now on."""
        return self._cut(now, least=1.0)

    def _cut(self, now: float, *, least: float) -> bool:
        if now - self._cut_at < _CUT_INTERVAL_SECONDS:
            return False
        before, self._limit = self._limit, max(least, self._limit * _CUT)
        self._cut_at = now
        return self._limit < before


class Rhythm:
    """When to write what keeps coming: shortly after the first, then in a slower beat while there is more.

    A transaction costs as much as dozens of rows in it, so under load fewer and larger ones leave the processor to
    the work itself, while a single change is still shown at once.
    """

    def __init__(self, *, first_seconds: float, busy_seconds: float) -> None:
        self._first = first_seconds
        self._busy = busy_seconds
        self._wrote_at = float("-inf")
        self._took = 0.0

    def wait_seconds(self, now: float) -> float:
        """How long to wait for others, from `now` on (seconds of a clock that never goes back)."""
        return max(self._first, self._wrote_at + self._busy - now)

    def hurried_seconds(self, now: float) -> float:
        """How long to wait where much has gathered: a fifth of all time, at most, is writing."""
        return max(0.0, self._wrote_at + _PAUSE * self._took - now)

    def idle_seconds(self, now: float) -> float:
        """How long to wait where somebody does nothing until it is written: half of all time, at most, is writing."""
        return max(0.0, self._wrote_at + _PAUSE_IDLE * self._took - now)

    def wrote(self, now: float, *, took_seconds: float = 0.0) -> None:
        """A write ended at `now`."""
        self._wrote_at, self._took = now, took_seconds
