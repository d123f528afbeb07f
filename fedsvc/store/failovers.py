"""Failovers: what units left on lost clusters, and the history of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fedsvc.health import Verdict
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failover import AWAITING_REPLACEMENT, MEMBER_LOST, Failover
from fedsvc.model.removal import shown
from fedsvc.model.roles import Cause, Switchover
from fedsvc.store.gate_sql import REACHED
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.work_rows import UNIT_NAME, record_rows

_COLUMNS: Final = (
    "id, unit_name, cluster, targets, priority, message, cause, author, trouble_time, detect_time,"
    " create_time AS decide_time, place_time, ready_time, traffic_time, is_named, clean_time, return_time"
)
_IS_READY: Final = REACHED.format(awaited="'ready'")
_READY_OTHER: Final = _IS_READY.replace("work.", "other.")
_BURY = text(
    "UPDATE work SET dirty = FALSE, state = 'Held', reason = i.reason, message = i.message, update_time = now()"
    " FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]), CAST(:messages AS text[]),"
    " CAST(:reasons AS text[])) AS i (unit_uid, cluster, message, reason) WHERE work.unit_uid = i.unit_uid AND work.cluster = i.cluster"
    " AND work.removal IS NOT NULL AND work.state <> 'Held'"
)
_ADD = text(
    "INSERT INTO failover (unit_uid, unit_name, cluster, targets, priority, message, cause, author, trouble_time, detect_time,"
    " is_named, place_time, ready_time) SELECT i.uid, i.unit_name, i.cluster, ARRAY(SELECT jsonb_array_elements_text(i.targets)),"
    " i.priority, i.message, i.cause, i.author, i.trouble_time, i.detect_time,"
    " EXISTS (SELECT 1 FROM dns_name n WHERE n.unit = i.unit_name),"
    " CASE WHEN i.is_done THEN now() END, CASE WHEN i.is_done THEN now() END"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS i (uid uuid, unit_name text, cluster text, targets jsonb,"
    " priority int, message text, cause text, author text, trouble_time timestamptz, detect_time timestamptz, is_done boolean)"
)
# Nothing of it is to be followed: the unit stays where it is.
_ADD_SWITCHOVER = text(
    "INSERT INTO failover (unit_uid, unit_name, cluster, targets, priority, message, cause, author, create_time,"
    " place_time, ready_time, clean_time) VALUES (CAST(:uid AS uuid), :unit_name, :source, ARRAY[CAST(:target AS text)],"
    " :priority, :message, :cause, :author, :begin, :promoted, now(), now())"
)
_LIST = text(
    f"SELECT {_COLUMNS} FROM failover WHERE id < :before AND (:unit = '' OR unit_name = :unit)"
    " AND (:cluster = '' OR cluster = :cluster) ORDER BY id DESC LIMIT :limit"
)
_ON_TARGETS: Final = (
    "FROM work WHERE work.unit_uid = f.unit_uid AND work.cluster = ANY(f.targets) AND work.removal IS NULL"
)
_PLACED = text(
    f"UPDATE failover f SET place_time = (SELECT greatest(f.create_time, max(work.applied_time)) {_ON_TARGETS})"
    " WHERE f.place_time IS NULL AND f.ready_time IS NULL AND f.unit_uid IS NOT NULL AND cardinality(f.targets) > 0"
    f" AND EXISTS (SELECT 1 {_ON_TARGETS})"
    f" AND NOT EXISTS (SELECT 1 {_ON_TARGETS} AND (work.state <> 'Applied' OR work.dirty))"
    " RETURNING EXTRACT(EPOCH FROM f.place_time - f.create_time) AS seconds"
)
_READY = text(
    "UPDATE failover f SET ready_time = now() WHERE f.place_time IS NOT NULL AND f.ready_time IS NULL"
    f" AND NOT EXISTS (SELECT 1 {_ON_TARGETS} AND NOT {_IS_READY})"
    " RETURNING EXTRACT(EPOCH FROM f.ready_time - f.place_time) AS seconds"
)
_ITS_NAMES: Final = "FROM dns_name n WHERE n.unit = f.unit_name AND cardinality(n.clusters) > 0"
_ITS_ZONES: Final = (
    "FROM dns_name n JOIN dns_record_set r USING (name) JOIN dns_zone z USING (zone_uid) JOIN policy p ON p.uid = z.zone_uid"
    " LEFT JOIN dns_publication b USING (zone_uid) WHERE n.unit = f.unit_name AND jsonb_typeof(p.spec -> 'provider') = 'object'"
)
# Its names give what the name servers of their zones have: those in fedsvc what is stored, others what was published.
_TRAFFIC = text(
    "UPDATE failover f SET traffic_time = greatest(f.create_time, (SELECT max(n.change_time) FROM dns_name n"
    f" WHERE n.unit = f.unit_name), (SELECT max(CAST(b.report ->> 'publish_time' AS timestamptz)) {_ITS_ZONES}))"
    " WHERE f.is_named AND f.traffic_time IS NULL AND f.ready_time IS NOT NULL"
    f" AND EXISTS (SELECT 1 {_ITS_NAMES} AND (cardinality(f.targets) = 0 OR n.clusters && f.targets))"
    f" AND NOT EXISTS (SELECT 1 {_ITS_NAMES} AND f.cluster = ANY(n.clusters))"
    f" AND NOT EXISTS (SELECT 1 {_ITS_ZONES} AND coalesce(CAST(b.report ->> 'serial' AS bigint), 0) <> z.serial)"
    " RETURNING greatest(0, EXTRACT(EPOCH FROM f.traffic_time - f.ready_time)) AS seconds"
)
_GONE: Final = (
    "f.clean_time IS NULL AND f.unit_uid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM work w WHERE w.unit_uid = f.unit_uid"
    " AND w.cluster = f.cluster)"
)
_CLEANED = text(f"UPDATE failover f SET clean_time = now() WHERE {_GONE} RETURNING f.id")
OPEN: Final = (
    "(EXISTS (SELECT 1 FROM failover WHERE ready_time IS NULL AND unit_uid IS NOT NULL AND cardinality(targets) > 0)"
    " OR EXISTS (SELECT 1 FROM failover f JOIN binding b USING (unit_uid, cluster) WHERE f.clean_time IS NULL)"
    f" OR EXISTS (SELECT 1 FROM failover f WHERE {_GONE})"
    f" OR EXISTS (SELECT 1 FROM failover f WHERE f.is_named AND f.traffic_time IS NULL AND f.create_time > now() - interval '1 day'"
    f" AND f.ready_time IS NOT NULL AND EXISTS (SELECT 1 {_ITS_NAMES})))"
)
"""Whether something is to be noted of some failover."""

_TAKEN_BACK = text(
    "UPDATE failover f SET clean_time = b.update_time FROM binding b WHERE b.unit_uid = f.unit_uid AND b.cluster = f.cluster"
    " AND f.clean_time IS NULL RETURNING f.id"
)
_UNREADY = text(
    "SELECT count(*) FROM failover WHERE ready_time IS NULL AND unit_uid IS NOT NULL AND clean_time IS NULL"
)
_LEFT = text(
    "SELECT count(*) FROM work WHERE state = 'Held' AND reason = :reason AND removal IS NOT NULL AND member_uid <> ''"
)
# A unit runs elsewhere where it is placed on a healthy cluster, and where every cluster that it is placed on, but for
# those that are lost or expected to be away, is healthy and has all of it ready.
_GRAVES = text(
    "SELECT work.id, CAST(work.unit_uid AS text) AS uid, work.cluster, work.reason = :lost AND work.member_uid <> ''"
    " AND work.removal <> 'Orphan' AS is_counted FROM work JOIN cluster c ON c.name = work.cluster JOIN unit u ON u.uid = work.unit_uid"
    " WHERE work.removal IS NOT NULL AND work.state = 'Held' AND work.reason IN (:lost, :awaiting)"
    " AND (u.delete_time IS NOT NULL OR c.delete_time IS NOT NULL"
    "  OR ((work.reason = :awaiting OR c.observation -> 'health' ->> 'verdict' = :healthy) AND EXISTS (SELECT 1 FROM binding b JOIN cluster bc"
    "    ON bc.name = b.cluster WHERE b.unit_uid = u.uid AND bc.observation -> 'health' ->> 'verdict' = :healthy)"
    "   AND NOT EXISTS (SELECT 1 FROM work other JOIN cluster oc ON oc.name = other.cluster"
    "    WHERE other.unit_uid = u.uid AND other.removal IS NULL"
    "   AND coalesce(oc.observation -> 'health' ->> 'verdict', '') NOT IN ('Unreachable', 'Maintenance', 'Hibernated')"
    f"   AND (oc.observation -> 'health' ->> 'verdict' IS DISTINCT FROM :healthy OR NOT {_READY_OTHER}))))"
    " ORDER BY work.unit_uid, work.id"
)
_REASONS: Final = {"lost": MEMBER_LOST, "awaiting": AWAITING_REPLACEMENT}
_RELEASE = text(
    "UPDATE work SET dirty = TRUE, state = 'Removing', reason = '', message = '', attempts = 0, next_attempt_time = now(),"
    " update_time = now() WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'Held' AND reason IN (:lost, :awaiting)"
    f" RETURNING work.id, work.cluster, {UNIT_NAME}"
)

_TELL = text(
    "UPDATE work SET message = i.message, update_time = now() FROM unnest(CAST(:ids AS bigint[]), CAST(:messages AS text[]))"
    " AS i (id, message) WHERE work.id = i.id AND work.state = 'Held' AND work.message <> i.message"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A unit leaves a cluster that is lost or as somebody asked, by a decision that is being stored."""

    uid: str
    unit_name: str  # in the API
    cluster: str
    targets: Sequence[str]  # clusters that hold more of it from now on
    is_elsewhere: bool  # it runs on others already, which need no more of it
    priority: int
    message: str  # for people
    trouble_time: Any  # datetime | None, as of the verdict
    detect_time: Any
    is_lost: bool = True
    cause: DepartureCause = DepartureCause.LOST
    author: str = ""  # who asked for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Grave:
    """A work that was left on a cluster, and may be removed now."""

    id: int
    unit_uid: str
    cluster: str
    is_counted: bool  # an object is deleted with it that no budget has let go yet


async def add(tx: Transaction, left: Sequence[Left]) -> None:
    """Note failovers, and keep what they leave behind where it is until the cluster was seen again."""
    if not left:
        return
    message = "{} was lost: it stays there until that is back and seen"
    lost = [one for one in left if one.is_lost]
    if lost:
        await _bury(tx, {(one.uid, one.cluster): (message.format(one.cluster), MEMBER_LOST) for one in lost})
    rows: list[dict[str, Any]] = [
        {
            "uid": one.uid,
            "unit_name": one.unit_name,
            "cluster": one.cluster,
            "targets": list(one.targets),
            "priority": one.priority,
            "message": one.message,
            "trouble_time": one.trouble_time,
            "detect_time": one.detect_time,
            "is_done": one.is_elsewhere and not one.targets,
            "cause": one.cause.value,
            "author": one.author,
        }
        for one in left
    ]
    await tx.execute(_ADD, {"rows": orjson.dumps(rows).decode()})


async def add_switchover(tx: Transaction, uid: str, unit_name: str, state: Switchover, priority: int) -> None:
    """Note that the primary of a unit is elsewhere from now on."""
    words = f"switchover ({state.cause}): the primary is on {state.primary}{f'; {state.why}' if state.why else ''}"
    values = {
        "uid": uid,
        "unit_name": unit_name,
        "source": state.source,
        "target": state.primary,
        "priority": priority,
        "message": words,
        "cause": (DepartureCause.LOST if state.cause is Cause.LOST else DepartureCause.ASKED).value,
        "author": state.author,
        "begin": state.begin_time,
        "promoted": state.promote_time,
    }
    await tx.execute(_ADD_SWITCHOVER, values)


async def keep_until_replaced(tx: Transaction, left: Mapping[tuple[str, str], Sequence[str]]) -> None:
    """Keep what units leave on clusters that live until they are ready elsewhere; what is held already stays so.

    Args:
        tx: the transaction.
        left: by uid of the unit and cluster that it leaves, the clusters where it is from now on; there may be none.
    """
    message = "it stays there until the unit is ready {}"
    found = {
        pair: (message.format(f"on {shown(targets)}" if targets else "elsewhere"), AWAITING_REPLACEMENT)
        for pair, targets in left.items()
    }
    if found:
        await _bury(tx, found)


async def _bury(tx: Transaction, found: Mapping[tuple[str, str], tuple[str, str]]) -> None:
    values = {
        "uids": [uid for uid, _ in found],
        "clusters": [cluster for _, cluster in found],
        "messages": [message for message, _ in found.values()],
        "reasons": [reason for _, reason in found.values()],
    }
    await tx.execute(_BURY, values)


async def follow(tx: Transaction) -> list[tuple[str, float]]:
    """Note which failovers have come to their end, or were undone by the unit's return.

    Returns:
        The phases that are over, `place`, `ready` and `traffic`, each with its seconds.
    """
    placed = [("place", float(row.seconds)) for row in await tx.execute(_PLACED)]
    ready = [("ready", float(row.seconds)) for row in await tx.execute(_READY)]
    traffic = [("traffic", float(row.seconds)) for row in await tx.execute(_TRAFFIC)]
    await tx.execute(_TAKEN_BACK)
    await tx.execute(_CLEANED)
    return [*placed, *ready, *traffic]


async def graves(look: Look) -> list[Grave]:
    """What was left, of units that are ready elsewhere: on clusters that are trusted again, or live; and of what goes."""
    rows = await look.execute(_GRAVES, {**_REASONS, "healthy": Verdict.HEALTHY.value})
    return [Grave(id=row.id, unit_uid=row.uid, cluster=row.cluster, is_counted=row.is_counted) for row in rows]


async def tell(tx: Transaction, why: Mapping[int, str]) -> None:
    """Say of works that were left why they stay there for now, by id."""
    if why:
        await tx.execute(_TELL, {"ids": list(why), "messages": [f"it stays there: {words}" for words in why.values()]})


async def unready(look: Look) -> int:
    """How many units left a lost cluster and are not ready elsewhere."""
    return int((await look.execute(_UNREADY)).scalar_one())


async def left_objects(tx: Look) -> int:
    """How many objects were left on lost clusters and not let go yet."""
    return int((await tx.execute(_LEFT, {"reason": MEMBER_LOST})).scalar_one())


async def clean(tx: Transaction, found: Sequence[Grave]) -> list[str]:
    """Let these works be removed; gives the clusters where there is something to do."""
    if not found:
        return []
    rows = (await tx.execute(_RELEASE, {"ids": [one.id for one in found], **_REASONS})).all()
    record_rows(tx, rows)
    return sorted({row.cluster for row in rows})


async def list_page(tx: Transaction, *, before: int, limit: int, unit: str = "", cluster: str = "") -> list[Failover]:
    """The history, the newest first: those before an id."""
    rows = await tx.execute(_LIST, {"before": before, "limit": limit, "unit": unit, "cluster": cluster})
    return [_failover(row) for row in rows]


def _failover(row: Any) -> Failover:
    own = {"targets": tuple(row.targets), "cause": DepartureCause(row.cause)}
    return Failover(**{**row, **own})
