"""Observing and deciding: reads what a batch of units depends on, decides and renders them; nothing is written."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fedsvc.controllers.learning import learned, observations
from fedsvc.controllers.places import Places
from fedsvc.controllers.planning import PlanInput, UnitPlan, plan_unit
from fedsvc.controllers.surroundings import Ground
from fedsvc.controllers.touching import foremost
from fedsvc.model.cluster import Cluster
from fedsvc.model.unit import Resource, Unit
from fedsvc.rendering.overrides import Override
from fedsvc.store import decisions, placing, policies, units
from fedsvc.store.decisions import InForce
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Transaction
from fedsvc_placement import PlacedUnit, PreparedFleet
from fedsvc_placement.batch import Ask, in_order, spoken_for
from fedsvc_placement.inputs import Inputs
from fedsvc_placement.model import Memory, Spoken
from fedsvc_placement.rooms import counts_capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A unit that is decided."""

    given: PlanInput
    remembered: Memory  # as it is stored, before anything was learned
    plan: UnitPlan
    inputs: Inputs  # what it was decided from, but for the fleet and what was spoken for on it
    ground: Ground
    spoken_count: int | None  # entries of that which it found on the ground; None: it asked for no room
    in_force: InForce | None  # before

    @property
    def unit(self) -> Unit:
        """The unit as it was read."""
        return self.given.request.unit

    @property
    def key(self) -> str:
        """The unit as others mean it."""
        return self.given.request.input.key

    @property
    def placed_before(self) -> PlacedUnit:
        """Where other units saw it until now."""
        clusters = tuple(binding.cluster for binding in self.given.request.bindings)
        return PlacedUnit(key=self.key, labels=self.unit.labels, clusters=clusters)

    @property
    def spoken_for(self) -> tuple[Spoken, ...]:
        """The room that the decision gives the unit beyond what it had."""
        if self.unit.delete_time is not None:
            return ()
        request = self.given.request
        return spoken_for(request.input, request.previous, self.plan.decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a batch of units is decided from, but for the fleet."""

    requests: tuple[PlacementRequest, ...]
    overrides: Mapping[str, tuple[Override, ...]]  # of policies, by name
    in_force: Mapping[str, InForce]  # by uid
    resources: Mapping[str, Sequence[Resource]]  # by uid
    now: datetime


async def decide_batch(
    read: Observed,
    *,
    ground: Ground,
    members: Mapping[str, Cluster],
    triggers: Mapping[str, Collection[str]],
    places: Places,
) -> list[Decided]:
    """Decide on units, leaders before those that go with them; yields to others between any two.

    Args:
        read: what `observe` gave.
        ground: what they are placed on; what they are given is taken off it.
        members: all clusters by name.
        triggers: why each is decided, by uid.
        places: where all units are; those that are decided are put where they will be.
    """
    found = []
    beside = _Beside(ground.prepared)
    for stored in _in_order(read.requests):
        await asyncio.sleep(0)
        unit = stored.unit
        memory = learned(stored.memory, observations(stored.bindings, members), read.now)
        request = replace(stored, memory=memory)
        placement = request.input.placement
        neighbours, fleet = beside.look(places.beside(placement, request.input.key))
        inputs = Inputs(
            unit=request.input,
            previous=request.previous,
            memory=memory,
            trigger=foremost(triggers.get(unit.uid, ()), placement),
            now=read.now,
            neighbours=neighbours,
        )
        given = PlanInput(
            request=request,
            resources=read.resources[unit.uid],
            overrides=_overrides(unit, read),
            override_places=_override_places(unit, read),
            fleet=fleet,
            trigger=inputs.trigger,
            now=read.now,
        )
        done = Decided(
            given=given,
            remembered=stored.memory,
            spoken_count=ground.prepared.spoken_count if counts_capacity(placement.replicas) else None,
            plan=plan_unit(given),
            inputs=inputs,
            ground=ground,
            in_force=read.in_force.get(unit.uid),
        )
        found.append(done)
        for spoken in done.spoken_for:
            ground.prepared.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
        if unit.delete_time is None:
            clusters = tuple(entry.binding.cluster for entry in done.plan.clusters)
            places.put(PlacedUnit(key=done.key, labels=unit.labels, clusters=clusters))
        else:
            places.drop(done.key)
    return found


class _Beside:
    """A fleet beside neighbours: units that mind the same ones share what is made for these."""

    def __init__(self, fleet: PreparedFleet) -> None:
        self._fleet = fleet
        # By identity of the neighbours, which are held with it, so that ids stay their own.
        self._found: dict[tuple[int, ...], tuple[tuple[PlacedUnit, ...], PreparedFleet]] = {(): ((), fleet)}

    def look(self, neighbours: tuple[PlacedUnit, ...]) -> tuple[tuple[PlacedUnit, ...], PreparedFleet]:
        """The same neighbours, equal ones as one object, and the fleet beside them."""
        ids = tuple(id(one) for one in neighbours)
        if ids not in self._found:
            self._found[ids] = (neighbours, self._fleet.beside(neighbours))
        return self._found[ids]


def _in_order(requests: Sequence[PlacementRequest]) -> list[PlacementRequest]:
    by_key = {request.input.key: request for request in requests}
    return [by_key[ask.unit.key] for ask in in_order([Ask(unit=request.input) for request in requests])]


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
