"""Placement, override and status policies, and zones, which are kept as they are: rows of `policy`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

import orjson

from fedsvc.errors import EtagMismatchError, InUseError, NotFoundError
from fedsvc.model.policy import Policy
from fedsvc.model.zone import ZoneSpec
from fedsvc.rendering.overrides import Override
from fedsvc.rendering.status.rules import CompiledRule, StatusRule, compile_rules
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.outcome import ApplyOutcome
from fedsvc.store.sql import Statement, text
from fedsvc.store.store import Look, Transaction
from fedsvc_placement.model import Placement

SpecT = TypeVar("SpecT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKind(Generic[SpecT]):
    """What differs between the kinds."""

    type: str  # in the table
    change: str  # in the change log
    collection: str  # in names
    spec: Any
    users: str  # SQL: how a unit refers to policy.name


PLACEMENT: Final[PolicyKind[Placement]] = PolicyKind(
    type="placement",
    change="placement_policy",
    collection="placementPolicies",
    spec=Placement,
    users="unit.placement_policy = policy.name",
)
OVERRIDE: Final[PolicyKind[tuple[Override, ...]]] = PolicyKind(
    type="override",
    change="override_policy",
    collection="overridePolicies",
    spec=tuple[Override, ...],
    # Also by an earlier revision that clusters hold, or go back to: without the policy they would hold another thing.
    users="(policy.name = ANY(unit.override_policies) OR EXISTS (SELECT 1 FROM rollout o JOIN unit_revision v"
    " ON v.unit_uid = o.unit_uid WHERE o.unit_uid = unit.uid AND o.state ->> 'phase' <> 'Completed'"
    " AND jsonb_exists(v.spec -> 'override_policies', policy.name) AND (o.state ->> 'stable' = CAST(v.revision AS text)"
    " OR EXISTS (SELECT 1 FROM binding b WHERE b.unit_uid = v.unit_uid AND b.revision = v.revision))))",
)
STATUS: Final[PolicyKind[tuple[StatusRule, ...]]] = PolicyKind(
    type="status",
    change="status_policy",
    collection="statusPolicies",
    spec=tuple[StatusRule, ...],
    users="FALSE",  # they are for kinds, and no unit names them
)

ZONE: Final[PolicyKind[ZoneSpec]] = PolicyKind(
    type="zone",
    change="zone",
    collection="zones",
    spec=ZoneSpec,
    users="unit.spec -> 'dns' ->> 'zone' = policy.name",
)

MAX_ZONES: Final = 1_000
"""More are not taken: all are planned together."""

_COLUMNS: Final = (
    "name, CAST(uid AS text) AS uid, labels, spec, generation, create_time, update_time,"
    " (SELECT count(*) FROM unit WHERE {users}) AS unit_count"
)
_UPSERT = text(
    "INSERT INTO policy (type, name, uid, labels, spec) VALUES (:type, :name, CAST(:uid AS uuid), CAST(:labels AS jsonb),"
    " CAST(:spec AS jsonb)) ON CONFLICT (type, name) DO UPDATE SET labels = EXCLUDED.labels, spec = EXCLUDED.spec,"
    " generation = policy.generation + 1, update_time = now()"
)
_VERSIONS = text(
    "SELECT type, name, CAST(uid AS text) AS uid, generation FROM policy WHERE type IN ('placement', 'override')"
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_DELETE = text("DELETE FROM policy WHERE type = :type AND name = :name")


def resource_name(kind: PolicyKind[Any], name: str) -> str:
    """Its name in the API."""
    return f"{kind.collection}/{name}"


async def _select(look: Look, kind: PolicyKind[SpecT], where: str, parameters: Any) -> list[Policy[SpecT]]:
    columns = _COLUMNS.format(users=kind.users)
    statement = text(f"SELECT {columns} FROM policy WHERE type = :type AND {where}")
    rows = await look.execute(statement, parameters | {"type": kind.type})
    return [
        Policy(
            name=row.name,
            uid=row.uid,
            labels=row.labels,
            spec=from_json(kind.spec, row.spec),
            generation=row.generation,
            unit_count=row.unit_count,
            create_time=row.create_time,
            update_time=row.update_time,
        )
        for row in rows
    ]


async def get(tx: Transaction, kind: PolicyKind[SpecT], name: str) -> Policy[SpecT]:
    """One policy.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = await _select(tx, kind, "name = :name", {"name": name})
    if not found:
        raise NotFoundError(resource_name(kind, name))
    return found[0]


async def get_many(look: Look, kind: PolicyKind[SpecT], names: Sequence[str]) -> dict[str, Policy[SpecT]]:
    """Those of the names that exist, by name."""
    if not names:
        return {}
    found = await _select(look, kind, "name = ANY(CAST(:names AS text[]))", {"names": list(names)})
    return {policy.name: policy for policy in found}


async def list_page(tx: Transaction, kind: PolicyKind[SpecT], *, after: str, limit: int) -> list[Policy[SpecT]]:
    """Policies by name, those after a name."""
    return await _select(tx, kind, "name > :after ORDER BY name LIMIT :limit", {"after": after, "limit": limit})


async def versions(tx: Transaction) -> dict[tuple[str, str], tuple[str, int]]:
    """Which policies units may name, and how often each was changed: (kind of its changes, name) to (uid, generation)."""
    kinds = {kind.type: kind.change for kind in (PLACEMENT, OVERRIDE)}
    return {(kinds[row.type], row.name): (row.uid, row.generation) for row in await tx.execute(_VERSIONS)}


async def lock_all(tx: Transaction, kind: PolicyKind[Any]) -> None:
    """Let nobody else who asks for this write a policy of the kind until the transaction ends."""
    await tx.execute(_LOCK, {"key": kind.collection})


async def status_rules(tx: Transaction) -> dict[tuple[str, str], CompiledRule]:
    """The rules of all status policies, by (group, kind)."""
    found = await _select(tx, STATUS, "TRUE", {})
    return compile_rules((policy.name, policy.spec) for policy in found)


async def apply(
    tx: Transaction, kind: PolicyKind[SpecT], *, name: str, labels: dict[str, str], spec: SpecT, etag: str = ""
) -> tuple[Policy[SpecT], ApplyOutcome]:
    """Create or replace a policy; an equal one is not written.

    Raises:
        EtagMismatchError: an etag is given and is not that of the stored one.
        NotFoundError: an etag is given and there is no policy.
    """
    await tx.execute(_LOCK, {"key": resource_name(kind, name)})
    before = (await get_many(tx, kind, [name])).get(name)
    if etag and before is None:
        raise NotFoundError(resource_name(kind, name))
    if before is not None and etag and etag != before.etag:
        raise EtagMismatchError(resource_name(kind, name), stored=before.etag)
    if before is not None and before.spec == spec and before.labels == labels:
        return before, ApplyOutcome.UNCHANGED
    await tx.execute(
        _UPSERT,
        {
            "type": kind.type,
            "name": name,
            "uid": str(uuid4()),
            "labels": orjson.dumps(labels).decode(),
            "spec": orjson.dumps(to_json(kind.spec, spec)).decode(),
        },
    )
    tx.record(kind.change, resource_name(kind, name))
    return await get(tx, kind, name), ApplyOutcome.CREATED if before is None else ApplyOutcome.CONFIGURED


async def delete(tx: Transaction, kind: PolicyKind[Any], name: str, *, etag: str = "") -> None:
    """Remove a policy.

    Raises:
        NotFoundError: there is none.
        EtagMismatchError: an etag is given and is not that of the stored one.
        InUseError: units refer to it.
    """
    await tx.execute(_LOCK, {"key": resource_name(kind, name)})
    before = await get(tx, kind, name)
    if etag and etag != before.etag:
        raise EtagMismatchError(resource_name(kind, name), stored=before.etag)
    users = await users_of(tx, kind, name)
    if users:
        raise InUseError(resource_name(kind, name), used_by=tuple(users))
    await tx.execute(_DELETE, {"type": kind.type, "name": name})
    tx.record(kind.change, resource_name(kind, name), deleted=True)


async def users_of(tx: Transaction, kind: PolicyKind[Any], name: str) -> list[str]:
    """Names of the units that refer to a policy."""
    rows = await tx.execute(_users(kind, "namespace, name"), {"name": name})
    return [f"namespaces/{row.namespace}/units/{row.name}" for row in rows]


async def user_uids(tx: Transaction, kind: PolicyKind[Any], name: str) -> list[str]:
    """The uids of the units that refer to a policy and are not being deleted, in the order of their names."""
    rows = await tx.execute(_users(kind, "CAST(uid AS text) AS uid", "AND delete_time IS NULL"), {"name": name})
    return [row.uid for row in rows]


def _users(kind: PolicyKind[Any], columns: str, condition: str = "") -> Statement:
    users = kind.users.replace("policy.name", ":name")
    return text(f"SELECT {columns} FROM unit WHERE {users} {condition} ORDER BY namespace, name")
