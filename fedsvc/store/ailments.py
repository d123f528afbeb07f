"""Ailments: the rows of `ailment`, by which it is kept since when units are unhealthy on clusters that are well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fedsvc.health import EvidenceKind, Verdict
from fedsvc.model.ailing import DEFAULT_FORGET_SECONDS, STEP, Course, Spot
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverPolicy
from fedsvc.store import departures
from fedsvc.store.codec import from_json
from fedsvc.store.gate_sql import REACHED
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_rows import resource_name

ASKING: Final = "jsonb_typeof(spec #> '{failover,unhealthy}') = 'object'"
"""Of the units that leave where they are unhealthy; an index holds them."""

_ANY = text(
    f"SELECT EXISTS (SELECT 1 FROM unit WHERE {ASKING} AND delete_time IS NULL AND status ->> 'state' IS DISTINCT FROM 'Ready')"
    " OR EXISTS (SELECT 1 FROM ailment) OR EXISTS (SELECT 1 FROM departure WHERE cause = 'Unhealthy')"
)
# Decisions lock units, then ask what automation may do: in this order here, too.
_LOCK = text(
    f"SELECT 1 FROM unit u WHERE ({ASKING} AND delete_time IS NULL AND status ->> 'state' IS DISTINCT FROM 'Ready')"
    " OR EXISTS (SELECT 1 FROM ailment a WHERE a.unit_uid = u.uid)"
    " OR EXISTS (SELECT 1 FROM departure d WHERE d.unit_uid = u.uid AND d.cause = 'Unhealthy')"
    " ORDER BY uid FOR NO KEY UPDATE"
)
# What is seen of an object before it was made to hold something new tells nothing. A workload on its way is no trouble
# as long as some of it is ready; a Job that runs is on its way, and is meant to be.
_SICK: Final = (
    "(work.state IN ('Applied', 'Drifted') AND NOT work.dirty"
    " AND coalesce(work.observed_digest, work.applied_digest) = work.applied_digest AND (work.health = 'Degraded'"
    "  OR (work.health = 'Progressing' AND work.group_ <> 'batch' AND work.desired_replicas > 0"
    "   AND coalesce(work.ready_replicas, 0) = 0)))"
)
_IS_READY: Final = REACHED.format(awaited="'ready'")
_WORDS: Final = "work.kind || ' ' || work.name || ': ' || concat_ws(': ', nullif(work.health_reason, ''), nullif(work.health_message, ''))"
_SPOTS = text(
    "SELECT CAST(u.uid AS text) AS uid, u.namespace, u.name, u.spec -> 'failover' AS policy, b.cluster, a.since,"
    " max(work.applied_time) AS applied_time, coalesce(bool_or((c.observation -> 'health' ->> 'verdict' = :healthy"
    "   OR c.observation -> 'health' ->> 'kind' = :no_nodes)"
    f"   AND {_SICK}), FALSE) AS is_sick, coalesce(bool_and({_IS_READY}), FALSE)"
    "   AND bool_and(c.observation -> 'health' ->> 'verdict' IS NOT DISTINCT FROM :healthy) AS is_well,"
    f" (array_agg({_WORDS} ORDER BY work.id) FILTER (WHERE {_SICK}))[1] AS message"
    " FROM unit u JOIN binding b ON b.unit_uid = u.uid JOIN cluster c ON c.name = b.cluster"
    " LEFT JOIN ailment a ON a.unit_uid = u.uid AND a.cluster = b.cluster"
    " LEFT JOIN work ON work.unit_uid = u.uid AND work.cluster = b.cluster AND work.removal IS NULL"
    f" WHERE {ASKING} AND u.delete_time IS NULL AND (u.status ->> 'state' IS DISTINCT FROM 'Ready'"
    "   OR EXISTS (SELECT 1 FROM ailment o WHERE o.unit_uid = u.uid))"
    " GROUP BY u.uid, b.cluster, a.since ORDER BY u.uid, b.cluster"
)
_LEFT = text(
    "SELECT CAST(work.unit_uid AS text) AS uid, work.cluster, bool_and(work.health = 'Healthy' AND c.observation -> 'health'"
    "   ->> 'verdict' IS NOT DISTINCT FROM :healthy) AS is_well FROM departure d"
    " JOIN work ON work.unit_uid = d.unit_uid AND work.cluster = d.cluster JOIN cluster c ON c.name = d.cluster"
    " WHERE d.cause = 'Unhealthy' AND d.return_time IS NULL AND work.removal IS NOT NULL AND work.state = 'Held'"
    "  AND work.reason = :awaiting GROUP BY 1, 2"
)
_BOUND = text("SELECT cluster, count(*) AS units FROM binding GROUP BY cluster")
_GONE = text(
    "SELECT cluster, array_agg(coalesce(leave_time, due_time)) AS times FROM departure WHERE cause = 'Unhealthy'"
    " AND coalesce(leave_time, due_time) > now() - CAST(:step AS interval) GROUP BY cluster"
)
_UNDER_WAY = text(
    "SELECT CAST(unit_uid AS text) AS uid, cluster FROM departure WHERE leave_time IS NULL OR return_time IS NOT NULL"
)
_PUT = text(
    "INSERT INTO ailment (unit_uid, cluster, since, reason, message, due_time) SELECT * FROM unnest(CAST(:uids AS uuid[]),"
    " CAST(:clusters AS text[]), CAST(:sinces AS timestamptz[]), CAST(:reasons AS text[]), CAST(:messages AS text[]),"
    " CAST(:dues AS timestamptz[])) ON CONFLICT (unit_uid, cluster) DO UPDATE SET since = EXCLUDED.since,"
    " reason = EXCLUDED.reason, message = EXCLUDED.message, due_time = EXCLUDED.due_time"
    " WHERE (ailment.since, ailment.reason, ailment.message, ailment.due_time)"
    "  IS DISTINCT FROM (EXCLUDED.since, EXCLUDED.reason, EXCLUDED.message, EXCLUDED.due_time)"
)
_DROP = text(
    "DELETE FROM ailment WHERE (unit_uid, cluster) NOT IN (SELECT * FROM unnest(CAST(:uids AS uuid[]),"
    " CAST(:clusters AS text[])))"
)
# What has not left yet and need not leave any more, or may not for now; it is ordered again when it may.
_CALL_OFF = text(
    "DELETE FROM departure WHERE cause = 'Unhealthy' AND leave_time IS NULL AND return_time IS NULL"
    " AND ((unit_uid, cluster) NOT IN (SELECT unit_uid, cluster FROM ailment)"
    "  OR unit_uid = ANY(CAST(:held AS uuid[])) OR cluster = ANY(CAST(:clusters AS text[])) OR :is_held)"
    " RETURNING CAST(unit_uid AS text) AS uid"
)
_FORGET = text(
    "DELETE FROM departure d USING unit u WHERE u.uid = d.unit_uid AND d.cause = 'Unhealthy' AND d.return_time IS NULL"
    " AND d.leave_time + make_interval(secs => CASE WHEN jsonb_typeof(u.spec #> '{failover,unhealthy}') = 'object'"
    "   THEN coalesce(CAST(u.spec #>> '{failover,unhealthy,forget_seconds}' AS int), :forget) ELSE 0 END) <= now()"
    " AND NOT EXISTS (SELECT 1 FROM work w WHERE w.unit_uid = d.unit_uid AND w.cluster = d.cluster"
    "   AND w.state = 'Held' AND w.reason = :awaiting) RETURNING CAST(d.unit_uid AS text) AS uid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A unit that asks to leave where it is unhealthy, and is not ready somewhere."""

    uid: str
    unit_name: str  # in the API
    policy: FailoverPolicy
    spots: list[Spot] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)  # by cluster where it is unhealthy: why, for people


async def any_to_follow(look: Look) -> bool:
    """Whether there is anything to do."""
    return bool((await look.execute(_ANY)).scalar_one())


async def lock(tx: Transaction) -> None:
    """Nobody else decides on the units that `read` may give, or that left for their health, until it ends."""
    await tx.execute(_LOCK)


async def read(tx: Transaction) -> list[Found]:
    """The units that ask to leave where they are unhealthy, but for those that are ready everywhere."""
    found: dict[str, Found] = {}
    for row in await tx.execute(
        _SPOTS, {"healthy": Verdict.HEALTHY.value, "no_nodes": EvidenceKind.NODES_NOT_READY.value}
    ):
        one = found.get(row.uid)
        if one is None:
            name = resource_name(row.namespace, row.name)
            policy = from_json(FailoverPolicy, row.policy)
            one = found[row.uid] = Found(uid=row.uid, unit_name=name, policy=policy)
        one.spots.append(Spot(cluster=row.cluster, since=_since(row, tx.now), is_well=row.is_well))
        if row.is_sick:
            one.messages[row.cluster] = row.message
    return list(found.values())


def _since(row: Any, now: datetime) -> datetime | None:
    """Since when a unit is unhealthy: what it was made to hold has to fail for as long, too."""
    if not row.is_sick:
        return None
    return max(row.since or now, row.applied_time or now)


async def left_behind(tx: Transaction) -> dict[str, dict[str, bool]]:
    """Where units left something for their health that is kept until they are ready elsewhere: whether it is well."""
    found: dict[str, dict[str, bool]] = {}
    for row in await tx.execute(_LEFT, {"healthy": Verdict.HEALTHY.value, "awaiting": AWAITING_REPLACEMENT}):
        found.setdefault(row.uid, {})[row.cluster] = row.is_well
    return found


async def bound_counts(tx: Transaction) -> dict[str, int]:
    """How many units are on each cluster."""
    return {row.cluster: row.units for row in await tx.execute(_BOUND)}


async def gone_of_late(tx: Transaction) -> dict[str, Sequence[datetime]]:
    """When units left clusters for their health within the last step, by cluster."""
    return {row.cluster: row.times for row in await tx.execute(_GONE, {"step": STEP})}


async def under_way(tx: Transaction) -> set[tuple[str, str]]:
    """Where units are to leave, or to go back, already: by uid and cluster."""
    return {(row.uid, row.cluster) for row in await tx.execute(_UNDER_WAY)}


async def keep(tx: Transaction, found: Sequence[Found], waiting: Mapping[tuple[str, str], Any]) -> None:
    """Store what ails units now, and forget what does not any more.

    Args:
        tx: the transaction.
        found: what `read` gave.
        waiting: by uid and cluster, as in `Course`, why units stay there for now.
    """
    pairs = [(one, spot) for one in found for spot in one.spots if spot.since is not None]
    why = [waiting.get((one.uid, spot.cluster)) for one, spot in pairs]
    values = {
        "uids": [one.uid for one, _ in pairs],
        "clusters": [spot.cluster for _, spot in pairs],
        "sinces": [spot.since for _, spot in pairs],
        "reasons": ["" if each is None else each[0].value for each in why],
        "messages": [one.messages[spot.cluster] for one, spot in pairs],
        "dues": [None if each is None else each[1] for each in why],
    }
    await tx.execute(_DROP, {"uids": values["uids"], "clusters": values["clusters"]})
    if pairs:
        await tx.execute(_PUT, values)


async def call_off(tx: Transaction, *, held_uids: Sequence[str], held_clusters: Sequence[str], is_held: bool) -> None:
    """Drop what was to leave for its health, where that is well again or automation may not act."""
    values = {"held": list(held_uids), "clusters": list(held_clusters), "is_held": is_held}
    await departures.touch(tx, [row.uid for row in await tx.execute(_CALL_OFF, values)])


async def forget(tx: Transaction) -> None:
    """Let units be placed again where they were unhealthy long enough ago; it moves nothing by itself."""
    values = {"forget": DEFAULT_FORGET_SECONDS, "awaiting": AWAITING_REPLACEMENT}
    await departures.touch(tx, [row.uid for row in await tx.execute(_FORGET, values)])


async def order(tx: Transaction, found: Sequence[Found], done: Course) -> None:
    """Have units leave where they are unhealthy, or take back what they left in vain."""
    by_uid = {one.uid: one for one in found}
    orders = []
    for uid, cluster in done.leaving:
        one = by_uid[uid]
        since = next(spot.since for spot in one.spots if spot.cluster == cluster)
        reason = f"it was unhealthy there: {one.messages[cluster]}"
        orders.append(departures.Order(uid=uid, cluster=cluster, due_time=tx.now, reason=reason, trouble_time=since))
    await departures.order(tx, orders, cause=DepartureCause.UNHEALTHY, author="")
    await departures.begin_return(tx, done.returning)
