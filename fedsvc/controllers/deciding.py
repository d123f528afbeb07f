"""Observing and deciding: reads what a batch of units depends on, decides and renders them; nothing is written."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fedsvc.controllers.learning import learned, observations
from fedsvc.controllers.places import Places
from fedsvc.controllers.planning import PlanInput, UnitPlan, plan_unit, render_cluster
from fedsvc.controllers.surroundings import Ground
from fedsvc.controllers.touching import foremost
from fedsvc.model.cluster import Cluster
from fedsvc.model.unit import Resource, Unit
from fedsvc.model.work import DesiredWork
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.overrides import Override
from fedsvc.store import decisions, placing, policies, units
from fedsvc.store.decisions import InForce
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Store, Transaction
from fedsvc_placement import ClusterSnapshot, PlacedUnit, PreparedFleet
from fedsvc_placement.batch import Ask, in_order, spoken_for
from fedsvc_placement.inputs import Inputs
from fedsvc_placement.model import Memory, Spoken
from fedsvc_placement.rooms import counts_capacity

_YIELD_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A unit that is decided and rendered, not stored yet."""

    request: PlacementRequest
    remembered: Memory  # as it is stored, before anything was learned
    overrides: tuple[Override, ...]
    plan: UnitPlan
    inputs: Inputs  # what it was decided from, but for the fleet and what was spoken for on it
    ground: Ground
    spoken_count: int | None  # entries of that which it found on the ground; None: it asked for no room
    in_force: InForce | None  # before
    desired: dict[str, list[DesiredWork]]  # of changed clusters
    bodies: tuple[tuple[ObjectKey, bytes, bytes], ...]  # distinct renderings: key, plain digest, body

    @property
    def unit(self) -> Unit:
        """The unit as it was read."""
        return self.request.unit

    @property
    def placed_before(self) -> PlacedUnit:
        """Where other units saw it until now."""
        clusters = tuple(binding.cluster for binding in self.request.bindings)
        return PlacedUnit(key=self.request.input.key, labels=self.unit.labels, clusters=clusters)

    @property
    def work_count(self) -> int:
        """Works that are to be written."""
        return sum(len(found) for found in self.desired.values())

    @property
    def spoken_for(self) -> tuple[Spoken, ...]:
        """The room that the decision gives the unit beyond what it had."""
        if self.unit.delete_time is not None:
            return ()
        return spoken_for(self.request.input, self.request.previous, self.plan.decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a batch of units is decided from, but for the fleet."""

    requests: tuple[PlacementRequest, ...]
    overrides: Mapping[str, tuple[Override, ...]]  # of policies, by name
    in_force: Mapping[str, InForce]  # by uid
    resources: Mapping[str, Sequence[Resource]]  # by uid
    now: datetime


async def prepare(
    store: Store,
    read: Observed,
    *,
    ground: Ground,
    members: Mapping[str, Cluster],
    triggers: Mapping[str, Collection[str]],
    places: Places,
) -> list[Prepared]:
    """Decide and render units, leaders before those that go with them; yields to others every few milliseconds.

    Args:
        store: to read bodies that turn out to be needed.
        read: what `observe` gave.
        ground: what they are placed on; what they are given is taken off it.
        members: all clusters by name.
        triggers: why each is decided, by uid.
        places: where all units are; those that are decided are put where they will be.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    prepared = []
    # Units that mind the same neighbours share what is made for these; held with them, ids stay their own.
    beside: dict[tuple[int, ...], tuple[tuple[PlacedUnit, ...], PreparedFleet]] = {}
    for stored in _in_order(read.requests):
        await asyncio.sleep(0)
        unit = stored.unit
        memory = learned(stored.memory, observations(stored.bindings, members), read.now)
        request = replace(stored, memory=memory)
        inputs = _inputs(request, read, places=places, triggers=triggers.get(unit.uid, ()))
        overrides = _overrides(unit, read)
        fleet = ground.prepared
        spoken_count = fleet.spoken_count if counts_capacity(request.input.placement.replicas) else None
        if inputs.neighbours:
            ids = tuple(id(one) for one in inputs.neighbours)
            if ids not in beside:
                beside[ids] = (inputs.neighbours, fleet.beside(inputs.neighbours))
            _, fleet = beside[ids]
        given = PlanInput(
            request=request,
            resources=read.resources[unit.uid],
            overrides=overrides,
            override_places=_override_places(unit, read),
            fleet=fleet,
            trigger=inputs.trigger,
            now=read.now,
        )
        plan = plan_unit(given)
        if plan.changed and any(resource.body is None for resource in given.resources):
            async with store.reader() as tx:
                bodies = await units.resources_of(tx, unit.uid)
            if [(one.key, one.digest) for one in bodies] != [(one.key, one.digest) for one in given.resources]:
                continue  # applied anew meanwhile: undecided, and looked at with the next batch
            plan = plan_unit(replace(given, resources=bodies))
        desired, rendered = await _render(plan, ground.prepared.clusters_by_name)
        done = Prepared(
            request=request,
            remembered=stored.memory,
            overrides=overrides,
            plan=plan,
            inputs=inputs,
            ground=ground,
            spoken_count=spoken_count,
            in_force=read.in_force.get(unit.uid),
            desired=desired,
            bodies=rendered,
        )
        prepared.append(done)
        for spoken in done.spoken_for:
            ground.prepared.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
        if unit.delete_time is None:
            clusters = tuple(entry.binding.cluster for entry in plan.clusters)
            places.put(PlacedUnit(key=request.input.key, labels=unit.labels, clusters=clusters))
        else:
            places.drop(request.input.key)
    return prepared


def _in_order(requests: Sequence[PlacementRequest]) -> list[PlacementRequest]:
    by_key = {request.input.key: request for request in requests}
    return [by_key[ask.unit.key] for ask in in_order([Ask(unit=request.input) for request in requests])]


def _inputs(
    request: PlacementRequest,
    read: Observed,
    *,
    places: Places,
    triggers: Collection[str],
) -> Inputs:
    asked, placement = request.input, request.input.placement
    return Inputs(
        unit=asked,
        previous=request.previous,
        memory=request.memory,
        trigger=foremost(triggers, placement),
        now=read.now,
        neighbours=places.beside(placement, asked.key),
    )


async def observe(tx: Transaction, batch: Sequence[Unit]) -> Observed:
    """Read what a batch of units is decided from, but for the fleet."""
    requests = tuple(await placing.read_requests(tx, batch))
    overrides = await policies.get_many(
        tx, policies.OVERRIDE, sorted({name for unit in batch for name in unit.spec.override_policies})
    )
    uids = [unit.uid for unit in batch]
    # What is decided for other reasons is rarely rendered anew: its bodies are read when that shows.
    undecided = [unit.uid for unit in batch if unit.decided_generation < unit.generation]
    return Observed(
        requests=requests,
        overrides={name: policy.spec for name, policy in overrides.items()},
        in_force=await decisions.in_force(tx, uids),
        resources=await units.resources_by_unit(tx, uids, opened=undecided),
        now=tx.now,
    )


def _overrides(unit: Unit, read: Observed) -> tuple[Override, ...]:
    shared = [override for name in unit.spec.override_policies for override in read.overrides.get(name, ())]
    return (*shared, *unit.spec.overrides)


def _override_places(unit: Unit, read: Observed) -> tuple[str, ...]:
    """Where the overrides of `_overrides` are written."""
    shared = [
        f"overridePolicies/{name} overrides[{index}]"
        for name in unit.spec.override_policies
        for index in range(len(read.overrides.get(name, ())))
    ]
    return (*shared, *(f"spec.overrides[{index}]" for index in range(len(unit.spec.overrides))))


async def _render(
    plan: UnitPlan, fleet: Mapping[str, ClusterSnapshot]
) -> tuple[dict[str, list[DesiredWork]], tuple[tuple[ObjectKey, bytes, bytes], ...]]:
    desired: dict[str, list[DesiredWork]] = {}
    bodies: dict[bytes, tuple[ObjectKey, bytes, bytes]] = {}
    started = time.monotonic()
    for name in plan.changed:
        found = desired[name] = []
        for rendered in render_cluster(plan, fleet[name]):
            digest = None
            if rendered.manifest is not None:
                digest = rendered.manifest.digest
                bodies.setdefault(digest, (rendered.key, digest, rendered.manifest.body))
            found.append(
                DesiredWork(cluster=name, key=rendered.key, wave=rendered.wave, digest=digest, error=rendered.error)
            )
            if time.monotonic() - started > _YIELD_SECONDS:
                await asyncio.sleep(0)
                started = time.monotonic()
    return desired, tuple(bodies.values())
