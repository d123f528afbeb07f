"""Pure: objects in members that fedsvc does not manage and that have names all the same, as if they were units'."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fedsvc.model.sighting import Lookings
from fedsvc.model.zone import Zone
from fedsvc.store.named_objects import HeldObject, NamedObject
from fedsvc_dns.planner.validate import Problem

ZONE_PREFIX: Final = "zone "
"""Begins what such objects are of: a zone, in place of a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What was found, as if it were a unit's."""

    named: tuple[NamedObject, ...]
    held: tuple[HeldObject, ...]


def is_foreign(one: NamedObject) -> bool:
    """Whether fedsvc does not manage an object."""
    return one.unit.startswith(ZONE_PREFIX)


def unread(zones: Iterable[Zone], seen: Lookings) -> Iterable[Problem]:
    """Clusters where objects that a zone asks for cannot be read now: what was found before still has its names."""
    for zone in zones:
        for entry in zone.spec.foreign:
            key = entry.lookout(zone.name).key
            for cluster, *of in sorted(seen.problems):
                if tuple(of) == key:
                    _, message = seen.problems[cluster, key[0], key[1]]
                    what = f"on {cluster} {entry.kind}s of others cannot be read: {message}"
                    yield Problem(path=f"zones[{zone.name}].foreign", message=what)


def foreign_objects(zones: Iterable[Zone], seen: Lookings) -> Foreign:
    """Return what lookouts of zones found; of a name on several clusters the first cluster's object tells the hosts."""
    named: dict[tuple[str, str, str, str], NamedObject] = {}
    held: list[HeldObject] = []
    for zone in zones:
        for entry in zone.spec.foreign:
            whose = f"{ZONE_PREFIX}{zone.name}"
            lookout = entry.lookout(zone.name)
            for cluster in sorted({key[0] for key in seen.found if key[1:] == lookout.key}):
                if entry.clusters and cluster not in entry.clusters:
                    continue
                for one in seen.at(cluster, *lookout.key) or ():
                    named.setdefault(
                        (whose, entry.kind, one.namespace, one.name),
                        NamedObject(
                            unit_uid=whose,
                            unit=whose,
                            settings=entry.dns,
                            kind=entry.kind,
                            namespace=one.namespace,
                            name=one.name,
                            manifest=one.body,
                        ),
                    )
                    held.append(
                        HeldObject(
                            unit_uid=whose,
                            cluster=cluster,
                            kind=entry.kind,
                            namespace=one.namespace,
                            name=one.name,
                            manifest=one.body,
                            status=one.body.get("status") or {},
                            ready_replicas=None,
                            is_observed=True,
                            is_going=bool((one.body.get("metadata") or {}).get("deletionTimestamp")),
                        )
                    )
    return Foreign(named=tuple(named.values()), held=tuple(held))
