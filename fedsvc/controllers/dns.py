"""Plans what zones hold, whenever something changed that names rest on, and stores it with the reasons."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import orjson
import structlog

from fedsvc.controllers.holding import Holds
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.naming import Facts, authority_of, gather
from fedsvc.controllers.resolving import HostNames
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.wakeups import Signal
from fedsvc.model.zone import Zone, ZoneReport
from fedsvc.model.zone_provider import HiddenPrimary
from fedsvc.store import clusters, named_objects, policies, zones
from fedsvc.store.changes import Change
from fedsvc.store.policies import ZONE
from fedsvc.store.store import Store, Transaction
from fedsvc.store.zones import HeldZone, NameLines, ZoneWrite
from fedsvc_dns.bridging import zone_data
from fedsvc_dns.planner.addresses import host_names
from fedsvc_dns.planner.changes import Published, StaleChangeError, applied, difference
from fedsvc_dns.planner.explaining import explain, explain_lines
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.memory import HealthPolicy, Memory
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.providers.contract import Fence
from fedsvc_dns.providers.primary.versions import Delta, ZoneVersion, step, version_of
from fedsvc_dns.providers.serials import after_restore, is_newer
from fedsvc_dns.records import RecordSet
from fedsvc_dns.server.zone_data import from_json, to_json

_log = structlog.get_logger(__name__)

_SETTLE_SECONDS: Final = 0.02
"""Changes come in bursts: one plan for each."""
_SHOWN: Final = 20
_SERIALS: Final = 2**32
_MOVES: Final = ("work", "unit", "cluster", "hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a plan goes on from."""

    zones: tuple[Zone, ...]
    held: Mapping[str, HeldZone]
    names: Mapping[str, NameLines]
    memory: Memory
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a plan comes to."""

    writes: tuple[ZoneWrite, ...]
    names: Mapping[str, NameLines]  # that are new, or explained in other words
    gone: frozenset[str]
    memory: Memory
    due: datetime | None


class DnsController:
    """Keeps what zones hold in step with what runs where."""

    def __init__(self, store: Store, *, settings: ControllerSettings, holds: Holds) -> None:
        self._store = store
        self._settings = settings
        self._holds = holds
        self._signal = Signal()
        self._host_names = HostNames(self._signal.set)
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
            while True:
                began = time.monotonic()
                wait = await self._turn()
                took = time.monotonic() - began
                await self._signal.wait(timeout_seconds=wait)
                # A large fleet changes all the time: at most half of it is spent on planning.
                await asyncio.sleep(max(_SETTLE_SECONDS, took))

    def _changed(self, change: Change) -> None:
        if change.kind == "zone" or (self._has_zones and change.kind in _MOVES):
            self._signal.set()

    async def _turn(self) -> float | None:
        """Plan once; how long until time alone changes something."""
        holds = await self._holds.current()
        async with self._store.reader() as tx:
            before = await _read(tx)
            self._has_zones = bool(before.zones)
            if not before.zones:
                self._previous = None
                return None
            found = gather(
                await named_objects.templates(tx),
                await named_objects.works(tx),
                zones=before.zones,
                clusters=await clusters.list_all(tx),
                holds=holds,
                known=before.memory.targets,
            )
        named = (host for one in found.observations.instances for host in host_names(one.addresses))
        resolved = dict(self._host_names.of(named))
        found = replace(found, observations=replace(found.observations, resolved=resolved))
        made, done = await asyncio.to_thread(_plan, before, found, self._previous)
        self._previous = made
        try:
            await self._write(done, is_other=done.memory != before.memory)
        except StaleChangeError as error:
            _log.info("dns_plan_is_late", message=str(error))
            self._previous = None
            self._signal.set()
            return None
        return None if done.due is None else max(0.0, (done.due - before.now).total_seconds())

    async def _write(self, done: Outcome, *, is_other: bool) -> None:
        if not (done.writes or done.names or done.gone or is_other):
            return
        async with self._store.transaction() as tx:
            for one in done.writes:
                await zones.write(tx, one)
            await zones.write_names(tx, done.names, done.gone)
            if is_other:
                await zones.put_memory(tx, done.memory)
        for one in done.writes:
            count = len(one.change.replacements)
            _log.info(
                "dns_zone_changed", zone=one.zone.name, serial=one.serial, changed=count, held=one.report.held_reason
            )


async def _read(tx: Transaction) -> Before:
    found = await policies.list_page(tx, ZONE, after="", limit=policies.MAX_ZONES)
    if not found:
        return Before(zones=(), held={}, names={}, memory=Memory(), now=tx.now)
    held = await zones.held(tx)
    names = await zones.names(tx)
    published: dict[str, list[RecordSet]] = {}
    for zone in held.values():
        for one in zone.published.sets.values():
            published.setdefault(one.name, []).append(one)
    remembered = await zones.memory(tx)
    return Before(
        zones=tuple(found),
        held=held,
        names=names,
        memory=replace(
            remembered,
            owners={name: line.service for name, line in names.items() if name in published},
            published={name: tuple(sets) for name, sets in published.items() if name in names},
        ),
        now=tx.now,
    )


def _plan(before: Before, found: Facts, previous: Plan | None) -> tuple[Plan, Outcome]:
    """Pure: plan, and tell what is to be stored."""
    made = plan(
        found.services,
        found.topology,
        found.observations,
        found.policy,
        memory=before.memory,
        now=before.now,
        previous=previous,
    )
    problems = tuple(f"{one.path}: {one.message}" for one in (*made.problems, *found.problems))
    writes: list[ZoneWrite] = []
    published: set[str] = set()
    for zone in before.zones:
        one, names = _zone(zone, before.held.get(zone.name), made, problems, before.now)
        published |= names
        if one is not None:
            writes.append(one)
    lines = _lines(made, published, before.names, found.policy.health)
    return made, Outcome(
        writes=tuple(writes),
        names=lines,
        gone=frozenset(before.names) - published,
        memory=Memory(
            targets=made.memory.targets,
            resolved=made.memory.resolved,
            owners=before.memory.owners,
            published=before.memory.published,
        ),
        due=made.due,
    )


def _zone(
    zone: Zone, held: HeldZone | None, made: Plan, problems: tuple[str, ...], now: datetime
) -> tuple[ZoneWrite | None, set[str]]:
    """What a plan does to a zone, None for nothing; and the names that it has then."""
    origin = to_a_labels(zone.spec.domain)
    published = Published(generation=0, sets={}) if held is None else held.published
    recent = () if held is None else tuple(one for one in held.removals if one[0] > now - timedelta(minutes=1))
    change = difference(
        made.zones.get(origin, {}),
        published,
        zone.spec.budget,
        is_frozen=zone.spec.frozen,
        approved="" if held is None else held.approved,
        removed_last_minute=sum(count for _, count in recent),
    )
    holds = applied(published, change)
    names = {name for name, _ in holds.sets}
    report = ZoneReport(
        held_count=len(change.held),
        held_reason=change.why_held,
        approval=change.approval,
        problems=problems[:_SHOWN],
        warnings=made.warnings[:_SHOWN],
    )
    serial = 0 if held is None else held.serial
    served = _served(zone, made, holds, serial)
    is_renumbered = held is None or served != held.served or is_newer(held.seen_serial or serial, serial)
    if is_renumbered:
        serial = _next_serial(held, now)
        served = _served(zone, made, holds, serial)
    elif held is not None and report == held.report:
        return None, names
    gone = len({name for name, _ in published.sets} - names)
    done = ZoneWrite(
        zone=zone,
        is_new=held is None,
        change=change,
        serial=serial,
        served=served,
        report=report,
        removals=(*recent, (now, gone)) if gone else recent,
        is_renumbered=is_renumbered,
        step=_step(zone, held, served, serial) if is_renumbered else None,
    )
    return done, names


def _next_serial(held: HeldZone | None, now: datetime) -> int:
    """Of the time where that is later: after a restore of the database it is newer than what name servers have."""
    time_ = int(now.timestamp())
    if held is None:
        return time_ % _SERIALS or 1
    if is_newer(held.seen_serial or held.serial, held.serial):
        return after_restore(held.serial, seen=[held.seen_serial], unix_seconds=time_)
    return (max(held.serial + 1, time_) % _SERIALS) or 1


def _step(zone: Zone, held: HeldZone | None, served: bytes, serial: int) -> Delta | None:
    """How a zone that secondaries follow came to its new serial."""
    if held is None or not isinstance(zone.spec.provider, HiddenPrimary):
        return None
    before, after = (_version(body, number) for body, number in ((held.served, held.serial), (served, serial)))
    return step(before, after)


def _version(served: bytes, serial: int) -> ZoneVersion:
    (data,) = map(from_json, orjson.loads(served))
    return version_of(data.origin, data.record_sets, fence=Fence(epoch=0, generation=0), serial=serial)


def _served(zone: Zone, made: Plan, holds: Published, serial: int) -> bytes:
    origin = to_a_labels(zone.spec.domain)
    authority = [one for one in authority_of(zone.spec, serial) if one.key not in holds.sets]
    sets = [holds.sets[key] for key in sorted(holds.sets)]
    return to_json([zone_data(made, origin, sets, authority)])


def _lines(
    made: Plan, published: set[str], before: Mapping[str, NameLines], policy: HealthPolicy
) -> dict[str, NameLines]:
    """Names that are explained in other words than before, or were not yet."""
    found: dict[str, NameLines] = {}
    for name in sorted(published):
        explanation = explain(made, name, policy)
        if explanation is None:
            continue  # held back: it answers as it did, for the reasons it had
        told = NameLines(service=explanation.service, lines=tuple(explain_lines(explanation)))
        if before.get(name) != told:
            found[name] = told
    return found
