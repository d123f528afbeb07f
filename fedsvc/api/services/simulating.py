"""Deciding on what is not: a changed copy of the fleet, or the fleet as if everything could move. Nothing is stored."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from fedsvc.api.convert.decision import move_message, shortfall_message
from fedsvc.api.convert.placement import read_placement
from fedsvc.api.intent.placement import check_placement
from fedsvc.api.names import ANY, parse_unit, parse_unit_parent
from fedsvc.api.problems import Problems
from fedsvc.errors import NotFoundError
from fedsvc.model.unit import Unit
from fedsvc.rendering.workloads import looks_around
from fedsvc.store import lookups, placing, policies, units
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_placement import Decision, Fleet, Trigger
from fedsvc_placement.batch import Ask, decide_all
from fedsvc_placement.fleet import PreparedFleet, prepare_fleet
from fedsvc_placement.whatif import Addition, Supposition, supposed_fleet, supposed_unit

MAX_ADDED: Final = 1_000
MAX_PERCENT: Final = 10_000

_BATCH_UNITS: Final = 500


async def simulate(store: Store, request: pb.SimulatePlacementRequest) -> pb.SimulatePlacementResponse:
    """Decide on all units that are asked for, on the fleet as it is supposed to be.

    Raises:
        InvalidInputError: the request contradicts itself, or speaks of what is not there.
        NotFoundError: a unit is not there.
    """
    async with store.reader() as tx:
        fleet = await placing.read_fleet(tx, with_units=True)
        supposition = await _supposition(tx, request, fleet)
        requests = await _requests(tx, request.units)
        now = tx.now
    asks = [
        Ask(
            unit=supposed_unit(asked.input, supposition),
            previous=asked.previous,
            memory=asked.memory,
            trigger=Trigger.INTENT,
        )
        for asked in requests
    ]
    # Whole seconds for a large fleet: elsewhere, so that the other calls of this process are answered meanwhile.
    prepared = prepare_fleet(supposed_fleet(fleet, supposition))
    found = await asyncio.to_thread(_decide, asks, prepared, now)
    return pb.SimulatePlacementResponse(units=_changes(requests, found), unit_count=len(requests), room=_room(prepared))


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
    asks = [
        Ask(unit=asked.input, previous=asked.previous, memory=asked.memory, trigger=Trigger.REBALANCE)
        for asked in requests
    ]
    found = await asyncio.to_thread(_decide, asks, prepare_fleet(fleet), tx.now)
    await units.request_rebalance(tx, [asked.unit.uid for asked in requests])
    return pb.RebalanceUnitsResponse(units=_changes(requests, found), unit_count=len(requests))


def _decide(asks: Sequence[Ask], fleet: PreparedFleet, now: datetime) -> dict[str, Decision]:
    return {decision.unit: decision for decision in decide_all(asks, fleet, now)}


async def _requests(tx: Transaction, names: Sequence[str]) -> list[PlacementRequest]:
    """Requests of the named units; of all, where none is named."""
    if not names:
        return await _all_requests(tx, "")
    found: dict[str, PlacementRequest] = {}
    for index, text in enumerate(names):
        parent = parse_unit_parent(text, f"units[{index}]")
        if parent.name is None:
            every = await _all_requests(tx, parent.namespace or "")
            found.update((asked.unit.uid, asked) for asked in every)
    single = [parse_unit(text, f"units[{index}]") for index, text in enumerate(names) if f"/units/{ANY}" not in text]
    listed = await lookups.units_by_name(tx, [(name.namespace, name.name) for name in single])
    known = {(unit.namespace, unit.name) for unit in listed}
    for name in single:
        if (name.namespace, name.name) not in known:
            raise NotFoundError(str(name))
    found.update((asked.unit.uid, asked) for asked in await placing.read_requests(tx, listed))
    return sorted(found.values(), key=lambda asked: asked.input.key)


async def _all_requests(tx: Transaction, namespace: str) -> list[PlacementRequest]:
    found: list[PlacementRequest] = []
    after = ("", "")
    while True:
        page: list[Unit] = await units.list_page(tx, namespace=namespace, after=after, limit=_BATCH_UNITS)
        living = [unit for unit in page if unit.delete_time is None]
        found.extend(await placing.read_requests(tx, living))
        if len(page) < _BATCH_UNITS:
            return found
        after = (page[-1].namespace, page[-1].name)


async def _supposition(tx: Transaction, request: pb.SimulatePlacementRequest, fleet: Fleet) -> Supposition:
    problems = Problems()
    placement = None
    if request.HasField("placement"):
        placement = read_placement(request.placement, "placement", problems)
        check_placement(placement, "placement", problems)
        if request.placement_policy:
            problems.add("placement_policy", "contradicts placement: give one of the two")
    elif request.placement_policy:
        found = await policies.get_many(tx, policies.PLACEMENT, [request.placement_policy])
        if not found:
            problems.add("placement_policy", f"there is no placementPolicies/{request.placement_policy}")
        placement = next((policy.spec for policy in found.values()), None)
    if not 0 <= request.replicas_percent <= MAX_PERCENT:
        problems.add("replicas_percent", f"is {request.replicas_percent}; it must be from 0 to {MAX_PERCENT}")
    names = {cluster.name for cluster in fleet.clusters}
    _check_known(request.lost_clusters, names, "lost_clusters", "cluster", problems)
    _check_known(
        request.lost_regions, {cluster.region for cluster in fleet.clusters}, "lost_regions", "region", problems
    )
    zones = {zone for cluster in fleet.clusters for zone in cluster.zones}
    _check_known(request.lost_zones, zones, "lost_zones", "zone", problems)
    providers = {cluster.provider for cluster in fleet.clusters}
    _check_known(request.lost_providers, providers, "lost_providers", "provider", problems)
    _check_added(request, names, problems)
    problems.refuse()
    return Supposition(
        lost_clusters=frozenset(request.lost_clusters),
        lost_regions=frozenset(request.lost_regions),
        lost_zones=frozenset(request.lost_zones),
        lost_providers=frozenset(request.lost_providers),
        added=tuple(
            Addition(like=entry.like, count=entry.count or 1, region=entry.region) for entry in request.added_clusters
        ),
        replicas_percent=request.replicas_percent or 100,
        placement=placement,
    )


def _check_known(given: Sequence[str], known: Iterable[str], path: str, what: str, problems: Problems) -> None:
    there = sorted(set(known) - {""})
    for index, name in enumerate(given):
        if name not in there:
            problems.add(f"{path}[{index}]", f"there is no {what} '{name}'; there are: {', '.join(there) or 'none'}")


def _check_added(request: pb.SimulatePlacementRequest, names: set[str], problems: Problems) -> None:
    for index, entry in enumerate(request.added_clusters):
        if entry.like not in names:
            shown = f"there is no cluster '{entry.like}'" if entry.like else "is missing"
            problems.add(f"added_clusters[{index}].like", shown)
        if entry.count < 0:
            problems.add(f"added_clusters[{index}].count", f"is {entry.count}; it must be 0 or more")
    if sum(max(entry.count, 1) for entry in request.added_clusters) > MAX_ADDED:
        problems.add("added_clusters", f"are more than {MAX_ADDED} together")


def _changes(requests: Sequence[PlacementRequest], found: dict[str, Decision]) -> list[pb.UnitSimulation]:
    """Units that would change or come short, by name."""
    changes: list[pb.UnitSimulation] = []
    for asked in requests:
        decision = found[asked.input.key]
        if not decision.moves and not decision.shortfall:
            continue
        changes.append(
            pb.UnitSimulation(
                unit=asked.unit.resource_name,
                clusters_before=sorted(binding.cluster for binding in asked.previous),
                clusters_after=[target.cluster for target in decision.targets],
                moves=[move_message(move) for move in decision.moves],
                shortfalls=[shortfall_message(shortfall) for shortfall in decision.shortfall],
            )
        )
    return changes


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
