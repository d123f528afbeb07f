"""What is held, as the controllers of this process know it: asked directly before every write to a member.

A pause that is stored by this process is known before whoever asked for it hears so. One that another replica stored is
told by the change log; where that is late, no write is sent on knowledge that is older than `hold_seconds`. The same
holds for who leads: members cannot tell a leader that was followed without knowing it, and take what it sends.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from fedsvc.controllers.hub import Hub
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.wakeups import Signal
from fedsvc.errors import StoreUnavailableError
from fedsvc.model.hold import Hold, HoldKind, Write, hold_of
from fedsvc.store import holds, leases
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_READING_SECONDS: Final = 2.0
"""An answer that was longer under way tells nothing of now: this process may have been stopped, and is followed."""

_MOST_TRIES: Final = 20

HoldsChanged = Callable[[tuple[Hold, ...], tuple[Hold, ...]], None]
"""Called with what was held, and what is."""

_LATE_SECONDS: Final = 0.05
"""A hold that ends by the clock is looked at so long after, since two clocks never agree."""


class WriteHeldError(Exception):
    """A write to a member must not be sent now."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        super().__init__(f"held: {hold.subject} {hold.scope} {hold.reason}")


class Holds:
    """The holds in force."""

    def __init__(self, store: Store, *, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings
        self._listeners: list[HoldsChanged] = []
        self._lock = asyncio.Lock()
        self._signal = Signal()
        self._found: tuple[Hold, ...] = ()
        self._asked = 1  # how often there was a reason to read anew
        self._answered = 0  # the newest of these that is read
        self._read_at = 0.0  # when that reading began, monotonic
        self._change_seconds: float | None = None  # after that reading: when something begins or ends by the clock

    def tell(self, changed: HoldsChanged) -> None:
        """Call `changed` whenever something else is held than before; it must only take note."""
        self._listeners.append(changed)

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._ask)

    async def run(self) -> None:
        """Follow what is held until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, and until then nothing is written.
        """
        while True:
            await self.current()
            wait = self._settings.rescan_seconds
            if self._change_seconds is not None:
                wait = min(wait, max(0.0, self._read_at + self._change_seconds - time.monotonic()) + _LATE_SECONDS)
            await self._signal.wait(timeout_seconds=wait)
            self._asked += 1

    async def current(self) -> tuple[Hold, ...]:
        """What is held; read anew where that may be out of date.

        Raises:
            StoreUnavailableError: it cannot be read, or somebody else leads by now.
        """
        if self._is_fresh:
            return self._found
        async with self._lock:
            # What was read while others held the lock may do; what is read now does, unless that took strangely long.
            if self._is_fresh:
                return self._found
            for _ in range(_MOST_TRIES):
                await self._read()
                if self._is_answered:
                    return self._found
            raise StoreUnavailableError("PostgreSQL takes too long to tell what is held: nothing is written")

    async def check(self, write: Write) -> None:
        """Make sure that a write may be sent now.

        Raises:
            WriteHeldError: it may not.
            StoreUnavailableError: that cannot be found out.
        """
        found = self._found if self._is_fresh else await self.current()
        hold = hold_of(found, write) if found else None
        if hold is not None:
            raise WriteHeldError(hold)

    @property
    def _is_fresh(self) -> bool:
        return self._answered == self._asked and time.monotonic() - self._read_at <= self._settings.hold_seconds

    @property
    def _is_answered(self) -> bool:
        return self._answered == self._asked and time.monotonic() - self._read_at <= _READING_SECONDS

    async def _read(self) -> None:
        asked, begin, lease = self._asked, time.monotonic(), self._store.lease
        async with self._store.look() as look:
            standing = await holds.standing(look, lease="" if lease is None else lease.name)
        if lease is not None:
            leases.check(lease, standing.leader)
        change = standing.next_change_time
        self._change_seconds = None if change is None else (change - standing.now).total_seconds()
        self._answered, self._read_at = asked, begin
        before, self._found = self._found, standing.holds
        if before != self._found:
            for listener in self._listeners:
                listener(before, self._found)

    def _changed(self, change: Change) -> None:
        if change.kind in ("hold", "fleet") or (change.kind == "cluster" and self._minds(change.name)):
            self._ask()

    def _minds(self, cluster: str) -> bool:
        """Whether a change of a cluster may be the end of a hold: of one for its health, or by its labels."""
        return any(
            hold.clusters is not None or (hold.kind is HoldKind.HEALTH and hold.subject == cluster)
            for hold in self._found
        )

    def _ask(self) -> None:
        self._asked += 1
        self._signal.set()
