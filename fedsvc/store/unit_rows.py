"""Units as they are stored: rows of `unit` and `resource`, read."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from fedsvc.errors import NotFoundError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import Resource, Unit, UnitSpec, UnitStatus
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store import manifests
from fedsvc.store.codec import from_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction

COLUMNS: Final = (
    "CAST(uid AS text) AS uid, namespace, name, labels, annotations, spec, revision, generation, decided_generation,"
    " rebalance, granted_removals, status, resource_count, create_time, update_time, delete_time, cascade"
)
_GET = text(f"SELECT {COLUMNS} FROM unit WHERE namespace = :namespace AND name = :name")
_GET_UIDS = text(f"SELECT {COLUMNS} FROM unit WHERE uid = ANY(CAST(:uids AS uuid[])) ORDER BY namespace, name")
_LIST = text(
    f"SELECT {COLUMNS} FROM unit WHERE (namespace, name) > (:after_namespace, :after_name)"
    " AND (:namespace = '' OR namespace = :namespace) ORDER BY namespace, name LIMIT :limit"
)
_IS_UNDECIDED: Final = (
    "(decided_generation < generation OR rebalance OR reconsider_time <= now())"
    " AND NOT uid = ANY(CAST(:exclude AS uuid[]))"
)
_UNDECIDED = text(
    f"SELECT {COLUMNS} FROM unit WHERE {_IS_UNDECIDED}"
    " ORDER BY coalesce(CAST(spec #>> '{failover,priority}' AS int), 0) DESC, update_time LIMIT :limit"
)
_ALL_UIDS = text("SELECT CAST(uid AS text) AS uid FROM unit")
_WAITING = text(
    f"SELECT EXISTS (SELECT 1 FROM unit WHERE {_IS_UNDECIDED}) AS is_any, (SELECT CAST(extract(epoch FROM"
    " min(reconsider_time) - now()) AS float8) FROM unit WHERE reconsider_time IS NOT NULL) AS reconsider_seconds"
)
RESOURCES = text(
    "SELECT CAST(r.unit_uid AS text) AS unit_uid, r.id, r.group_, r.version, r.kind, r.namespace, r.name, r.labels, r.digest"
    " FROM resource r WHERE r.unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY r.unit_uid, r.position"
)


def resource_name(namespace: str, name: str) -> str:
    """The name of a unit in the API."""
    return f"namespaces/{namespace}/units/{name}"


def unit_pair(name: str) -> tuple[str, str]:
    """(namespace, name) of the unit of that name in the API."""
    _, namespace, _, unit = name.split("/")
    return namespace, unit


def unit_from_row(row: Any) -> Unit:
    """The unit in a row with `COLUMNS`."""
    return Unit(
        namespace=row.namespace,
        name=row.name,
        uid=row.uid,
        labels=row.labels,
        annotations=row.annotations,
        spec=from_json(UnitSpec, row.spec),
        revision=row.revision,
        generation=row.generation,
        decided_generation=row.decided_generation,
        rebalance=row.rebalance,
        granted_removals=row.granted_removals,
        status=from_json(UnitStatus, row.status),
        resource_count=row.resource_count,
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        cascade=None if row.cascade is None else ObjectDeletion(row.cascade),
    )


def key_from_row(row: Any) -> ObjectKey:
    """The identity in a row of `resource` or `work`."""
    return ObjectKey(group=row.group_, version=row.version, kind=row.kind, namespace=row.namespace, name=row.name)


async def find(tx: Transaction, namespace: str, name: str) -> Unit | None:
    """One unit, or None."""
    row = (await tx.execute(_GET, {"namespace": namespace, "name": name})).one_or_none()
    return None if row is None else unit_from_row(row)


async def get(tx: Transaction, namespace: str, name: str) -> Unit:
    """One unit.

    Raises:
        NotFoundError: there is none of that name.
    """
    unit = await find(tx, namespace, name)
    if unit is None:
        raise NotFoundError(resource_name(namespace, name))
    return unit


async def get_many(look: Look, uids: Sequence[str]) -> list[Unit]:
    """Those of the uids that exist, by name."""
    return [unit_from_row(row) for row in await look.execute(_GET_UIDS, {"uids": list(uids)})]


async def list_page(tx: Transaction, *, namespace: str, after: tuple[str, str], limit: int) -> list[Unit]:
    """Units by (namespace, name), those after a pair; an empty namespace means all."""
    parameters = {"namespace": namespace, "after_namespace": after[0], "after_name": after[1], "limit": limit}
    return [unit_from_row(row) for row in await tx.execute(_LIST, parameters)]


async def list_undecided(look: Look, *, limit: int, exclude: Sequence[str] = ()) -> list[Unit]:
    """Units that need a decision: those of higher priority first, among equals the longest waiting."""
    rows = await look.execute(_UNDECIDED, {"limit": limit, "exclude": list(exclude)})
    return [unit_from_row(row) for row in rows]


async def list_uids(tx: Transaction) -> list[str]:
    """The uids of all units."""
    return [row.uid for row in await tx.execute(_ALL_UIDS)]


async def waiting(look: Look, *, exclude: Sequence[str] = ()) -> tuple[bool, float | None]:
    """Whether `list_undecided` would give any, and in how many seconds a decision may change by itself; None: in none."""
    row = (await look.execute(_WAITING, {"exclude": list(exclude)})).one()
    return row.is_any, row.reconsider_seconds


async def resources_of(tx: Transaction, uid: str, *, bodies: bool = True) -> list[Resource]:
    """The templates of a unit in its order; with bodies opened, or without."""
    return (await resources_by_unit(tx, [uid], opened=[uid] if bodies else []))[uid]


async def resources_by_unit(look: Look, uids: Sequence[str], *, opened: Collection[str]) -> dict[str, list[Resource]]:
    """The templates of units by uid, each in its order; with their bodies for those that are to be `opened`."""
    found: dict[str, list[Resource]] = {uid: [] for uid in uids}
    for row in await look.execute(RESOURCES, {"uids": list(uids)}):
        found[row.unit_uid].append(Resource(key=key_from_row(row), digest=row.digest, labels=row.labels))
    bodies = await manifests.open_many(look, [one.digest for uid in opened for one in found[uid]])
    for uid in opened:
        found[uid] = [replace(resource, body=bodies.get(resource.digest)) for resource in found[uid]]
    return found


async def with_bodies(look: Look, resources: Sequence[Resource]) -> list[Resource]:
    """The same resources with their bodies opened."""
    found = await manifests.open_many(look, [resource.digest for resource in resources])
    return [replace(resource, body=found.get(resource.digest)) for resource in resources]
