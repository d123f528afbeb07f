"""Pure: how long to wait before the next try. The jitter is a hash, so that tests and replays see the same numbers."""

from hashlib import blake2b
from typing import Final

FIRST_SECONDS: Final = 1.0
MAX_SECONDS: Final = 300.0

_JITTER: Final = 0.25  # of the delay, to either side
_MAX_DOUBLINGS: Final = 20


def delay_seconds(
    key: str, attempt: int, *, first: float = FIRST_SECONDS, maximum: float = MAX_SECONDS, factor: float = 2.0
) -> float:
    """The wait after failed attempt number `attempt` (from 0): exponential, bounded, spread by up to a quarter.

    Args:
        key: what is tried; different keys spread differently, the same key always alike.
        attempt: how many failures came before this one.
        first: the delay after the first failure, in seconds.
        maximum: the longest delay, in seconds, before the spread.
        factor: the growth with each failure.
    """
    whole = min(maximum, first * factor ** min(attempt, _MAX_DOUBLINGS))
    digest = blake2b(f"{key}\0{attempt}".encode(), digest_size=4).digest()
    share = int.from_bytes(digest) / 0xFFFF_FFFF  # 0 to 1
    return whole * (1 - _JITTER + 2 * _JITTER * share)


class Backoff:
    """The waits of one thing that is tried again and again."""

    def __init__(self, key: str, *, first: float, maximum: float) -> None:
        self._key = key
        self._first = first
        self._maximum = maximum
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def next_seconds(self) -> float:
        """The wait after one more failure."""
        wait = delay_seconds(self._key, self._failures, first=self._first, maximum=self._maximum)
        self._failures += 1
        return wait

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
