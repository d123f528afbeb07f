"""Drills: the rows of `drill`, of which one at most is not over."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from fedsvc.errors import DrillStateError, NotFoundError
from fedsvc.health import Automation, Verdict
from fedsvc.model.departure import DepartureCause
from fedsvc.model.drill import Drill, DrillMode, DrillOutcome, DrillPhase, Moved, Plan, Sight, Step
from fedsvc.model.hold import FLEET_SUBJECT, words_of
from fedsvc.store import automation, departures, holds
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.storable import storable_text
from fedsvc.store.store import Look, Transaction

_COLUMNS: Final = (
    "id, plan, phase, outcome, message, author, reason, create_time, traffic_time, away_time, return_time, end_time,"
    " name_count, worse_time"
)
_ADD = text(
    "INSERT INTO drill (plan, phase, author, reason) VALUES (CAST(:plan AS jsonb), 'Leaving', :author, :reason)"
    f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
)
_OPEN = text(f"SELECT {_COLUMNS} FROM drill WHERE phase <> 'Over'")
_GET = text(f"SELECT {_COLUMNS} FROM drill WHERE id = :id")
_LOCK = text(f"SELECT {_COLUMNS} FROM drill WHERE id = :id FOR UPDATE")
_LIST = text(f"SELECT {_COLUMNS} FROM drill WHERE id < :before ORDER BY id DESC LIMIT :limit")
_MOVE = text(
    "UPDATE drill SET phase = :phase, outcome = :outcome, message = :message,"
    " away_time = CASE WHEN :phase = 'Away' THEN now() ELSE away_time END,"
    " return_time = CASE WHEN :phase = 'Returning' THEN now() ELSE return_time END,"
    f" end_time = CASE WHEN :phase = 'Over' THEN now() ELSE end_time END WHERE id = :id RETURNING {_COLUMNS}"
)
_WORSE = text(
    "UPDATE drill SET worse_time = CASE WHEN :is_worse THEN coalesce(worse_time, now()) END WHERE id = :id"
    f" AND (worse_time IS NOT NULL) IS DISTINCT FROM :is_worse RETURNING {_COLUMNS}"
)
_TRAFFIC = text(
    "UPDATE drill SET traffic_time = now(), name_count = :names WHERE id = :id AND traffic_time IS NULL AND phase = 'Leaving'"
)
_DRAINED = text(
    "SELECT id, plan -> 'clusters' AS clusters, traffic_time IS NOT NULL AS is_done FROM drill WHERE phase IN ('Leaving', 'Away')"
)
_TROUBLED = text(
    "SELECT name, observation -> 'health' ->> 'verdict' AS verdict FROM cluster WHERE delete_time IS NULL"
    " AND observation -> 'health' ->> 'verdict' = ANY(CAST(:verdicts AS text[])) ORDER BY name"
)
_DEGRADED = text(
    "SELECT 'namespaces/' || namespace || '/units/' || name AS name FROM unit WHERE delete_time IS NULL"
    " AND status ->> 'state' = 'Degraded' ORDER BY 1"
)
_SIGHT = text(
    "SELECT (SELECT count(*) FROM departure WHERE cause = 'Drill' AND leave_time IS NULL AND return_time IS NULL) AS undecided,"
    " (SELECT count(*) FROM departure WHERE cause = 'Drill') AS departed,"
    " (SELECT count(*) FROM work w JOIN cluster c ON c.name = w.cluster WHERE w.removal IS NOT NULL"
    "   AND c.observation -> 'health' ->> 'verdict' = :healthy AND EXISTS (SELECT 1 FROM failover f"
    "    WHERE f.unit_uid = w.unit_uid AND f.cause = 'Drill' AND f.create_time >= :begin)) AS left_objects,"
    " EXISTS (SELECT 1 FROM dns_zone) AS has_names"
)
_MOVED = text(
    "SELECT unit_name, cluster, create_time AS decide_time, ready_time FROM failover WHERE cause = 'Drill'"
    " AND create_time >= :begin AND (CAST(:end AS timestamptz) IS NULL OR create_time <= :end)"
    " AND cluster = ANY(CAST(:clusters AS text[])) ORDER BY id"
)
_UNDER_WAY = text(
    "SELECT count(*) FROM failover WHERE ready_time IS NULL AND unit_uid IS NOT NULL AND clean_time IS NULL"
)
_AWAY = text(
    "SELECT CAST(d.unit_uid AS text) AS uid, d.cluster, d.leave_time IS NOT NULL AS has_left,"
    " c.observation -> 'health' ->> 'verdict' AS verdict FROM departure d JOIN cluster c ON c.name = d.cluster"
    " WHERE d.cause = 'Drill' AND d.return_time IS NULL ORDER BY 1, 2"
)
_CALL_OFF = text(
    "DELETE FROM departure d USING unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[])) AS i (unit_uid, cluster)"
    " WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster AND d.cause = 'Drill' AND d.leave_time IS NULL"
)
# What was rehearsed came true: it goes back as what is lost does.
_IS_LOST = text(
    "UPDATE departure d SET cause = 'Lost', free_time = now() FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]))"
    " AS i (unit_uid, cluster) WHERE d.unit_uid = i.unit_uid AND d.cluster = i.cluster AND d.cause = 'Drill'"
)
_IN_TROUBLE: Final = (Verdict.SUSPECT.value, Verdict.UNREACHABLE.value, Verdict.DEGRADED.value)


async def begin(tx: Transaction, plan: Plan, *, author: str, reason: str) -> Drill:
    """Begin a drill.

    Raises:
        DrillStateError: another one is not over.
    """
    values = {"plan": orjson.dumps(to_json(Plan, plan)).decode(), "author": author, "reason": storable_text(reason)}
    row = (await tx.execute(_ADD, values)).first()
    if row is None:
        raise DrillStateError(
            "UnderWay", "another drill is not over: fedctl drills shows it, fedctl drill --stop ends it"
        )
    drill = _drill(row)
    tx.record("drill", f"drills/{drill.id}")
    return drill


async def find_open(look: Look) -> Drill | None:
    """The drill that is not over."""
    row = (await look.execute(_OPEN)).first()
    return None if row is None else _drill(row)


async def get(look: Look, drill_id: int, *, is_locked: bool = False) -> Drill:
    """A drill.

    Raises:
        NotFoundError: there is none of that id.
    """
    row = (await look.execute(_LOCK if is_locked else _GET, {"id": drill_id})).first()
    if row is None:
        raise NotFoundError(f"drills/{drill_id}")
    return _drill(row)


async def list_page(tx: Transaction, *, before: int, limit: int) -> list[Drill]:
    """Drills, the newest first: those before an id."""
    return [_drill(row) for row in await tx.execute(_LIST, {"before": before, "limit": limit})]


async def note_worse(tx: Transaction, drill: Drill, *, is_worse: bool) -> Drill:
    """Keep since when some unit is Degraded that was not before."""
    row = (await tx.execute(_WORSE, {"id": drill.id, "is_worse": is_worse})).first()
    return drill if row is None else _drill(row)


async def move(tx: Transaction, drill: Drill, step: Step) -> Drill:
    """Have it stand elsewhere."""
    outcome = None if step.outcome is None else step.outcome.value
    values = {"id": drill.id, "phase": step.phase.value, "outcome": outcome, "message": storable_text(step.message)}
    tx.record("drill", f"drills/{drill.id}")
    return _drill((await tx.execute(_MOVE, values)).one())


async def drained(look: Look) -> tuple[int, frozenset[str]] | None:
    """The drill by which names have no address of clusters, and these; its id is 0 where that is noted already."""
    row = (await look.execute(_DRAINED)).first()
    return None if row is None else (0 if row.is_done else row.id, frozenset(row.clusters))


async def names_changed(tx: Transaction, drill_id: int, count: int) -> None:
    """Names have no address of its clusters any more, as far as there are others."""
    await tx.execute(_TRAFFIC, {"id": drill_id, "names": count})
    tx.record("drill", f"drills/{drill_id}")


async def troubled(look: Look) -> dict[str, str]:
    """The clusters that are not healthy, with what is held of them."""
    return {row.name: row.verdict for row in await look.execute(_TROUBLED, {"verdicts": list(_IN_TROUBLE)})}


async def degraded(look: Look) -> list[str]:
    """The names of units that are Degraded."""
    return [row.name for row in await look.execute(_DEGRADED)]


async def failovers_under_way(look: Look) -> int:
    """How many units left a cluster and are not ready elsewhere."""
    return int((await look.execute(_UNDER_WAY)).scalar_one())


async def sight(tx: Transaction, drill: Drill) -> Sight:
    """What is now."""
    row = (await tx.execute(_SIGHT, {"begin": drill.create_time, "healthy": Verdict.HEALTHY.value})).one()
    return Sight(
        held=await held(tx),
        troubled=await troubled(tx),
        degraded=await degraded(tx),
        undecided_count=row.undecided,
        departed_count=row.departed,
        left_count=row.left_objects,
        moved=await moved(tx, drill),
        has_names=row.has_names,
    )


async def held(tx: Transaction) -> str:
    """Why automation does not act on the fleet, for people; empty: it does."""
    state = (await automation.get(tx)).state
    if state.automation is not Automation.ON:
        return state.message
    return next((words_of(one) for one in await holds.on_automation(tx) if one.subject == FLEET_SUBJECT), "")


async def moved(look: Look, drill: Drill) -> Sequence[Moved]:
    """The units that left by it."""
    if drill.plan.mode is not DrillMode.FULL:
        return ()
    values = {"begin": drill.create_time, "end": drill.end_time, "clusters": list(drill.plan.clusters)}
    return [
        Moved(unit_name=row.unit_name, cluster=row.cluster, decide_time=row.decide_time, ready_time=row.ready_time)
        for row in await look.execute(_MOVED, values)
    ]


async def any_to_restore(look: Look) -> bool:
    """Whether a unit is away for a drill, and not on its way back."""
    return (await look.execute(_AWAY)).first() is not None


async def restore(tx: Transaction) -> None:
    """Let units take back what they left for drills; what has not left stays."""
    rows = (await tx.execute(_AWAY)).all()
    await departures.lock(tx, [row.uid for row in rows])
    here = [(row.uid, row.cluster) for row in rows if not row.has_left]
    if here:
        await tx.execute(_CALL_OFF, departures.pairs_of(here))
        await departures.touch(tx, [uid for uid, _ in here])
    lost = [(row.uid, row.cluster) for row in rows if row.has_left and row.verdict == Verdict.UNREACHABLE.value]
    if lost:
        await tx.execute(_IS_LOST, departures.pairs_of(lost))
    back = [(row.uid, row.cluster) for row in rows if row.has_left and row.verdict not in _IN_TROUBLE]
    await departures.begin_return(tx, back)


async def order(tx: Transaction, orders: Sequence[departures.Order], *, author: str, reason: str) -> None:
    """Have units leave by a drill."""
    await departures.order(tx, orders, cause=DepartureCause.DRILL, author=author, reason=reason)


def _drill(row: Any) -> Drill:
    return Drill(
        id=row.id,
        plan=from_json(Plan, row.plan),
        phase=DrillPhase(row.phase),
        outcome=None if row.outcome is None else DrillOutcome(row.outcome),
        message=row.message,
        author=row.author,
        reason=row.reason,
        create_time=row.create_time,
        traffic_time=row.traffic_time,
        away_time=row.away_time,
        return_time=row.return_time,
        end_time=row.end_time,
        name_count=row.name_count,
        worse_time=row.worse_time,
    )
