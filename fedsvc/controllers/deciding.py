"""Observing and deciding: reads what a batch of units depends on, decides and renders them; nothing is written."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from fedsvc.controllers.learning import learned, observations
from fedsvc.controllers.places import Places
from fedsvc.controllers.planning import Content, PlanInput, UnitPlan, floor_of, plan_unit
from fedsvc.controllers.surroundings import Ground
from fedsvc.controllers.touching import foremost
from fedsvc.model.cluster import Cluster
from fedsvc.model.copies import Copies
from fedsvc.model.departure import stopped
from fedsvc.model.unit import Unit, UnitSpec
from fedsvc.rendering.canonical import load_json
from fedsvc.rendering.overrides import Override
from fedsvc.rendering.workloads import AUTOSCALER, autoscaled
from fedsvc.rollout.holding import is_settled
from fedsvc.store import floors, manifests, placing, policies, references, revisions
from fedsvc.store.decisions import InForce
from fedsvc.store.floors import Readiness
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.revisions import StoredRevision
from fedsvc.store.rollouts import StoredRollout
from fedsvc.store.store import Look
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
    rollout_version: int = 0  # of the rollout that it was decided by; 0: there was none
    switchover_version: int = 0  # likewise, of where its primary is

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
    copies: Mapping[str, Copies]  # by uid
    now: datetime
    rollouts: Mapping[str, StoredRollout] = field(default_factory=dict)  # by uid
    held: Mapping[str, Mapping[int, Content]] = field(default_factory=dict)  # by uid and revision
    ready: Mapping[str, Readiness] = field(default_factory=dict)  # by uid, of units of which it is to be kept up


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
        request = replace(stored, facts=replace(stored.facts, memory=memory))
        # A return is over where the cluster fell again meanwhile.
        kept_away = stopped(stored.departures, ground.prepared.clusters_by_name)
        if kept_away is not None:
            request = request.supposing(kept_away)
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
            resources=stored.resources,
            overrides=overrides_of(unit.spec, read.overrides),
            override_places=override_places(unit.spec, read.overrides),
            fleet=fleet,
            copies=read.copies[unit.uid],
            trigger=inputs.trigger,
            now=read.now,
            rollout=read.rollouts[unit.uid].state if unit.uid in read.rollouts else None,
            held=read.held.get(unit.uid, {}),
            ready=read.ready[unit.uid].ready if unit.uid in read.ready else {},
        )
        plan = plan_unit(given)
        done = Decided(
            given=replace(given, request=plan.request),
            remembered=stored.memory,
            spoken_count=ground.prepared.spoken_count if counts_capacity(placement.replicas) else None,
            plan=plan,
            inputs=replace(inputs, unit=plan.request.input),
            ground=ground,
            in_force=stored.facts.in_force,
            rollout_version=read.rollouts[unit.uid].version if unit.uid in read.rollouts else 0,
            switchover_version=stored.facts.switchover_version,
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
    """Higher priority first, and leaders before those that go with them."""
    by_key = {request.input.key: request for request in requests}
    ranked = sorted(requests, key=lambda request: -request.unit.spec.failover.priority)
    return [by_key[ask.unit.key] for ask in in_order([Ask(unit=request.input) for request in ranked])]


async def observe(look: Look, batch: Sequence[Unit]) -> Observed | None:
    """Read what a batch of units is decided from, but for the fleet; None: all of them are gone.

    What is read by several statements need not be of one moment: a unit that changed meanwhile is decided again, and
    what was decided of it is not stored.
    """
    # What is decided for other reasons is rarely rendered anew: its bodies are read when that shows.
    undecided = [unit.uid for unit in batch if unit.decided_generation < unit.generation]
    requests = tuple(await placing.read_requests(look, batch, opened=undecided))
    if not requests:
        return None
    running = {one.unit.uid: one.facts.rollout for one in requests if one.facts.rollout is not None}
    earlier = await revisions.get_many(look, _held(requests, running))
    specs = [*(unit.spec for unit in batch), *(stored.spec for stored in earlier.values())]
    found = await policies.get_many(
        look, policies.OVERRIDE, sorted({name for spec in specs for name in spec.override_policies})
    )
    overrides = {name: policy.spec for name, policy in found.items()}
    return Observed(
        requests=requests,
        overrides=overrides,
        copies=await references.copies_of(look, [unit.uid for unit in batch]),
        now=max(request.read_time for request in requests),
        rollouts=running,
        held=await _contents(look, earlier, overrides) if earlier else {},
        ready=await floors.readiness_of(
            look, [one.unit.uid for one in requests if floor_of(one) is not None and one.bindings]
        ),
    )


def _held(requests: Sequence[PlacementRequest], running: Mapping[str, StoredRollout]) -> set[tuple[str, int]]:
    """The earlier revisions, as (uid, number), that clusters of units may hold."""
    found: set[tuple[str, int]] = set()
    for request in requests:
        unit = request.unit
        stored = running.get(unit.uid)
        if stored is not None and not is_settled(stored.state) and unit.delete_time is None:
            numbers = {stored.state.stable, *(binding.revision for binding in request.bindings)}
            found.update((unit.uid, number) for number in numbers - {unit.revision})
    return found


async def _contents(
    look: Look,
    earlier: Mapping[tuple[str, int], StoredRevision],
    overrides: Mapping[str, tuple[Override, ...]],
) -> dict[str, dict[int, Content]]:
    """What of earlier revisions clusters hold; override policies as they are now: these are no part of a revision."""
    scalers = {
        one.digest for stored in earlier.values() for one in stored.resources if one.key.group_kind == AUTOSCALER
    }
    bodies = await manifests.open_many(look, scalers)
    found: dict[str, dict[int, Content]] = {}
    for (uid, number), stored in earlier.items():
        owned = autoscaled(
            [(one.key, load_json(bodies[one.digest])) for one in stored.resources if one.digest in bodies]
        )
        found.setdefault(uid, {})[number] = Content(
            resources=stored.resources,
            overrides=overrides_of(stored.spec, overrides),
            override_places=override_places(stored.spec, overrides),
            autoscaled=frozenset(str(one.key) for one in stored.resources if one.key.identity in owned),
            override_policies=stored.spec.override_policies,
        )
    return found


def overrides_of(spec: UnitSpec, known: Mapping[str, tuple[Override, ...]]) -> tuple[Override, ...]:
    """All overrides of a unit in the order in which they are applied: those of its policies, by name, first."""
    shared = [override for name in spec.override_policies for override in known.get(name, ())]
    return (*shared, *spec.overrides)


def override_places(spec: UnitSpec, known: Mapping[str, tuple[Override, ...]]) -> tuple[str, ...]:
    """Where the overrides of `overrides_of` are written."""
    shared = [
        f"overridePolicies/{name} overrides[{index}]"
        for name in spec.override_policies
        for index in range(len(known.get(name, ())))
    ]
    return (*shared, *(f"spec.overrides[{index}]" for index in range(len(spec.overrides))))
