"""What becomes of units when a cluster leaves: what they have there, and where they would be."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fedctl.context import Context
from fedctl.output import placement_views, views, words
from fedctl.output.printing import print_table
from fedctl.output.tables import Column, Table
from fedsvc.v1 import placement_service_pb2
from fedsvc_client import Client

_MOST = 20
_NOWHERE = "no cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingUnit:
    """One unit that has something on the cluster."""

    name: str
    objects: int
    removals: int  # of these, that are to be removed anyway
    clusters: tuple[str, ...] | None  # where it would be; None: where it is, but for this cluster
    is_short: bool  # whether replicas would find no place


def look(client: Client, cluster: str) -> list[LeavingUnit]:
    """Find out what units have on a cluster, and ask where they would be without it."""
    counts: Counter[str] = Counter()
    leaving: Counter[str] = Counter()
    for work in client.works.list(cluster=cluster):
        counts[work.unit] += 1
        leaving[work.unit] += work.HasField("removal")
    if not counts:
        return []
    request = placement_service_pb2.SimulatePlacementRequest(lost_clusters=[cluster])
    changes = {unit.unit: unit for unit in client.placement.simulate(request).units}
    return [
        LeavingUnit(
            name=name,
            objects=counts[name],
            removals=leaving[name],
            clusters=tuple(changes[name].clusters_after) if name in changes else None,
            is_short=name in changes and bool(changes[name].shortfalls),
        )
        for name in sorted(counts)
    ]


def show(context: Context, cluster: str, found: Sequence[LeavingUnit], *, fate: str) -> None:
    """Print a line a unit, and the sum."""
    if not found:
        context.note(f"nothing of fedsvc is on {cluster}")
        return
    table: Table[LeavingUnit] = Table(
        columns=(
            Column(title="UNIT", text=lambda row: views.unit_text(row.name)),
            Column(title="OBJECTS", text=lambda row: str(row.objects)),
            Column(title=f"ON {cluster.upper()}", text=lambda _: fate),
            Column(title="THEN ON", text=_then, style=_style, is_long=True),
        )
    )
    print_table(context.console(), table, found[:_MOST])
    if len(found) > _MOST:
        context.note(f"... and {len(found) - _MOST} more units")
    nowhere = sum(row.clusters == () for row in found)
    short = sum(row.is_short and row.clusters != () for row in found)
    told = [f"{words.count(len(found), 'unit')}, {words.count(sum(row.objects for row in found), 'object')}"]
    told += [f"{words.count(nowhere, 'unit')} would be on no cluster"] if nowhere else []
    told += [f"{words.count(short, 'unit')} would lack replicas"] if short else []
    if removals := sum(row.removals for row in found):
        told.append(f"{words.count(removals, 'object')} of these are to be removed there anyway")
    context.note("; ".join(told))


def _then(row: LeavingUnit) -> str:
    if row.clusters is None:
        return "as before"
    return placement_views.clusters_text(row.clusters) if row.clusters else _NOWHERE


def _style(text: str) -> str:
    return words.YELLOW if text == _NOWHERE else ""
