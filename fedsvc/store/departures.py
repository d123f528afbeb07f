"""Departures: the rows of `departure`, by which units are kept away from clusters that they left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from fedsvc.health import Verdict
from fedsvc.model.ailing import RETRY
from fedsvc.model.departure import Departure, DepartureCause
from fedsvc.model.failback import DEFAULT_STABLE_SECONDS, Away, FailbackMode
from fedsvc.model.failover import FailoverPolicy
from fedsvc.store.codec import from_json
from fedsvc.store.sql import text
from fedsvc.store.storable import storable_text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import resource_name

COLUMNS: Final = (
    "d.cluster, d.cause, d.targets, d.author, d.reason, d.trouble_time, d.due_time, d.leave_time, d.free_time,"
    " d.return_time, d.is_pending, d.share, d.gained"
)
OF_UNIT: Final = (
    "(SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.cluster), '[]'::jsonb) FROM"
    f" (SELECT {COLUMNS} FROM departure d WHERE d.unit_uid = unit.uid) x)"
)
"""The departures of a unit as JSON, in a query of `unit`."""

_OF_UNIT = text(f"SELECT {OF_UNIT} FROM unit WHERE uid = CAST(:uid AS uuid)")
_INPUT: Final = (
    "unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]), CAST(:causes AS text[]), CAST(:shares AS jsonb[]),"
    " CAST(:gained AS jsonb[])) AS i (unit_uid, cluster, cause, share, gained)"
)
# One that somebody asked for stays so, whatever becomes of the cluster meanwhile; a lost one is free to be returned to.
_LEFT = text(
    "INSERT INTO departure (unit_uid, cluster, cause, leave_time, free_time, share, gained)"
    f" SELECT i.unit_uid, i.cluster, i.cause, now(), CASE WHEN i.cause = 'Lost' THEN now() END, i.share, i.gained FROM {_INPUT}"
    " ON CONFLICT (unit_uid, cluster) DO UPDATE SET leave_time = now(), return_time = NULL, is_pending = FALSE,"
    " cause = EXCLUDED.cause, free_time = EXCLUDED.free_time, share = EXCLUDED.share, gained = EXCLUDED.gained"
)
_HEARD = text(
    "UPDATE departure d SET is_pending = FALSE, return_time = NULL, leave_time = coalesce(d.leave_time, now()) FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]))"
    " AS i (unit_uid, cluster) WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster"
)
_TAKING = text(
    "UPDATE departure d SET is_pending = FALSE FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]))"
    " AS i (unit_uid, cluster) WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster"
)
_IS_TRIED: Final = "(d.cause = 'Unhealthy' AND d.leave_time IS NULL AND d.return_time IS NULL)"
_END = text(
    "DELETE FROM departure d USING unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[])) AS i (unit_uid, cluster)"
    f" WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster AND NOT {_IS_TRIED}"
)
# Nothing else takes a unit that is unhealthy there: that may be otherwise later.
_PUT_OFF = text(
    "UPDATE departure d SET is_pending = FALSE, due_time = now() + CAST(:retry AS interval) FROM unnest(CAST(:uids AS uuid[]),"
    f" CAST(:clusters AS text[])) AS i (unit_uid, cluster) WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster AND {_IS_TRIED}"
)
_RETURNED = text(
    "UPDATE failover f SET return_time = now() FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]))"
    " AS i (unit_uid, cluster) WHERE f.unit_uid = i.unit_uid AND f.cluster = i.cluster AND f.return_time IS NULL"
)
_ORDER = text(
    "INSERT INTO departure (unit_uid, cluster, cause, targets, author, reason, trouble_time, due_time, is_pending)"
    " SELECT i.unit_uid, i.cluster, :cause, CAST(:targets AS jsonb), :author, i.reason, i.trouble_time, i.due_time,"
    " i.due_time <= now() FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]), CAST(:dues AS timestamptz[]),"
    " CAST(:reasons AS text[]), CAST(:troubles AS timestamptz[])) AS i (unit_uid, cluster, due_time, reason, trouble_time)"
    " ON CONFLICT (unit_uid, cluster) DO UPDATE SET cause = EXCLUDED.cause, targets = EXCLUDED.targets,"
    " author = EXCLUDED.author, reason = EXCLUDED.reason, due_time = EXCLUDED.due_time, return_time = NULL,"
    " trouble_time = EXCLUDED.trouble_time, free_time = NULL, is_pending = EXCLUDED.is_pending"
)
# Decisions lock units in this order, and then write their departures: whoever writes these locks the units first, too.
_LOCK_UNITS = text("SELECT 1 FROM unit WHERE uid = ANY(CAST(:uids AS uuid[])) ORDER BY uid FOR NO KEY UPDATE")
_TOUCH = text(
    "UPDATE unit SET reconsider_time = now() WHERE uid = ANY(CAST(:uids AS uuid[])) AND delete_time IS NULL"
    " RETURNING namespace, name"
)
_FORGET = text("DELETE FROM departure WHERE unit_uid = CAST(:uid AS uuid) AND cause <> 'Drain'")
# A drain goes on by what came of it: the next ones leave when those before them are ready elsewhere.
_BEFORE: Final = (
    "SELECT 1 FROM departure e WHERE d.cause = 'Drain' AND e.cause = 'Drain' AND e.cluster = d.cluster AND e.due_time < d.due_time"
    " AND e.return_time IS NULL AND (e.leave_time IS NULL OR EXISTS (SELECT 1 FROM failover f WHERE f.unit_uid = e.unit_uid"
    " AND f.cluster = e.cluster AND f.cause = 'Drain' AND f.ready_time IS NULL AND f.clean_time IS NULL))"
)
_DUE: Final = (
    "d.leave_time IS NULL AND d.return_time IS NULL AND NOT d.is_pending AND d.due_time <= now()"
    f" AND NOT EXISTS ({_BEFORE})"
)
ANY_DUE: Final = f"EXISTS (SELECT 1 FROM departure d WHERE {_DUE})"
"""Whether somebody wanted a unit to leave a cluster at a time that has come."""

_UIDS_DUE = text(f"SELECT DISTINCT CAST(d.unit_uid AS text) AS uid FROM departure d WHERE {_DUE} ORDER BY 1")
_CLAIM_DUE = text(
    f"UPDATE departure d SET is_pending = TRUE WHERE {_DUE} AND d.unit_uid = ANY(CAST(:uids AS uuid[]))"
    " RETURNING CAST(d.unit_uid AS text) AS uid"
)

_AWAY = text(
    "SELECT CAST(d.unit_uid AS text) AS uid, 'namespaces/' || u.namespace || '/units/' || u.name AS unit_name, d.cluster,"
    " u.spec -> 'failover' AS policy, d.leave_time, CASE WHEN c.observation -> 'health' ->> 'verdict' = :healthy"
    '   AND NOT jsonb_path_exists(c.taints, \'$[*] ? (@.effect == "NoSchedule" || @.effect == "NoExecute")\')'
    "   THEN greatest(CAST(c.observation -> 'health' ->> 'since' AS timestamptz), d.free_time) END AS well_since, d.free_time"
    " FROM departure d JOIN unit u ON u.uid = d.unit_uid JOIN cluster c ON c.name = d.cluster"
    " WHERE d.leave_time IS NOT NULL AND d.return_time IS NULL AND u.delete_time IS NULL AND c.delete_time IS NULL"
)
_RETURN_TIMES = text(
    "SELECT f.cluster, f.return_time FROM failover f JOIN cluster c ON c.name = f.cluster"
    " WHERE f.return_time >= CAST(c.observation -> 'health' ->> 'since' AS timestamptz)"
)
ANY_STABLE: Final = (
    "EXISTS (SELECT 1 FROM departure d JOIN unit u ON u.uid = d.unit_uid JOIN cluster c ON c.name = d.cluster"
    " WHERE d.free_time IS NOT NULL AND d.return_time IS NULL AND c.observation -> 'health' ->> 'verdict' = :healthy"
    " AND coalesce(u.spec #>> '{failover,failback,mode}', :after) = :after"
    " AND greatest(CAST(c.observation -> 'health' ->> 'since' AS timestamptz), d.free_time)"
    " + make_interval(secs => coalesce(CAST(u.spec #>> '{failover,failback,stable_seconds}' AS int), :stable)) <= now())"
)
"""Whether some unit is away from a cluster that was well for as long as the unit asks for."""
STABLE_VALUES: Final = {
    "healthy": Verdict.HEALTHY.value,
    "after": FailbackMode.AFTER.value,
    "stable": DEFAULT_STABLE_SECONDS,
}
"""Parameters of `ANY_STABLE`."""

_UIDS_ON = text(
    "SELECT DISTINCT CAST(unit_uid AS text) AS uid FROM binding WHERE cluster = ANY(CAST(:clusters AS text[])) ORDER BY 1"
)
_UIDS_AWAY = text(
    "SELECT DISTINCT CAST(unit_uid AS text) AS uid FROM departure WHERE cluster = ANY(CAST(:clusters AS text[]))"
    " AND return_time IS NULL ORDER BY 1"
)
# A drain lasts while the cluster is cordoned: then what has not left stays, and what left may go back.
_OPENED: Final = (
    "FROM cluster c WHERE c.name = d.cluster AND d.cause = 'Drain' AND d.free_time IS NULL AND d.return_time IS NULL"
    " AND NOT jsonb_path_exists(c.taints, CAST('$[*] ? (@.key == \"fedsvc.io/cordoned\")' AS jsonpath))"
)
_OF: Final = "AND d.unit_uid = ANY(CAST(:uids AS uuid[]))"
_UIDS_DRAINED = text(
    f"SELECT DISTINCT CAST(d.unit_uid AS text) AS uid FROM departure d, {_OPENED.removeprefix('FROM ')} ORDER BY 1"
)
_FREE_DRAINED = text(f"UPDATE departure d SET free_time = now() {_OPENED} AND d.leave_time IS NOT NULL {_OF}")
_DROP_DRAINED = text(
    f"DELETE FROM departure d USING cluster c {_OPENED.removeprefix('FROM cluster c ')} AND d.leave_time IS NULL {_OF}"
)
ANY_OPENED: Final = f"EXISTS (SELECT 1 FROM departure d, {_OPENED.removeprefix('FROM ')})"
"""Whether some cluster was drained and is open to units again."""

_RETURN = text(
    "UPDATE departure d SET return_time = now(), is_pending = TRUE FROM"
    " unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[])) AS i (unit_uid, cluster)"
    " WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A unit leaves a cluster by a decision that is being stored."""

    uid: str
    cluster: str
    cause: DepartureCause
    share: Mapping[str, int]  # replicas that it had there, by workload
    gained: Mapping[str, Mapping[str, int]]  # what others get for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A unit is to be away from a cluster."""

    uid: str
    cluster: str
    due_time: datetime
    reason: str = ""  # for people; empty: that of all
    trouble_time: datetime | None = None  # since when it is unhealthy there, where it leaves for that


def from_plain(rows: Iterable[Any]) -> tuple[Departure, ...]:
    """The departures in the JSON of `OF_UNIT`."""
    return tuple(from_json(Departure, row) for row in rows)


async def of_unit(tx: Transaction, uid: str) -> tuple[Departure, ...]:
    """The departures of a unit, by cluster."""
    return from_plain((await tx.execute(_OF_UNIT, {"uid": uid})).scalar_one())


async def leave(tx: Transaction, left: Sequence[Leave]) -> None:
    """Note that units left clusters, by the decisions of this transaction."""
    if not left:
        return
    values = {
        "uids": [one.uid for one in left],
        "clusters": [one.cluster for one in left],
        "causes": [one.cause.value for one in left],
        "shares": [_json(dict(one.share)) for one in left],
        "gained": [_json({name: dict(more) for name, more in one.gained.items()}) for one in left],
    }
    await tx.execute(_LEFT, values)


async def heard(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Decisions of this transaction keep units away, each by uid and cluster."""
    if pairs:
        await tx.execute(_HEARD, pairs_of(pairs))


async def taking(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Units were let be on clusters again, and give up later what they had elsewhere instead."""
    if pairs:
        await tx.execute(_RETURNED, pairs_of(pairs))
        await tx.execute(_TAKING, pairs_of(pairs))


async def end(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Units are let be on clusters again, each by uid and cluster; what was to leave for its health, for now."""
    if pairs:
        await tx.execute(_RETURNED, pairs_of(pairs))
        await tx.execute(_END, pairs_of(pairs))
        await tx.execute(_PUT_OFF, {**pairs_of(pairs), "retry": RETRY})


async def order(
    tx: Transaction,
    orders: Sequence[Order],
    *,
    cause: DepartureCause,
    targets: Sequence[str] = (),
    author: str,
    reason: str = "",
) -> None:
    """Have units leave clusters, each from its time on; those that are due are decided at once."""
    if not orders:
        return
    values = {
        "uids": [one.uid for one in orders],
        "clusters": [one.cluster for one in orders],
        "dues": [one.due_time for one in orders],
        "cause": cause.value,
        "targets": _json(list(targets)),
        "author": author,
        "reasons": [storable_text(one.reason or reason) for one in orders],
        "troubles": [one.trouble_time for one in orders],
    }
    await lock(tx, [one.uid for one in orders])
    await tx.execute(_ORDER, values)
    await touch(tx, [one.uid for one in orders if one.due_time <= tx.now])


async def touch(tx: Transaction, uids: Sequence[str]) -> None:
    """Have units decided anew."""
    if uids:
        for row in await tx.execute(_TOUCH, {"uids": sorted(set(uids))}):
            tx.record("unit", resource_name(row.namespace, row.name))


async def forget(tx: Transaction, uid: str) -> None:
    """Let a unit be anywhere again, but on clusters that are to be empty."""
    await tx.execute(_FORGET, {"uid": uid})


async def begin_due(tx: Transaction) -> None:
    """Have the units decided anew that are to leave a cluster from now on."""
    uids = [row.uid for row in await tx.execute(_UIDS_DUE)]
    await lock(tx, uids)
    await touch(tx, [row.uid for row in await tx.execute(_CLAIM_DUE, {"uids": uids})])


async def away(tx: Transaction) -> list[tuple[str, Away]]:
    """All units that are away from clusters that they left, with their names in the API."""
    rows = await tx.execute(_AWAY, {"healthy": Verdict.HEALTHY.value})
    found = []
    for row in rows:
        policy = from_json(FailoverPolicy, row.policy or {})
        one = Away(
            uid=row.uid,
            cluster=row.cluster,
            policy=policy.failback,
            priority=policy.priority,
            leave_time=row.leave_time,
            well_since=row.well_since if row.free_time is not None else None,
        )
        found.append((row.unit_name, one))
    return found


async def return_times(tx: Transaction) -> dict[str, list[datetime]]:
    """When units went back to clusters since these are well, by cluster."""
    found: dict[str, list[datetime]] = {}
    for row in await tx.execute(_RETURN_TIMES):
        found.setdefault(row.cluster, []).append(row.return_time)
    return found


async def uids_on(tx: Transaction, clusters: Sequence[str]) -> list[str]:
    """The units that are on any of the clusters."""
    return [row.uid for row in await tx.execute(_UIDS_ON, {"clusters": list(clusters)})]


async def uids_away(tx: Transaction, clusters: Sequence[str]) -> list[str]:
    """The units that are kept away from any of the clusters, or are to leave them."""
    return [row.uid for row in await tx.execute(_UIDS_AWAY, {"clusters": list(clusters)})]


async def end_drains(tx: Transaction) -> None:
    """End the drains of clusters that are open to units again."""
    uids = [row.uid for row in await tx.execute(_UIDS_DRAINED)]
    await lock(tx, uids)
    await tx.execute(_DROP_DRAINED, {"uids": uids})
    await tx.execute(_FREE_DRAINED, {"uids": uids})


async def begin_return(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Have units decided anew with the clusters that they left, each by uid and cluster."""
    if pairs:
        await lock(tx, [uid for uid, _ in pairs])
        await tx.execute(_RETURN, pairs_of(pairs))
        await touch(tx, [uid for uid, _ in pairs])


async def lock(tx: Transaction, uids: Sequence[str]) -> None:
    """Nobody else decides on these units until the transaction ends; before anything is asked of automation."""
    await tx.execute(_LOCK_UNITS, {"uids": sorted(set(uids))})


def pairs_of(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Units and clusters as parameters of a statement."""
    return {"uids": [uid for uid, _ in pairs], "clusters": [cluster for _, cluster in pairs]}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
