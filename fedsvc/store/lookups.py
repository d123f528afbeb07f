"""Reads that only the API asks for: units by their names, and resources with what their works say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.model.unit import Resource, Unit
from fedsvc.rendering.canonical import JsonObject
from fedsvc.store import manifests, units
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

_UNIT_UIDS: Final = text(
    "SELECT CAST(u.uid AS text) AS uid FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS i (namespace, name)"
    " JOIN unit u USING (namespace, name)"
)
_UIDS_OF: Final = text("SELECT CAST(uid AS text) AS uid FROM unit WHERE name = :name")
_HEALTHS: Final = ("Degraded", "Unknown", "", "Progressing", "Healthy")  # the worst first
_SELECT: Final = (
    "WITH page AS (SELECT r.id, r.unit_uid, u.namespace AS unit_namespace, u.name AS unit_name, u.revision,"
    " u.decided_generation >= u.generation AS decided, r.group_, r.version, r.kind,"
    " r.namespace, r.name, r.labels, r.digest FROM resource r JOIN unit u ON u.uid = r.unit_uid WHERE {where}),"
    " sums AS (SELECT w.unit_uid, w.group_, w.kind, w.namespace, w.name, count(*) AS works,"
    " count(*) FILTER (WHERE w.state = 'Applied') AS applied,"
    " count(*) FILTER (WHERE w.state = 'Applied' AND w.observed_digest = w.applied_digest) AS observed,"
    " array_agg(w.cluster) AS clusters,"
    " min(array_position(CAST(:healths AS text[]), w.health)) AS health,"
    " jsonb_object_agg(w.cluster, w.observed_status) FILTER (WHERE w.observed_status IS NOT NULL) AS statuses"
    " FROM work w WHERE w.removal IS NULL AND (w.unit_uid, w.group_, w.kind, w.namespace, w.name) IN"
    " (SELECT unit_uid, group_, kind, namespace, name FROM page) GROUP BY 1, 2, 3, 4, 5)"
    " SELECT page.*, coalesce(works, 0) AS works, coalesce(applied, 0) AS applied,"
    " coalesce(observed, 0) AS observed, coalesce(clusters, '{{}}') AS clusters, health, statuses FROM page"
    " LEFT JOIN sums USING (unit_uid, group_, kind, namespace, name)"
    " ORDER BY unit_namespace, unit_name, kind, page.name, id"
)
_LIST: Final = text(
    _SELECT.format(
        where="(u.namespace, u.name, r.kind, r.name, r.id) > (:after_namespace, :after_unit, :after_kind, :after_name, :after_id)"
        " AND (:namespace = '' OR u.namespace = :namespace) AND (:unit = '' OR u.name = :unit)"
        " AND (:kind = '' OR r.kind = :kind)"
        " ORDER BY u.namespace, u.name, r.kind, r.name, r.id LIMIT :limit"
    )
)
_GET: Final = text(_SELECT.format(where="u.namespace = :namespace AND u.name = :unit AND r.id = :id"))
_WORK_IDS: Final = text(
    "SELECT w.id FROM resource r JOIN work w USING (unit_uid, group_, kind, namespace, name) WHERE r.id = :id"
)

ResourceKey = tuple[str, str, str, str, int]
"""Unit's namespace and name, kind, name, id: the order of `resources_page`."""

FIRST: Final[ResourceKey] = ("", "", "", "", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResource:
    """A template, whose it is, and what its works say together."""

    id: int
    unit_name: str  # "namespaces/{namespace}/units/{unit}"
    resource: Resource
    work_count: int
    applied_count: int
    clusters: tuple[str, ...]  # that hold it
    revision: int  # of its unit
    is_held: bool  # every cluster that the unit's revision was decided for was made to hold it, and showed it since
    health: str  # the worst; empty where there are no works
    statuses: dict[str, JsonObject]  # by cluster
    order: ResourceKey


async def units_by_name(tx: Transaction, names: Sequence[tuple[str, str]]) -> list[Unit]:
    """Those of the (namespace, name) that exist."""
    if not names:
        return []
    pairs = {"namespaces": [namespace for namespace, _ in names], "names": [name for _, name in names]}
    return await units.get_many(tx, [row.uid for row in await tx.execute(_UNIT_UIDS, pairs)])


async def uids_of_units(tx: Transaction, name: str) -> list[str]:
    """The units of that name in all namespaces."""
    return [row.uid for row in await tx.execute(_UIDS_OF, {"name": name})]


async def resources_page(
    tx: Transaction, *, after: ResourceKey, limit: int, namespace: str = "", unit: str = "", kind: str = ""
) -> list[StoredResource]:
    """Resources by unit, kind and name, without bodies; an empty argument restricts nothing."""
    place = dict(zip(("after_namespace", "after_unit", "after_kind", "after_name", "after_id"), after, strict=True))
    parameters = {"limit": limit, "namespace": namespace, "unit": unit, "kind": kind, "healths": list(_HEALTHS)}
    return [_from_row(row, None) for row in await tx.execute(_LIST, place | parameters)]


async def find_resource(tx: Transaction, namespace: str, unit: str, resource_id: int) -> StoredResource | None:
    """One resource with its body, or None."""
    parameters = {"namespace": namespace, "unit": unit, "id": resource_id, "healths": list(_HEALTHS)}
    row = (await tx.execute(_GET, parameters)).one_or_none()
    if row is None:
        return None
    bodies = await manifests.open_many(tx, [row.digest])
    return _from_row(row, bodies.get(row.digest))


async def work_ids_of_resource(tx: Transaction, resource_id: int) -> list[int]:
    """Ids of the works of a resource, also of those that are being removed."""
    return [row.id for row in await tx.execute(_WORK_IDS, {"id": resource_id})]


def _from_row(row: Any, body: bytes | None) -> StoredResource:
    return StoredResource(
        id=row.id,
        unit_name=units.resource_name(row.unit_namespace, row.unit_name),
        resource=Resource(key=units.key_from_row(row), digest=row.digest, labels=row.labels, body=body),
        work_count=row.works,
        applied_count=row.applied,
        clusters=tuple(row.clusters),
        revision=row.revision,
        is_held=row.decided and 0 < row.works == row.observed,
        health="" if row.health is None else _HEALTHS[row.health - 1] or "Unknown",
        statuses=row.statuses or {},
        order=(row.unit_namespace, row.unit_name, row.kind, row.name, row.id),
    )
