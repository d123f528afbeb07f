"""What works wait for besides their turn, for people; and whom a change may let go. The gates are in `gate_sql`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from fedsvc.model.dependency import unit_words
from fedsvc.model.summary import Unmet, Wait, may_wait, with_wait
from fedsvc.model.unit import WorkState
from fedsvc.model.work import Work
from fedsvc.rendering.waves import STEPS, AwaitedState, written_of
from fedsvc.store.gate_sql import COPY_OPEN, LAGGING, NAMED_HERE, NEEDED, PLACED, REACHED, same_object
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_rows import key_from_row, resource_name, unit_pair

WAITING_FOR_WAVE: Final = "WaitingForWave"
NEEDED_BY_UNITS: Final = "NeededByUnits"

_LINKED = text(
    "SELECT namespace, name FROM unit WHERE uid IN (SELECT unit_uid FROM work WHERE awaited <> '')"
    " UNION SELECT u.namespace, u.name FROM unit_dependency d JOIN unit u ON u.uid = d.unit_uid"
    " UNION SELECT namespace, name FROM unit_dependency"
    " UNION SELECT u.namespace, u.name FROM unit u WHERE EXISTS (SELECT 1 FROM object_reference f WHERE f.unit_uid = u.uid)"
    " UNION SELECT u.namespace, u.name FROM unit u JOIN copy_binding c ON c.unit_uid = u.uid"
    " UNION SELECT u.namespace, u.name FROM (SELECT DISTINCT group_, kind, namespace, name FROM object_reference) f"
    f"   JOIN resource r ON {same_object('r', 'f')} JOIN unit u ON u.uid = r.unit_uid"
)
_AFFECTED = text(
    "WITH changed AS (SELECT * FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS i (namespace, name)),"
    " found AS (SELECT uid FROM unit JOIN changed USING (namespace, name)"
    " UNION SELECT d.unit_uid FROM unit_dependency d JOIN changed USING (namespace, name)"
    " UNION SELECT t.uid FROM changed JOIN unit u USING (namespace, name) JOIN unit_dependency d ON d.unit_uid = u.uid"
    "   JOIN unit t ON t.namespace = d.namespace AND t.name = d.name"
    " UNION SELECT f.unit_uid FROM changed JOIN unit s USING (namespace, name) JOIN resource r ON r.unit_uid = s.uid"
    f"   JOIN object_reference f ON {same_object('f', 'r')}"
    " UNION SELECT r.unit_uid FROM changed JOIN unit u USING (namespace, name) JOIN object_reference f"
    f"   ON f.unit_uid = u.uid JOIN resource r ON {same_object('r', 'f')}"
    # Who depended on a unit that is gone is not written any more.
    " UNION SELECT unit_uid FROM work WHERE dirty AND removal IS NOT NULL AND EXISTS (SELECT 1 FROM changed"
    "   LEFT JOIN unit u USING (namespace, name) WHERE u.uid IS NULL))"
    " SELECT u.namespace, u.name, coalesce(array_agg(DISTINCT w.cluster) FILTER (WHERE w.cluster IS NOT NULL), '{}')"
    " AS clusters FROM found JOIN unit u USING (uid) LEFT JOIN work w ON w.unit_uid = u.uid AND w.dirty GROUP BY 1, 2"
)
_WAVES = text(
    "SELECT DISTINCT ON (work.unit_uid, work.cluster) CAST(work.unit_uid AS text) AS unit, work.* FROM work"
    " WHERE work.unit_uid = ANY(CAST(:uids AS uuid[])) AND work.awaited <> '' AND work.removal IS NULL"
    f" AND NOT {REACHED.format(awaited='work.awaited')} AND EXISTS (SELECT 1 FROM work later"
    "   WHERE later.unit_uid = work.unit_uid AND later.cluster = work.cluster AND later.dirty AND later.removal IS NULL"
    f"  AND floor(later.wave / {STEPS}.0) > floor(work.wave / {STEPS}.0))"
    " ORDER BY work.unit_uid, work.cluster, work.wave, work.id"
)
_DEPENDENCIES = text(
    "SELECT CAST(u.uid AS text) AS unit, u.namespace AS beside, b.cluster AS place, d.namespace AS target_namespace,"
    " d.name AS target, d.state AS awaited, d.everywhere, t.uid IS NOT NULL AS there, t.delete_time IS NOT NULL AS deleting,"
    f" t.decided_generation >= t.generation AS decided, {PLACED.format(cluster='b.cluster')} AS placed, o.*"
    " FROM unit_dependency d JOIN unit u ON u.uid = d.unit_uid JOIN binding b ON b.unit_uid = d.unit_uid"
    " LEFT JOIN unit t ON t.namespace = d.namespace AND t.name = d.name"
    " LEFT JOIN LATERAL (SELECT work.cluster, work.group_, work.version, work.kind, work.namespace, work.name, work.state,"
    f"  work.message, work.health, work.health_message {LAGGING.format(cluster='b.cluster')}"
    "   ORDER BY work.cluster, work.wave, work.id LIMIT 1) o ON TRUE"
    " WHERE d.unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY 1, b.cluster, d.namespace, d.name"
)
_COPIES = text(
    "SELECT CAST(u.uid AS text) AS unit, u.namespace AS beside, f.cluster AS place, s.namespace AS target_namespace,"
    " s.name AS target, r.group_, r.version, r.kind, r.namespace, r.name, k.state, k.message, c.withheld"
    " FROM object_reference f JOIN unit u ON u.uid = f.unit_uid"
    " JOIN binding b ON b.unit_uid = f.unit_uid AND b.cluster = f.cluster"
    f" JOIN resource r ON {same_object('r', 'f')}"
    " JOIN unit s ON s.uid = r.unit_uid AND s.uid <> u.uid AND s.namespace = u.namespace AND s.delete_time IS NULL"
    f" LEFT JOIN work k ON k.cluster = f.cluster AND {same_object('k', 'f')} AND k.unit_uid = s.uid AND k.removal IS NULL"
    " LEFT JOIN copy_binding c ON c.unit_uid = s.uid AND c.cluster = f.cluster"
    f" WHERE f.unit_uid = ANY(CAST(:uids AS uuid[])) AND {COPY_OPEN} ORDER BY 1, f.cluster, 6, 8, 9, 10"
)
_NAMED = text(
    "SELECT DISTINCT CAST(k.unit_uid AS text) AS unit, s.namespace AS beside, k.cluster, u.namespace, u.name"
    f" FROM {NAMED_HERE} JOIN resource r ON r.unit_uid = k.unit_uid AND {same_object('r', 'k')}"
    " WHERE k.unit_uid = ANY(CAST(:uids AS uuid[])) AND k.removal <> 'Orphan' ORDER BY 1, 3, 4, 5"
)
_NEEDED = text(
    "SELECT CAST(t.uid AS text) AS unit, t.namespace AS beside, leaving.cluster, u.namespace, u.name FROM (SELECT DISTINCT"
    "   unit_uid, cluster FROM work WHERE unit_uid = ANY(CAST(:uids AS uuid[])) AND removal <> 'Orphan') AS leaving,"
    f" LATERAL (SELECT DISTINCT t.uid, t.namespace, d.unit_uid AS needing FROM {NEEDED.format(cluster='leaving.cluster')}"
    "   AND t.uid = leaving.unit_uid) AS t JOIN unit u ON u.uid = t.needing ORDER BY 1, 3, 4, 5"
)


async def linked(look: Look) -> frozenset[str]:
    """Names in the API of the units whose changes may open a gate."""
    return frozenset(resource_name(row.namespace, row.name) for row in await look.execute(_LINKED))


async def affected(look: Look, names: Collection[str]) -> dict[str, list[str]]:
    """Units whose works may go on when these units changed, by name, and the clusters where they have some to do."""
    pairs = [unit_pair(name) for name in sorted(names)]
    parameters = {"namespaces": [namespace for namespace, _ in pairs], "names": [name for _, name in pairs]}
    rows = await look.execute(_AFFECTED, parameters)
    return {resource_name(row.namespace, row.name): list(row.clusters) for row in rows}


async def unmet(tx: Transaction, uids: Sequence[str]) -> dict[str, list[Unmet]]:
    """The dependencies of units that are not as far as they must be: by uid, in the order of clusters and names."""
    found: dict[str, list[Unmet]] = {uid: [] for uid in uids}
    if not found:
        return found
    for row in await tx.execute(_DEPENDENCIES, {"uids": list(uids)}):
        words = _unmet_words(row)
        if words is not None:
            found[row.unit].append(Unmet(cluster=row.place, reason=words[0], message=words[1]))
    for row in await tx.execute(_COPIES, {"uids": list(uids)}):
        reason, message = _copy_words(row)
        found[row.unit].append(Unmet(cluster=row.place, reason=reason, message=message))
    return found


async def waits(
    tx: Transaction, lacking: Mapping[str, Sequence[Unmet]], *, pending: Sequence[str], removing: Sequence[str]
) -> dict[str, list[Wait]]:
    """What keeps works of units waiting, by uid: for dependencies before waves.

    Args:
        tx: the transaction.
        lacking: what `unmet` says of them.
        pending: uids of units that have works to be applied.
        removing: uids of units that have works to be removed.
    """
    found = {
        uid: [
            Wait(cluster=one.cluster, state=WorkState.PENDING, reason=one.reason, message=f"waits for {one.message}")
            for one in unmet_of
        ]
        for uid, unmet_of in lacking.items()
    }
    for row in await tx.execute(_WAVES, {"uids": list(pending)}) if pending else ():
        wave = written_of(row.wave)
        message = f"waits for wave {wave}: {_stands(row)}"
        wait = Wait(cluster=row.cluster, state=WorkState.PENDING, reason=WAITING_FOR_WAVE, message=message, wave=wave)
        found.setdefault(row.unit, []).append(wait)
    for statement, why in ((_NEEDED, "which depends on it"), (_NAMED, "which names it")) if removing else ():
        for row in await tx.execute(statement, {"uids": list(removing)}):
            message = f"is removed after {unit_words((row.namespace, row.name), row.beside)}, {why}"
            wait = Wait(cluster=row.cluster, state=WorkState.REMOVING, reason=NEEDED_BY_UNITS, message=message)
            found.setdefault(row.unit, []).append(wait)
    return found


async def with_waits(tx: Transaction, works: Sequence[Work]) -> list[Work]:
    """The same works, those that wait for something with the words for it."""
    pending = sorted({work.unit_uid for work in works if may_wait(work) and work.state is WorkState.PENDING})
    removing = sorted({work.unit_uid for work in works if may_wait(work) and work.state is WorkState.REMOVING})
    if not pending and not removing:
        return list(works)
    found = await waits(tx, await unmet(tx, pending), pending=pending, removing=removing)
    return [with_wait(work, found.get(work.unit_uid, ())) for work in works]


def _copy_words(row: Any) -> tuple[str, str]:
    """Why an object that is named is not where it is needed, as a constant word and for people."""
    what = f"{key_from_row(row)} of {unit_words((row.target_namespace, row.target), row.beside)}"
    if row.withheld and row.state is None:
        return "CopyWithheld", f"{what}, {row.withheld}"
    stands = "" if row.state is None else f": it is {row.state}{f': {row.message}' if row.message else ''}"
    return "CopyNotApplied", f"{what} to be applied on {row.place}{stands}"


def _unmet_words(row: Any) -> tuple[str, str] | None:
    """Why a dependency is not met, as a constant word and for people; None: it is."""
    unit = unit_words((row.target_namespace, row.target), row.beside)
    if not row.there:
        return "DependencyMissing", f"{unit}, which does not exist"
    if row.deleting:
        return "DependencyDeleting", f"{unit}, which is being deleted"
    if not row.placed:
        where = "anywhere" if row.everywhere else f"on {row.place}"
        return "DependencyNotPlaced", f"{unit}, which is not placed {where}"
    ready = row.awaited == AwaitedState.READY
    reason, wanted = ("DependencyNotReady", "Ready") if ready else ("DependencyNotApplied", "Applied")
    where = "everywhere" if row.everywhere else f"on {row.place}"
    if not row.decided:
        return reason, f"{unit} to be {wanted} {where}: its newest change is not decided yet"
    if row.kind is None:
        return None
    there = f"{row.cluster}: " if row.everywhere else ""
    return reason, f"{unit} to be {wanted} {where}: {there}{_stands(row)}"


def _stands(row: Any) -> str:
    """How a work stands that something waits for."""
    if row.awaited == AwaitedState.READY and row.state == WorkState.APPLIED:
        stands = row.health if row.health not in ("", "Healthy") else "not seen yet"
        wanted, because = "healthy", row.health_message
    else:
        stands, wanted, because = row.state, "applied", row.message
    return f"{key_from_row(row)} is {stands}, not {wanted}{f': {because}' if because else ''}"
