"""Makes of what clusters export (KEP-1645) the units by which others import it, and asks members for what that needs.

An import is a unit like others, so whatever holds for works (holds, drift, budgets, removal) holds for its objects. It
is changed here alone. What nothing exports any more is emptied first, within the budget of removals, and deleted when
it holds nothing: exported again before, it goes on.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.holding import Holds
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.looking import Asked
from fedsvc.controllers.storing import write
from fedsvc.controllers.wakeups import Signal
from fedsvc.errors import FedsvcError, StoreUnavailableError
from fedsvc.model.cluster import Cluster
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.model.service_import import IMPORT_LABEL, WITHDRAWN_ANNOTATION, import_spec, import_unit_name
from fedsvc.model.sighting import Lookings
from fedsvc.model.unit import Resource, Unit
from fedsvc.naming.importing import Imports, Name, ServiceImport, imports
from fedsvc.naming.lookouts import NamedElsewhere, lookouts
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.identity import key_of
from fedsvc.store import clusters, drills, served_kinds, service_imports, sightings, units
from fedsvc.store.changes import Change
from fedsvc.store.service_imports import ImportUnit
from fedsvc.store.store import Store, Transaction

_log = structlog.get_logger(__name__)

_SETTLE_SECONDS: Final = 0.02
_UNITS: Final = 20
"""Imports that are stored in one transaction."""
_TURN_SECONDS: Final = 0.5
"""So long is stored before what changed meanwhile is looked at."""
_MOVES: Final = ("cluster", "hold", "drill")
_AUTHOR: Final = "fedsvc"


class ImportController:
    """Keeps imports in step with exports.

    `ask` is called with what each member is to be asked for and told.
    """

    def __init__(
        self,
        store: Store,
        *,
        events: EventRecorder,
        holds: Holds,
        ask: Callable[[dict[str, Asked]], None],
    ) -> None:
        self._store = store
        self._events = events
        self._holds = holds
        self._ask = ask
        self._signal = Signal()
        self._named: NamedElsewhere | None = None  # None: not known yet
        self._seen: dict[str, Lookings] = {}  # by cluster
        self._outdated: set[str] | None = None  # clusters of which others were seen; None: all may be
        self._applied: dict[Name, tuple[ServiceImport, int]] = {}  # as this process stored them, with the generation
        self._refused: dict[Name, str] = {}  # what was told last
        self._unread: dict[tuple[str, str, str], tuple[str, str]] = {}  # as it was told

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._rescan)

    def look_for(self, named: NamedElsewhere) -> None:
        """What names rest on is looked for, too."""
        if named != self._named:
            self._named = named
            self._signal.set()

    async def run(self) -> None:
        """Follow exports until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        self._rescan()
        while True:
            await self._signal.wait()
            began = time.monotonic()
            await self._turn()
            # Endpoints of a large fleet change all the time: at most half of it is spent here.
            await asyncio.sleep(max(_SETTLE_SECONDS, time.monotonic() - began))

    def _changed(self, change: Change) -> None:
        if change.kind == "sighting":
            if self._outdated is not None:
                self._outdated.add(change.name.removeprefix("clusters/"))
            self._signal.set()
        elif change.kind in _MOVES or (change.kind in ("unit", "work") and self._concerns(change)):
            self._signal.set()

    def _concerns(self, change: Change) -> bool:
        """Whether a change is of an import, or of what may have been in the way of one."""
        if self._refused and change.kind == "unit" and change.deleted:
            return True
        return "/units/imported-" in (change.name if change.kind == "unit" else change.subject)

    def _rescan(self) -> None:
        self._outdated = None
        self._signal.set()

    async def _turn(self) -> None:
        if self._named is None:
            return  # what is looked for is not forgotten before it is known whether it still is
        holds = await self._holds.current()
        outdated, self._outdated = self._outdated, set()
        async with self._store.reader() as tx:
            members = await clusters.list_all(tx)
            served = await served_kinds.api_resources(tx)
            await self._read(tx, members, outdated)
            stored = await service_imports.all_units(tx)
            drill = await drills.drained(tx)
            now = tx.now
        seen = Lookings(
            found={key: found for one in self._seen.values() for key, found in one.found.items()},
            problems={key: why for one in self._seen.values() for key, why in one.problems.items()},
        )
        self._tell_unread(seen)
        done = await asyncio.to_thread(
            imports,
            seen,
            members,
            withdrawn={(one.namespace, one.service): one.withdrawn for one in stored},
            drained=() if drill is None else drill[1],
            is_held=any(one.subject == FLEET_SUBJECT and one.scope is HoldScope.AUTOMATION for one in holds),
            now=now,
        )
        kinds = {name: {(kind[0], kind[2]) for kind in found} for name, found in served.items()}
        wanted = lookouts(kinds, seen, self._named)
        self._ask(
            {
                name: Asked(lookouts=found, statuses=tuple(one for one in done.statuses if one.cluster == name))
                for name, found in wanted.items()
            }
        )
        await self._store_all(done, stored)

    async def _read(self, tx: Transaction, members: list[Cluster], outdated: set[str] | None) -> None:
        names = {member.name for member in members}
        again = names if outdated is None else (outdated | (names - self._seen.keys())) & names
        found = await sightings.read(tx, clusters=again) if again else Lookings()
        self._seen = {name: one for name, one in self._seen.items() if name in names and name not in again}
        for name in again:
            self._seen[name] = Lookings(
                found={key: seen for key, seen in found.found.items() if key[0] == name},
                problems={key: why for key, why in found.problems.items() if key[0] == name},
            )

    def _tell_unread(self, seen: Lookings) -> None:
        for (cluster, purpose, namespace), (reason, message) in seen.problems.items():
            if self._unread.get((cluster, purpose, namespace)) != (reason, message):
                where = f" in namespace {namespace}" if namespace else ""
                text = f"what names and imports rest on ({purpose}{where}) cannot be read: {message}"
                self._events.warning(f"clusters/{cluster}", reason, text, cluster=cluster)
        self._unread = dict(seen.problems)

    async def _store_all(self, done: Imports, stored: list[ImportUnit]) -> None:
        by_place = {(one.namespace, one.service): one for one in stored}
        for place, unit in by_place.items():
            if place not in done.services and place not in done.pending and not unit.is_deleted:
                self._applied.pop(place, None)
                await self._take_back(place, unit)
        changed = [
            (place, wanted)
            for place, wanted in done.services.items()
            # One that is being deleted is made anew when it is gone.
            if not ((before := by_place.get(place)) is not None and before.is_deleted)
            and self._applied.get(place) != (wanted, 0 if before is None else before.generation)
        ]
        # What is imported already goes before what comes anew: somebody may be using it.
        changed.sort(key=lambda one: one[0] not in self._applied)
        began = time.monotonic()
        for first in range(0, len(changed), _UNITS):
            if first and time.monotonic() - began > _TURN_SECONDS:
                self._signal.set()  # what changed meanwhile may come before the rest
                return
            group = changed[first : first + _UNITS]
            results = await write(self._store, partial(_apply_all, wanted=[wanted for _, wanted in group]))
            for (place, wanted), result in zip(group, results, strict=True):
                if isinstance(result, Unit):
                    self._applied[place] = wanted, result.generation
                    self._refused.pop(place, None)
                else:
                    self._refuse(place, str(result))

    async def _take_back(self, place: Name, unit: ImportUnit) -> None:
        """What nothing exports any more is placed nowhere, and deleted when it holds nothing."""
        try:
            await write(self._store, partial(_empty if unit.has_works else _delete, unit=unit))
        except StoreUnavailableError:
            raise
        except FedsvcError as error:  # another unit depends on it
            self._refuse(place, str(error), "stays, though nothing exports it any more")

    def _refuse(self, place: Name, message: str, what: str = "is not imported") -> None:
        if self._refused.get(place) != message:
            self._refused[place] = message
            name = units.resource_name(place[0], import_unit_name(place[1]))
            self._events.warning(name, "ImportRefused", f"Service {place[0]}/{place[1]} {what}: {message}")
            _log.warning("import_refused", namespace=place[0], service=place[1], message=message)


class NameTakenError(FedsvcError):
    """A unit of somebody else has the name that the unit of an import would have."""


async def _apply_all(tx: Transaction, *, wanted: Sequence[ServiceImport]) -> list[Unit | FedsvcError]:
    """Store imports; one that cannot be is told, and keeps no other back."""
    results: list[Unit | FedsvcError] = []
    for one in wanted:
        try:
            async with tx.savepoint():
                results.append(await _apply(tx, wanted=one))
        except StoreUnavailableError:
            raise
        except FedsvcError as error:
            results.append(error)
    return results


async def _apply(tx: Transaction, *, wanted: ServiceImport) -> Unit:
    name = import_unit_name(wanted.name)
    spec = import_spec(wanted.clusters, wanted.addresses)
    held = await units.hold(tx, wanted.namespace, name, spec)
    if held.unit is not None and held.unit.labels.get(IMPORT_LABEL) != wanted.name:
        raise NameTakenError(f"the unit {wanted.namespace}/{name} is there, and is somebody else's: rename it")
    resources = []
    for manifest in wanted.objects:
        key, body = key_of(manifest), canonical_json(dict(manifest))
        labels = manifest["metadata"].get("labels") or {}
        resources.append(Resource(key=key, digest=tx.digest_for(key, body), labels=dict(labels), body=body))
    annotations = {WITHDRAWN_ANNOTATION: ",".join(sorted(wanted.withdrawn))} if wanted.withdrawn else {}
    applied = await units.apply(
        tx,
        namespace=wanted.namespace,
        name=name,
        labels={IMPORT_LABEL: wanted.name},
        annotations=annotations,
        spec=spec,
        resources=resources,
        author=_AUTHOR,
        held=held,
    )
    return applied.unit


async def _empty(tx: Transaction, *, unit: ImportUnit) -> None:
    before = await units.lock(tx, unit.namespace, unit.name)
    await units.apply(
        tx,
        namespace=unit.namespace,
        name=unit.name,
        labels=before.labels,
        annotations=before.annotations,
        spec=import_spec((), {}),
        resources=await units.resources_of(tx, before.uid),
        author=_AUTHOR,
    )


async def _delete(tx: Transaction, *, unit: ImportUnit) -> None:
    await units.mark_deleted(tx, unit.namespace, unit.name, cascade=None)
