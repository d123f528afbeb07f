"""The tables of decisions and of what would become of units."""

from collections.abc import Sequence

from fedctl.files.shape import FLEET_NAME
from fedctl.output import views, words
from fedctl.output.tables import Column, Table
from fedsvc.v1 import decision_pb2, fleet_pb2, placement_pb2, placement_service_pb2
from fedsvc_client.names import last_part

_SHOWN_CLUSTERS = 4


def decisions(now: views.Now = views.utc_now) -> Table[decision_pb2.Decision]:
    """Make the table of `fedctl explain --history`."""
    return Table(
        columns=(
            Column(title="ID", text=lambda row: last_part(row.name)),
            Column(title="AGE", text=lambda row: words.age(row.create_time, now())),
            Column(title="REVISION", text=lambda row: str(row.revision)),
            Column(title="CLUSTERS", text=lambda row: clusters_text(chosen_of(row))),
            Column(title="MOVES", text=lambda row: moves_text(row.moves)),
            Column(title="SHORT", text=lambda row: short_text(row.shortfalls), style=_warn),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True),
        )
    )


def simulations() -> Table[placement_service_pb2.UnitSimulation]:
    """Make the table of what would become of units."""
    return Table(
        columns=(
            Column(title="UNIT", text=lambda row: views.unit_text(row.unit)),
            Column(title="BEFORE", text=lambda row: clusters_text(row.clusters_before), is_long=True),
            Column(title="AFTER", text=lambda row: clusters_text(row.clusters_after), is_long=True),
            Column(title="MOVES", text=lambda row: moves_text(row.moves)),
            Column(title="SHORT", text=lambda row: short_text(row.shortfalls), style=_warn),
        )
    )


def rooms() -> Table[placement_service_pb2.ClusterRoom]:
    """Make the table of the room that would be left."""
    return Table(
        columns=(
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="CPU LEFT", text=lambda row: words.cores(row.cpu_millicores)),
            Column(title="MEMORY LEFT", text=lambda row: words.kilo(row.memory_bytes)),
            Column(title="PODS LEFT", text=lambda row: str(row.pods)),
        )
    )


def fleet_settings(now: views.Now = views.utc_now) -> Table[fleet_pb2.FleetSettings]:
    """Make the table of the fleet settings."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda _: FLEET_NAME),
            Column(title="DISTANCES", text=lambda row: str(len(row.spec.distances))),
            Column(
                title="DATASETS", text=lambda row: ",".join(entry.name for entry in row.spec.datasets), is_long=True
            ),
            Column(title="HEADROOM", text=_headroom_text),
            Column(title="FREEZES", text=lambda row: ",".join(entry.name for entry in row.spec.freezes), is_long=True),
            Column(title="AGE", text=lambda row: words.age(row.update_time, now())),
        )
    )


def chosen_of(decision: decision_pb2.Decision) -> list[str]:
    """Return the clusters a decision chose."""
    return [entry.cluster for entry in decision.clusters if entry.chosen]


def clusters_text(names: Sequence[str]) -> str:
    """Write a few names, and how many more there are."""
    more = len(names) - _SHOWN_CLUSTERS
    shown = ",".join(names[:_SHOWN_CLUSTERS])
    return f"{shown},+{more}" if more > 0 else shown or words.NONE


def moves_text(moves: Sequence[decision_pb2.Move]) -> str:
    """Write how many changes there are: a unit that comes or goes is one, with all its replicas."""
    whole = {move.cluster for move in moves if not move.workload}
    return str(sum(not move.workload or move.cluster not in whole for move in moves))


def short_text(shortfalls: Sequence[decision_pb2.Shortfall]) -> str:
    """Write how many replicas are missing."""
    return str(sum(entry.replicas for entry in shortfalls)) if shortfalls else words.NONE


def _warn(text: str) -> str:
    return "" if text == words.NONE else words.YELLOW


def _headroom_text(row: fleet_pb2.FleetSettings) -> str:
    if not row.spec.HasField("headroom"):
        return words.NONE
    headroom = row.spec.headroom
    return headroom.label_key or words.enum_word(placement_pb2.Topology.DESCRIPTOR, headroom.by).lower()
