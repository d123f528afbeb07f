"""What the pods of members teach placement: replicas that stay unschedulable were too many there."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from fedsvc.members.room import UNSCHEDULABLE_SECONDS
from fedsvc.model.cluster import Cluster
from fedsvc.model.work import Binding
from fedsvc.rendering.keys import split_api_version
from fedsvc_placement.learning import remember
from fedsvc_placement.model import Learned, Memory

Workload = tuple[str, str, str, str]
"""Group, kind, namespace, name."""

_SEEN_AFTER: Final = timedelta(seconds=UNSCHEDULABLE_SECONDS)
"""What is bound for a shorter time than a pod has to wait is not in the reading yet."""


def stuck_workloads(cluster: Cluster | None) -> Mapping[Workload, int]:
    """How many replicas of which workloads found no place on a cluster when it was read last."""
    if cluster is None or cluster.room is None:
        return {}
    return {(stuck.group, stuck.kind, stuck.namespace, stuck.name): stuck.replicas for stuck in cluster.room.stuck}


def workload_of_key(key: str) -> Workload:
    """The workload that placement knows by a key: the text of an `ObjectKey`."""
    api_version, kind, place = key.split(" ")
    namespace, _, name = place.rpartition("/")
    return (split_api_version(api_version)[0], kind, namespace, name)


def observations(bindings: Iterable[Binding], members: Mapping[str, Cluster]) -> list[Learned]:
    """What the last readings show of a unit.

    Args:
        bindings: where it is.
        members: all clusters by name.
    """
    found: list[Learned] = []
    for binding in bindings:
        member = members.get(binding.cluster)
        if member is None or member.room is None or binding.update_time is None:
            continue
        read = member.room.read_time
        if read < binding.update_time + _SEEN_AFTER:
            continue
        stuck = stuck_workloads(member)
        for key, wanted in binding.replicas.items():
            running = max(0, wanted - stuck.get(workload_of_key(key), 0))
            found.append(Learned(cluster=member.name, workload=key, wanted=wanted, running=running, at=read))
    return found


def learned(memory: Memory, seen: Iterable[Learned], now: datetime) -> Memory:
    """The memory of a unit with what was seen since; the same one where that teaches nothing."""
    listed = list(seen)
    return remember(memory, listed, now) if listed or memory.learned else memory
