"""The two halves of a decision that touch the store: reading what it depends on, writing what came of it."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from fedsvc.controllers import planning
from fedsvc.controllers.learning import learned, observations
from fedsvc.controllers.planning import PlanInput, UnitPlan, plan_unit, render_cluster
from fedsvc.controllers.surroundings import Ground
from fedsvc.controllers.touching import foremost
from fedsvc.model.cluster import Cluster
from fedsvc.model.unit import Resource, Unit
from fedsvc.model.work import DesiredWork
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.overrides import Override
from fedsvc.rendering.workloads import looks_around
from fedsvc.store import decisions, manifests, placing, policies, units, works
from fedsvc.store.decisions import StoredDecision
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Store, Transaction, is_secret
from fedsvc_placement import ClusterSnapshot, PlacedUnit, PreparedFleet, same_answer, touches_unit
from fedsvc_placement.batch import Ask, in_order, spoken_for
from fedsvc_placement.inputs import Inputs, inputs_to_dict
from fedsvc_placement.model import Memory, Spoken
from fedsvc_placement.rooms import counts_capacity

_YIELD_SECONDS: Final = 0.005
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A unit that is decided and rendered, not stored yet."""

    request: PlacementRequest
    remembered: Memory  # as it is stored, before anything was learned
    overrides: tuple[Override, ...]
    plan: UnitPlan
    inputs: Inputs  # what it was decided from, but for the fleet
    ground: Ground
    newest: StoredDecision | None  # in force before
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
class Stored:
    """What storing a decision did."""

    wrote: bool
    clusters: tuple[str, ...] = ()  # whose works changed
    blocked: str = ""  # why some works have to wait; empty: none has
    event: tuple[str, str, bool] | None = None  # reason, message, whether it is a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a batch of units is decided from, but for the fleet."""

    requests: tuple[PlacementRequest, ...]
    overrides: Mapping[str, tuple[Override, ...]]  # of policies, by name
    newest: Mapping[str, StoredDecision]
    resources: Mapping[str, Sequence[Resource]]  # by uid
    placed: tuple[PlacedUnit, ...]  # all units, where one of the batch minds
    now: datetime


async def prepare(
    store: Store,
    read: Observed,
    *,
    ground: Ground,
    members: Mapping[str, Cluster],
    triggers: Mapping[str, Collection[str]],
) -> list[Prepared]:
    """Decide and render units, leaders before those that go with them; yields to others every few milliseconds.

    Args:
        store: to read bodies that turn out to be needed.
        read: what `observe` gave.
        ground: what they are placed on; what they are given is taken off it.
        members: all clusters by name.
        triggers: why each is decided, by uid.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    places = {unit.key: unit for unit in read.placed}
    prepared = []
    for stored in _in_order(read.requests):
        await asyncio.sleep(0)
        unit = stored.unit
        memory = learned(stored.memory, observations(stored.bindings, members), read.now)
        request = replace(stored, memory=memory)
        inputs = _inputs(request, read, ground.prepared, places=places, triggers=triggers.get(unit.uid, ()))
        overrides = _overrides(unit, read)
        given = PlanInput(
            request=request,
            resources=read.resources[unit.uid],
            overrides=overrides,
            override_places=_override_places(unit, read),
            fleet=ground.prepared.beside(inputs.neighbours) if inputs.neighbours else ground.prepared,
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
            newest=read.newest.get(unit.uid),
            desired=desired,
            bodies=rendered,
        )
        prepared.append(done)
        for spoken in done.spoken_for:
            ground.prepared.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
        clusters = tuple(entry.binding.cluster for entry in plan.clusters)
        places[request.input.key] = PlacedUnit(key=request.input.key, labels=unit.labels, clusters=clusters)
    return prepared


def _in_order(requests: Sequence[PlacementRequest]) -> list[PlacementRequest]:
    by_key = {request.input.key: request for request in requests}
    return [by_key[ask.unit.key] for ask in in_order([Ask(unit=request.input) for request in requests])]


def _inputs(
    request: PlacementRequest,
    read: Observed,
    fleet: PreparedFleet,
    *,
    places: Mapping[str, PlacedUnit],
    triggers: Collection[str],
) -> Inputs:
    asked, placement = request.input, request.input.placement
    neighbours: tuple[PlacedUnit, ...] = ()
    if looks_around(placement):
        neighbours = tuple(unit for unit in places.values() if touches_unit(placement, asked.key, None, unit))
    return Inputs(
        unit=asked,
        previous=request.previous,
        memory=request.memory,
        trigger=foremost(triggers, placement),
        now=read.now,
        neighbours=neighbours,
        spoken_for=fleet.spoken_for if counts_capacity(placement.replicas) else (),
    )


async def store_prepared(tx: Transaction, prepared: Sequence[Prepared]) -> list[Stored | None]:
    """Write decisions and what follows from them, where anything does; None: the unit changed since it was read.

    Raises:
        ClusterGoneError: a cluster that was decided on is registered no more.
        StoreUnavailableError: PostgreSQL does not answer.
    """
    outcomes = {given.unit.uid: _outcome(given) for given in prepared}
    writing = [given for given in prepared if outcomes[given.unit.uid].writes]
    if not writing:
        return [Stored(wrote=False) for _ in prepared]
    current = await units.lock_generations(tx, [given.unit.uid for given in writing])
    writing = [given for given in writing if current.get(given.unit.uid) == given.unit.generation]
    ids = await _add_decisions(tx, [given for given in writing if outcomes[given.unit.uid].news], outcomes)
    occupied = await _sync(tx, [given for given in writing if outcomes[given.unit.uid].moved], ids)
    await units.set_decided(tx, [_decided(given, ids, occupied) for given in writing])
    written = {given.unit.uid for given in writing}
    return [
        _stored(given, outcomes[given.unit.uid], occupied.get(given.unit.uid, ()))
        if given.unit.uid in written
        else (None if outcomes[given.unit.uid].writes else Stored(wrote=False))
        for given in prepared
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What of a decision is another than before."""

    record: dict[str, Any]
    news: bool  # it chooses or refuses otherwise
    moved: bool  # something is to be done in members
    undecided: bool  # it is the first of this intent
    noted: bool  # the unit's row changes besides

    @property
    def writes(self) -> bool:
        return self.news or self.moved or self.undecided or self.noted


def _outcome(given: Prepared) -> _Outcome:
    unit, plan, newest = given.unit, given.plan, given.newest
    record = planning.decision_record(plan.decision)
    deleting = unit.delete_time is not None
    undecided = unit.decided_generation < unit.generation
    timed = plan.decision.reconsider_at is not None or (
        newest is not None and newest.record["reconsider_at"] is not None
    )
    return _Outcome(
        record=record,
        news=not deleting and (newest is None or not same_answer(newest.record, record)),
        moved=bool(plan.changed or plan.gone) or (deleting and undecided),
        undecided=undecided,
        noted=timed or unit.rebalance or plan.decision.memory != given.remembered,
    )


async def _add_decisions(
    tx: Transaction, prepared: Sequence[Prepared], outcomes: Mapping[str, _Outcome]
) -> dict[str, str]:
    """Store decisions; gives the ids of those in force by uid of the unit."""
    if not prepared:
        return {}
    fleets: dict[int, bytes] = {}
    for given in prepared:
        if id(given.ground) not in fleets:
            packed = await asyncio.to_thread(lambda ground=given.ground: ground.packed)  # type: ignore[misc]
            fleets[id(given.ground)] = await decisions.put_fleet(tx, packed)
    made = [
        decisions.NewDecision(
            unit=given.unit,
            inputs_digest=given.plan.decision.inputs_digest,
            record=outcomes[given.unit.uid].record,
            inputs=inputs_to_dict(given.inputs),
            fleet_digest=fleets[id(given.ground)],
        )
        for given in prepared
    ]
    ids = await decisions.add(tx, made)
    return {given.unit.uid: id_ for given, id_ in zip(prepared, ids, strict=True)}


def _decided(given: Prepared, ids: Mapping[str, str], occupied: Mapping[str, Any]) -> units.DecidedUnit:
    unit = given.unit
    # A unit that has to wait stays undecided, so that it is looked at again.
    covered = replace(unit, generation=unit.decided_generation) if unit.uid in occupied else unit
    return units.DecidedUnit(
        unit=covered,
        decision=ids.get(unit.uid),
        reconsider_at=given.plan.decision.reconsider_at,
        memory=given.plan.decision.memory,
    )


def _stored(given: Prepared, outcome: _Outcome, occupied: Sequence[tuple[str, ObjectKey]]) -> Stored:
    # Of a unit that goes works may be left where there is no binding any more.
    left = [line.cluster for line in given.unit.status.clusters] if given.unit.delete_time is not None else []
    return Stored(
        wrote=outcome.news or outcome.undecided or outcome.moved,
        clusters=tuple(sorted({*given.plan.changed, *given.plan.gone, *left})),
        blocked=_blocked_text(occupied),
        event=_event(given.plan) if outcome.news else None,
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
    around = any(looks_around(request.input.placement) for request in requests)
    return Observed(
        requests=requests,
        overrides={name: policy.spec for name, policy in overrides.items()},
        newest=await decisions.newest(tx, uids),
        resources=await units.resources_by_unit(tx, uids, opened=undecided),
        placed=await placing.placed_units(tx) if around else (),
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


async def _sync(
    tx: Transaction, prepared: Sequence[Prepared], ids: Mapping[str, str]
) -> dict[str, list[tuple[str, ObjectKey]]]:
    """Write bindings and works; gives the objects that cannot be had yet, by uid of the unit."""
    keyed: dict[bytes, bytes] = {}
    bodies: list[tuple[bytes, bytes, bool]] = []
    for given in prepared:
        for key, plain, body in given.bodies:
            if plain not in keyed:
                keyed[plain] = tx.digest_for(key, body)
                bodies.append((keyed[plain], body, is_secret(key)))
    await manifests.put_many(tx, bodies)
    plans = [_unit_sync(given, keyed, ids) for given in prepared]
    occupied = await works.sync_units(tx, plans)
    # Forget how these were rendered, so that the next look finds them changed and tries again.
    await works.sync_units(tx, [_blank(plan, occupied[plan.unit.uid]) for plan in plans if plan.unit.uid in occupied])
    return occupied


def _unit_sync(given: Prepared, keyed: Mapping[bytes, bytes], ids: Mapping[str, str]) -> works.UnitSync:
    newest = given.newest.id if given.newest is not None else ""
    decision_id = ids.get(given.unit.uid, newest)
    return works.UnitSync(
        unit=given.unit,
        bindings=[planning.with_decision(entry, decision_id) for entry in given.plan.clusters],
        desired={
            cluster: [work if work.digest is None else replace(work, digest=keyed[work.digest]) for work in found]
            for cluster, found in given.desired.items()
        },
        removal=planning.removal_of(given.unit),
    )


def _blank(plan: works.UnitSync, occupied: Sequence[tuple[str, ObjectKey]]) -> works.UnitSync:
    waiting = {cluster for cluster, _ in occupied}
    bindings = [replace(entry, render_key=b"") if entry.cluster in waiting else entry for entry in plan.bindings]
    return replace(plan, bindings=bindings)


def _blocked_text(occupied: Sequence[tuple[str, ObjectKey]]) -> str:
    if not occupied:
        return ""
    shown = ", ".join(f"{key} on {cluster}" for cluster, key in occupied[:_SHOWN])
    more = f" and {len(occupied) - _SHOWN} more" if len(occupied) > _SHOWN else ""
    return f"another unit's objects are still being removed: {shown}{more}"


def _event(plan: UnitPlan) -> tuple[str, str, bool]:
    decision: Any = plan.decision
    names = [target.cluster for target in decision.targets]
    notes = [*(entry.message for entry in decision.shortfall), *(entry.message for entry in decision.warnings)]
    if not names:
        return "Unplaced", "; ".join((decision.message, *notes)), True
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return "Placed", "; ".join((f"on {shown}", *notes)), bool(decision.shortfall)
