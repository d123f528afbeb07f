"""What lookouts found in members: it outlives restarts, and the silence of a member, since it is what is last known."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from fedsvc.model.sighting import Key, Lookings, Sighting
from fedsvc.store.sql import text
from fedsvc.store.storable import storable_json, storable_text
from fedsvc.store.store import Look, Transaction

_WHERE: Final = (
    " WHERE (CAST(:clusters AS text[]) IS NULL OR cluster = ANY(CAST(:clusters AS text[])))"
    " AND (CAST(:purposes AS text[]) IS NULL OR purpose = ANY(CAST(:purposes AS text[])))"
)
_LOOKOUTS = text(
    f"SELECT cluster, purpose, namespace, read_time IS NOT NULL AS is_read, reason, message FROM lookout{_WHERE}"
)
_SEEN = text(
    f"SELECT cluster, purpose, lookout_namespace, namespace, name, body FROM sighting{_WHERE} ORDER BY namespace, name"
)
_DROP_OTHERS = text(
    "DELETE FROM lookout l WHERE l.cluster = :cluster AND NOT EXISTS (SELECT 1 FROM"
    " unnest(CAST(:purposes AS text[]), CAST(:namespaces AS text[])) AS k (purpose, namespace)"
    " WHERE k.purpose = l.purpose AND k.namespace = l.namespace) RETURNING purpose"
)
_READ = text(
    "INSERT INTO lookout (cluster, purpose, namespace, read_time) VALUES (:cluster, :purpose, :namespace, now())"
    " ON CONFLICT (cluster, purpose, namespace) DO UPDATE SET read_time = now(), reason = '', message = ''"
    " WHERE lookout.read_time IS NULL OR lookout.reason <> '' RETURNING purpose"
)
_PROBLEM = text(
    "INSERT INTO lookout (cluster, purpose, namespace, reason, message)"
    " VALUES (:cluster, :purpose, :namespace, :reason, :message)"
    " ON CONFLICT (cluster, purpose, namespace) DO UPDATE SET reason = :reason, message = :message"
    " WHERE (lookout.reason, lookout.message) <> (:reason, :message)"
)
_DROP_ABSENT = text(
    "DELETE FROM sighting s WHERE s.cluster = :cluster AND s.purpose = :purpose AND s.lookout_namespace = :namespace"
    " AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS k (namespace, name)"
    " WHERE k.namespace = s.namespace AND k.name = s.name)"
)
_DROP = text(
    "DELETE FROM sighting s USING unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS k (namespace, name)"
    " WHERE s.cluster = :cluster AND s.purpose = :purpose AND s.lookout_namespace = :namespace"
    " AND k.namespace = s.namespace AND k.name = s.name"
)
_PUT = text(
    "INSERT INTO sighting (cluster, purpose, lookout_namespace, namespace, name, body)"
    " SELECT CAST(:cluster AS text), CAST(:purpose AS text), CAST(:namespace AS text), * FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[]),"
    " CAST(:bodies AS jsonb[])) ON CONFLICT (cluster, purpose, lookout_namespace, namespace, name)"
    " DO UPDATE SET body = EXCLUDED.body WHERE sighting.body <> EXCLUDED.body"
)


async def read(look: Look, *, clusters: Iterable[str] | None = None, purposes: Iterable[str] | None = None) -> Lookings:
    """What lookouts found, as it is last known.

    Args:
        look: the connection.
        clusters: of these; None: of all.
        purposes: for these; None: for all.
    """
    parameters = {
        "clusters": None if clusters is None else list(clusters),
        "purposes": None if purposes is None else list(purposes),
    }
    found: dict[tuple[str, str, str], list[Sighting]] = {}
    problems: dict[tuple[str, str, str], tuple[str, str]] = {}
    for row in await look.execute(_LOOKOUTS, parameters):
        key = (row.cluster, row.purpose, row.namespace)
        if row.is_read:
            found[key] = []
        if row.reason:
            problems[key] = row.reason, row.message
    if found:
        for row in await look.execute(_SEEN, parameters):
            found.setdefault((row.cluster, row.purpose, row.lookout_namespace), []).append(
                Sighting(namespace=row.namespace, name=row.name, body=row.body)
            )
    return Lookings(found={key: tuple(seen) for key, seen in found.items()}, problems=problems)


async def keep(tx: Transaction, cluster: str, keys: Collection[Key]) -> None:
    """Forget what is looked for no more in a cluster."""
    parameters = {
        "cluster": cluster,
        "purposes": [purpose for purpose, _ in keys],
        "namespaces": [namespace for _, namespace in keys],
    }
    if await tx.change(_DROP_OTHERS, parameters):
        tx.record("sighting", f"clusters/{cluster}")


async def replace(tx: Transaction, cluster: str, key: Key, seen: Sequence[Sighting]) -> None:
    """A lookout found these, and no others."""
    place = _place(cluster, key)
    changed = await tx.change(_READ, place)
    changed += await tx.change(_DROP_ABSENT, place | _names([(one.namespace, one.name) for one in seen]))
    changed += await _put(tx, place, seen)
    if changed:
        tx.record("sighting", f"clusters/{cluster}")


async def update(
    tx: Transaction, cluster: str, key: Key, seen: Sequence[Sighting], gone: Collection[tuple[str, str]]
) -> None:
    """A lookout that was read found these anew, and others, as (namespace, name), are gone."""
    place = _place(cluster, key)
    changed = await tx.change(_DROP, place | _names(gone)) if gone else 0
    changed += await _put(tx, place, seen)
    if changed:
        tx.record("sighting", f"clusters/{cluster}")


async def note_problem(tx: Transaction, cluster: str, key: Key, reason: str, message: str) -> None:
    """A lookout cannot be read now; what it found before stays."""
    if await tx.change(_PROBLEM, _place(cluster, key) | {"reason": reason, "message": storable_text(message)}):
        tx.record("sighting", f"clusters/{cluster}")


def _place(cluster: str, key: Key) -> dict[str, Any]:
    return {"cluster": cluster, "purpose": key[0], "namespace": key[1]}


def _names(names: Iterable[tuple[str, str]]) -> dict[str, Any]:
    pairs = list(names)
    return {"namespaces": [namespace for namespace, _ in pairs], "names": [name for _, name in pairs]}


async def _put(tx: Transaction, place: dict[str, Any], seen: Sequence[Sighting]) -> int:
    if not seen:
        return 0
    bodies = [storable_json(one.body) for one in seen]
    return await tx.change(_PUT, place | _names([(one.namespace, one.name) for one in seen]) | {"bodies": bodies})
