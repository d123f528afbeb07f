"""The status of one resource over clusters: what each cluster says of it, and what that sums up to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from fedctl.files.convert import write_message
from fedctl.output import views, words
from fedctl.output.printing import print_table
from fedctl.output.tables import Column, Table
from fedsvc.v1 import resource_pb2, resource_service_pb2

_MOST_COLUMNS = 7
_MOST_CELL = 40
_LAST = ("conditions", "generation", "observedGeneration", "allObserved")  # in the document, not in the table
_ALL = "(all)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What one cluster says, or all together."""

    cluster: str
    state: str
    health: str
    values: Mapping[str, str]  # by field
    mark: str


def resource_document(answer: resource_service_pb2.GetResourceResponse) -> dict[str, Any]:
    """Return what is known of a resource: the sum, and for each cluster its value and how old it is."""
    resource = answer.resource
    clusters = []
    for work in answer.works:
        message = write_message(work)
        kept = ("state", "health", "healthReason", "healthMessage", "observedTime", "silenceReason", "lastHeardTime")
        entry = {"cluster": work.cluster, **{name: message[name] for name in kept if name in message}}
        clusters.append(entry | {"status": _read(work.observed_status_json)})
    return {
        "name": resource.name,
        "ref": write_message(resource.ref),
        "health": resource.health,
        "workCount": resource.work_count,
        "appliedWorkCount": resource.applied_work_count,
        "status": _read(resource.aggregated_status_json),
        "silentClusters": list(resource.silent_clusters),
        "clusters": clusters,
    }


def print_resource_status(console: Console, answer: resource_service_pb2.GetResourceResponse) -> None:
    """Print a line a cluster and one for all; below what is wrong, and how old the marked values are."""
    resource = answer.resource
    console.print(f"{resource.ref.api_version} {views.object_text(resource.ref)}: ", end="")
    console.print(resource.health or "Unknown", style=words.style_of(resource.health) or None, end="")
    console.print(f", applied on {resource.applied_work_count} of {resource.work_count} clusters{_observed(resource)}")
    if not answer.works:
        return
    total = _read(resource.aggregated_status_json)
    lines = [_line(work) for work in answer.works]
    lines.append(
        _Line(
            cluster=_ALL,
            state="",
            health=resource.health,
            values=_values(total),
            mark=words.STALE if resource.silent_clusters else "",
        )
    )
    console.print()
    print_table(console, _table(lines), lines)
    if stale := views.stale_words(answer.works, views.utc_now()):
        console.print(stale, style=words.DIM)
    for work in answer.works:
        if told := words.one_line(work.message or work.health_message):
            console.print(f"{work.cluster}: {told}")


def _observed(resource: resource_pb2.FederatedResource) -> str:
    status = _read(resource.aggregated_status_json)
    if "generation" not in status:
        return ""
    seen = status.get("observedGeneration") == status["generation"]
    if resource.silent_clusters:
        return f", revision {status['generation']} not known to be observed by all"
    return f", revision {status['generation']} {'observed by all' if seen else 'not observed by all yet'}"


def _line(work: resource_pb2.Work) -> _Line:
    return _Line(
        cluster=work.cluster,
        state=views.work_state_marked(work),
        health=work.health and work.health + views.stale_mark(work),
        values=_values(_read(work.observed_status_json)),
        mark=views.stale_mark(work),
    )


def _table(lines: Sequence[_Line]) -> Table[_Line]:
    names = list(dict.fromkeys(name for line in (lines[-1], *lines[:-1]) for name in line.values))[:_MOST_COLUMNS]

    def value(name: str) -> Column[_Line]:
        # A value that is there and old carries the mark; what is not there needs none.
        return Column(
            title=words.spaced(name).upper(),
            text=lambda line: line.values[name] + line.mark if name in line.values else words.NONE,
            is_long=True,
        )

    return Table(
        columns=(
            Column(title="CLUSTER", text=lambda line: line.cluster),
            Column(title="STATE", text=lambda line: line.state, style=words.style_of),
            Column(title="HEALTH", text=lambda line: line.health, style=words.style_of),
            *map(value, names),
        )
    )


def _values(status: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name, value in status.items() if name not in _LAST and (text := _text(value))}


def _text(value: Any) -> str:
    """Write a value in one cell; empty where it needs more than that."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and isinstance(value.get("ingress"), list):  # a load balancer
        return ",".join(str(item.get("ip") or item.get("hostname") or "?") for item in value["ingress"])
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items() if not isinstance(item, dict | list))
    if isinstance(value, list):
        plain = [item for item in value if not isinstance(item, dict | list)]
        return ",".join(map(str, plain)) if plain else f"{len(value)} entries"
    return words.one_line(str(value))[:_MOST_CELL]


def _read(text: bytes) -> dict[str, Any]:
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}
