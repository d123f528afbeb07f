"""Reads what of units is ready over all clusters, for the floors under them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fedsvc.model.floor import WHOLE
from fedsvc.store.gate_sql import REACHED
from fedsvc.store.sql import text
from fedsvc.store.store import Look
from fedsvc.store.unit_rows import key_from_row

# What a cluster that is not heard last said keeps nothing up.
_LIVES: Final = "coalesce(c.observation -> 'health' ->> 'verdict', '') NOT IN ('Unreachable', 'Suspect')"
_OF: Final = "FROM work JOIN cluster c ON c.name = work.cluster WHERE work.unit_uid = ANY(CAST(:uids AS uuid[]))"
_IS_READY: Final = REACHED.format(awaited="'ready'")
_REPLICAS: Final = text(
    "SELECT CAST(work.unit_uid AS text) AS uid, work.cluster, work.group_, work.version, work.kind, work.namespace,"
    " work.name, CASE WHEN work.removal IS NULL THEN work.desired_replicas ELSE 0 END AS wanted,"
    f" CASE WHEN {_LIVES} THEN coalesce(work.ready_replicas, 0) ELSE 0 END AS ready {_OF}"
    " AND work.desired_replicas IS NOT NULL"
)
_WHOLE: Final = text(
    "SELECT CAST(work.unit_uid AS text) AS uid, work.cluster, bool_or(work.removal IS NULL) AS wanted,"
    f" bool_and({_LIVES} AND CASE WHEN work.removal IS NULL THEN {_IS_READY}"
    f" ELSE work.health = 'Healthy' END) AS ready {_OF} GROUP BY 1, 2"
)
# Replicas below a minimum have a place, though not there.
_UNPLACED: Final = text(
    "SELECT CAST(u.uid AS text) AS uid, s ->> 'workload' AS workload, CAST(s ->> 'replicas' AS int) AS replicas FROM unit u"
    " JOIN decision d ON d.id = u.decision_id, jsonb_array_elements(d.words -> 'shortfall') s"
    " WHERE u.uid = ANY(CAST(:uids AS uuid[])) AND s ->> 'reason' <> 'MinimumsNotMet'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How much of a unit is wanted, and how much is ready."""

    wanted: dict[str, int] = field(default_factory=dict)  # by workload: on clusters that it is not leaving, or unplaced
    ready: dict[str, dict[str, int]] = field(default_factory=dict)  # by cluster that lives, and workload


async def readiness_of(look: Look, uids: Sequence[str]) -> dict[str, Readiness]:
    """How much of units is wanted and ready, by uid; of a unit without workloads whole clusters are counted."""
    found: dict[str, Readiness] = {uid: Readiness() for uid in uids}
    if not found:
        return found
    for row in await look.execute(_UNPLACED, {"uids": list(uids)}):
        wanted = found[row.uid].wanted
        wanted[row.workload] = wanted.get(row.workload, 0) + row.replicas
    for row in await look.execute(_REPLICAS, {"uids": list(uids)}):
        _count(found[row.uid], row.cluster, str(key_from_row(row)), wanted=row.wanted, ready=row.ready)
    without = [uid for uid in uids if not found[uid].ready]
    for row in await look.execute(_WHOLE, {"uids": without}) if without else ():
        _count(found[row.uid], row.cluster, WHOLE, wanted=int(row.wanted), ready=int(row.ready))
    return found


def _count(found: Readiness, cluster: str, workload: str, *, wanted: int, ready: int) -> None:
    found.wanted[workload] = found.wanted.get(workload, 0) + wanted
    found.ready.setdefault(cluster, {})[workload] = ready
