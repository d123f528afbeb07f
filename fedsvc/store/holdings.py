"""Which objects units have where: what reads from members starts from."""

from collections.abc import Collection
from typing import Final

from fedsvc.rendering.belonging import Holding
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import key_from_row
from fedsvc.store.work_rows import UNIT_NAME

_HOLDINGS: Final = text(
    f"SELECT work.cluster, group_, version, kind, work.namespace, work.name, member_uid, {UNIT_NAME} FROM work"
    " JOIN unit ON unit.uid = work.unit_uid WHERE unit.namespace = :namespace AND (:unit = '' OR unit.name = :unit)"
    " AND (CAST(:clusters AS text[]) IS NULL OR work.cluster = ANY(CAST(:clusters AS text[])))"
)


async def holdings(
    tx: Transaction, *, namespace: str, unit: str = "", clusters: Collection[str] | None = None
) -> dict[str, list[Holding]]:
    """The objects of a unit, or (empty) of all units of a namespace, by cluster; of some clusters only, where given."""
    wanted = None if clusters is None else sorted(clusters)
    found: dict[str, list[Holding]] = {}
    for row in await tx.execute(_HOLDINGS, {"namespace": namespace, "unit": unit, "clusters": wanted}):
        holding = Holding(unit=row.unit_name, key=key_from_row(row), uid=row.member_uid)
        found.setdefault(row.cluster, []).append(holding)
    return found
