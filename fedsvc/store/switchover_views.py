"""How units with a primary fare on their clusters, as switchovers look at it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fedsvc.health import Verdict
from fedsvc.model.roles import Evidence, Reading, RolePolicy, Switchover, read_evidence
from fedsvc.model.switchover import Place, Sight
from fedsvc.model.unit import DeletionMode, Unit
from fedsvc.rendering.roles import Role
from fedsvc.rollout import ClusterView
from fedsvc.store import clusters, departures, rollout_views, works
from fedsvc.store.automation import Gate
from fedsvc.store.gate_sql import REACHED
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import key_from_row

_IS_APPLIED: Final = REACHED.format(awaited="'applied'")
# What was seen of an object before it was made to hold what it holds now tells nothing.
_EVIDENCE = text(
    "SELECT cluster, group_, version, kind, namespace, name, health, health_reason, health_message,"
    f" CASE WHEN removal IS NULL AND {_IS_APPLIED} AND observed_digest = applied_digest"
    " THEN observed_status END AS status FROM work WHERE unit_uid = CAST(:uid AS uuid)"
    " AND (kind, name) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:names AS text[])))"
)
_CLUSTERS_WITH = text("SELECT DISTINCT cluster FROM work WHERE unit_uid = CAST(:uid AS uuid)")
_TRUSTED: Final = (Verdict.HEALTHY, Verdict.UNKNOWN)


async def sight_of(
    tx: Transaction, unit: Unit, policy: RolePolicy, state: Switchover, *, gate: Gate, settle_seconds: float
) -> Sight:
    """What is seen of a unit.

    Args:
        tx: the transaction.
        unit: whose.
        policy: of the unit.
        state: where its primary is.
        gate: what automation may act on.
        settle_seconds: what was applied less long ago, and not seen since, does not count as applied yet.
    """
    views = (await rollout_views.of_units(tx, [unit], settle_seconds=settle_seconds))[unit.uid]
    roles = {one.cluster: one.role for one in (await works.bindings_of(tx, [unit.uid]))[unit.uid]}
    rows = await _evidence_rows(tx, unit.uid, policy)
    members = {one.name: one for one in await clusters.list_all(tx)}
    left = {row.cluster for row in await tx.execute(_CLUSTERS_WITH, {"uid": unit.uid})}
    # What was left behind as it is runs on, though nothing is known of it here.
    is_deleted = unit.spec.propagation.deletion is DeletionMode.DELETE
    was = {state.primary, *state.undemoted}
    return Sight(
        places={view.name: _place(view, roles.get(view.name, ""), members[view.name].health, gate) for view in views},
        wanted=frozenset(await _wanted(tx, unit.uid)),
        gone=frozenset(name for name in was if is_deleted and name in members and name not in {*roles, *left}),
        departures={
            one.cluster: (one.author, one.reason)
            for one in await departures.of_unit(tx, unit.uid)
            if one.return_time is None
        },
        demote=_readings(policy.demote, rows, is_hook=True),
        fence=_readings(policy.on_loss.fence, rows, is_hook=True),
        promote=_readings(policy.promote, rows, is_hook=True),
        proof=_readings(policy.proof, rows, is_hook=False),
        loss_proof=_readings(policy.on_loss.proof, rows, is_hook=False),
        held=_held(unit, gate),
    )


_WANTED = text(
    "SELECT t ->> 'cluster' AS cluster FROM unit u JOIN decision d ON d.id = u.decision_id,"
    " jsonb_array_elements(d.words -> 'targets') t WHERE u.uid = CAST(:uid AS uuid)"
)


async def _wanted(tx: Transaction, uid: str) -> Iterable[str]:
    return [row.cluster for row in await tx.execute(_WANTED, {"uid": uid})]


async def _evidence_rows(tx: Transaction, uid: str, policy: RolePolicy) -> list[Any]:
    named = [one for one in (*policy.hooks, policy.proof, policy.on_loss.proof) if one is not None]
    if not named:
        return []
    values = {"uid": uid, "kinds": [one.kind for one in named], "names": [one.name for one in named]}
    return list(await tx.execute(_EVIDENCE, values))


def _readings(wanted: Evidence | None, rows: Iterable[Any], *, is_hook: bool) -> Mapping[str, Reading]:
    if wanted is None:
        return {}
    return {
        row.cluster: read_evidence(
            wanted,
            row.status,
            health=row.health,
            reason=row.health_reason,
            message=row.health_message,
            is_hook=is_hook,
        )
        for row in rows
        if wanted.means(key_from_row(row))
    }


def _place(view: ClusterView, role: str, health: Any, gate: Gate) -> Place:
    return Place(
        cluster=view.name,
        role=Role(role) if role else None,
        is_applied=view.applied,
        is_healthy=view.healthy and health.verdict in _TRUSTED,
        is_heard=not view.silent,
        is_lost=health.verdict is Verdict.UNREACHABLE,
        is_held=view.name in gate.held_clusters,
        well_since=health.since if health.verdict is Verdict.HEALTHY else None,
        trouble=view.trouble or view.waits_for,
    )


def _held(unit: Unit, gate: Gate) -> str:
    if not gate.is_on:
        return "automation is held or off (fedctl automation)"
    return "automation is held for the unit" if unit.resource_name in gate.held_units else ""
