"""The two halves of a decision that touch the store: reading what it depends on, writing what came of it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from fedsvc.controllers import planning
from fedsvc.controllers.planning import NO_PLACEMENT, PlanInput, UnitPlan, plan_unit, render_cluster
from fedsvc.model.cluster import Cluster
from fedsvc.model.unit import Resource, Unit
from fedsvc.model.work import Binding, DesiredWork
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.overrides import Override
from fedsvc.store import decisions, manifests, policies, units, works
from fedsvc.store.decisions import StoredDecision
from fedsvc.store.store import Store, Transaction, is_secret
from fedsvc_placement import Placement

_YIELD_SECONDS: Final = 0.005
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A unit that is decided and rendered, not stored yet."""

    unit: Unit
    placement: Placement
    overrides: tuple[Override, ...]
    plan: UnitPlan
    newest: StoredDecision | None  # in force before
    desired: dict[str, list[DesiredWork]]  # of changed clusters
    bodies: tuple[tuple[ObjectKey, bytes, bytes], ...]  # distinct renderings: key, plain digest, body

    @property
    def work_count(self) -> int:
        """Works that are to be written."""
        return sum(len(found) for found in self.desired.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What storing a decision did."""

    wrote: bool
    clusters: tuple[str, ...] = ()  # whose works changed
    blocked: str = ""  # why some works have to wait; empty: none has
    event: tuple[str, str, bool] | None = None  # reason, message, whether it is a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a batch of units is decided from."""

    placements: Mapping[str, Placement]
    overrides: Mapping[str, tuple[Override, ...]]
    bindings: Mapping[str, list[Binding]]
    newest: Mapping[str, StoredDecision]
    resources: dict[str, list[Resource]]
    now: datetime


async def prepare(store: Store, batch: Sequence[Unit], read: Observed, fleet: Mapping[str, Cluster]) -> list[Prepared]:
    """Decide and render units; yields to others every few milliseconds.

    Args:
        store: to read bodies that turn out to be needed.
        batch: the units.
        read: what `observe` gave for them.
        fleet: all clusters by name.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    prepared = []
    for unit in batch:
        await asyncio.sleep(0)
        placement, overrides = _specification(unit, read)
        given = PlanInput(
            unit=unit,
            resources=read.resources[unit.uid],
            placement=placement,
            overrides=overrides,
            override_places=_override_places(unit, read),
            clusters=tuple(fleet.values()),
            previous=read.bindings[unit.uid],
            now=read.now,
        )
        plan = plan_unit(given)
        if plan.changed and any(resource.body is None for resource in given.resources):
            async with store.reader() as tx:
                bodies = await units.resources_of(tx, unit.uid)
            if [(one.key, one.digest) for one in bodies] != [(one.key, one.digest) for one in given.resources]:
                continue  # applied anew meanwhile: undecided, and looked at with the next batch
            plan = plan_unit(replace(given, resources=bodies))
        desired, rendered = await _render(plan, fleet)
        prepared.append(
            Prepared(
                unit=unit,
                placement=placement,
                overrides=overrides,
                plan=plan,
                newest=read.newest.get(unit.uid),
                desired=desired,
                bodies=rendered,
            )
        )
    return prepared


async def store_prepared(tx: Transaction, given: Prepared) -> Stored | None:
    """Write a decision and what follows from it, where anything does; None: the unit changed since it was read.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    unit, plan, newest = given.unit, given.plan, given.newest
    record = planning.decision_record(plan.decision)
    deleting = unit.delete_time is not None
    news = not deleting and (newest is None or not planning.same_result(newest.record, record))
    undecided = unit.decided_generation < unit.generation
    moved = bool(plan.changed or plan.gone) or (deleting and undecided)
    timed = plan.decision.reconsider_at is not None or (
        newest is not None and newest.record["reconsider_at"] is not None
    )
    if not (news or undecided or moved or timed):
        return Stored(wrote=False)
    if await units.lock_generation(tx, unit.uid) != unit.generation:
        return None
    decision_id = newest.id if newest is not None else ""
    if news:
        digest = plan.decision.inputs_digest
        decision_id = await decisions.add(
            tx, unit_uid=unit.uid, revision=unit.revision, inputs_digest=digest, record=record
        )
    occupied = await _sync(tx, given, decision_id) if moved else []
    # A unit that has to wait stays undecided, so that it is looked at again.
    covered = replace(unit, generation=unit.decided_generation) if occupied else unit
    await units.set_decided(
        tx, covered, decision=decision_id if news else None, reconsider_at=plan.decision.reconsider_at
    )
    return Stored(
        wrote=news or undecided or moved,
        clusters=tuple(sorted({*plan.changed, *plan.gone, *_all_clusters(given, deleting=deleting)})),
        blocked=_blocked_text(occupied),
        event=_event(plan) if news else None,
    )


def _all_clusters(given: Prepared, *, deleting: bool) -> tuple[str, ...]:
    # Works may be left where there is no binding any more.
    return tuple(line.cluster for line in given.unit.status.clusters) if deleting else ()


async def observe(tx: Transaction, batch: Sequence[Unit]) -> Observed:
    """Read what a batch of units is decided from, but for the fleet."""
    uids = [unit.uid for unit in batch]
    placements = await policies.get_many(
        tx, policies.PLACEMENT, sorted({unit.spec.placement_policy for unit in batch if unit.spec.placement_policy})
    )
    overrides = await policies.get_many(
        tx, policies.OVERRIDE, sorted({name for unit in batch for name in unit.spec.override_policies})
    )
    resources: dict[str, list[Resource]] = {}
    for unit in batch:
        placement = _placement_of(unit, {name: policy.spec for name, policy in placements.items()})
        fresh = unit.decided_generation < unit.generation
        found = await units.resources_of(tx, unit.uid, bodies=fresh)
        if not fresh and any(planning.needs_body(resource, placement) for resource in found):
            found = await units.resources_of(tx, unit.uid)
        resources[unit.uid] = found
    return Observed(
        placements={name: policy.spec for name, policy in placements.items()},
        overrides={name: policy.spec for name, policy in overrides.items()},
        bindings=await works.bindings_of(tx, uids),
        newest=await decisions.newest(tx, uids),
        resources=resources,
        now=tx.now,
    )


def _specification(unit: Unit, read: Observed) -> tuple[Placement, tuple[Override, ...]]:
    shared = [override for name in unit.spec.override_policies for override in read.overrides.get(name, ())]
    return _placement_of(unit, read.placements), (*shared, *unit.spec.overrides)


def _override_places(unit: Unit, read: Observed) -> tuple[str, ...]:
    """Where the overrides of `_specification` are written."""
    shared = [
        f"overridePolicies/{name} overrides[{index}]"
        for name in unit.spec.override_policies
        for index in range(len(read.overrides.get(name, ())))
    ]
    return (*shared, *(f"spec.overrides[{index}]" for index in range(len(unit.spec.overrides))))


def _placement_of(unit: Unit, shared: Mapping[str, Placement]) -> Placement:
    if unit.spec.placement_policy:
        # A policy that is not there (yet) places nothing; the API refuses to delete one that is used.
        return shared.get(unit.spec.placement_policy, NO_PLACEMENT)
    return unit.spec.placement or NO_PLACEMENT


async def _render(
    plan: UnitPlan, fleet: Mapping[str, Cluster]
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


async def _sync(tx: Transaction, given: Prepared, decision_id: str) -> list[tuple[str, ObjectKey]]:
    unit, plan = given.unit, given.plan
    keyed = {plain: tx.digest_for(key, body) for key, plain, body in given.bodies}
    await manifests.put_many(tx, [(keyed[plain], body, is_secret(key)) for key, plain, body in given.bodies])
    desired = {
        cluster: [work if work.digest is None else replace(work, digest=keyed[work.digest]) for work in found]
        for cluster, found in given.desired.items()
    }
    bindings = [planning.with_decision(entry, decision_id) for entry in plan.clusters]
    removal = planning.removal_of(unit)
    occupied = await works.sync_unit(tx, unit, bindings=bindings, desired=desired, removal=removal)
    if occupied:
        # Forget how these were rendered, so that the next look finds them changed and tries again.
        waiting = {cluster for cluster, _ in occupied}
        blank = [replace(entry, render_key=b"") if entry.cluster in waiting else entry for entry in bindings]
        await works.sync_unit(tx, unit, bindings=blank, desired=desired, removal=removal)
    return occupied


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
