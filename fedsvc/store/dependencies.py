"""Which unit waits for which: rows of `unit_dependency`, the index of what the units' specs say."""

from fedsvc.model.dependency import DependencyScope, UnitId, find_cycle
from fedsvc.model.unit import UnitSpec
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import resource_name

# One at a time draws edges: of two that close a cycle together one then sees the other's.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('unit_dependency', 0))")
_EDGES = text(
    "SELECT u.namespace AS unit_namespace, u.name AS unit, d.namespace, d.name FROM unit_dependency d"
    " JOIN unit u ON u.uid = d.unit_uid"
)
_DROP = text("DELETE FROM unit_dependency WHERE unit_uid = CAST(:uid AS uuid)")
_PUT = text(
    "INSERT INTO unit_dependency (unit_uid, namespace, name, state, everywhere) SELECT CAST(:uid AS uuid), i.*"
    " FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[]), CAST(:states AS text[]),"
    " CAST(:everywhere AS boolean[])) AS i"
)
_DEPENDENTS = text(
    "SELECT u.namespace, u.name FROM unit_dependency d JOIN unit u ON u.uid = d.unit_uid"
    " WHERE d.namespace = :namespace AND d.name = :name AND u.delete_time IS NULL ORDER BY 1, 2"
)
_PLACED = text(
    "SELECT u.namespace, u.name, u.delete_time IS NOT NULL AS deleting, (SELECT coalesce(array_agg(b.cluster), '{}')"
    " FROM binding b WHERE b.unit_uid = u.uid) AS clusters"
    " FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS i (namespace, name)"
    " JOIN unit u USING (namespace, name)"
)


async def lock_graph(tx: Transaction) -> None:
    """Let nobody else add to the graph until the transaction ends; to be called before any other lock is taken."""
    await tx.execute(_LOCK)


async def cycle_with(tx: Transaction, unit: UnitId, spec: UnitSpec) -> tuple[UnitId, ...]:
    """The cycle that a unit would close if its spec were this; empty: none. Needs the lock of the graph."""
    edges: dict[UnitId, list[UnitId]] = {}
    for row in await tx.execute(_EDGES):
        edges.setdefault((row.unit_namespace, row.unit), []).append((row.namespace, row.name))
    edges[unit] = [dependency.target(unit[0]) for dependency in spec.depends_on]
    return find_cycle(edges, unit)


async def put(tx: Transaction, uid: str, namespace: str, spec: UnitSpec) -> None:
    """Make the rows of a unit what its spec says."""
    await tx.execute(_DROP, {"uid": uid})
    if not spec.depends_on:
        return
    targets = [dependency.target(namespace) for dependency in spec.depends_on]
    await tx.execute(
        _PUT,
        {
            "uid": uid,
            "namespaces": [target[0] for target in targets],
            "names": [target[1] for target in targets],
            "states": [dependency.state.value for dependency in spec.depends_on],
            "everywhere": [dependency.where is DependencyScope.EVERYWHERE for dependency in spec.depends_on],
        },
    )


async def dependents(tx: Transaction, unit: UnitId) -> list[str]:
    """Names in the API of the units that wait for a unit and are not being deleted themselves."""
    rows = await tx.execute(_DEPENDENTS, {"namespace": unit[0], "name": unit[1]})
    return [resource_name(row.namespace, row.name) for row in rows]


async def placed(tx: Transaction, units: list[UnitId]) -> dict[UnitId, tuple[str, ...] | None]:
    """Where those of the units are placed that exist; None: it is being deleted."""
    parameters = {"namespaces": [namespace for namespace, _ in units], "names": [name for _, name in units]}
    return {
        (row.namespace, row.name): None if row.deleting else tuple(row.clusters)
        for row in await tx.execute(_PLACED, parameters)
    }
