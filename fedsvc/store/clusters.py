"""Member clusters: rows of `cluster`. Credentials are sealed and leave only inside `Connection`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from asyncpg import IntegrityConstraintViolationError

from fedsvc.errors import AlreadyExistsError, EtagMismatchError, NotFoundError
from fedsvc.health import Health
from fedsvc.model.cluster import Cluster, ClusterObservation, Connection, Credential, ObjectDeletion
from fedsvc.model.room import Room
from fedsvc.model.silence import Silence, silence_of
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc_placement.model import Cost, ExternalScore, Taint

SEEN_EVERY: Final = timedelta(seconds=60)
"""A heartbeat alone is written no more often than this."""

_COLUMNS: Final = (
    "name, CAST(uid AS text) AS uid, labels, annotations, provider, region, zones, taints, jurisdiction, cost,"
    " scores, room, connection, credential, observation, api_digest, generation, create_time, update_time, delete_time, object_deletion"
)
_COUNTS: Final = (
    ", coalesce(w.total, 0) AS work_count, coalesce(w.pending, 0) AS pending_work_count FROM cluster LEFT JOIN"
    " (SELECT cluster, count(*) AS total, count(*) FILTER (WHERE state <> 'Applied') AS pending FROM work GROUP BY cluster) w"
    " ON w.cluster = cluster.name"
)
_GET = text(f"SELECT {_COLUMNS}{_COUNTS} WHERE name = :name")
_LIST = text(f"SELECT {_COLUMNS}{_COUNTS} WHERE name > :after ORDER BY name LIMIT :limit")
_ALL = text(f"SELECT {_COLUMNS}, 0 AS work_count, 0 AS pending_work_count FROM cluster ORDER BY name")
_NAMED = text(
    f"SELECT {_COLUMNS}, 0 AS work_count, 0 AS pending_work_count FROM cluster WHERE name = ANY(CAST(:names AS text[]))"
)
_VERSIONS = text(
    "SELECT name, CAST(uid AS text) || ' ' || CAST(generation AS text) || ' ' || encode(sha256(credential), 'hex') AS version"
    " FROM cluster ORDER BY name"
)
_SOME = text(f"SELECT {_COLUMNS}{_COUNTS} WHERE name = ANY(CAST(:names AS text[])) ORDER BY name")
_LOCK = text("SELECT generation, CAST(uid AS text) AS uid FROM cluster WHERE name = :name FOR NO KEY UPDATE")
_INSERT = text(
    "INSERT INTO cluster (name, uid, labels, annotations, provider, region, zones, taints, jurisdiction, cost, scores,"
    " connection, credential, credential_expire_time) VALUES (:name, CAST(:uid AS uuid), CAST(:labels AS jsonb), CAST(:annotations AS jsonb),"
    " :provider, :region, CAST(:zones AS text[]), CAST(:taints AS jsonb), :jurisdiction, CAST(:cost AS jsonb),"
    " CAST(:scores AS jsonb), CAST(:connection AS jsonb), :credential,"
    " CAST(:expire AS timestamptz))"
)
_UPDATE = text(
    "UPDATE cluster SET labels = CAST(:labels AS jsonb), annotations = CAST(:annotations AS jsonb), provider = :provider,"
    " region = :region, zones = CAST(:zones AS text[]), taints = CAST(:taints AS jsonb),"
    " jurisdiction = :jurisdiction, cost = CAST(:cost AS jsonb), scores = CAST(:scores AS jsonb),"
    " connection = CAST(:connection AS jsonb), credential = :credential,"
    " credential_expire_time = CAST(:expire AS timestamptz), generation = generation + 1, update_time = now()"
    " WHERE name = :name"
)
_ROTATE = text(
    "UPDATE cluster SET credential = :credential, credential_expire_time = CAST(:expire AS timestamptz) WHERE name = :name"
)
_OBSERVE = text("UPDATE cluster SET observation = CAST(:observation AS jsonb) WHERE name = :name")
_OBSERVATIONS = text(
    "SELECT name, observation FROM cluster WHERE CAST(:names AS text[]) IS NULL OR name = ANY(CAST(:names AS text[]))"
)
# More than are not heard, as `fedsvc.model.silence` has it, but few of a fleet that is well.
_DOUBTFUL = text(
    "SELECT name, observation FROM cluster WHERE (CAST(:names AS text[]) IS NULL OR name = ANY(CAST(:names AS text[])))"
    """ AND (NOT observation @> '{"conditions": [{"type": "Reachable", "status": "True"}]}'"""
    """ OR observation @> '{"conditions": [{"type": "CredentialsValid", "status": "False"}]}')"""
)
_GET_ROOM = text("SELECT room FROM cluster WHERE name = :name")
_SET_ROOM = text("UPDATE cluster SET room = CAST(:room AS jsonb) WHERE name = :name")
_DELETE_MARK = text(
    "UPDATE cluster SET delete_time = coalesce(delete_time, now()), object_deletion = :deletion,"
    " generation = generation + 1, update_time = now() WHERE name = :name"
)
_FINISHED = text(
    "SELECT name FROM cluster c WHERE delete_time IS NOT NULL AND NOT EXISTS (SELECT 1 FROM work w WHERE w.cluster = c.name)"
    " AND NOT EXISTS (SELECT 1 FROM binding b WHERE b.cluster = c.name)"
)
_REMOVE = text("DELETE FROM cluster WHERE name = :name")
_FORGET_WORKS = text(
    "DELETE FROM work USING unit u WHERE work.cluster = :name AND u.uid = work.unit_uid"
    " RETURNING work.id, u.namespace AS unit_namespace, u.name AS unit_name"
)
_FORGET_BINDINGS = text("DELETE FROM binding WHERE cluster = :name")
_TOUCH_UNITS = text(
    "UPDATE unit SET generation = generation + 1 WHERE uid IN (SELECT uid FROM unit WHERE uid IN"
    " (SELECT unit_uid FROM work WHERE cluster = :name UNION SELECT unit_uid FROM binding WHERE cluster = :name)"
    " ORDER BY uid FOR NO KEY UPDATE)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A cluster with its intent and credential as they are now; what was observed of it may be older."""

    version: str  # of intent and credential
    cluster: Cluster


def _json(value: Any) -> str:
    import orjson  # noqa: PLC0415 - kept beside its only use

    return orjson.dumps(value).decode()


def _context(name: str) -> str:
    return f"cluster/{name}"


def _from_row(tx: Look, row: Any) -> Cluster:
    plain = from_json(Connection, row.connection)
    credential = _open_credential(tx, row.name, row.credential)
    return Cluster(
        name=row.name,
        uid=row.uid,
        labels=row.labels,
        annotations=row.annotations,
        provider=row.provider,
        region=row.region,
        zones=tuple(row.zones),
        taints=tuple(from_json(Taint, taint) for taint in row.taints),
        jurisdiction=row.jurisdiction,
        cost=None if row.cost is None else from_json(Cost, row.cost),
        scores=tuple(from_json(ExternalScore, score) for score in row.scores),
        room=None if row.room is None else from_json(Room, row.room),
        connection=replace(plain, credential=credential),
        observation=from_json(ClusterObservation, row.observation),
        api_digest=row.api_digest,
        work_count=row.work_count,
        pending_work_count=row.pending_work_count,
        generation=row.generation,
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        object_deletion=None if row.object_deletion is None else ObjectDeletion(row.object_deletion),
    )


def _open_credential(tx: Look, name: str, sealed: bytes) -> Credential:
    import orjson  # noqa: PLC0415 - as above

    value = orjson.loads(tx.sealer.open(sealed, _context(name)))
    return Credential(
        token=value["token"],
        token_expire_time=None if value["expire"] is None else datetime.fromisoformat(value["expire"]),
        client_certificate_pem=value["certificate"].encode(),
        client_key_pem=value["key"].encode(),
    )


def _seal_credential(tx: Transaction, name: str, credential: Credential) -> bytes:
    expire = credential.token_expire_time
    value = {
        "token": credential.token,
        "expire": None if expire is None else expire.isoformat(),
        "certificate": credential.client_certificate_pem.decode(),
        "key": credential.client_key_pem.decode(),
    }
    return tx.sealer.seal(_json(value).encode(), _context(name))


def _parameters(tx: Transaction, cluster: Cluster) -> dict[str, Any]:
    bare = to_json(Connection, replace(cluster.connection, credential=Credential()))
    bare.pop("credential")
    return {
        "name": cluster.name,
        "labels": _json(cluster.labels),
        "annotations": _json(cluster.annotations),
        "provider": cluster.provider,
        "region": cluster.region,
        "zones": list(cluster.zones),
        "taints": _json([to_json(Taint, taint) for taint in cluster.taints]),
        "jurisdiction": cluster.jurisdiction,
        "cost": None if cluster.cost is None else _json(to_json(Cost, cluster.cost)),
        "scores": _json([to_json(ExternalScore, score) for score in cluster.scores]),
        "connection": _json(bare),
        "credential": _seal_credential(tx, cluster.name, cluster.connection.credential),
        "expire": cluster.connection.credential.token_expire_time,
    }


async def get(tx: Transaction, name: str) -> Cluster:
    """One cluster.

    Raises:
        NotFoundError: there is none of that name.
    """
    row = (await tx.execute(_GET, {"name": name})).one_or_none()
    if row is None:
        raise NotFoundError(f"clusters/{name}")
    return _from_row(tx, row)


async def list_page(tx: Transaction, *, after: str, limit: int) -> list[Cluster]:
    """Clusters by name, those after a name."""
    return [_from_row(tx, row) for row in await tx.execute(_LIST, {"after": after, "limit": limit})]


async def list_all(look: Look) -> list[Cluster]:
    """The whole fleet by name, without counts of works."""
    return [_from_row(look, row) for row in await look.execute(_ALL)]


async def list_named(tx: Transaction, names: Iterable[str]) -> list[Cluster]:
    """Those of the names that exist, in any order, without counts of works."""
    return [_from_row(tx, row) for row in await tx.execute(_NAMED, {"names": list(names)})]


async def follow(tx: Transaction, known: Mapping[str, Followed]) -> dict[str, Followed]:
    """The fleet by name, without counts of works; only what is not `known` as it is now is read.

    What is observed of a busy fleet changes all the time: who goes by intent and credentials alone reads no more.
    """
    versions = {row.name: row.version for row in await tx.execute(_VERSIONS)}
    differing = [name for name, version in versions.items() if name not in known or known[name].version != version]
    clusters = await list_named(tx, differing) if differing else ()
    read = {cluster.name: Followed(version=versions[cluster.name], cluster=cluster) for cluster in clusters}
    found = {**known, **read}
    return {name: found[name] for name in versions if name in found}


async def get_many(tx: Transaction, names: Sequence[str]) -> list[Cluster]:
    """Those of the names that exist."""
    return [_from_row(tx, row) for row in await tx.execute(_SOME, {"names": list(names)})]


async def create(tx: Transaction, cluster: Cluster) -> Cluster:
    """Register a cluster.

    Raises:
        AlreadyExistsError: there is one of that name.
    """
    try:
        async with tx.savepoint():
            await tx.execute(_INSERT, _parameters(tx, cluster) | {"uid": cluster.uid})
    except IntegrityConstraintViolationError as error:
        raise AlreadyExistsError(cluster.resource_name) from error
    tx.record("cluster", cluster.resource_name)
    return await get(tx, cluster.name)


async def lock(tx: Transaction, name: str, *, etag: str = "") -> Cluster:
    """One cluster, nobody else changing it until the transaction ends.

    Raises:
        NotFoundError: there is none of that name.
        EtagMismatchError: an etag is given and is not that of the stored one.
    """
    if (await tx.execute(_LOCK, {"name": name})).one_or_none() is None:
        raise NotFoundError(f"clusters/{name}")
    cluster = await get(tx, name)
    if etag and etag != cluster.etag:
        raise EtagMismatchError(cluster.resource_name, stored=cluster.etag)
    return cluster


async def update(tx: Transaction, cluster: Cluster) -> Cluster:
    """Replace the intent of a cluster that `lock` gave.

    Where it is reached another way from now on, the conditions of the way before are dropped: the next verdict is of the
    new one.
    """
    before = await get(tx, cluster.name)
    await tx.execute(_UPDATE, _parameters(tx, cluster))
    if before.connection.way != cluster.connection.way:
        observation = replace(before.observation, conditions=(), last_seen_time=None, health=Health())
        await _store_observation(tx, cluster.name, observation)
    tx.record("cluster", cluster.resource_name)
    return await get(tx, cluster.name)


async def rotate_credential(tx: Transaction, name: str, credential: Credential) -> None:
    """Store a renewed credential; no change of intent."""
    sealed = _seal_credential(tx, name, credential)
    await tx.execute(_ROTATE, {"name": name, "credential": sealed, "expire": credential.token_expire_time})
    tx.record("cluster", f"clusters/{name}")


async def observe(tx: Transaction, name: str, observation: ClusterObservation, *, connection: Connection) -> bool:
    """Store what was observed; whether anything was written.

    That the member answered again is written once a minute only, and is no change that watchers are told of. What was
    observed by another way than the cluster is reached by now is not written at all.
    """
    try:
        stored = await lock(tx, name)
    except NotFoundError:
        return False
    if stored.connection.way != connection.way:
        return False
    before = stored.observation
    same = replace(before, last_seen_time=None) == replace(observation, last_seen_time=None)
    if same and before.last_seen_time is not None and observation.last_seen_time is not None:
        if observation.last_seen_time - before.last_seen_time < SEEN_EVERY:
            return False
    elif same and observation.last_seen_time is None:
        return False
    await _store_observation(tx, name, observation)
    if not same:
        tx.record("cluster", f"clusters/{name}")
    return True


async def _store_observation(tx: Transaction, name: str, observation: ClusterObservation) -> None:
    await tx.execute(_OBSERVE, {"name": name, "observation": _json(to_json(ClusterObservation, observation))})


async def observations(tx: Transaction, names: Sequence[str] | None = None) -> dict[str, ClusterObservation]:
    """What was last observed, by cluster: of those of the names that exist, or of the whole fleet."""
    rows = await tx.execute(_OBSERVATIONS, {"names": None if names is None else list(names)})
    return {row.name: from_json(ClusterObservation, row.observation) for row in rows}


async def silences(tx: Transaction, names: Iterable[str] | None = None) -> dict[str, Silence]:
    """Those of the clusters (None: of the fleet) that are not heard, by name, and why."""
    rows = (await tx.execute(_DOUBTFUL, {"names": None if names is None else sorted(set(names))})).all()
    found = {row.name: silence_of(from_json(ClusterObservation, row.observation)) for row in rows}
    return {name: silence for name, silence in found.items() if silence is not None}


async def set_room(tx: Transaction, name: str, room: Room | None) -> bool:
    """Store what room a member has, or that it is unknown; whether it differs from before.

    When it was read is always written, and is no change that watchers are told of.
    """
    row = (await tx.execute(_GET_ROOM, {"name": name})).one_or_none()
    if row is None:
        return False
    before = None if row.room is None else from_json(Room, row.room)
    await tx.execute(_SET_ROOM, {"name": name, "room": None if room is None else _json(to_json(Room, room))})
    differs = _undated(before) != _undated(room)
    if differs:
        tx.record("cluster", f"clusters/{name}")
    return differs


def _undated(room: Room | None) -> tuple[object, ...] | None:
    return None if room is None else (room.nodes, room.waiting, room.stuck)


async def mark_deleted(tx: Transaction, name: str, deletion: ObjectDeletion) -> Cluster:
    """The cluster leaves: its works are to be removed, and then it goes."""
    await tx.execute(_DELETE_MARK, {"name": name, "deletion": deletion.value})
    tx.record("cluster", f"clusters/{name}")
    return await get(tx, name)


async def forget(tx: Transaction, name: str) -> int:
    """Remove a cluster at once, with its works, without asking the member; gives how many works there were."""
    await tx.execute(_TOUCH_UNITS, {"name": name})
    works = (await tx.execute(_FORGET_WORKS, {"name": name})).all()
    for work in works:
        unit_name = f"namespaces/{work.unit_namespace}/units/{work.unit_name}"
        tx.record("work", f"works/{work.id}", subject=unit_name, deleted=True)
        tx.record("unit", unit_name)
    await tx.execute(_FORGET_BINDINGS, {"name": name})
    await tx.execute(_REMOVE, {"name": name})
    tx.record("cluster", f"clusters/{name}", deleted=True)
    return len(works)


async def is_any_finished(look: Look) -> bool:
    """Whether there are leaving clusters that hold nothing any more."""
    return (await look.execute(_FINISHED)).first() is not None


async def remove_finished(tx: Transaction) -> list[str]:
    """Remove the leaving clusters that hold nothing any more; gives their names."""
    names = [row.name for row in await tx.execute(_FINISHED)]
    for name in names:
        await tx.execute(_REMOVE, {"name": name})
        tx.record("cluster", f"clusters/{name}", deleted=True)
    return names
