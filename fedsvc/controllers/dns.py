"""Plans what zones hold, whenever something changed that names rest on, and stores it with the reasons."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from fedsvc.controllers.holding import Holds
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.resolving import HostNames
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.vantage import Vantage
from fedsvc.controllers.wakeups import Signal
from fedsvc.naming.lookouts import NamedElsewhere
from fedsvc.naming.planning import Outcome, plan_names
from fedsvc.naming.reachable import probe_targets, with_probes
from fedsvc.naming.reading import read_before, read_facts
from fedsvc.store import drills, publications, zones
from fedsvc.store.changes import Change
from fedsvc.store.store import Store
from fedsvc_dns.planner.addresses import host_names
from fedsvc_dns.planner.changes import StaleChangeError
from fedsvc_dns.planner.memory import HealthPolicy
from fedsvc_dns.planner.plan import Plan

_log = structlog.get_logger(__name__)

_SETTLE_SECONDS: Final = 0.02
"""Changes come in bursts: one plan for each."""
_MOVES: Final = ("work", "unit", "cluster", "hold", "drill", "sighting")


class DnsController:
    """Keeps what zones hold in step with what runs where.

    `look_for` is called with what names rest on that no work tells.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: ControllerSettings,
        holds: Holds,
        look_for: Callable[[NamedElsewhere], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._holds = holds
        self._look_for = look_for
        self._signal = Signal()
        self._host_names = HostNames(self._signal.set)
        self._vantage = Vantage(self._signal.set, policy=HealthPolicy())
        self._has_zones = True  # until it is known that there are none
        self._previous: Plan | None = None

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._signal.set)

    async def run(self) -> None:
        """Plan until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._host_names.run(), name="host-names")
            group.create_task(self._vantage.run(), name="dns-vantage")
            while True:
                began = time.monotonic()
                wait = await self._turn()
                took = time.monotonic() - began
                await self._signal.wait(timeout_seconds=wait)
                # A large fleet changes all the time: at most half of it is spent on planning.
                await asyncio.sleep(max(_SETTLE_SECONDS, took))

    def _changed(self, change: Change) -> None:
        if (change.kind == "zone" and not publications.is_standing(change)) or (
            self._has_zones and change.kind in _MOVES
        ):
            self._signal.set()

    async def _turn(self) -> float | None:
        """Plan once; how long until time alone changes something."""
        holds = await self._holds.current()
        async with self._store.reader() as tx:
            before = await read_before(tx)
            self._has_zones = bool(before.zones)
            if not before.zones:
                self._previous = None
                self._vantage.of({}, before.now)
                self._look_for(NamedElsewhere())
                return None
            found = await read_facts(tx, before, holds)
            drill = await drills.drained(tx)
        self._look_for(found.elsewhere)
        named = (host for one in found.observations.instances for host in host_names(one.addresses))
        resolved = dict(self._host_names.of(named))
        found = replace(found, observations=replace(found.observations, resolved=resolved))
        targets, unprobed = probe_targets(found, before.memory.resolved)
        found = with_probes(found, self._vantage.of(targets, before.now))
        found = replace(found, problems=(*found.problems, *unprobed))
        made, done = await asyncio.to_thread(plan_names, before, found, self._previous)
        self._previous = made
        try:
            await self._write(done, is_other=done.memory != before.memory, drill_id=0 if drill is None else drill[0])
        except StaleChangeError as error:
            _log.info("dns_plan_is_late", message=str(error))
            self._previous = None
            self._signal.set()
            return None
        return None if done.due is None else max(0.0, (done.due - before.now).total_seconds())

    async def _write(self, done: Outcome, *, is_other: bool, drill_id: int) -> None:
        if not (done.writes or done.names or done.gone or is_other or drill_id):
            return
        async with self._store.transaction() as tx:
            for one in done.writes:
                await zones.write(tx, one)
            await zones.write_names(tx, done.names, done.gone)
            if is_other:
                await zones.put_memory(tx, done.memory)
            if drill_id:
                changed = {one.key[0] for write in done.writes for one in write.change.replacements}
                await drills.names_changed(tx, drill_id, len(changed))
        for one in done.writes:
            count = len(one.change.replacements)
            _log.info(
                "dns_zone_changed", zone=one.zone.name, serial=one.serial, changed=count, held=one.report.held_reason
            )
