"""Runs all controllers while this replica holds the lease, waits for it otherwise; outlives losses of PostgreSQL."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.ailing import AilingController
from fedsvc.controllers.auditing import AuditController
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.breaking import Breaking, SelfCheck
from fedsvc.controllers.cleanup import CleanupController
from fedsvc.controllers.dns import DnsController
from fedsvc.controllers.drilling import DrillController
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.fleet import Fleet
from fedsvc.controllers.gating import GateController
from fedsvc.controllers.group_writing import GroupWriter
from fedsvc.controllers.health import HealthController
from fedsvc.controllers.holding import Holds
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.importing import ImportController
from fedsvc.controllers.placement import PlacementController
from fedsvc.controllers.publishing import PublishingController
from fedsvc.controllers.returning import ReturnController
from fedsvc.controllers.rollout import RolloutController
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.status import StatusController
from fedsvc.controllers.supervising import run_apart, supervise
from fedsvc.controllers.switching import SwitchoverController
from fedsvc.errors import StoreUnavailableError
from fedsvc.members.registry import Members
from fedsvc.store.leases import Lease, hold_lease
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

LEASE = "controllers"


class Leadership:
    """Whether this process runs the controllers; for the server's own status."""

    def __init__(self) -> None:
        self.epoch = 0
        self.leading = asyncio.Event()

    def begin(self, epoch: int) -> None:
        """From now on it does."""
        self.epoch = epoch
        self.leading.set()
        metrics.LEADING.set(1)

    def end(self) -> None:
        """From now on it does not."""
        self.leading.clear()
        metrics.LEADING.set(0)


async def run_controllers(
    store: Store,
    *,
    holder: str,
    settings: ControllerSettings | None = None,
    members: Members | None = None,
    leadership: Leadership | None = None,
    self_check: SelfCheck | None = None,
) -> None:
    """Run the controllers whenever this process holds the lease, until cancelled. Nothing else ends it.

    Args:
        store: the store; its feed should be running, else changes of other replicas are seen late.
        holder: who asks for the lease, for people.
        settings: the numbers; None: the defaults.
        members: the clients to use; None: own ones, closed in the end.
        leadership: told when this process begins and ends to lead.
        self_check: asks our own API; None: there is none.
    """
    chosen = settings or ControllerSettings()
    told = leadership or Leadership()
    backoff = Backoff(f"lease-{holder}", first=chosen.restart_seconds, maximum=chosen.restart_max_seconds)
    async with AsyncExitStack() as stack:
        clients = members if members is not None else await stack.enter_async_context(Members())
        while True:
            started = time.monotonic()
            try:
                lead = partial(_hold_and_lead, store, clients, chosen, told, holder=holder, self_check=self_check)
                await run_apart(lead, name=f"lead-{holder}")
            except StoreUnavailableError as error:
                _log.warning("controllers_wait_for_store", error=str(error))
            except Exception:  # noqa: BLE001 - the last line of defence: nothing but cancellation ends the controllers
                _log.exception("controllers_failed", holder=holder)
            if time.monotonic() - started > chosen.restart_max_seconds:
                backoff.reset()
            await asyncio.sleep(backoff.next_seconds())


async def _hold_and_lead(
    store: Store,
    members: Members,
    settings: ControllerSettings,
    told: Leadership,
    *,
    holder: str,
    self_check: SelfCheck | None,
) -> None:
    """Wait for the lease, and run everything while it is held."""
    async with hold_lease(store.database, LEASE, holder=holder) as lease:
        _log.info("controllers_lead", holder=holder, epoch=lease.epoch)
        told.begin(lease.epoch)
        try:
            await _lead(store.fenced(lease), members, settings, lease, self_check)
        finally:
            told.end()
    _log.warning("controllers_lost_lease", holder=holder)


async def _lead(
    store: Store, members: Members, settings: ControllerSettings, lease: Lease, self_check: SelfCheck | None
) -> None:
    """Run everything until the lease is lost."""
    events = EventRecorder(store, settings)
    hub = Hub(store, rescan_seconds=settings.rescan_seconds)
    health = HealthController(store, members, settings=settings, events=events)
    holds = Holds(store, settings=settings)
    writer = GroupWriter(store, settings)
    fleet = Fleet(
        store,
        members,
        settings=settings,
        events=events,
        holds=holds,
        writer=writer,
        served_changed=health.served_changed,
    )
    status = StatusController(
        store, settings=settings, holds=holds, blocked=lambda: placement.blocked, reread=fleet.reread
    )
    cleanup = CleanupController(store, settings=settings, events=events)
    importing = ImportController(store, events=events, holds=holds, ask=fleet.ask)
    dns = DnsController(store, settings=settings, holds=holds, look_for=importing.look_for)
    publishing = PublishingController(store, settings=settings, members=members)

    def decided(unit_name: str) -> None:
        status.wake(unit_name)
        gating.links_changed(unit_name)
        rollout.wake(unit_name)
        cleanup.wake()

    placement = PlacementController(store, settings=settings, events=events, wake_member=fleet.wake, decided=decided)
    holds.tell(placement.holds_changed)
    returning = ReturnController(store, settings=settings, wake_member=fleet.wake)
    ailing = AilingController(store, settings=settings)
    drilling = DrillController(store, settings=settings)
    auditing = AuditController(store, settings=settings)
    switching = SwitchoverController(store, settings=settings)
    breaking = Breaking(store, settings=settings, self_check=self_check)
    rollout = RolloutController(store, settings=settings, events=events, wake_placement=placement.wake)
    gating = GateController(store, wake_member=fleet.wake, wake_unit=status.wake, reconsider=placement.reconsider)
    parts: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "hub": hub.run,
        "holds": holds.run,
        "events": events.run,
        "writer": writer.run,
        "fleet": fleet.run,
        "placement": placement.run,
        "gating": gating.run,
        "rollout": rollout.run,
        "status": status.run,
        "cleanup": cleanup.run,
        "health": health.run,
        "breaking": breaking.run,
        "returning": returning.run,
        "ailing": ailing.run,
        "drilling": drilling.run,
        "auditing": auditing.run,
        "switching": switching.run,
        "dns": dns.run,
        "publishing": publishing.run,
        "importing": importing.run,
    }
    for part in (holds, fleet, placement, rollout, gating, status, cleanup, health, dns, publishing, importing):
        part.listen(hub)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(supervise(name, run, settings=settings), name=f"controller-{name}")
            for name, run in parts.items()
        ]
        await lease.lost.wait()
        for task in tasks:
            task.cancel()
