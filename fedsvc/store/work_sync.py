"""Works as a decision wants them: bindings, and the works of those that are new or changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from asyncpg import IntegrityConstraintViolationError

from fedsvc.errors import ClusterGoneError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.copies import CopyBinding
from fedsvc.model.unit import Unit
from fedsvc.model.work import Binding, DesiredWork
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.references import Reference
from fedsvc.store import references
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_rows import key_from_row
from fedsvc.store.work_rows import LOCK

_LOCK_UNITS = text(LOCK.format("unit_uid = ANY(CAST(:uids AS uuid[]))"))
_BINDINGS = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster, revision, replicas, completions, render_key,"
    " CAST(decision_id AS text) AS decision_id, update_time, role"
    " FROM binding WHERE unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY unit_uid, cluster"
)
_PUT_BINDINGS = text(
    "INSERT INTO binding (unit_uid, cluster, revision, replicas, completions, render_key, decision_id, role)"
    " SELECT * FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]), CAST(:revisions AS bigint[]), CAST(:replicas AS jsonb[]),"
    " CAST(:completions AS jsonb[]), CAST(:keys AS bytea[]), CAST(:decisions AS uuid[]), CAST(:roles AS text[]))"
    " ON CONFLICT (unit_uid, cluster) DO UPDATE SET revision = EXCLUDED.revision, replicas = EXCLUDED.replicas,"
    " completions = EXCLUDED.completions, render_key = EXCLUDED.render_key, decision_id = EXCLUDED.decision_id, role = EXCLUDED.role, update_time = now()"
)
# What a cluster shall hold is the same in the new revision: neither are works touched, nor is the binding younger.
_RENUMBER = text(
    "UPDATE binding b SET revision = i.revision FROM unnest(CAST(:uids AS uuid[]), CAST(:clusters AS text[]),"
    " CAST(:revisions AS bigint[])) AS i (unit_uid, cluster, revision)"
    " WHERE b.unit_uid = i.unit_uid AND b.cluster = i.cluster AND b.revision <> i.revision"
)
_STAY: Final = (
    "unnest(CAST(:stay_uids AS uuid[]), CAST(:stay_clusters AS text[]), CAST(:stay_changed AS boolean[]))"
    " AS s (unit_uid, cluster, changed)"
)
# Bindings and copies where units stay no more, and what works name that are made anew; gives the copies of before. One
# statement, since a decision mostly has nothing to clear; all of its parts see what was there when it began.
_CLEAR = text(
    f"WITH unbound AS (DELETE FROM binding b USING (SELECT o.unit_uid, o.cluster FROM binding o LEFT JOIN {_STAY}"
    "   USING (unit_uid, cluster) WHERE o.unit_uid = ANY(CAST(:uids AS uuid[])) AND s.changed IS NULL) AS gone"
    "   WHERE b.unit_uid = gone.unit_uid AND b.cluster = gone.cluster),"
    " unnamed AS (DELETE FROM object_reference f USING unnest(CAST(:new_uids AS uuid[]), CAST(:new_clusters AS text[]))"
    "   AS n (unit_uid, cluster) WHERE f.unit_uid = n.unit_uid AND f.cluster = n.cluster),"
    " uncopied AS (DELETE FROM copy_binding c WHERE c.unit_uid = ANY(CAST(:uids AS uuid[])) AND NOT EXISTS (SELECT 1"
    "   FROM unnest(CAST(:copy_uids AS uuid[]), CAST(:copy_clusters AS text[])) AS i (unit_uid, cluster)"
    "   WHERE i.unit_uid = c.unit_uid AND i.cluster = c.cluster))"
    " SELECT CAST(unit_uid AS text) AS unit_uid, cluster FROM copy_binding WHERE unit_uid = ANY(CAST(:uids AS uuid[]))"
)
_INPUT: Final = (
    "unnest(CAST(:work_uids AS uuid[]), CAST(:clusters AS text[]), CAST(:groups AS text[]), CAST(:versions AS text[]),"
    " CAST(:kinds AS text[]), CAST(:namespaces AS text[]), CAST(:names AS text[]), CAST(:waves AS smallint[]),"
    " CAST(:digests AS bytea[]), CAST(:conflicts AS text[]), CAST(:drifts AS text[]), CAST(:reasons AS text[]),"
    " CAST(:messages AS text[]), CAST(:awaited AS text[]), CAST(:handlings AS text[]))"
    " AS i (unit_uid, cluster, group_, version, kind, namespace, name, wave, digest, conflict, drift, reason, message,"
    " awaited, handling)"
)
_PUT_WORKS = text(
    "INSERT INTO work (unit_uid, cluster, group_, version, kind, namespace, name, wave, desired_digest, conflict, drift,"
    " dirty, state, reason, message, awaited, handling)"
    " SELECT i.unit_uid, i.cluster, i.group_, i.version, i.kind, i.namespace, i.name, i.wave, i.digest, i.conflict,"
    " i.drift, i.digest IS NOT NULL, CASE WHEN i.digest IS NULL THEN 'Failed' ELSE 'Pending' END, i.reason, i.message,"
    " i.awaited, i.handling"
    f" FROM {_INPUT} ON CONFLICT (cluster, group_, kind, namespace, name) DO UPDATE SET version = EXCLUDED.version,"
    " wave = EXCLUDED.wave, awaited = EXCLUDED.awaited, conflict = EXCLUDED.conflict, drift = EXCLUDED.drift,"
    " removal = NULL, attempts = 0, handling = EXCLUDED.handling, released = FALSE,"
    " desired_digest = coalesce(EXCLUDED.desired_digest, work.applied_digest),"
    " generation = work.generation + 1, next_attempt_time = now(), update_time = now(),"
    " dirty = EXCLUDED.desired_digest IS NOT NULL AND NOT (EXCLUDED.desired_digest IS NOT DISTINCT FROM work.applied_digest"
    "   AND work.removal IS NULL AND work.state = 'Applied' AND work.conflict = EXCLUDED.conflict"
    "   AND work.drift = EXCLUDED.drift AND work.handling = EXCLUDED.handling),"
    " state = CASE WHEN EXCLUDED.desired_digest IS NULL THEN 'Failed'"
    "   WHEN EXCLUDED.desired_digest IS NOT DISTINCT FROM work.applied_digest AND work.removal IS NULL"
    "     AND work.state = 'Applied' AND work.conflict = EXCLUDED.conflict AND work.drift = EXCLUDED.drift"
    "     AND work.handling = EXCLUDED.handling THEN 'Applied'"
    "   ELSE 'Pending' END,"
    " reason = EXCLUDED.reason, message = EXCLUDED.message"
    " WHERE work.unit_uid = EXCLUDED.unit_uid AND (work.removal IS NOT NULL OR work.wave <> EXCLUDED.wave OR work.awaited <> EXCLUDED.awaited"
    " OR work.version <> EXCLUDED.version OR work.desired_digest IS DISTINCT FROM EXCLUDED.desired_digest"
    " OR work.conflict <> EXCLUDED.conflict OR work.drift <> EXCLUDED.drift OR EXCLUDED.reason <> ''"
    " OR work.handling <> EXCLUDED.handling"
    " OR work.reason IN ('OverrideFailed', 'RenderingFailed')) RETURNING id, CAST(unit_uid AS text) AS unit_uid"
)
_OCCUPIED = text(
    "SELECT CAST(i.unit_uid AS text) AS unit_uid, i.cluster, i.group_, i.version, i.kind, i.namespace, i.name"
    f" FROM {_INPUT} JOIN work w USING (cluster, group_, kind, namespace, name) WHERE w.unit_uid <> i.unit_uid"
    " ORDER BY 1, 2, 3, 5, 6, 7"
)
_REMOVE_WORKS = text(
    "UPDATE work SET removal = gone.removal, desired_digest = NULL, dirty = TRUE,"
    " state = 'Removing', reason = '', message = '', attempts = 0, next_attempt_time = now(), update_time = now(),"
    " generation = work.generation + 1, removal_cause = gone.cause, removal_revision = gone.revision,"
    " removal_time = CASE WHEN work.removal IS NULL THEN now() ELSE work.removal_time END"
    " FROM (SELECT w.id, coalesce(c.object_deletion, u.removal) AS removal, u.revision,"
    "   c.delete_time IS NULL AND (w.removal IS NULL OR w.state = 'Held') AS is_counted,"
    "   s.changed IS NOT NULL AS stays, CASE WHEN c.delete_time IS NOT NULL THEN 'ClusterLeaving'"
    "   WHEN u.is_deleted THEN 'UnitDeleted' WHEN s.changed IS NULL THEN 'ClusterLeft' ELSE 'ResourceRemoved' END AS cause"
    "   FROM unnest(CAST(:uids AS uuid[]), CAST(:removals AS text[]), CAST(:revisions AS bigint[]),"
    "   CAST(:deleted AS boolean[])) AS u (unit_uid, removal, revision, is_deleted) JOIN work w USING (unit_uid) JOIN cluster c ON c.name = w.cluster"
    f"  LEFT JOIN {_STAY} ON s.unit_uid = w.unit_uid AND s.cluster = w.cluster"
    f"  LEFT JOIN {_INPUT} ON i.unit_uid = w.unit_uid AND i.cluster = w.cluster AND i.group_ = w.group_"
    "     AND i.kind = w.kind AND i.namespace = w.namespace AND i.name = w.name"
    "   WHERE w.removal IS DISTINCT FROM coalesce(c.object_deletion, u.removal) AND NOT w.released"
    "     AND (s.changed IS NULL OR (s.changed AND i.cluster IS NULL))) AS gone"
    " WHERE work.id = gone.id RETURNING work.id, CAST(work.unit_uid AS text) AS unit_uid, work.cluster, gone.stays,"
    " work.group_, work.version, work.kind, work.namespace, work.name,"
    " gone.is_counted AND gone.removal <> 'Orphan' AND work.member_uid <> '' AS is_counted"
)

_MAX_ROWS: Final = 1_000
"""Works that one statement puts: making it ready keeps all else in the process waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """An object that is to be deleted in a member from now on, by a decision on its unit."""

    id: int  # of its work
    unit_uid: str
    cluster: str
    stays: bool  # whether its unit stays on the cluster
    key: ObjectKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What came of making bindings and works what was decided."""

    # By uid of the unit, objects that cannot be had yet, since another unit's work still removes the same one there.
    occupied: Mapping[str, Sequence[tuple[str, ObjectKey]]] = field(default_factory=dict)
    doomed: tuple[Doomed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSync:
    """What was decided of a unit: all its bindings, and the works of those that are new or changed."""

    unit: Unit
    bindings: Sequence[Binding]  # changed or not
    desired: Mapping[str, Sequence[DesiredWork]]  # by cluster: those of the clusters whose binding is new or changed
    removal: ObjectDeletion  # what becomes of objects that are no longer wanted; a leaving cluster has its own say
    copies: Sequence[CopyBinding] = ()  # changed or not; on other clusters than the bindings
    references: Mapping[str, Iterable[Reference]] = field(default_factory=dict)  # by cluster: what the desired name


async def bindings_of(look: Look, uids: Sequence[str]) -> dict[str, list[Binding]]:
    """Bindings by unit, each sorted by cluster."""
    found: dict[str, list[Binding]] = {uid: [] for uid in uids}
    for row in await look.execute(_BINDINGS, {"uids": list(uids)}):
        found[row.unit_uid].append(
            Binding(
                unit_uid=row.unit_uid,
                cluster=row.cluster,
                revision=row.revision,
                replicas=row.replicas,
                completions=row.completions,
                render_key=row.render_key,
                decision=row.decision_id,
                update_time=row.update_time,
                role=row.role,
            )
        )
    return found


async def sync_units(tx: Transaction, plans: Sequence[UnitSync]) -> Synced:
    """Make bindings and works what was decided, of many units at once.

    Args:
        tx: the transaction, which holds the row locks of the units.
        plans: one for each unit.

    Raises:
        ClusterGoneError: a cluster of the bindings is registered no more.

    Returns:
        Objects that cannot be had yet, for which the caller tries again when they are gone; and those that are to be
        deleted from now on, for the caller to judge.
    """
    if not plans:
        return Synced()
    names = {plan.unit.uid: plan.unit.resource_name for plan in plans}
    await _put_bindings(tx, plans)
    copies = [copy for plan in plans for copy in plan.copies]
    anew = [(plan.unit.uid, cluster) for plan in plans for cluster in plan.desired]
    cleared = _staying(plans, copies=False) | {
        "new_uids": [uid for uid, _ in anew],
        "new_clusters": [cluster for _, cluster in anew],
        "copy_uids": [copy.unit_uid for copy in copies],
        "copy_clusters": [copy.cluster for copy in copies],
    }
    copied = {(row.unit_uid, row.cluster) for row in await tx.execute(_CLEAR, cleared)}
    await references.put_copies(tx, copies)
    await references.put_references(
        tx, {(plan.unit.uid, cluster): plan.references.get(cluster, ()) for plan in plans for cluster in plan.desired}
    )
    staying = _staying(plans, copies=True)
    await tx.execute(_LOCK_UNITS, {"uids": list(names)})
    works = _work_parameters(plans)
    removals = {
        "removals": [plan.removal.value for plan in plans],
        "revisions": [plan.unit.revision for plan in plans],
        "deleted": [plan.unit.delete_time is not None for plan in plans],
    }
    removed = (await tx.execute(_REMOVE_WORKS, staying | works | removals)).all()
    _record(tx, removed, names)
    occupied: dict[str, list[tuple[str, ObjectKey]]] = {}
    for start in range(0, len(works["work_uids"]), _MAX_ROWS):
        part = {name: values[start : start + _MAX_ROWS] for name, values in works.items()}
        put = (await tx.execute(_PUT_WORKS, part)).all()
        _record(tx, put, names)
        if len(put) == len(part["work_uids"]):
            continue  # all were written, so none is another unit's
        for row in await tx.execute(_OCCUPIED, part):
            occupied.setdefault(row.unit_uid, []).append((row.cluster, key_from_row(row)))
    doomed = (
        Doomed(id=row.id, unit_uid=row.unit_uid, cluster=row.cluster, stays=row.stays, key=key_from_row(row))
        for row in removed
        # A copy goes since those who needed it are gone: what they lose was judged with them.
        if row.is_counted and (row.unit_uid, row.cluster) not in copied
    )
    return Synced(occupied=occupied, doomed=tuple(doomed))


def _staying(plans: Sequence[UnitSync], *, copies: bool) -> dict[str, list[Any]]:
    """Where units stay, and whether their works change there; with or without where only copies of them are."""
    stay = [(plan.unit.uid, one.cluster, one.cluster in plan.desired) for plan in plans for one in plan.bindings]
    if copies:
        stay += [(plan.unit.uid, one.cluster, one.cluster in plan.desired) for plan in plans for one in plan.copies]
    return {
        "uids": [plan.unit.uid for plan in plans],
        "stay_uids": [uid for uid, _, _ in stay],
        "stay_clusters": [cluster for _, cluster, _ in stay],
        "stay_changed": [changed for _, _, changed in stay],
    }


async def _put_bindings(tx: Transaction, plans: Sequence[UnitSync]) -> None:
    same = [(plan.unit.uid, one) for plan in plans for one in plan.bindings if one.cluster not in plan.desired]
    if same:
        parameters = {
            "uids": [uid for uid, _ in same],
            "clusters": [binding.cluster for _, binding in same],
            "revisions": [binding.revision for _, binding in same],
        }
        await tx.execute(_RENUMBER, parameters)
    changed = [(plan.unit.uid, one) for plan in plans for one in plan.bindings if one.cluster in plan.desired]
    if not changed:
        return
    parameters = {
        "uids": [uid for uid, _ in changed],
        "clusters": [binding.cluster for _, binding in changed],
        "revisions": [binding.revision for _, binding in changed],
        "replicas": [orjson.dumps(binding.replicas).decode() for _, binding in changed],
        "completions": [orjson.dumps(binding.completions).decode() for _, binding in changed],
        "keys": [binding.render_key for _, binding in changed],
        "decisions": [binding.decision for _, binding in changed],
        "roles": [binding.role for _, binding in changed],
    }
    try:
        await tx.execute(_PUT_BINDINGS, parameters)
    except (
        IntegrityConstraintViolationError
    ) as error:  # of the rows that it refers to, the units' are locked and the decisions' are new
        raise ClusterGoneError("a cluster that was decided on is registered no more") from error


def _work_parameters(plans: Sequence[UnitSync]) -> dict[str, list[Any]]:
    # In the order of their keys, so that two transactions rarely wait for each other.
    works = sorted(
        ((plan.unit, work) for plan in plans for given in plan.desired.values() for work in given),
        key=lambda pair: (pair[1].cluster, pair[1].key),
    )
    return {
        "work_uids": [unit.uid for unit, _ in works],
        "clusters": [work.cluster for _, work in works],
        "groups": [work.key.group for _, work in works],
        "versions": [work.key.version for _, work in works],
        "kinds": [work.key.kind for _, work in works],
        "namespaces": [work.key.namespace for _, work in works],
        "names": [work.key.name for _, work in works],
        "waves": [work.wave for _, work in works],
        "digests": [work.digest for _, work in works],
        "conflicts": [unit.spec.propagation.conflict.value for unit, _ in works],
        "drifts": [unit.spec.propagation.drift.value for unit, _ in works],
        "reasons": [work.error[0] if work.error else "" for _, work in works],
        "messages": [work.error[1] if work.error else "" for _, work in works],
        "awaited": ["" if work.awaited is None else work.awaited.value for _, work in works],
        "handlings": [work.handling for _, work in works],
    }


def _record(tx: Transaction, rows: Iterable[Any], names: Mapping[str, str]) -> None:
    for row in rows:
        tx.record("work", f"works/{row.id}", subject=names[row.unit_uid])
