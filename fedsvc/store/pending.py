"""Reads moves that are not made for now: units on lost clusters, and units that are away from clusters they left."""

from typing import Any, Final

from fedsvc.health import Automation, Health, Verdict
from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverPolicy
from fedsvc.model.hold import FLEET_SUBJECT
from fedsvc.model.pending import Ailment, Standing, Stop
from fedsvc.model.roles import Switchover
from fedsvc.store import automation, departures, holds
from fedsvc.store.codec import from_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction

_KEPT: Final = "removal IS NOT NULL AND state = 'Held' AND reason = :kept"
_AILMENT: Final = ("reason", "message", "due_time")
_EMPTIED: Final = "jsonb_path_exists(c.taints, CAST('$[*] ? (@.effect == \"NoExecute\")' AS jsonpath))"
_LIST: Final = text(
    "SELECT 'namespaces/' || u.namespace || '/units/' || u.name AS unit_name, c.name AS cluster, u.spec -> 'failover' AS policy,"
    " c.observation -> 'health' AS health, b.cluster IS NOT NULL AS is_bound, u.reconsider_time, CASE WHEN a.cluster IS NOT NULL THEN to_jsonb(a) END AS ailment,"
    f" {_EMPTIED} AS is_emptied,"
    " coalesce(k.message, '') AS kept_message, w.state AS switchover,"
    f" CASE WHEN d.cluster IS NOT NULL THEN (SELECT to_jsonb(x) FROM (SELECT {departures.COLUMNS}) x) END AS departure"
    " FROM (SELECT b.unit_uid, b.cluster FROM binding b JOIN cluster c ON c.name = b.cluster"
    "   WHERE c.observation -> 'health' ->> 'verdict' = :lost UNION SELECT unit_uid, cluster FROM departure"
    f"  UNION SELECT unit_uid, cluster FROM work WHERE {_KEPT} UNION SELECT unit_uid, cluster FROM ailment"
    "  UNION SELECT b.unit_uid, b.cluster FROM binding b JOIN cluster c ON c.name = b.cluster JOIN unit u ON u.uid = b.unit_uid"
    f"  WHERE u.spec #>> '{{failover,mode}}' = 'never' AND {_EMPTIED}"
    "  UNION SELECT unit_uid, state ->> 'primary' FROM switchover WHERE NOT is_over) AS p"
    " JOIN unit u ON u.uid = p.unit_uid JOIN cluster c ON c.name = p.cluster"
    " LEFT JOIN binding b ON b.unit_uid = p.unit_uid AND b.cluster = p.cluster"
    " LEFT JOIN departure d ON d.unit_uid = p.unit_uid AND d.cluster = p.cluster"
    " LEFT JOIN switchover w ON w.unit_uid = p.unit_uid AND w.state ->> 'primary' = p.cluster AND NOT w.is_over"
    " LEFT JOIN ailment a ON a.unit_uid = p.unit_uid AND a.cluster = p.cluster"
    " LEFT JOIN LATERAL (SELECT message FROM work WHERE work.unit_uid = p.unit_uid AND work.cluster = p.cluster"
    f"  AND {_KEPT} ORDER BY work.id LIMIT 1) k ON TRUE"
    " WHERE u.delete_time IS NULL AND c.delete_time IS NULL AND (:unit = '' OR 'namespaces/' || u.namespace || '/units/' || u.name = :unit)"
    " AND (:cluster = '' OR c.name = :cluster)"
    " AND ('namespaces/' || u.namespace || '/units/' || u.name, c.name) > (:after_unit, :after_cluster)"
    " ORDER BY 1, 2 LIMIT :limit"
)


_ANY: Final = text(
    "SELECT EXISTS (SELECT 1 FROM departure) OR EXISTS (SELECT 1 FROM ailment)"
    " OR EXISTS (SELECT 1 FROM switchover WHERE NOT is_over) OR EXISTS (SELECT 1 FROM work WHERE removal IS NOT NULL"
    " AND state = 'Held') OR EXISTS (SELECT 1 FROM cluster c WHERE c.delete_time IS NULL AND"
    f" (c.observation -> 'health' ->> 'verdict' = :lost OR {_EMPTIED}))"
)
_MOST: Final = 2**31 - 1


async def any_pending(look: Look) -> bool:
    """Whether moves or removals may be pending at all."""
    return bool((await look.execute(_ANY, {"lost": Verdict.UNREACHABLE.value})).scalar_one())


async def list_all(tx: Transaction) -> list[Standing]:
    """Where moves may be pending, all of it."""
    return await list_page(tx, after=("", ""), limit=_MOST)


async def list_page(
    tx: Transaction, *, after: tuple[str, str], limit: int, unit: str = "", cluster: str = ""
) -> list[Standing]:
    """Where moves may be pending, by unit and cluster: those after a pair of these."""
    values = {
        "lost": Verdict.UNREACHABLE.value,
        "kept": AWAITING_REPLACEMENT,
        "unit": unit,
        "cluster": cluster,
        "after_unit": after[0],
        "after_cluster": after[1],
        "limit": limit,
    }
    return [_standing(row) for row in await tx.execute(_LIST, values)]


async def stop(tx: Transaction) -> Stop:
    """What automation may not act on now."""
    state = (await automation.get(tx)).state
    found = await holds.on_automation(tx)
    held = {hold.subject for hold in found}
    regions = {name: hold.subject for hold in found if hold.is_of_region for name in hold.clusters or ()}
    if state.automation is Automation.HOLDING:
        held.add(FLEET_SUBJECT)
    return Stop(
        held=frozenset(held), regions=regions, off_message=state.message if state.automation is Automation.OFF else ""
    )


def _standing(row: Any) -> Standing:
    return Standing(
        unit_name=row.unit_name,
        cluster=row.cluster,
        policy=from_json(FailoverPolicy, row.policy or {}),
        health=from_json(Health, row.health or {}),
        is_bound=row.is_bound,
        reconsider_time=row.reconsider_time,
        is_emptied=row.is_emptied,
        kept_message=row.kept_message,
        ailment=from_json(Ailment, {key: row.ailment[key] for key in _AILMENT}) if row.ailment is not None else None,
        departure=departures.from_plain([row.departure])[0] if row.departure is not None else None,
        switchover=from_json(Switchover, row.switchover) if row.switchover is not None else None,
    )
