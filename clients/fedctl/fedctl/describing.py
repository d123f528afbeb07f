"""The text of `fedctl describe`: everything about one object, the reasons first."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console

from fedctl import kinds
from fedctl.context import Context
from fedctl.costs import cost_text
from fedctl.files.convert import write_message
from fedctl.listing import Filter, read_list
from fedctl.output import views, words
from fedctl.output.printing import print_table, to_yaml
from fedsvc.v1 import cluster_pb2, common_pb2, resource_pb2, resource_service_pb2, unit_pb2, unit_service_pb2
from fedsvc_client import Client
from fedsvc_client.names import last_part

_MOST_TROUBLE = 20
_MOST_EVENTS = 15


def describe_unit(context: Context, answer: unit_service_pb2.GetUnitStatusResponse) -> None:
    """Describe a unit."""
    console, client, unit = context.console(), context.client(), answer.unit
    status, now = unit.status, views.utc_now()
    state = views.unit_state(unit)
    _pairs(
        console,
        {
            "Name": words.unit_id(unit.name),
            "Namespace": words.namespace_id(unit.name),
            "Labels": words.labels_text(unit.labels),
            "Annotations": words.labels_text(unit.annotations),
            "State": state,
            "Replicas": f"{views.ready_text(status)} ready",
            "Resources": str(status.resource_count),
            "Revision": f"{unit.revision} (decided for {status.observed_revision})",
            "Age": words.age(unit.create_time, now),
        },
    )
    _section(console, "Spec", write_message(unit.spec))
    _conditions(console, status.conditions)
    _title(console, "Clusters")
    if status.clusters:
        print_unit_clusters(console, status)
    else:
        console.print("  none")
    _verdicts(console, answer)
    _removals(console, client, Filter(unit=unit.name))
    trouble = read_list(client, kinds.WORK, Filter(unit=unit.name, only_trouble=True)).rows
    _trouble(console, [row for row in trouble if isinstance(row, resource_pb2.Work)])
    _events(console, client, Filter(unit=unit.name))


def print_unit_clusters(console: Console, status: unit_pb2.UnitStatus) -> None:
    """Print a line a cluster; below since when those whose numbers are old are not heard, and what is wrong."""
    has_roles = any(line.role for line in status.clusters)
    print_table(console, views.unit_clusters(has_roles=has_roles), list(status.clusters))
    unheard = [line for line in status.clusters if line.state == unit_pb2.WORK_STATE_UNKNOWN]
    if unheard:
        console.print(views.stale_words(unheard, views.utc_now()), style=words.DIM)
    for line in status.clusters:
        if line.message:
            console.print(f"{line.cluster}: {words.one_line(line.message)}")
    if unheard:
        console.print(f"Why it is not heard:  fedctl describe cluster {unheard[0].cluster}", style=words.DIM)


def describe_cluster(context: Context, cluster: cluster_pb2.Cluster) -> None:
    """Describe a cluster."""
    console, client, now = context.console(), context.client(), views.utc_now()
    status, name = cluster.status, last_part(cluster.name)
    _pairs(
        console,
        {
            "Name": name,
            "State": views.cluster_state(cluster),
            "Labels": words.labels_text(cluster.labels),
            "Provider": cluster.provider,
            "Region": cluster.region,
            "Zones": ", ".join(cluster.zones),
            "Taints": ", ".join(map(views.taint_text, cluster.taints)) or "none",
            "Kubernetes": status.kubernetes_version,
            "Nodes": f"{status.ready_node_count} ready of {status.node_count}",
            "Allocatable": f"{words.cores(status.allocatable.cpu_millicores)} cores, "
            f"{words.kilo(status.allocatable.memory_bytes)} memory, {status.allocatable.pods} pods",
            "Free": _free(status, now),
            "Jurisdiction": cluster.jurisdiction,
            "Cost by the hour": _cost(cluster),
            "Scores": views.scores_text(cluster, now),
            "Endpoint": cluster.connection.endpoint,
            "Rights": cluster.connection.rights,
            "Credential ends": _until(status, now),
            "Health": views.health_text(status.health, now),
            "Last seen": words.age(status.last_seen_time, now),
            "Works": f"{views.applied_works(cluster)} of {status.work_count} as they should be",
            "Age": words.age(cluster.create_time, now),
        },
    )
    _conditions(console, status.conditions)
    if status.holds:
        _title(console, "Held")
        for hold in status.holds:
            console.print(f"  {views.hold_text(hold)}")
    _removals(console, client, Filter(cluster=name))
    trouble = read_list(client, kinds.WORK, Filter(cluster=name, only_trouble=True)).rows
    _trouble(console, [row for row in trouble if isinstance(row, resource_pb2.Work)])
    _events(console, client, Filter(cluster=name))


def describe_resource(context: Context, answer: resource_service_pb2.GetResourceResponse) -> None:
    """Describe a resource: its template and its works."""
    console, resource, now = context.console(), answer.resource, views.utc_now()
    _pairs(
        console,
        {
            "Object": f"{resource.ref.api_version} {views.object_text(resource.ref)}",
            "Unit": views.unit_text(resource.name),
            "Health": views.resource_health(resource),
            "Applied": f"{resource.applied_work_count} of {resource.work_count} clusters",
            "Digest": resource.manifest.digest,
        },
    )
    if resource.manifest.json:
        _section(console, "Template", json.loads(resource.manifest.json))
    for work in answer.works:
        if work.observed_status_json:
            heard = f" (as last heard {views.last_heard_text(work, now)})" if work.silence_reason else ""
            _section(console, f"Status in {work.cluster}{heard}", json.loads(work.observed_status_json))
    if resource.aggregated_status_json:
        _section(console, "Status of all clusters", json.loads(resource.aggregated_status_json))
    _title(console, "Works")
    print_table(console, views.works(), list(answer.works))
    if stale := views.stale_words(answer.works, now):
        console.print(stale, style=words.DIM)
    _trouble(console, [work for work in answer.works if work.state != unit_pb2.WORK_STATE_APPLIED])


def describe_work(context: Context, work: resource_pb2.Work) -> None:
    """Describe a work."""
    console, now = context.console(), views.utc_now()
    _pairs(
        console,
        {
            "Work": last_part(work.name),
            "Object": f"{work.ref.api_version} {views.object_text(work.ref)}",
            "Unit": views.unit_text(work.unit),
            "Cluster": work.cluster,
            "State": views.work_state(work),
            "Reason": work.reason,
            "Message": work.message,
            "Tries": _tries(work),
            "Applied": words.age(work.applied_time, now),
            "Health": " ".join(part for part in (work.health, work.health_reason, work.health_message) if part),
            "Replicas": views.replicas_text(work),
            "Seen": words.age(work.observed_time, now),
            "Cluster heard": f"{views.last_heard_text(work, now)} ({work.silence_reason})"
            if work.silence_reason
            else "yes",
        },
    )
    _drift(console, work)
    if work.observed_status_json:
        _section(console, "Status in the cluster", json.loads(work.observed_status_json))


def _pairs(console: Console, pairs: Mapping[str, str]) -> None:
    width = max(map(len, pairs)) + 2
    for key, value in pairs.items():
        console.print(f"{key + ':':<{width}}", end="", style="bold")
        first, *others = (value or words.NONE).splitlines() or [words.NONE]
        console.print(first, style=words.style_of(first) or None)
        for line in others:
            console.print(" " * width + line)


def _title(console: Console, text: str) -> None:
    console.print(f"\n{text}:", style="bold")


def _section(console: Console, title: str, value: Any) -> None:
    if not value:
        return
    _title(console, title)
    for line in to_yaml(value).rstrip().splitlines():
        console.print(f"  {line}")


def _conditions(console: Console, conditions: Iterable[common_pb2.Condition]) -> None:
    _title(console, "Conditions")
    told: dict[str, str] = {}  # message to the condition that said it first
    for item in conditions:
        word = words.condition_word(item.status)
        message = words.one_line(item.message)
        first = told.setdefault(message, item.type)
        console.print(f"  {item.type:<18}", end="")
        console.print(f"{word:<9}", end="", style=words.style_of(word) or None)
        shown = message if first == item.type else f"see {first}"
        console.print(": ".join(part for part in (item.reason, shown if message else "") if part))


def _verdicts(console: Console, answer: unit_service_pb2.GetUnitStatusResponse) -> None:
    """Say of every cluster why it was chosen or not."""
    if not answer.verdicts:
        return
    _title(console, "Placement")
    width = max(len(verdict.cluster) for verdict in answer.verdicts)
    for verdict in answer.verdicts:
        word = "chosen" if verdict.chosen else "not chosen"
        reasons = "; ".join(words.one_line(reason) for reason in verdict.reasons)
        console.print(f"  {verdict.cluster:<{width}}  ", end="")
        console.print(f"{word:<11}", end="", style=words.GREEN if verdict.chosen else words.DIM)
        console.print(reasons)
    for warning in answer.warnings:
        console.print(f"  warning: {warning}", style=words.YELLOW)


def _removals(console: Console, client: Client, wanted: Filter) -> None:
    """Say what is to be removed and is not, since when and why."""
    found = read_list(client, kinds.REMOVAL, wanted).rows
    rows = [row for row in found if isinstance(row, resource_pb2.Work) and row.HasField("removal")]
    if rows:
        _title(console, "To be removed")
        print_table(console, views.removals(), rows[:_MOST_TROUBLE])
        if len(rows) > _MOST_TROUBLE:
            console.print(f"  ... and {len(rows) - _MOST_TROUBLE} more: fedctl get removals")


def _trouble(console: Console, works: list[resource_pb2.Work]) -> None:
    """Say of each work that is not as it should be why, in the words of the cluster's answer."""
    works = [work for work in works if not _is_only_unheard(work)]
    if not works:
        return
    _title(console, "Not as it should be")
    now = views.utc_now()
    for work in works[:_MOST_TROUBLE]:
        state = views.work_state(work)
        word = work.health if work.state == unit_pb2.WORK_STATE_APPLIED and work.health else state
        console.print(f"  {work.cluster}  {views.object_text(work.ref)}  (work {last_part(work.name)}): ", end="")
        heard = f" (as last heard {views.last_heard_text(work, now)})" if work.silence_reason else ""
        console.print(word, style=words.style_of(word) or None, end=f"{heard}\n")
        reason, message = (work.reason, work.message) if work.message else (work.health_reason, work.health_message)
        told = ": ".join(part for part in (reason, words.one_line(message)) if part)
        if told:
            console.print(f"    {told}")
        tries = _tries(work)
        if tries != words.NONE:
            console.print(f"    {tries}", style=words.DIM)
        _drift(console, work, indent="    ")
    if len(works) > _MOST_TROUBLE:
        console.print(f"  ... and {len(works) - _MOST_TROUBLE} more: fedctl get works --trouble")


def _is_only_unheard(work: resource_pb2.Work) -> bool:
    """Tell whether all there is to say of a work is that its cluster is not heard, which is said of the cluster."""
    is_well = work.state == unit_pb2.WORK_STATE_APPLIED and work.health in ("", "Healthy")
    return is_well and bool(work.silence_reason)


def _tries(work: resource_pb2.Work) -> str:
    if not work.attempts:
        return words.NONE
    text = f"failed {work.attempts} time{'' if work.attempts == 1 else 's'}"
    if not work.next_attempt_time.seconds:
        return text
    left = -(views.utc_now() - work.next_attempt_time.ToDatetime(views.utc_now().tzinfo)).total_seconds()
    return f"{text}, tried again {'now' if left <= 0 else f'in {words.span(left)}'}"


def _drift(console: Console, work: resource_pb2.Work, indent: str = "") -> None:
    for field in work.drift:
        live = field.live_json or "(gone)"
        by = f" by {field.manager}" if field.manager else ""
        since = words.age(field.first_seen_time, views.utc_now())
        seen = f" (seen {since} ago)" if since != words.NONE else ""
        console.print(f"{indent}drift: {field.path} is {live}{by}, wanted {field.desired_json}{seen}")


def _events(console: Console, client: Client, wanted: Filter) -> None:
    page = client.events.list_page(subject=wanted.subject, page_size=_MOST_EVENTS)
    _title(console, "Events")
    if page.events:
        print_table(console, views.events(), list(page.events))
    else:
        console.print("  none")


def _until(status: cluster_pb2.ClusterStatus, now: dt.datetime) -> str:
    if not status.credential_expire_time.seconds:
        return "never"
    left = (status.credential_expire_time.ToDatetime(now.tzinfo) - now).total_seconds()
    return f"in {words.span(left)}" if left > 0 else "it has ended"


def _free(status: cluster_pb2.ClusterStatus, now: dt.datetime) -> str:
    if not status.HasField("free"):
        return "unknown"
    cores, memory, pods = views.free_texts(status, of=" of ")
    return f"{cores} cores, {memory} memory, {pods} pods (read {words.age(status.free_read_time, now)} ago)"


def _cost(cluster: cluster_pb2.Cluster) -> str:
    core, _, gib = cost_text(cluster).partition("/")
    return f"{core} a core, {gib} a GiB of memory" if core else ""
