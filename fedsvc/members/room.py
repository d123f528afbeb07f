"""The room of a member: what its nodes offer and what of it is free, and which pods find no place.

Nodes and pods are read page by page and added up at once, so that a member of ten thousand pods costs no more memory
than one page. What stays is a handful of shapes: nodes that are alike count together.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError, MemberUnreachableError, UnreachableKind
from fedsvc.model.cluster import Capacity
from fedsvc.model.room import MEMORY, PODS, Room, StuckWorkload
from fedsvc.rendering.requests import CPU, amount_of, pod_requests
from fedsvc_placement.model import Grant, NodeShape

MAX_SHAPES: Final = 32
"""Of a member with more different nodes, free amounts are rounded down in steps until so many kinds are left."""

UNSCHEDULABLE_SECONDS: Final = 60.0
"""A pod that found no place for so long is told to placement; before, an autoscaler may still help."""

READING_SECONDS: Final = 60.0
"""Reading a member takes no longer: a few hundred pages of pods."""

_ALIVE: Final = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
_Workload = tuple[str, str, str, str]  # group, kind, namespace, name
_MAX_STUCK: Final = 1_000
_MAX_WAITING: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSummary:
    """The nodes of a member."""

    node_count: int = 0
    ready_node_count: int = 0
    allocatable: Capacity = field(default_factory=Capacity)  # of the ready, schedulable nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomReading:
    """What one reading found; rights that do not cover it all are no trouble."""

    summary: NodeSummary  # empty where nodes may not be listed
    room: Room | None  # None where nodes or the pods of all namespaces may not be listed


@dataclass(slots=True)
class _Node:
    allocatable: dict[str, int]
    used: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Nodes:
    """Nodes as they are gone through."""

    count: int = 0
    ready_count: int = 0
    usable: dict[str, _Node] = field(default_factory=dict)  # ready and schedulable, by name

    def add(self, node: Mapping[str, Any]) -> None:
        self.count += 1
        if not _is_ready(node):
            return
        self.ready_count += 1
        if _object(node.get("spec")).get("unschedulable") is True:
            return
        allocatable = _object(_object(node.get("status")).get("allocatable"))
        amounts = {str(name): amount_of(str(name), value) for name, value in allocatable.items()}
        self.usable[_name(node)] = _Node({name: amount for name, amount in amounts.items() if amount})

    def summary(self) -> NodeSummary:
        total: Counter[str] = Counter()
        for node in self.usable.values():
            total.update(node.allocatable)
        capacity = Capacity(cpu_millicores=total[CPU], memory_bytes=total[MEMORY], pods=total[PODS])
        return NodeSummary(node_count=self.count, ready_node_count=self.ready_count, allocatable=capacity)


async def read_room(
    client: MemberClient, *, now: datetime, skew_seconds: float = 0.0, timeout_seconds: float = READING_SECONDS
) -> RoomReading:
    """Read nodes and pods, each once.

    Args:
        client: the member.
        now: by our clock.
        skew_seconds: how far the member's clock is ahead of ours; how long pods wait is told by its clock.
        timeout_seconds: for all of it.

    Raises:
        MemberError: they cannot be listed for another reason than missing rights, or not in time.
    """
    nodes = _Nodes()
    try:
        async with asyncio.timeout(timeout_seconds):
            if not await _read_nodes(client, nodes):
                return RoomReading(summary=NodeSummary(), room=None)
            room = await _read_pods(client, nodes.usable, now, now + timedelta(seconds=skew_seconds))
    except TimeoutError as error:
        detail = f"nodes and pods could not be read in {timeout_seconds:g} s"
        raise MemberUnreachableError(UnreachableKind.TIMEOUT, detail) from error
    return RoomReading(summary=nodes.summary(), room=room)


async def _read_nodes(client: MemberClient, nodes: _Nodes) -> bool:
    """Whether they may be listed."""
    try:
        async for page in client.list_pages("/api/v1/nodes"):
            for node in _items(page):
                nodes.add(node)
    except MemberStatusError as error:
        if error.code != 403:
            raise
        return False
    return True


async def _read_pods(client: MemberClient, nodes: Mapping[str, _Node], now: datetime, there: datetime) -> Room | None:
    """The room that pods leave; None where they may not be listed. `there`: now, by the member's clock."""
    waiting: Counter[tuple[tuple[str, int], ...]] = Counter()
    stuck: Counter[_Workload] = Counter()
    try:
        async for page in client.list_pages("/api/v1/pods", _ALIVE):
            for pod in _items(page):
                _count(pod, nodes, waiting, stuck, there)
    except MemberStatusError as error:
        if error.code != 403:
            raise
        return None
    return Room(
        nodes=shapes((node.allocatable, _free(node)) for node in nodes.values()),
        waiting=tuple(
            Grant(requests=dict(requests), replicas=count)
            for requests, count in sorted(waiting.most_common(_MAX_WAITING))
        ),
        stuck=tuple(
            StuckWorkload(group=group, kind=kind, namespace=namespace, name=name, replicas=count)
            for (group, kind, namespace, name), count in sorted(stuck.most_common(_MAX_STUCK))
        ),
        read_time=now,
    )


def shapes(
    nodes: Iterable[tuple[Mapping[str, int], Mapping[str, int]]], limit: int = MAX_SHAPES
) -> tuple[NodeShape, ...]:
    """Count nodes that are alike together; free amounts are only ever rounded down.

    Args:
        nodes: allocatable and free amounts of each.
        limit: most shapes; kinds of nodes that offer different amounts are never merged, whatever the limit.
    """
    found = [(tuple(sorted(offered.items())), free) for offered, free in nodes]
    kinds = len({offered for offered, _ in found})
    steps = 0
    while True:
        counted = Counter((offered, _rounded(offered, free, steps)) for offered, free in found)
        if len(counted) <= max(limit, kinds) or steps == 1:
            break
        steps = steps // 2 if steps else 64
    return tuple(
        NodeShape(count=count, allocatable=dict(offered), free=dict(free))
        for (offered, free), count in sorted(counted.items())
    )


def _rounded(offered: tuple[tuple[str, int], ...], free: Mapping[str, int], steps: int) -> tuple[tuple[str, int], ...]:
    """Free amounts in whole steps of a `steps`-th of what is offered; 0 steps: as they are."""
    if not steps:
        return tuple((name, free.get(name, 0)) for name, _ in offered)
    return tuple((name, free.get(name, 0) * steps // total * total // steps) for name, total in offered)


def _free(node: _Node) -> dict[str, int]:
    return {name: max(0, total - node.used[name]) for name, total in node.allocatable.items()}


def _count(
    pod: Mapping[str, Any],
    nodes: Mapping[str, _Node],
    waiting: Counter[tuple[tuple[str, int], ...]],
    stuck: Counter[_Workload],
    now: datetime,
) -> None:
    spec = _object(pod.get("spec"))
    requests = pod_requests(spec)
    node_name = spec.get("nodeName")
    if isinstance(node_name, str) and node_name:
        node = nodes.get(node_name)
        if node is not None:
            node.used.update({**requests, PODS: 1})
        return
    waiting[tuple(requests.items())] += 1
    since = _unschedulable_since(pod)
    if since is not None and (now - since).total_seconds() > UNSCHEDULABLE_SECONDS:
        workload = _workload_of(pod)
        if workload is not None:
            stuck[workload] += 1


def _unschedulable_since(pod: Mapping[str, Any]) -> datetime | None:
    conditions = _object(pod.get("status")).get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        told = _object(condition)
        if (told.get("type"), told.get("status"), told.get("reason")) == ("PodScheduled", "False", "Unschedulable"):
            return _moment(told.get("lastTransitionTime"))
    return None


def _workload_of(pod: Mapping[str, Any]) -> _Workload | None:
    """The workload a pod is a replica of, by its controller; None where none is known.

    A ReplicaSet of a Deployment is named after it, with the hash that its pods carry as a label.
    """
    metadata = _object(pod.get("metadata"))
    owners = metadata.get("ownerReferences")
    owner = next(
        (entry for entry in (owners if isinstance(owners, list) else []) if _object(entry).get("controller") is True),
        None,
    )
    if owner is None:
        return None
    kind, name = str(owner.get("kind", "")), str(owner.get("name", ""))
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    if (group, kind) == ("apps", "ReplicaSet"):
        suffix = f"-{_object(metadata.get('labels')).get('pod-template-hash', '')}"
        if len(suffix) > 1 and name.endswith(suffix):
            kind, name = "Deployment", name.removesuffix(suffix)
    return group, kind, str(metadata.get("namespace", "")), name


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = _object(node.get("status")).get("conditions")
    return any(
        (_object(condition).get("type"), _object(condition).get("status")) == ("Ready", "True")
        for condition in (conditions if isinstance(conditions, list) else [])
    )


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _items(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = page.get("items")
    return [entry for entry in items if isinstance(entry, Mapping)] if isinstance(items, list) else []


def _name(node: Mapping[str, Any]) -> str:
    return str(_object(node.get("metadata")).get("name", ""))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
