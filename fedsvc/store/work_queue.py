"""Works as a queue: what is to be done in a cluster now, and what came of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.handling import read_handling
from fedsvc.model.hold import Hold, holds_of_cluster
from fedsvc.model.unit import ConflictMode, DriftMode
from fedsvc.model.work import DirtyWork, WorkObservation, WorkResult
from fedsvc.store.gate_sql import GATES, GIVEN_UNITS, JOIN_GATES, MAY_APPLY, MAY_BE_GATED, MAY_REMOVE
from fedsvc.store.manifests import opened
from fedsvc.store.sql import Statement, text
from fedsvc.store.storable import storable_json, storable_text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_rows import key_from_row
from fedsvc.store.work_observations import write_observations
from fedsvc.store.work_rows import LOCK, LOCK_IDS, UNIT_NAME, record_rows

# States in which a work holds back later waves of its unit; a kind that is not served may never be, so it does not.
_TRANSIENT: Final = "state IN ('Pending', 'Retrying', 'Removing') AND reason <> 'KindNotServed'"
_BEFORE_ALL: Final = "00000000-0000-0000-0000-000000000000"
_LOCK_DIRTY = text(LOCK.format("cluster = :cluster AND dirty"))
# What holds keep back; it holds back no later wave either: what of those may be written is no change.
_HELD: Final = (
    " AND NOT EXISTS (SELECT 1 FROM unit hu, jsonb_to_recordset(CAST(:holds AS jsonb))"
    " AS hold (scope text, unit text, namespaces text[], units text[], thawed text[]) WHERE hu.uid = work.unit_uid"
    " AND (hold.unit IS NULL OR hold.unit = 'namespaces/' || hu.namespace || '/units/' || hu.name)"
    " AND ((hold.namespaces IS NULL AND hold.units IS NULL) OR hu.namespace = ANY(hold.namespaces)"
    "   OR 'namespaces/' || hu.namespace || '/units/' || hu.name = ANY(hold.units))"
    " AND NOT 'namespaces/' || hu.namespace || '/units/' || hu.name = ANY(hold.thawed)"
    " AND (hold.scope = 'Everything' OR work.removal IS NOT NULL"
    " OR (hold.scope = 'Changes' AND work.desired_digest IS DISTINCT FROM work.applied_digest)))"
)
# One look into the index a unit, however many works it has. Units follow each other in the order of their uids.
_UNITS = text(
    "WITH RECURSIVE due (uid, place) AS ((SELECT unit_uid, 1 FROM work WHERE cluster = :cluster AND dirty"
    "   AND next_attempt_time <= now() AND unit_uid > CAST(:after AS uuid) ORDER BY unit_uid LIMIT 1)"
    " UNION ALL SELECT (SELECT work.unit_uid FROM work WHERE work.cluster = :cluster AND work.dirty"
    "   AND work.next_attempt_time <= now() AND work.unit_uid > due.uid ORDER BY work.unit_uid LIMIT 1), due.place + 1"
    "   FROM due WHERE due.uid IS NOT NULL AND due.place < :limit)"
    f" SELECT CAST(u.uid AS text) AS uid, ({MAY_BE_GATED}) AS gated, soon.seconds FROM (SELECT CAST(extract(epoch"
    "   FROM min(next_attempt_time) - now()) AS float8) AS seconds FROM work WHERE cluster = :cluster AND dirty"
    "   AND next_attempt_time > now()) soon LEFT JOIN (SELECT uid FROM due WHERE uid IS NOT NULL) u ON TRUE ORDER BY u.uid"
)
_EXCLUDED: Final = "(SELECT CAST(id AS bigint) FROM jsonb_array_elements_text(CAST(:exclude AS jsonb)) AS id)"
_ANSWERED: Final = "(SELECT CAST(one ->> 0 AS bigint), CAST(one ->> 1 AS bigint) FROM jsonb_array_elements(CAST(:answered AS jsonb)) AS one)"
_OF_UNIT: Final = "work.cluster = :cluster AND work.unit_uid = u.uid AND work.dirty"


def _claim(*, gated: bool, held: bool) -> Statement:
    """The statement of a claim: of units for which gates may be closed, while something is held, or not."""
    left_out = _HELD if held else ""
    gates, join = (f"WITH {GATES} ", JOIN_GATES) if gated else ("", "")
    apply, remove = (f" AND {MAY_APPLY}", f" AND {MAY_REMOVE}") if gated else ("", "")
    # For which a gate was made since it was looked whether there are any: they are claimed the next time.
    ungated = "" if gated else f" WHERE NOT ({MAY_BE_GATED})"
    holding = f"(SELECT work.wave FROM work WHERE {_OF_UNIT} AND work.{_TRANSIENT}{left_out}"
    return text(
        f"{gates}SELECT c.*, CAST(c.unit_uid AS text) AS unit, {UNIT_NAME.replace('work.', 'c.')}, m.body, m.key_id"
        f" FROM {GIVEN_UNITS} AS u {join} CROSS JOIN LATERAL (SELECT"
        f" {holding} AND work.removal IS NULL ORDER BY work.wave LIMIT 1) AS low,"
        f" {holding} AND work.removal IS NOT NULL ORDER BY work.wave DESC LIMIT 1) AS high) h"
        " CROSS JOIN LATERAL (SELECT work.*, row_number() OVER (ORDER BY work.wave, work.id) AS turn FROM work"
        f"   WHERE {_OF_UNIT} AND work.next_attempt_time <= now() AND work.id NOT IN {_EXCLUDED}"
        f"   AND (work.id, work.generation) NOT IN {_ANSWERED}"
        f"   AND CASE WHEN work.removal IS NULL THEN work.wave <= coalesce(h.low, work.wave){apply}"
        f"  ELSE work.wave >= coalesce(h.high, work.wave){remove} END{left_out}"
        "   ORDER BY work.wave, work.id LIMIT :share) c"
        f" LEFT JOIN manifest m ON m.digest = c.desired_digest{ungated} ORDER BY c.turn, c.wave, c.id LIMIT :limit"
    )


_CLAIMS: Final = {(gated, held): _claim(gated=gated, held=held) for gated in (False, True) for held in (False, True)}
_OF_UNIT_ON = text(
    f"SELECT work.*, CAST(work.unit_uid AS text) AS unit, {UNIT_NAME}, m.body, m.key_id FROM work"
    " LEFT JOIN manifest m ON m.digest = work.desired_digest"
    " WHERE work.unit_uid = CAST(:uid AS uuid) AND work.cluster = :cluster"
    " ORDER BY work.kind, work.namespace, work.name, work.group_ LIMIT :limit"
)
_LOCK_RESULTS = text(LOCK_IDS.text.replace("SELECT id", "SELECT id, generation", 1))
_RESULT_INPUT: Final = (
    "unnest(CAST(:ids AS bigint[]), CAST(:generations AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]),"
    " CAST(:messages AS text[]), CAST(:digests AS bytea[]), CAST(:uids AS text[]), CAST(:ownerships AS bytea[]),"
    " CAST(:retries AS float8[]), CAST(:seen AS boolean[]), CAST(:healths AS text[]), CAST(:health_reasons AS text[]),"
    " CAST(:health_messages AS text[]), CAST(:statuses AS jsonb[]), CAST(:desired AS int[]), CAST(:ready AS int[]),"
    " CAST(:observed AS bytea[])) AS r (id, generation, state, reason, message, digest, uid, ownership, retry,"
    " seen, health, health_reason, health_message, status, desired, ready, observed)"
)
_RESULTS = text(
    "UPDATE work SET state = r.state, reason = r.reason, message = r.message, dirty = r.retry IS NOT NULL,"
    " applied_digest = coalesce(r.digest, work.applied_digest),"
    " applied_time = CASE WHEN r.digest IS NULL THEN work.applied_time ELSE now() END,"
    " member_uid = CASE WHEN r.uid = '' THEN work.member_uid ELSE r.uid END,"
    " ownership_digest = coalesce(r.ownership, work.ownership_digest),"
    " recreate_digest = CASE WHEN r.digest IS NULL THEN work.recreate_digest END,"
    " former_unit_uid = CASE WHEN r.digest IS NULL THEN work.former_unit_uid END,"
    " drift_report = CASE WHEN r.digest IS NULL THEN work.drift_report ELSE '[]'::jsonb END,"
    " attempts = CASE WHEN r.digest IS NULL THEN work.attempts + 1 ELSE 0 END,"
    " next_attempt_time = now() + make_interval(secs => coalesce(r.retry, 0)), update_time = now(),"
    " health = CASE WHEN r.seen THEN r.health ELSE work.health END,"
    " health_reason = CASE WHEN r.seen THEN r.health_reason ELSE work.health_reason END,"
    " health_message = CASE WHEN r.seen THEN r.health_message ELSE work.health_message END,"
    " observed_status = CASE WHEN r.seen THEN r.status ELSE work.observed_status END,"
    " observed_digest = CASE WHEN r.seen THEN r.observed ELSE work.observed_digest END,"
    " observed_time = CASE WHEN r.seen THEN now() ELSE work.observed_time END,"
    " desired_replicas = CASE WHEN r.seen THEN r.desired ELSE work.desired_replicas END,"
    " ready_replicas = CASE WHEN r.seen THEN r.ready ELSE work.ready_replicas END"
    f" FROM {_RESULT_INPUT} WHERE work.id = r.id AND work.generation = r.generation RETURNING work.id, {UNIT_NAME}"
)
# Whoever decided that an object goes before it was known to be there did not count it: that shows by its uid, which is
# noted when it is counted.
_LATE_RESULTS = text(
    "UPDATE work SET applied_digest = r.digest, applied_time = now(), ownership_digest = r.ownership, member_uid = CASE"
    " WHEN work.removal IS NOT NULL AND work.member_uid = '' THEN '' ELSE r.uid END"
    f" FROM {_RESULT_INPUT} WHERE work.id = r.id AND work.generation <> r.generation AND r.digest IS NOT NULL"
)
_GONE_INPUT: Final = "unnest(CAST(:ids AS bigint[]), CAST(:generations AS bigint[])) AS r (id, generation)"
_GONE = text(
    f"DELETE FROM work USING {_GONE_INPUT} WHERE work.id = r.id AND work.generation = r.generation"
    f" AND work.removal IS NOT NULL RETURNING work.id, {UNIT_NAME}"
)
_GONE_WANTED = text(
    "UPDATE work SET member_uid = '', applied_digest = NULL, ownership_digest = NULL"
    f" FROM {_GONE_INPUT} WHERE work.id = r.id AND work.removal IS NULL"
)
_UNREACHABLE = text(
    "UPDATE work SET state = CASE WHEN removal IS NULL THEN 'Retrying' ELSE 'Removing' END, reason = :reason,"
    " message = :message, update_time = now() WHERE cluster = :cluster AND dirty AND (reason <> :reason OR message <> :message)"
    f" RETURNING id, {UNIT_NAME}"
)
_WAKE = text(
    "UPDATE work SET next_attempt_time = now() WHERE cluster = :cluster AND dirty AND next_attempt_time > now()"
)
_WAKE_KINDS = text(
    f"{_WAKE.text} AND reason = 'KindNotServed'"
    " AND (group_, kind) IN (SELECT * FROM unnest(CAST(:groups AS text[]), CAST(:kinds AS text[])))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done in a cluster.

    Attributes:
        units: uids of units with works that are due, in order.
        gated: those of them whose works may have to wait for something else.
        next_seconds: until the next work that waits for its time is due; None: none does.
    """

    units: tuple[str, ...]
    gated: frozenset[str]
    next_seconds: float | None


async def due(look: Look, cluster: str, *, limit: int, after: str = "") -> Due:
    """What is to be done in a cluster; of the units those from the one after `after` on, at most `limit`."""
    parameters = {"cluster": cluster, "after": after or _BEFORE_ALL, "limit": limit}
    rows = (await look.execute(_UNITS, parameters)).all()
    found = [row for row in rows if row.uid is not None]
    return Due(
        units=tuple(row.uid for row in found),
        gated=frozenset(row.uid for row in found if row.gated),
        next_seconds=rows[0].seconds,
    )


async def claim_dirty(
    look: Look,
    cluster: str,
    *,
    units: Sequence[str],
    gated: bool,
    limit: int,
    exclude: Sequence[int] = (),
    answered: Sequence[tuple[int, int]] = (),
    holds: Sequence[Hold] = (),
) -> list[DirtyWork]:
    """Works of a cluster to act on now, fair between units: first one of each unit, then a second of each, ...

    In a unit lower waves come first, higher ones for removal. However many of them there are, a unit gives half of
    what is claimed at most where others are claimed from, too: it cannot fill the queue by itself.

    Args:
        look: nothing is locked, since a cluster has one propagator.
        cluster: its name.
        units: uids of the units to look at, as `due` gives them.
        gated: whether works of any of these may have to wait for something else; planning that question takes thirty
            times as long as the rest.
        limit: at most so many.
        exclude: ids of works that are being acted on already.
        answered: works, by id, of which this generation is not to be claimed again: what came of it is not stored yet.
        holds: what is held; works that these keep back are left out.
    """
    if not units:
        return []
    share = limit if len(units) == 1 else -(-limit // 2)
    parameters: dict[str, Any] = {
        "cluster": cluster,
        "units": orjson.dumps(list(units)).decode(),
        "limit": limit,
        "share": share,
        "exclude": orjson.dumps(list(exclude)).decode(),
        "answered": orjson.dumps(list(answered)).decode(),
    }
    held = _held_input(cluster, holds)
    if held:
        parameters["holds"] = orjson.dumps(held).decode()
    return _dirty_works(look, await look.execute(_CLAIMS[gated, bool(held)], parameters))


async def of_unit_on(tx: Transaction, unit_uid: str, cluster: str, *, limit: int) -> list[DirtyWork]:
    """The works of a unit on one cluster as they would be acted on, dirty or not, in the order of their keys."""
    return _dirty_works(tx, await tx.execute(_OF_UNIT_ON, {"uid": unit_uid, "cluster": cluster, "limit": limit}))


def _dirty_works(look: Look, rows: Iterable[Any]) -> list[DirtyWork]:
    return [
        DirtyWork(
            id=row.id,
            unit_uid=row.unit,
            unit_name=row.unit_name,
            cluster=row.cluster,
            key=key_from_row(row),
            wave=row.wave,
            generation=row.generation,
            digest=row.desired_digest,
            body=None if row.body is None else opened(look, row.desired_digest, row.body, row.key_id),
            removal=None if row.removal is None else ObjectDeletion(row.removal),
            conflict=ConflictMode(row.conflict),
            drift=DriftMode(row.drift),
            attempts=row.attempts,
            member_uid=row.member_uid,
            applied_digest=row.applied_digest,
            handling=read_handling(row.handling),
            is_recreation_confirmed=row.recreate_digest is not None and row.recreate_digest == row.desired_digest,
            former_unit_uid="" if row.former_unit_uid is None else str(row.former_unit_uid),
        )
        for row in rows
    ]


def _held_input(cluster: str, holds: Sequence[Hold]) -> list[dict[str, Any]]:
    return [
        {
            "scope": hold.scope.value,
            "unit": hold.subject if "/units/" in hold.subject else None,
            "namespaces": None if hold.namespaces is None else sorted(hold.namespaces),
            "units": None if hold.units is None else sorted(hold.units),
            "thawed": sorted(hold.thawed),
        }
        for hold in (*holds_of_cluster(holds, cluster), *(one for one in holds if "/units/" in one.subject))
    ]


async def write_results(tx: Transaction, results: Sequence[WorkResult]) -> int:
    """Write what came of acting, for the generations it answers; gives how many rows it was news to."""
    news = 0
    locked = (await tx.execute(_LOCK_RESULTS, {"ids": [result.id for result in results]})).all()
    generations = {row.id: row.generation for row in locked}
    gone = [result for result in results if result.gone]
    rest = [result for result in results if not result.gone]
    if rest:
        parameters = {
            "ids": [result.id for result in rest],
            "generations": [result.generation for result in rest],
            "states": [result.state.value for result in rest],
            "reasons": [result.reason for result in rest],
            "messages": [storable_text(result.message) for result in rest],
            "digests": [result.applied_digest for result in rest],
            "uids": [result.member_uid for result in rest],
            "ownerships": [result.ownership_digest for result in rest],
            "retries": [result.retry_after_seconds for result in rest],
        } | _observed([result.observation for result in rest])
        if any(generations.get(result.id, result.generation) != result.generation for result in rest):
            # Late ones first: afterwards their rows would look as if they had been answered.
            await tx.execute(_LATE_RESULTS, parameters)
        written = (await tx.execute(_RESULTS, parameters)).all()
        news += record_rows(tx, written)
        if len(written) < len(rest):
            # What was seen of an object holds for whatever its work is to be by now.
            answered = {row.id for row in written}
            late = [one.observation for one in rest if one.observation is not None and one.id not in answered]
            await write_observations(tx, late)
    if gone:
        parameters = {"ids": [result.id for result in gone], "generations": [result.generation for result in gone]}
        await tx.execute(_GONE_WANTED, parameters)
        news += record_rows(tx, (await tx.execute(_GONE, parameters)).all(), deleted=True)
    return news


def _observed(observations: Sequence[WorkObservation | None]) -> dict[str, list[Any]]:
    """Parameters of the observations that are written with results."""
    return {
        "seen": [one is not None for one in observations],
        "healths": ["" if one is None else one.health for one in observations],
        "health_reasons": ["" if one is None else storable_text(one.health_reason) for one in observations],
        "health_messages": ["" if one is None else storable_text(one.health_message) for one in observations],
        "statuses": ["null" if one is None else storable_json(one.status) for one in observations],
        "desired": [None if one is None else one.desired_replicas for one in observations],
        "ready": [None if one is None else one.ready_replicas for one in observations],
        "observed": [None if one is None else one.applied_digest for one in observations],
    }


async def mark_unreachable(tx: Transaction, cluster: str, *, reason: str, message: str) -> int:
    """All dirty works of a cluster wait for the member; no attempt is counted."""
    parameters = {"cluster": cluster, "reason": reason, "message": storable_text(message)}
    await tx.execute(_LOCK_DIRTY, {"cluster": cluster})
    return record_rows(tx, (await tx.execute(_UNREACHABLE, parameters)).all())


async def wake_cluster(tx: Transaction, cluster: str) -> None:
    """Let all waiting works of a cluster be tried now: it is back, or its rights or kinds changed."""
    await tx.execute(_LOCK_DIRTY, {"cluster": cluster})
    await tx.execute(_WAKE, {"cluster": cluster})


async def wake_kinds(tx: Transaction, cluster: str, kinds: Sequence[tuple[str, str]]) -> None:
    """Let the works of a cluster that wait for these kinds, as (group, kind), be tried now: they are served."""
    await tx.execute(_LOCK_DIRTY, {"cluster": cluster})
    parameters = {"groups": [group for group, _ in kinds], "kinds": [kind for _, kind in kinds]}
    await tx.execute(_WAKE_KINDS, parameters | {"cluster": cluster})
