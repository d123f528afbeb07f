"""An event loop whose clock may stand still while there is work, and jump to the next timer when there is none.

Sockets and PostgreSQL stay what they are: the loop waits for them in real time, of which its clock knows nothing. So
deadlines, back-offs and soak times cost nothing and are as long as in production, and a machine that is slow meets no
deadline that a fast one does not.

What is the same at each run of the same acts: the order of callbacks, of timers, of what comes over connections within
the loop, and of PostgreSQL's answers, which are handed over in the order of the questions. What is not: which of two
statements PostgreSQL lets go first where they run at once, what it says unasked, and what threads do.
"""

import asyncio
import contextlib
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from fedsvc.testing.clocks import Clock, patched
from fedsvc.testing.wires import Wire, Wires

_PATIENCE_SECONDS: Final = 0.5
"""Real: for so long a statement is waited for. One that takes longer waits for a lock, held by who waits for time."""
_GATHER_SECONDS: Final = 0.05
"""Real: for so long the answers of other statements are waited for, to hand all over in order."""
_TURN_SECONDS: Final = 1e-6
"""What a turn of the loop takes on the clock: whoever waits for it by turning round comes to an end, too."""
_TURNS: Final = 256
"""After so many in which something else was to be done sockets are looked at."""

_monotonic = time.monotonic


class _Selector(selectors.DefaultSelector):
    """Waits for what is to come; where that is nothing it lets the clock jump."""

    loop: "VirtualLoop"
    _turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        clock = self.loop.clock
        if clock is None:
            return super().select(timeout)
        clock.advance(_TURN_SECONDS)
        if timeout is not None and timeout <= 0:
            self._turns += 1
            return [] if self._turns % _TURNS else self._sorted(super().select(0))
        events = self._events(timeout)
        if not events and timeout is not None:
            clock.advance(timeout)
        return events

    def _events(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """What has come, once all has come that is to; nothing: none is to come before the next timer."""
        found = super().select(0)
        while not found and self._is_owed():
            found = super().select(_PATIENCE_SECONDS)
            if not found:
                self._give_up()
        if not found and timeout is None:
            found = super().select(None)
        if found:
            self._gather({key.fd for key, _ in found})
            found = super().select(0)
        return self._sorted(found)

    def _is_owed(self) -> bool:
        wires = self.loop.wires
        return bool(self.loop.jobs or wires.owed(self._is_read) or wires.unaccepted() or self._is_connecting())

    def _give_up(self) -> None:
        wires = self.loop.wires
        for wire in (*wires.owed(self._is_read), *wires.unaccepted()):
            wire.given_up = True

    def _gather(self, found: set[int]) -> None:
        """Wait for what is to come beside that which has come."""
        poll = select.poll()
        late: dict[int, Wire] = {}
        for wire in self.loop.wires.owed(self._is_read):
            if wire.fileno() not in found and not wire.is_late:
                poll.register(wire.fileno(), select.POLLIN)
                late[wire.fileno()] = wire
        end = _monotonic() + _GATHER_SECONDS
        while late and (left := end - _monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                del late[descriptor]
        for wire in late.values():
            wire.is_late = True

    def _is_read(self, descriptor: int) -> bool:
        key = self.get_map().get(descriptor)
        return key is not None and bool(key.events & selectors.EVENT_READ)

    def _is_connecting(self) -> bool:
        wires = self.loop.wires
        return any(
            key.events & selectors.EVENT_WRITE and not wires.has(descriptor)
            for descriptor, key in self.get_map().items()
            if isinstance(descriptor, int)
        )

    def _sorted(self, events: list[tuple[selectors.SelectorKey, int]]) -> list[tuple[selectors.SelectorKey, int]]:
        order = self.loop.wires.order
        return sorted(events, key=lambda event: order(event[0].fd))


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop like any other, outside of `virtually`."""

    def __init__(self) -> None:
        self.clock: Clock | None = None
        self.jobs = 0  # of threads that are not done
        self.wires = Wires(asked=self._asked)
        self._ahead_seconds = 0.0  # of the real clock
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    @contextlib.contextmanager
    def virtually(self, *, told: Callable[[str], None]) -> Iterator[Clock]:
        """Let the clock jump, that of `time` and `datetime` with it.

        Args:
            told: called with the time before each message to PostgreSQL before which it has changed.
        """
        if self.clock is not None:
            raise RuntimeError("the clock of this loop is virtual already")
        clock = self.clock = Clock(seconds=self.time(), told=told)
        try:
            with patched(clock):
                yield clock
        finally:
            self.clock = None
            self._ahead_seconds = clock.seconds - _monotonic()

    def time(self) -> float:
        """The clock of timers, in seconds."""
        return self._ahead_seconds + _monotonic() if self.clock is None else self.clock.seconds

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override] # as it comes, so it goes
        """As ever; while a thread works the clock stands still."""
        future = super().run_in_executor(executor, func, *args)
        self.jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: Any) -> None:
        self.jobs -= 1

    def _asked(self) -> None:
        if self.clock is not None:
            self.clock.tell()

    def _make_socket_transport(self, sock: socket.socket, protocol: Any, *args: Any, **more: Any) -> Any:
        wire = sock if self.clock is None or isinstance(sock, Wire) else self.wires.add(sock)
        return super()._make_socket_transport(wire, protocol, *args, **more)  # type: ignore[misc] # of asyncio's own
