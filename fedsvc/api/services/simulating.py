"""Deciding on what is not: a changed copy of the fleet, or the fleet as if everything could move. Nothing is stored."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from fedsvc.api.convert.decision import move_message, shortfall_message
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.names import ANY, parse_unit, parse_unit_parent
from fedsvc.api.problems import Problems
from fedsvc.api.services.supposing import read_supposition, trigger_of
from fedsvc.errors import NotFoundError
from fedsvc.model.unit import Unit
from fedsvc.rendering.workloads import looks_around
from fedsvc.store import lookups, placing, units
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_placement import Decision, Fleet, Move, Trigger
from fedsvc_placement.batch import Ask, decide_all
from fedsvc_placement.fleet import PreparedFleet, prepare_fleet
from fedsvc_placement.whatif import Supposition, is_lost, supposed_fleet, supposed_unit

_BATCH_UNITS: Final = 200  # read on the event loop: a larger page keeps other calls waiting

_LOST: Final = "it is lost"

T = TypeVar("T")


async def simulate(store: Store, request: pb.SimulatePlacementRequest) -> pb.SimulatePlacementResponse:
    """Decide on all units that are asked for, on the fleet as it is supposed to be.

    Raises:
        InvalidInputError: the request contradicts itself, or speaks of what is not there.
        NotFoundError: a unit is not there.
    """
    async with store.reader() as tx:
        fleet = await placing.read_fleet(tx, with_units=True)
        supposition = await read_supposition(tx, request, fleet)
        requests = await _requests(tx, request.units)
        now = tx.now
    return await aside(lambda ended: _simulated(requests, fleet, supposition, now, ended))


async def rebalance(tx: Transaction, request: pb.RebalanceUnitsRequest) -> pb.RebalanceUnitsResponse:
    """Ask for units to be decided anew as if everything could move, and tell what comes of it as far as is known now.

    Raises:
        InvalidInputError: no unit is named, or not as units are named.
        NotFoundError: a unit is not there.
    """
    problems = Problems()
    if not request.units:
        problems.add("units", "is empty: name units, or namespaces/-/units/- for all")
    problems.refuse()
    requests = await _requests(tx, request.units)
    fleet = await placing.read_fleet(tx, with_units=any(looks_around(asked.input.placement) for asked in requests))
    response = await aside(lambda ended: _rebalanced(requests, fleet, tx.now, ended))
    await units.request_rebalance(tx, [asked.unit.uid for asked in requests])
    return response


async def aside(work: Callable[[threading.Event], T]) -> T:
    """Run what takes whole seconds in a thread, so that other calls are answered meanwhile; it ends with its call."""
    ended = threading.Event()
    try:
        return await asyncio.to_thread(work, ended)
    finally:
        ended.set()


def _simulated(
    requests: Sequence[PlacementRequest],
    fleet: Fleet,
    supposition: Supposition,
    now: datetime,
    ended: threading.Event,
) -> pb.SimulatePlacementResponse:
    trigger = trigger_of(supposition)
    asks = [
        Ask(
            unit=supposed_unit(asked.input, supposition),
            previous=asked.previous,
            memory=asked.memory,
            trigger=trigger,
        )
        for asked in requests
    ]
    prepared = prepare_fleet(supposed_fleet(fleet, supposition))
    found = decide_asks(asks, prepared, now, ended)
    lost = frozenset(cluster.name for cluster in fleet.clusters if is_lost(supposition, cluster))
    changes = changes_of(requests, found, lost=lost)
    return pb.SimulatePlacementResponse(units=changes, unit_count=len(requests), room=_room(prepared))


def _rebalanced(
    requests: Sequence[PlacementRequest], fleet: Fleet, now: datetime, ended: threading.Event
) -> pb.RebalanceUnitsResponse:
    asks = [
        Ask(unit=asked.input, previous=asked.previous, memory=asked.memory, trigger=Trigger.REBALANCE)
        for asked in requests
    ]
    found = decide_asks(asks, prepare_fleet(fleet), now, ended)
    return pb.RebalanceUnitsResponse(units=changes_of(requests, found), unit_count=len(requests))


def decide_asks(
    asks: Sequence[Ask], fleet: PreparedFleet, now: datetime, ended: threading.Event
) -> dict[str, Decision]:
    """Decide on units, by their keys; a call that is over ends it."""
    found: dict[str, Decision] = {}
    for decision in decide_all(asks, fleet, now):
        if ended.is_set():  # nobody waits for the answer any more
            break
        found[decision.unit] = decision
    return found


async def _requests(tx: Transaction, names: Sequence[str]) -> list[PlacementRequest]:
    """Requests of the named units; of all, where none is named."""
    if not names:
        return await _all_requests(tx, "")
    problems = Problems()
    if len(names) > MAX_LISTED:
        problems.add("units", f"has {len(names)} entries; at most {MAX_LISTED} are accepted: - stands for any")
    problems.refuse()
    found: dict[str, PlacementRequest] = {}
    for index, text in enumerate(names):
        parent = parse_unit_parent(text, f"units[{index}]")
        if parent.name is None:
            every = await _all_requests(tx, parent.namespace or "")
            found.update((asked.unit.uid, asked) for asked in every)
    single = [parse_unit(text, f"units[{index}]") for index, text in enumerate(names) if not _is_any(text)]
    listed = await lookups.units_by_name(tx, [(name.namespace, name.name) for name in single])
    known = {(unit.namespace, unit.name) for unit in listed}
    for name in single:
        if (name.namespace, name.name) not in known:
            raise NotFoundError(str(name))
    found.update((asked.unit.uid, asked) for asked in await placing.read_requests(tx, living(listed)))
    return sorted(found.values(), key=lambda asked: asked.input.key)


async def _all_requests(tx: Transaction, namespace: str) -> list[PlacementRequest]:
    found: list[PlacementRequest] = []
    after = ("", "")
    while True:
        page: list[Unit] = await units.list_page(tx, namespace=namespace, after=after, limit=_BATCH_UNITS)
        found.extend(await placing.read_requests(tx, living(page)))
        if len(page) < _BATCH_UNITS:
            return found
        after = (page[-1].namespace, page[-1].name)


def _is_any(name: str) -> bool:
    return name.endswith(f"/units/{ANY}")


def living(listed: Sequence[Unit]) -> list[Unit]:
    """Those of the units that are not being deleted."""
    return [unit for unit in listed if unit.delete_time is None]


def changes_of(
    requests: Sequence[PlacementRequest], found: dict[str, Decision], *, lost: AbstractSet[str] = frozenset()
) -> list[pb.UnitSimulation]:
    """Units that would change or come short, by name."""
    changes: list[pb.UnitSimulation] = []
    for asked in requests:
        decision = found.get(asked.input.key)
        if decision is None or not (decision.moves or decision.shortfall):
            continue
        changes.append(
            pb.UnitSimulation(
                unit=asked.unit.resource_name,
                clusters_before=sorted(binding.cluster for binding in asked.previous),
                clusters_after=[target.cluster for target in decision.targets],
                moves=[move_message(move) for move in _moves(asked, decision, lost)],
                shortfalls=[shortfall_message(shortfall) for shortfall in decision.shortfall],
                message=decision.message,
            )
        )
    return changes


def _moves(asked: PlacementRequest, decision: Decision, lost: AbstractSet[str]) -> Iterator[Move]:
    """What a decision changes; beside a unit that comes or goes as a whole, how many replicas come or go with it."""
    before = {binding.cluster: binding.replicas or {} for binding in asked.previous}
    after = {target.cluster: target.replicas for target in decision.targets}
    for move in decision.moves:
        yield replace(move, message=_LOST) if move.cluster in lost else move
        if move.workload:
            continue
        old, new = before.get(move.cluster, {}), after.get(move.cluster, {})
        for workload in sorted({*old, *new}):
            count, then = old.get(workload, 0), new.get(workload, 0)
            if count != then:
                yield replace(move, workload=workload, before=count, after=then, message="")


def _room(fleet: PreparedFleet) -> list[pb.ClusterRoom]:
    rooms: list[pb.ClusterRoom] = []
    for snapshot in fleet.clusters:
        cluster, _ = fleet.left(snapshot)
        if cluster.capacity is None:
            continue
        free = {
            resource: sum(shape.count * max(0, shape.free.get(resource, 0)) for shape in cluster.capacity.nodes)
            for resource in ("cpu", "memory", "pods")
        }
        rooms.append(
            pb.ClusterRoom(
                cluster=cluster.name, cpu_millicores=free["cpu"], memory_bytes=free["memory"], pods=free["pods"]
            )
        )
    return rooms
