"""Works summed by unit and cluster, in the database: thousands of works cost a status no more than a few."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text

from fedsvc.model.summary import SEVERITY, ClusterWorks, WorstHealth, WorstWork
from fedsvc.model.unit import WorkState
from fedsvc.store.store import Transaction
from fedsvc.store.units import key_from_row

_OF_UNITS: Final = "work.unit_uid = ANY(CAST(:uids AS uuid[]))"
_KEY: Final = "CAST(unit_uid AS text) AS unit_uid, cluster"
_OBJECT: Final = "group_, version, kind, namespace, name"

_SUMS = text(
    f"SELECT {_KEY}, count(*) FILTER (WHERE state <> 'Held') AS works, count(*) FILTER (WHERE state = 'Held') AS held,"
    " min(message) FILTER (WHERE state = 'Held') AS held_message, count(*) FILTER (WHERE state = 'Applied') AS applied,"
    " count(*) FILTER (WHERE state = 'Applied' AND health = 'Healthy') AS healthy,"
    " coalesce(sum(desired_replicas) FILTER (WHERE removal IS NULL), 0) AS desired,"
    " coalesce(sum(ready_replicas) FILTER (WHERE removal IS NULL), 0) AS ready"
    f" FROM work WHERE {_OF_UNITS} GROUP BY work.unit_uid, cluster"
)
_WORST = text(
    f"SELECT DISTINCT ON (work.unit_uid, cluster) {_KEY}, {_OBJECT}, state, reason, message FROM work WHERE {_OF_UNITS}"
    " ORDER BY work.unit_uid, cluster, array_position(CAST(:severity AS text[]), state), namespace, kind, name"
)
_UNHEALTHY = text(
    f"SELECT DISTINCT ON (work.unit_uid, cluster) {_KEY}, {_OBJECT}, health, health_reason, health_message FROM work"
    f" WHERE {_OF_UNITS} AND removal IS NULL AND health <> 'Healthy' ORDER BY work.unit_uid, cluster,"
    " array_position(ARRAY['Degraded', 'Unknown', 'Progressing', ''], health), namespace, kind, name"
)
_UIDS = text(
    "SELECT CAST(u.uid AS text) AS uid FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS i (namespace, name)"
    " JOIN unit u USING (namespace, name) ORDER BY 1"
)
_UNITS_ON = text(
    "SELECT namespace, name FROM unit WHERE uid IN (SELECT unit_uid FROM work WHERE cluster = ANY(CAST(:clusters AS text[])))"
    " ORDER BY 1, 2"
)


async def units_on(tx: Transaction, clusters: Sequence[str]) -> list[str]:
    """Names in the API of the units that have works on any of these clusters."""
    rows = await tx.execute(_UNITS_ON, {"clusters": list(clusters)})
    return [f"namespaces/{row.namespace}/units/{row.name}" for row in rows]


async def uids_of(tx: Transaction, names: Sequence[tuple[str, str]]) -> list[str]:
    """The uids of those units, given as (namespace, name), that exist."""
    parameters = {"namespaces": [namespace for namespace, _ in names], "names": [name for _, name in names]}
    return [row.uid for row in await tx.execute(_UIDS, parameters)]


async def of_units(tx: Transaction, uids: Sequence[str]) -> dict[str, list[ClusterWorks]]:
    """The works of each unit, one entry for each cluster that holds some, sorted by cluster."""
    found: dict[str, list[ClusterWorks]] = {uid: [] for uid in uids}
    parameters = {"uids": list(uids)}
    sums = (await tx.execute(_SUMS, parameters)).all()
    if not sums:
        return found
    severity = {"severity": [state.value for state in SEVERITY]}
    worst = {(row.unit_uid, row.cluster): _worst(row) for row in await tx.execute(_WORST, parameters | severity)}
    ill = {(row.unit_uid, row.cluster): _health(row) for row in await tx.execute(_UNHEALTHY, parameters)}
    for row in sorted(sums, key=lambda row: (row.unit_uid, row.cluster)):
        place = (row.unit_uid, row.cluster)
        found[row.unit_uid].append(
            ClusterWorks(
                cluster=row.cluster,
                work_count=row.works,
                applied_count=row.applied,
                healthy_count=row.healthy,
                desired_replicas=row.desired,
                ready_replicas=row.ready,
                worst=worst[place],
                worst_health=ill.get(place),
                held_count=row.held,
                held_message=row.held_message or "",
            )
        )
    return found


def _worst(row: Any) -> WorstWork:
    return WorstWork(object=str(key_from_row(row)), state=WorkState(row.state), reason=row.reason, message=row.message)


def _health(row: Any) -> WorstHealth:
    return WorstHealth(
        object=str(key_from_row(row)), health=row.health, reason=row.health_reason, message=row.health_message
    )
