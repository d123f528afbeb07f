"""A clock that somebody else moves, in the place of the real ones of this process and of PostgreSQL."""

import contextlib
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self
from unittest.mock import patch

_ASK_SECONDS: Final = 2e-5
"""What a question to PostgreSQL takes: what is done one after the other has times of its own."""

_PACKAGES: Final = ("fedsvc.", "fedsvc_dns.", "tests.")


class Clock:
    """Moves by `advance` alone. `told` hears of the time, as PostgreSQL reads it, before PostgreSQL is asked."""

    def __init__(self, *, seconds: float, told: Callable[[str], None]) -> None:
        self.seconds = seconds
        self._begin_seconds = seconds
        self._begin = dt.datetime.now(dt.UTC)
        self._told = told

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def now(self) -> dt.datetime:
        """The time of day."""
        return self._begin + dt.timedelta(seconds=self.seconds - self._begin_seconds)

    def tell(self) -> None:
        """PostgreSQL is about to be asked."""
        self.seconds += _ASK_SECONDS
        self._told(self.now().isoformat(timespec="microseconds"))


@contextlib.contextmanager
def patched(clock: Clock) -> Iterator[None]:
    """Put the clock in the place of `time.monotonic` and the like, and of `datetime.now` in the modules of fedsvc.

    Those that were imported by name elsewhere are not touched: they are pytest's, aiohttp's and the like.
    """

    class Meta(type(dt.datetime)):  # type: ignore[misc] # what it is the driver of PostgreSQL makes, too
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, _real)

    class Moved(dt.datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return clock.now().astimezone(tz)  # type: ignore[return-value] # as the real one does

        @classmethod
        def __get_pydantic_core_schema__(cls, _: Any, handler: Callable[[Any], Any]) -> Any:
            return handler(_real)

    _real = dt.datetime
    with contextlib.ExitStack() as stack:
        for name in ("monotonic", "perf_counter"):
            stack.enter_context(patch.object(time, name, lambda: clock.seconds))
        stack.enter_context(patch.object(time, "time", lambda: clock.now().timestamp()))
        stack.enter_context(patch.object(dt, "datetime", Moved))
        for name, module in tuple(sys.modules.items()):
            if name.startswith(_PACKAGES) and getattr(module, "datetime", None) is _real:
                stack.enter_context(patch.object(module, "datetime", Moved))
        yield
