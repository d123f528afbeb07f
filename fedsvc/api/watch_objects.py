"""Reading what changed, by the set: from a batch of the change log to the objects as a watcher gets them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fedsvc.api.convert.cluster import cluster_message
from fedsvc.api.convert.event import event_message
from fedsvc.api.convert.policy import override_policy_message, placement_policy_message
from fedsvc.api.convert.status_policy import status_policy_message
from fedsvc.api.convert.unit import unit_message
from fedsvc.api.convert.work import work_message
from fedsvc.api.convert.zone import zone_message
from fedsvc.api.watch_request import KINDS
from fedsvc.model.cluster import Cluster
from fedsvc.model.policy import OverridePolicy, PlacementPolicy, StatusPolicy
from fedsvc.model.silence import Silence, silence_of
from fedsvc.model.unit import Unit
from fedsvc.model.work import Work
from fedsvc.model.zone import Zone
from fedsvc.store import clusters, events, gates, holds, lookups, policies, works, zones
from fedsvc.store.changes import Change
from fedsvc.store.events import StoredEvent
from fedsvc.store.store import Transaction
from fedsvc.v1 import watch_service_pb2 as pb

_PROTO_KINDS: Final = {word: kind for kind, word in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An object that can be watched, and what a filter looks at."""

    kind: str  # as the change log writes it
    name: str  # in the API
    labels: dict[str, str] | None  # None where the kind has none
    related: tuple[str, ...]  # names of the unit and cluster a work or event is of
    change: pb.WatchChange
    silence: Silence | None = None  # of a cluster: why it is not heard


async def load(tx: Transaction, changes: Iterable[Change]) -> dict[tuple[str, str], Watched]:
    """The objects of changes as they are now, by kind and name; those that are gone are left out."""
    names: dict[str, list[str]] = {}
    for change in changes:
        names.setdefault(change.kind, []).append(change.name)
    found: list[Watched] = []
    if (asked := names.get("cluster")) is not None:
        found += await watched_clusters(tx, await clusters.get_many(tx, [_last(name) for name in asked]))
    if (asked := names.get("unit")) is not None:
        pairs = [(parts[1], parts[3]) for parts in (name.split("/") for name in asked)]
        found += map(watched_unit, await lookups.units_by_name(tx, pairs))
    if (asked := names.get("work")) is not None:
        found += await watched_works(tx, await works.get_many(tx, [int(_last(name)) for name in asked]))
    if (asked := names.get("placement_policy")) is not None:
        stored = await policies.get_many(tx, policies.PLACEMENT, [_last(name) for name in asked])
        found += map(watched_placement_policy, stored.values())
    if (asked := names.get("override_policy")) is not None:
        kept = await policies.get_many(tx, policies.OVERRIDE, [_last(name) for name in asked])
        found += map(watched_override_policy, kept.values())
    if (asked := names.get("status_policy")) is not None:
        of_kinds = await policies.get_many(tx, policies.STATUS, [_last(name) for name in asked])
        found += map(watched_status_policy, of_kinds.values())
    if (asked := names.get("zone")) is not None:
        kept_zones = await policies.get_many(tx, policies.ZONE, [_last(name) for name in asked])
        found += await watched_zones(tx, list(kept_zones.values()))
    if (asked := names.get("event")) is not None:
        found += map(watched_event, await events.get_many(tx, [int(_last(name)) for name in asked]))
    return {(watched.kind, watched.name): watched for watched in found}


async def watched_clusters(tx: Transaction, rows: Sequence[Cluster]) -> list[Watched]:
    """Clusters as a watcher gets them."""
    held = (await holds.standing(tx)).holds
    return [
        replace(
            _watched("cluster", cluster.resource_name, cluster.labels, (), cluster=cluster_message(cluster, held)),
            silence=silence_of(cluster.observation),
        )
        for cluster in rows
    ]


def watched_unit(unit: Unit) -> Watched:
    """A unit as a watcher gets it: without manifests."""
    return _watched("unit", unit.resource_name, unit.labels, (), unit=unit_message(unit))


async def watched_works(tx: Transaction, rows: Sequence[Work]) -> list[Watched]:
    """Works as a watcher gets them."""
    silences = await clusters.silences(tx, (work.cluster for work in rows))
    return [
        _watched(
            "work",
            f"works/{work.id}",
            None,
            (work.unit_name, f"clusters/{work.cluster}"),
            work=work_message(work, silences.get(work.cluster)),
        )
        for work in await gates.with_waits(tx, rows)
    ]


def watched_placement_policy(policy: PlacementPolicy) -> Watched:
    """A placement policy as a watcher gets it."""
    message = placement_policy_message(policy)
    return _watched("placement_policy", message.name, policy.labels, (), placement_policy=message)


def watched_override_policy(policy: OverridePolicy) -> Watched:
    """An override policy as a watcher gets it."""
    message = override_policy_message(policy)
    return _watched("override_policy", message.name, policy.labels, (), override_policy=message)


def watched_status_policy(policy: StatusPolicy) -> Watched:
    """A status policy as a watcher gets it."""
    message = status_policy_message(policy)
    return _watched("status_policy", message.name, policy.labels, (), status_policy=message)


async def watched_zones(tx: Transaction, rows: Sequence[Zone]) -> list[Watched]:
    """Zones as a watcher gets them."""
    states = await zones.states(tx, [zone.name for zone in rows])
    messages = [(zone, zone_message(zone, states.get(zone.name))) for zone in rows]
    return [_watched("zone", message.name, zone.labels, (), zone=message) for zone, message in messages]


def watched_event(event: StoredEvent) -> Watched:
    """An event as a watcher gets it."""
    related = (event.subject, f"clusters/{event.cluster}") if event.cluster else (event.subject,)
    return _watched("event", f"events/{event.id}", None, related, event=event_message(event))


def gone(kind: str, name: str) -> pb.WatchChange:
    """What tells that an object is no longer there, or no longer wanted."""
    return pb.WatchChange(type=pb.CHANGE_TYPE_DELETED, name=name, kind=_PROTO_KINDS[kind])


def newest(changes: Sequence[Change]) -> list[Change]:
    """Each object once, in the order of its newest change: changes are states, so the older ones say nothing more."""
    last: dict[tuple[str, str], Change] = {}
    for change in changes:
        last.pop((change.kind, change.name), None)
        last[change.kind, change.name] = change
    return list(last.values())


def _watched(kind: str, name: str, labels: dict[str, str] | None, related: tuple[str, ...], **message: Any) -> Watched:
    change = pb.WatchChange(type=pb.CHANGE_TYPE_UPSERTED, name=name, kind=_PROTO_KINDS[kind], **message)
    return Watched(kind=kind, name=name, labels=labels, related=related, change=change)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
