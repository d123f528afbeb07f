"""Lets works go whose gate has opened: they wait for something that another work, or its object, became.

The gates themselves are in the claim of works, which asks the rows. This only shortens the wait: whoever is let go is
told to look, and whoever waits is summed anew, so that people see what for. Units are decided again whose objects are
needed elsewhere than they are copied to. What is lost is made up for by the next rescan.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from fedsvc.controllers.hub import Hub
from fedsvc.controllers.wakeups import Signal
from fedsvc.store import gates, references
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_SETTLE_SECONDS: Final = 0.02
"""Works change in bursts; one look for a burst is enough."""

_PAUSE: Final = 4
"""After a look the next one waits for so many times as long as that took: it takes a bounded part of the time."""

_PAUSE_MAX_SECONDS: Final = 1.0


class GateController:
    """Wakes members, summaries and placement of units that wait for what has just changed.

    Args of the constructor: `wake_member` is called with each cluster that may go on, `wake_unit` with the name of each
    unit whose wait may have changed, `reconsider` with the uids of units whose copies are not what others need.
    """

    def __init__(
        self,
        store: Store,
        *,
        wake_member: Callable[[str], None],
        wake_unit: Callable[[str], None],
        reconsider: Callable[[Iterable[str]], None],
    ) -> None:
        self._store = store
        self._wake_member = wake_member
        self._wake_unit = wake_unit
        self._reconsider = reconsider
        self._signal = Signal()
        self._changed_units: set[str] = set()  # names of units that changed, or works of which did
        self._linked: frozenset[str] = frozenset()  # names of units on which something waits
        self._stale = True  # which those are is to be read
        self._everything = True  # all of them may have changed

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._rescan)

    def links_changed(self, unit_name: str) -> None:
        """A unit was decided: others may wait for it now, or its works for each other."""
        self._stale = True
        self._note(unit_name)

    async def run(self) -> None:
        """Let go until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        loop = asyncio.get_running_loop()
        self._rescan()
        while True:
            await self._signal.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            started = loop.time()
            names, self._changed_units = self._changed_units, set()
            if self._stale or names & self._linked:
                await self._look(names)
                await asyncio.sleep(min(_PAUSE_MAX_SECONDS, _PAUSE * (loop.time() - started)))

    async def _look(self, names: set[str]) -> None:
        async with self._store.look() as look:
            before = self._linked
            if self._stale:
                self._stale = False  # before the read: what changes from now on may not be in it
                self._linked = await gates.linked(look)
            concerned = names & (before | self._linked)  # a unit that is gone is linked no more
            # Members are woken by their own rescan.
            needing = self._linked if self._everything else concerned
            self._everything = False
            found = await gates.affected(look, concerned) if concerned else {}
            owners = await references.owners_to_look_at(look, needing) if needing else []
        if owners:
            self._reconsider(owners)
        for name, clusters in found.items():
            self._wake_unit(name)
            for cluster in clusters:
                self._wake_member(cluster)

    def _changed(self, change: Change) -> None:
        if change.kind == "work":
            self._note(change.subject)
        elif change.kind == "unit":
            self._stale = True
            self._note(change.name)

    def _note(self, unit_name: str) -> None:
        self._changed_units.add(unit_name)
        self._signal.set()

    def _rescan(self) -> None:
        self._stale = self._everything = True
        self._signal.set()
