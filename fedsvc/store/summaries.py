"""Works summed by unit and cluster, in the database: thousands of works cost a status no more than a few."""

from collections.abc import Sequence
from typing import Final

from fedsvc.model.summary import SEVERITY, ClusterWorks, WorstHealth, WorstWork
from fedsvc.model.unit import WorkState
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

# The smallest of such arrays is the worst, and of equals the first by name: found in passing, where an order would sort.
# Neither list has ten entries, so that as texts, too, their places are in order.
_WORST: Final = (
    "min(ARRAY[CAST(array_position(CAST(:severity AS text[]), state) AS text), namespace, kind, name, group_, version,"
    " state, reason, message])"
)
_UNHEALTHY: Final = (
    "min(ARRAY[CAST(array_position(ARRAY['Degraded', 'Unknown', 'Progressing', ''], health) AS text), namespace, kind,"
    " name, group_, version, health, health_reason, health_message])"
    " FILTER (WHERE removal IS NULL AND health <> 'Healthy')"
)
_SUMS = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster, count(*) FILTER (WHERE state <> 'Held') AS works, count(*) FILTER (WHERE state = 'Held') AS held,"
    " min(message) FILTER (WHERE state = 'Held') AS held_message, count(*) FILTER (WHERE state = 'Applied') AS applied,"
    " count(*) FILTER (WHERE state = 'Applied' AND health = 'Healthy') AS healthy,"
    " coalesce(sum(desired_replicas) FILTER (WHERE removal IS NULL), 0) AS desired,"
    f" coalesce(sum(ready_replicas) FILTER (WHERE removal IS NULL), 0) AS ready, {_WORST} AS worst, {_UNHEALTHY} AS ill"
    " FROM work WHERE work.unit_uid = ANY(CAST(:uids AS uuid[])) GROUP BY work.unit_uid, cluster"
    " ORDER BY work.unit_uid, cluster"
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
    parameters = {"uids": list(uids), "severity": [state.value for state in SEVERITY]}
    for row in await tx.execute(_SUMS, parameters):
        found[row.unit_uid].append(
            ClusterWorks(
                cluster=row.cluster,
                work_count=row.works,
                applied_count=row.applied,
                healthy_count=row.healthy,
                desired_replicas=row.desired,
                ready_replicas=row.ready,
                worst=_worst(row.worst),
                worst_health=None if row.ill is None else _health(row.ill),
                held_count=row.held,
                held_message=row.held_message or "",
            )
        )
    return found


def _worst(found: Sequence[str]) -> WorstWork:
    _, namespace, kind, name, group, version, state, reason, message = found
    key = ObjectKey(group=group, version=version, kind=kind, namespace=namespace, name=name)
    return WorstWork(object=str(key), state=WorkState(state), reason=reason, message=message)


def _health(found: Sequence[str]) -> WorstHealth:
    _, namespace, kind, name, group, version, health, reason, message = found
    key = ObjectKey(group=group, version=version, kind=kind, namespace=namespace, name=name)
    return WorstHealth(object=str(key), health=health, reason=reason, message=message)
