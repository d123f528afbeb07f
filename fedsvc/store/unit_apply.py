"""Units applied: rows of `unit`, `resource` and `unit_revision` made what a caller says of a unit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from fedsvc.errors import (
    DeletingError,
    DependencyCycleError,
    EtagMismatchError,
    NotFoundError,
    ObjectOwnedError,
    RolloutStateError,
)
from fedsvc.model.dependency import cycle_words
from fedsvc.model.unit import Resource, Unit, UnitSpec, UnitStatus
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rollout.acts import NewRevision, begin
from fedsvc.store import departures, dependencies, handing, manifests, revisions, rollouts
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.outcome import ApplyOutcome
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction, is_secret
from fedsvc.store.unit_rows import COLUMNS, RESOURCES, key_from_row, resource_name, unit_from_row
from fedsvc_placement.model import Memory

_FIND_LOCKED = text(
    f"SELECT {COLUMNS}, memory, EXISTS (SELECT 1 FROM rollout o WHERE o.unit_uid = unit.uid) AS has_rollout FROM unit"
    " WHERE namespace = :namespace AND name = :name FOR NO KEY UPDATE"
)
LOCK_NAME = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
"""Nobody else applies or deletes a unit of that name in the API until the transaction ends."""
_INSERT = text(
    "INSERT INTO unit (uid, namespace, name, labels, annotations, spec, placement_policy, override_policies, revision,"
    " resource_count, status) VALUES (CAST(:uid AS uuid), :namespace, :name, CAST(:labels AS jsonb),"
    " CAST(:annotations AS jsonb), CAST(:spec AS jsonb), :placement_policy, CAST(:override_policies AS text[]), 1, :count,"
    f" CAST(:status AS jsonb)) RETURNING {COLUMNS}"
)
_UPDATE = text(
    "UPDATE unit SET labels = CAST(:labels AS jsonb), annotations = CAST(:annotations AS jsonb),"
    " spec = CAST(:spec AS jsonb), placement_policy = :placement_policy,"
    " override_policies = CAST(:override_policies AS text[]), revision = :revision, resource_count = :count,"
    f" generation = generation + 1, update_time = now() WHERE uid = CAST(:uid AS uuid) RETURNING {COLUMNS}"
)
_CLASHES = text(
    "SELECT i.position, r.group_, r.version, r.kind, r.namespace, r.name, u.namespace AS unit_namespace, u.name AS unit_name"
    " FROM unnest(CAST(:positions AS int[]), CAST(:groups AS text[]), CAST(:kinds AS text[]), CAST(:namespaces AS text[]),"
    " CAST(:names AS text[])) AS i (position, group_, kind, namespace, name)"
    " JOIN resource r USING (group_, kind, namespace, name) JOIN unit u ON u.uid = r.unit_uid"
    " WHERE r.unit_uid <> CAST(:uid AS uuid) AND NOT r.unit_uid = ANY(CAST(:adopted AS uuid[]))"
    " ORDER BY i.position LIMIT 1"
)
_DROP_RESOURCES = text(
    "DELETE FROM resource WHERE unit_uid = CAST(:uid AS uuid) AND NOT id = ANY(CAST(:keep AS bigint[]))"
)
_PUT_RESOURCES = text(
    "INSERT INTO resource (unit_uid, position, group_, version, kind, namespace, name, labels, digest)"
    " SELECT CAST(:uid AS uuid), i.* FROM unnest(CAST(:positions AS int[]), CAST(:groups AS text[]),"
    " CAST(:versions AS text[]), CAST(:kinds AS text[]), CAST(:namespaces AS text[]), CAST(:names AS text[]),"
    " CAST(:labels AS jsonb[]), CAST(:digests AS bytea[]))"
    " AS i (position, group_, version, kind, namespace, name, labels, digest)"
    # In the order of the keys, so that two units that want the same objects never wait for each other.
    " ORDER BY group_, kind, namespace, name"
    " ON CONFLICT (group_, kind, namespace, name) DO UPDATE SET position = EXCLUDED.position, version = EXCLUDED.version,"
    " labels = EXCLUDED.labels, digest = EXCLUDED.digest WHERE resource.unit_uid = EXCLUDED.unit_uid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A unit that nobody else applies or changes until the transaction ends; it may not be there yet."""

    unit: Unit | None
    memory: Memory = field(default_factory=Memory)  # what its next decision remembers
    has_rollout: bool = False  # one is stored, running or over


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedUnit:
    """What an apply did."""

    unit: Unit
    outcome: ApplyOutcome
    resources: tuple[tuple[ObjectKey, ApplyOutcome], ...]  # in the order of the unit, removed ones last
    in_waves: bool = False  # the new revision does not go to all clusters at once


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


async def hold(tx: Transaction, namespace: str, name: str, spec: UnitSpec) -> Held:
    """The unit as it is, for an apply of this spec; nobody else applies one of that name until the transaction ends."""
    if spec.depends_on:
        await dependencies.lock_graph(tx)
    await tx.execute(LOCK_NAME, {"key": resource_name(namespace, name)})
    row = (await tx.execute(_FIND_LOCKED, {"namespace": namespace, "name": name})).one_or_none()
    if row is None:
        return Held(unit=None)
    return Held(unit=unit_from_row(row), memory=from_json(Memory, row.memory or {}), has_rollout=row.has_rollout)


async def apply(
    tx: Transaction,
    *,
    namespace: str,
    name: str,
    labels: dict[str, str],
    annotations: dict[str, str],
    spec: UnitSpec,
    resources: Sequence[Resource],
    etag: str = "",
    author: str = "",
    restores: int | None = None,
    at_once: bool = False,
    held: Held | None = None,
) -> AppliedUnit:
    """Create a unit, or replace its intent; one that is the same is not written.

    A new revision begins a rollout in the same transaction, where the unit asks for one.

    Args:
        tx: the transaction.
        namespace: of the unit.
        name: of the unit.
        labels: of the unit.
        annotations: of the unit.
        spec: the intent, but for the resources.
        resources: the templates, with their bodies.
        etag: guards the change where set.
        author: who makes it.
        restores: the earlier revision whose content this is.
        at_once: whether it goes to all clusters at once, whatever the rollout policy says.
        held: what `hold` gave in this transaction; None: it is held from now on.

    Raises:
        EtagMismatchError: an etag is given and is not that of the stored unit.
        NotFoundError: an etag is given and there is no unit.
        DeletingError: the unit is being removed.
        ObjectOwnedError: one of the objects is part of another unit.
        DependencyCycleError: the unit would wait for itself.
        RolloutStateError: it adopts objects and goes over the clusters in waves.
    """
    full_name = resource_name(namespace, name)
    held = held or await hold(tx, namespace, name, spec)
    before = held.unit
    if etag and before is None:
        raise NotFoundError(full_name)
    if before is not None:
        if before.delete_time is not None:
            raise DeletingError(full_name)
        if etag and etag != before.etag:
            raise EtagMismatchError(full_name, stored=before.etag)
    stored = [] if before is None else (await tx.execute(RESOURCES, {"uids": [before.uid]})).all()
    outcomes = _outcomes(stored, resources)
    same_resources = [(key_from_row(row), row.digest) for row in stored] == [(r.key, r.digest) for r in resources]
    same_spec = before is not None and before.spec == spec
    if (
        before is not None
        and same_spec
        and same_resources
        and (before.labels, before.annotations) == (labels, annotations)
    ):
        return AppliedUnit(unit=before, outcome=ApplyOutcome.UNCHANGED, resources=outcomes)
    uid = before.uid if before is not None else str(uuid4())
    keys = [resource.key for resource in resources]
    adopted = await handing.adoptable(tx, uid, spec.propagation.adopts, keys)
    if any(outcome is ApplyOutcome.CREATED for _, outcome in outcomes):  # the others are its own already
        await _check_owners(tx, uid, resources, adopted=adopted)
    await _check_cycle(tx, namespace, name, spec)
    revision = 1 if before is None else before.revision + (0 if same_spec and same_resources else 1)
    values = {
        "uid": uid,
        "labels": _json(labels),
        "annotations": _json(annotations),
        "spec": _json(to_json(UnitSpec, spec)),
        "placement_policy": spec.placement_policy,
        "override_policies": list(spec.override_policies),
        "count": len(resources),
    }
    unit = await _put(tx, values, None if before is None else revision, namespace=namespace, name=name)
    _check_at_once(full_name, before, spec, adopted)
    stored = await _with_adopted(tx, adopted, uid, stored, keys, author=author)
    outcomes = _outcomes(stored, resources)
    if not same_spec:
        await dependencies.put(tx, uid, namespace, spec)
        await _forget_departures(tx, before, spec)
    if not same_resources:
        await _store_resources(tx, uid, stored, resources)
    if before is None or revision != before.revision:
        await revisions.add(
            tx, uid=uid, revision=revision, spec=spec, resources=resources, author=author, restores=restores
        )
    in_waves = (
        before is not None
        and revision != before.revision
        and (held.has_rollout or spec.rollout is not None)
        and await _begin_rollout(tx, before, unit, stored=stored, resources=resources, at_once=at_once)
    )
    tx.record("unit", full_name)
    outcome = ApplyOutcome.CREATED if before is None else ApplyOutcome.CONFIGURED
    return AppliedUnit(unit=unit, outcome=outcome, resources=outcomes, in_waves=in_waves)


async def _put(tx: Transaction, values: dict[str, Any], revision: int | None, *, namespace: str, name: str) -> Unit:
    """Write the unit's own row, a new one where there is no revision of it yet; gives it as it is then."""
    if revision is not None:
        return unit_from_row((await tx.execute(_UPDATE, values | {"revision": revision})).one())
    status = _json(to_json(UnitStatus, UnitStatus()))
    named = {"namespace": namespace, "name": name, "status": status}
    return unit_from_row((await tx.execute(_INSERT, values | named)).one())


async def _begin_rollout(
    tx: Transaction, before: Unit, unit: Unit, *, stored: Sequence[Any], resources: Sequence[Resource], at_once: bool
) -> bool:
    """Begin the rollout of a new revision, or end the one before where it goes everywhere; whether it goes in waves."""
    running = await rollouts.lock(tx, unit.uid)
    same_resources = [(key_from_row(row), row.digest) for row in stored] == [(r.key, r.digest) for r in resources]
    stable = None if running is None else await _revision(tx, unit.uid, running.state.stable)
    new = NewRevision(
        number=unit.revision,
        previous=before.revision,
        same_as_previous=same_resources and _in_waves(before.spec) == _in_waves(unit.spec),
        same_as_stable=stable is not None and stable.goes_as(unit.spec, resources),
        at_once=at_once or unit.spec.rollout is None,
    )
    state = begin(None if running is None else running.state, new, tx.now)
    if state is None:
        await rollouts.drop(tx, unit.uid)
        return False
    await rollouts.put(tx, unit.uid, unit.resource_name, state)
    return not state.phase.is_over


async def _revision(tx: Transaction, uid: str, revision: int) -> revisions.StoredRevision | None:
    return (await revisions.get_many(tx, [(uid, revision)])).get((uid, revision))


def _in_waves(spec: UnitSpec) -> tuple[Any, ...]:
    return spec.overrides, spec.override_policies


def _check_at_once(name: str, before: Unit | None, spec: UnitSpec, adopted: Sequence[str]) -> None:
    if before is not None and adopted and spec.rollout is not None:
        # On clusters that a rollout has not reached, the revision of before would let them be removed.
        message = (
            f"objects change hands on all clusters at once, and {name} goes over them in waves: hand them over first "
            "(fedctl handover), then apply it"
        )
        raise RolloutStateError(phase="", message=message)


async def _with_adopted(
    tx: Transaction, sources: Sequence[str], uid: str, stored: Sequence[Any], keys: Sequence[ObjectKey], *, author: str
) -> Sequence[Any]:
    """The stored resources of a unit, once it has taken from others what it may adopt."""
    if not sources:
        return stored
    await handing.take(tx, sources, uid, keys, author=author)
    return (await tx.execute(RESOURCES, {"uids": [uid]})).all()


async def _check_cycle(tx: Transaction, namespace: str, name: str, spec: UnitSpec) -> None:
    if spec.depends_on and (cycle := await dependencies.cycle_with(tx, (namespace, name), spec)):
        index = [dependency.target(namespace) for dependency in spec.depends_on].index(cycle[1])
        raise DependencyCycleError(path=f"unit.spec.depends_on[{index}].unit", cycle=cycle_words(cycle))


def _outcomes(stored: Sequence[Any], resources: Sequence[Resource]) -> tuple[tuple[ObjectKey, ApplyOutcome], ...]:
    before = {key_from_row(row).identity: row for row in stored}
    result = []
    for resource in resources:
        row = before.pop(resource.key.identity, None)
        if row is None:
            result.append((resource.key, ApplyOutcome.CREATED))
        else:
            same = row.digest == resource.digest and row.version == resource.key.version
            result.append((resource.key, ApplyOutcome.UNCHANGED if same else ApplyOutcome.CONFIGURED))
    return (*result, *((key_from_row(row), ApplyOutcome.REMOVED) for row in before.values()))


def _identities(resources: Sequence[Resource]) -> dict[str, list[Any]]:
    return {
        "positions": list(range(len(resources))),
        "groups": [resource.key.group for resource in resources],
        "kinds": [resource.key.kind for resource in resources],
        "namespaces": [resource.key.namespace for resource in resources],
        "names": [resource.key.name for resource in resources],
    }


async def _check_owners(
    tx: Transaction, uid: str, resources: Sequence[Resource], *, adopted: Sequence[str] = ()
) -> None:
    parameters = _identities(resources) | {"uid": uid, "adopted": list(adopted)}
    row = (await tx.execute(_CLASHES, parameters)).one_or_none()
    if row is not None:
        raise ObjectOwnedError(
            path=f"unit.spec.resources[{row.position}]",
            key=str(key_from_row(row)),
            unit=resource_name(row.unit_namespace, row.unit_name),
        )


async def _store_resources(tx: Transaction, uid: str, stored: Sequence[Any], resources: Sequence[Resource]) -> None:
    bodies = [(r.digest, r.body, is_secret(r.key)) for r in resources if r.body is not None]
    await manifests.put_many(tx, bodies)
    wanted = {resource.key.identity for resource in resources}
    keep = [row.id for row in stored if key_from_row(row).identity in wanted]
    if len(keep) < len(stored):
        await tx.execute(_DROP_RESOURCES, {"uid": uid, "keep": keep})
    written = await tx.change(
        _PUT_RESOURCES,
        _identities(resources)
        | {
            "uid": uid,
            "versions": [resource.key.version for resource in resources],
            "labels": [_json(resource.labels) for resource in resources],
            "digests": [resource.digest for resource in resources],
        },
    )
    if written != len(resources):
        # Another unit took one of the objects since we looked.
        await _check_owners(tx, uid, resources)


async def _forget_departures(tx: Transaction, before: Unit | None, spec: UnitSpec) -> None:
    """Who says anew where a unit is to run means that, whatever it left."""
    where = spec.placement, spec.placement_policy
    if before is not None and (before.spec.placement, before.spec.placement_policy) != where:
        await departures.forget(tx, before.uid)
