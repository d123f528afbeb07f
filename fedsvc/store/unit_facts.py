"""What a decision on units begins with, beside the units themselves: what is remembered, under way and in force, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc.model.departure import Departure
from fedsvc.model.roles import Switchover
from fedsvc.store import departures
from fedsvc.store.codec import from_json
from fedsvc.store.decisions import InForce
from fedsvc.store.rollouts import StoredRollout, rollout_from_row
from fedsvc.store.sql import text
from fedsvc.store.store import Look
from fedsvc_placement.model import Memory

_READ = text(
    "SELECT now() AS read_time, CAST(unit.uid AS text) AS unit_uid, unit.memory, unit.reconsider_time IS NOT NULL AS is_timed,"
    f" {departures.OF_UNIT} AS departures, o.version, o.state, CAST(d.id AS text) AS id, d.answer_digest,"
    " d.words, s.version AS roles_version, s.state AS roles_state FROM unit LEFT JOIN rollout o ON o.unit_uid = unit.uid"
    " LEFT JOIN switchover s ON s.unit_uid = unit.uid"
    " LEFT JOIN decision d ON d.id = unit.decision_id WHERE unit.uid = ANY(CAST(:uids AS uuid[]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFacts:
    """Of one unit."""

    read_time: datetime  # the database's
    memory: Memory = field(default_factory=Memory)
    rollout: StoredRollout | None = None
    in_force: InForce | None = None
    departures: tuple[Departure, ...] = ()  # by cluster
    is_timed: bool = False  # a time is noted at which it is to be decided again
    switchover: Switchover | None = None  # where its primary is; None: it has none yet
    switchover_version: int = 0  # 0: there is none


async def read(look: Look, uids: Sequence[str]) -> dict[str, UnitFacts]:
    """Those of units, by uid; one that is not there any more has none."""
    found = {}
    for row in await look.execute(_READ, {"uids": list(uids)}):
        found[row.unit_uid] = UnitFacts(
            read_time=row.read_time,
            memory=from_json(Memory, row.memory or {}),
            rollout=None if row.version is None else rollout_from_row(row),
            in_force=None if row.id is None else InForce(id=row.id, answer_digest=row.answer_digest, words=row.words),
            departures=departures.from_plain(row.departures),
            is_timed=row.is_timed,
            switchover=None if row.roles_version is None else from_json(Switchover, row.roles_state),
            switchover_version=row.roles_version or 0,
        )
    return found
