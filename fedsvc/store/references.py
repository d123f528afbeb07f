"""Which objects the works of units name, and the copies that are made of these where their own units are not placed.

Rows of `object_reference` are written with the works that name something, and count as long as works that can name
anything are there: so a copy is known to be needed until the last of those who name it is gone from the member.
A unit's objects follow units of its own namespace alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from asyncpg import IntegrityConstraintViolationError

from fedsvc.errors import ClusterGoneError
from fedsvc.model.copies import Copies, CopyBinding
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.references import Reference
from fedsvc.rendering.workloads import Identity
from fedsvc.store.gate_sql import GIVEN_UNITS, NAMES_SOMETHING, same_object
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_rows import resource_name, unit_pair

# `r` is an object of unit `s`; `f` the name by which unit `u` has it follow.
_NAMED: Final = (
    f"resource r JOIN unit s ON s.uid = r.unit_uid JOIN object_reference f ON {same_object('f', 'r')}"
    " JOIN unit u ON u.uid = f.unit_uid AND u.namespace = s.namespace AND u.uid <> s.uid"
)
_IN_USE: Final = (
    "EXISTS (SELECT 1 FROM work w WHERE w.unit_uid = f.unit_uid AND w.cluster = f.cluster"
    f" AND {NAMES_SOMETHING.format(work='w')})"
)
_PAIRS: Final = "unnest(CAST(:namespaces AS text[]), CAST(:names AS text[]))"
_KEYS: Final = (
    "unnest(CAST(:groups AS text[]), CAST(:kinds AS text[]), CAST(:namespaces AS text[]), CAST(:names AS text[]))"
    " AS i (group_, kind, namespace, name)"
)

_WANTED_OR_STORED = text(
    "SELECT DISTINCT CAST(r.unit_uid AS text) AS unit_uid, f.cluster, f.group_, f.kind, f.namespace, f.name,"
    f" CAST(NULL AS bytea) AS render_key, '' AS withheld FROM {_NAMED}"
    f" WHERE r.unit_uid IN {GIVEN_UNITS} AND {_IN_USE}"
    " UNION ALL SELECT CAST(unit_uid AS text), cluster, '', '', '', '', render_key, withheld FROM copy_binding"
    f" WHERE unit_uid IN {GIVEN_UNITS}"
)
_STORED = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster, render_key, withheld FROM copy_binding"
    " WHERE unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY unit_uid, cluster"
)
_MISSING = text(
    f"SELECT DISTINCT CAST(r.unit_uid AS text) AS uid FROM {_PAIRS} AS i (namespace, name), {_NAMED}"
    " WHERE u.namespace = i.namespace AND u.name = i.name AND s.delete_time IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM binding b WHERE b.unit_uid = s.uid AND b.cluster = f.cluster)"
    " AND NOT EXISTS (SELECT 1 FROM copy_binding c WHERE c.unit_uid = s.uid AND c.cluster = f.cluster AND c.withheld <> '')"
    f" AND NOT EXISTS (SELECT 1 FROM work k WHERE k.cluster = f.cluster AND {same_object('k', 'f')}"
    f"   AND k.unit_uid = s.uid AND k.removal IS NULL) AND {_IN_USE}"
)
_UNWANTED = text(
    "SELECT DISTINCT CAST(c.unit_uid AS text) AS uid FROM copy_binding c JOIN unit o ON o.uid = c.unit_uid"
    " LEFT JOIN work k ON k.unit_uid = c.unit_uid AND k.cluster = c.cluster AND k.removal IS NULL"
    f" WHERE o.delete_time IS NULL AND NOT EXISTS (SELECT 1 FROM {_NAMED} WHERE r.unit_uid = c.unit_uid"
    f"   AND f.cluster = c.cluster AND (k.id IS NULL OR ({same_object('f', 'k')})) AND {_IN_USE})"
)
_FOLLOWERS = text(
    f"SELECT DISTINCT u.namespace, u.name FROM {_NAMED} WHERE r.unit_uid = CAST(:uid AS uuid)"
    f" AND u.delete_time IS NULL AND {_IN_USE} ORDER BY 1, 2"
)
_NAMING = text(
    f"SELECT DISTINCT f.group_, f.kind, f.namespace, f.name, u.name AS unit FROM {_KEYS} JOIN object_reference f"
    f" ON {same_object('f', 'i')} JOIN unit u ON u.uid = f.unit_uid AND u.namespace = :unit_namespace"
    f" AND u.name <> :unit WHERE {_IN_USE} ORDER BY 1, 2, 3, 4, 5"
)
_HELD = text(
    f"SELECT r.group_, r.kind, r.namespace, r.name FROM {_KEYS} JOIN resource r ON {same_object('r', 'i')}"
    " JOIN unit s ON s.uid = r.unit_uid AND s.namespace = :unit_namespace AND s.delete_time IS NULL"
)
_UNHELD = text(
    "SELECT DISTINCT CAST(f.unit_uid AS text) AS uid, f.kind, f.namespace, f.name FROM object_reference f"
    " JOIN unit u ON u.uid = f.unit_uid JOIN binding b ON b.unit_uid = f.unit_uid AND b.cluster = f.cluster"
    " WHERE f.unit_uid = ANY(CAST(:uids AS uuid[])) AND NOT f.optional AND NOT EXISTS (SELECT 1 FROM resource r"
    f"   JOIN unit s ON s.uid = r.unit_uid AND s.namespace = u.namespace WHERE {same_object('r', 'f')}) ORDER BY 1, 2, 3, 4"
)
_PUT_REFERENCES = text(
    "INSERT INTO object_reference (unit_uid, cluster, group_, kind, namespace, name, optional) SELECT * FROM"
    " unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]), CAST(:groups AS text[]), CAST(:kinds AS text[]),"
    " CAST(:namespaces AS text[]), CAST(:names AS text[]), CAST(:optional AS boolean[]))"
)
_PUT_COPIES = text(
    "INSERT INTO copy_binding (unit_uid, cluster, render_key, withheld) SELECT * FROM unnest(CAST(:uids AS uuid[]),"
    " CAST(:clusters AS text[]), CAST(:keys AS bytea[]), CAST(:withheld AS text[]))"
    " ON CONFLICT (unit_uid, cluster) DO UPDATE SET render_key = EXCLUDED.render_key, withheld = EXCLUDED.withheld"
)


async def copies_of(look: Look, uids: Sequence[str]) -> dict[str, Copies]:
    """What of units others name, and what was copied of it, by uid."""
    wanted: dict[str, dict[str, set[Identity]]] = {uid: {} for uid in uids}
    stored: dict[str, dict[str, CopyBinding]] = {uid: {} for uid in uids}
    for row in await look.execute(_WANTED_OR_STORED, {"units": orjson.dumps(list(uids)).decode()}):
        if row.render_key is None:
            wanted[row.unit_uid].setdefault(row.cluster, set()).add(_identity(row))
            continue
        stored[row.unit_uid][row.cluster] = CopyBinding(
            unit_uid=row.unit_uid, cluster=row.cluster, render_key=row.render_key, withheld=row.withheld
        )
    return {
        uid: Copies(wanted={cluster: frozenset(found) for cluster, found in wanted[uid].items()}, stored=stored[uid])
        for uid in uids
    }


async def copied_to(tx: Transaction, uids: Sequence[str]) -> dict[str, list[str]]:
    """The clusters that objects of units are copied to, by uid, sorted."""
    found: dict[str, list[str]] = {uid: [] for uid in uids}
    if not found:
        return found
    for row in await tx.execute(_STORED, {"uids": list(uids)}):
        if not row.withheld:
            found[row.unit_uid].append(row.cluster)
    return found


async def put_copies(tx: Transaction, copies: Sequence[CopyBinding]) -> None:
    """Note copies of units, or note them anew.

    Raises:
        ClusterGoneError: a cluster of them is registered no more.
    """
    if not copies:
        return
    values = {
        "uids": [copy.unit_uid for copy in copies],
        "clusters": [copy.cluster for copy in copies],
        "keys": [copy.render_key for copy in copies],
        "withheld": [copy.withheld for copy in copies],
    }
    try:
        await tx.execute(_PUT_COPIES, values)
    except IntegrityConstraintViolationError as error:  # the units are locked
        raise ClusterGoneError("a cluster that an object is copied to is registered no more") from error


async def put_references(tx: Transaction, named: Mapping[tuple[str, str], Iterable[Reference]]) -> None:
    """Note what the works of units name, by (uid, cluster), of which nothing is noted."""
    rows = [(uid, cluster, reference) for uid, cluster in sorted(named) for reference in sorted(named[uid, cluster])]
    if not rows:
        return
    await tx.execute(
        _PUT_REFERENCES,
        {
            "uids": [uid for uid, _, _ in rows],
            "clusters": [cluster for _, cluster, _ in rows],
            "optional": [reference.optional for _, _, reference in rows],
        }
        | _keys([reference.identity for _, _, reference in rows]),
    )


async def owners_to_look_at(look: Look, names: Collection[str]) -> list[str]:
    """The uids of units whose copies are not what others need of them now.

    Args:
        look: where it is read.
        names: in the API, of the units whose needs may be new. Copies that are needed no more are all found.
    """
    pairs = [unit_pair(name) for name in sorted(names)]
    parameters = {"namespaces": [namespace for namespace, _ in pairs], "names": [name for _, name in pairs]}
    unwanted = {row.uid for row in await look.execute(_UNWANTED)}
    return sorted(unwanted | {row.uid for row in await look.execute(_MISSING, parameters)})


async def followers_of(tx: Transaction, uid: str) -> list[str]:
    """Names in the API of the units that have objects of a unit follow and are not being deleted."""
    return [resource_name(row.namespace, row.name) for row in await tx.execute(_FOLLOWERS, {"uid": uid})]


async def naming(tx: Transaction, keys: Sequence[ObjectKey], *, namespace: str, unit: str) -> dict[Identity, list[str]]:
    """Names of the other units of a namespace that have these objects follow, by object."""
    found: dict[Identity, list[str]] = {}
    if keys:
        parameters = _keys([key.identity for key in keys]) | {"unit_namespace": namespace, "unit": unit}
        for row in await tx.execute(_NAMING, parameters):
            found.setdefault(_identity(row), []).append(row.unit)
    return found


async def held(tx: Transaction, identities: Sequence[Identity], *, namespace: str) -> set[Identity]:
    """Those of the objects that are part of a unit of the namespace."""
    if not identities:
        return set()
    rows = await tx.execute(_HELD, _keys(identities) | {"unit_namespace": namespace})
    return {_identity(row) for row in rows}


async def unheld(tx: Transaction, uids: Sequence[str]) -> dict[str, list[str]]:
    """What placed units name and cannot do without, and no unit of their namespace holds: by uid, for people."""
    found: dict[str, list[str]] = {uid: [] for uid in uids}
    if not found:
        return found
    for row in await tx.execute(_UNHELD, {"uids": list(uids)}):
        found[row.uid].append(f"{row.kind} {row.namespace}/{row.name}")
    return found


def _keys(identities: Sequence[Identity]) -> dict[str, list[str]]:
    return {
        "groups": [group for group, _, _, _ in identities],
        "kinds": [kind for _, kind, _, _ in identities],
        "namespaces": [namespace for _, _, namespace, _ in identities],
        "names": [name for _, _, _, name in identities],
    }


def _identity(row: Any) -> Identity:
    return row.group_, row.kind, row.namespace, row.name
