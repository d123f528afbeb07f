"""Which units a change of clusters or policies may touch, from what was noted when they were decided."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fedsvc.model.cluster import Cluster
from fedsvc.model.unit import Unit
from fedsvc.rendering.overrides import Override
from fedsvc_placement import ClusterMatcher, ClusterSnapshot, Placement, matches_cluster, touches

_YIELD_EACH: Final = 200
"""Notes looked at before others may run: about 2 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNote:
    """What decides whether a change touches a unit."""

    uid: str
    name: str  # in the API
    placement: Placement
    override_clusters: tuple[ClusterMatcher, ...]  # those that select by label, distinct
    placement_policy: str
    override_policies: tuple[str, ...]


def note_of(unit: Unit, placement: Placement, overrides: Iterable[Override]) -> UnitNote:
    """The note of a unit that was decided with this placement and these overrides."""
    by_label: list[ClusterMatcher] = []
    for override in overrides:
        if override.clusters.selector is not None and override.clusters not in by_label:
            by_label.append(override.clusters)
    return UnitNote(
        uid=unit.uid,
        name=unit.resource_name,
        placement=placement,
        override_clusters=tuple(by_label),
        placement_policy=unit.spec.placement_policy,
        override_policies=unit.spec.override_policies,
    )


def is_touched(note: UnitNote, before: ClusterSnapshot | None, after: ClusterSnapshot | None) -> bool:
    """Whether the change of a cluster may change where the unit runs, or what it looks like there."""
    if touches(note.placement, before, after):
        return True
    if before is None or after is None:
        return False
    return any(
        matches_cluster(matcher, before) != matches_cluster(matcher, after) for matcher in note.override_clusters
    )


class UnitNotes:
    """The notes of all units that were decided by this process."""

    def __init__(self) -> None:
        self._by_uid: dict[str, UnitNote] = {}
        self._uids: dict[str, str] = {}  # by name

    def put(self, note: UnitNote) -> None:
        """Keep a note, in place of the one before."""
        self._by_uid[note.uid] = note
        self._uids[note.name] = note.uid

    def forget(self, name: str) -> None:
        """The unit is gone."""
        self._by_uid.pop(self._uids.pop(name, ""), None)

    def using_policies(self, changed: Collection[tuple[str, str]]) -> list[str]:
        """The uids of the units that refer to any of the policies, each given by kind of change and name."""
        return [
            note.uid
            for note in self._by_uid.values()
            if ("placement_policy", note.placement_policy) in changed
            or any(("override_policy", name) in changed for name in note.override_policies)
        ]

    async def touched(self, before: Mapping[str, Cluster], after: Mapping[str, Cluster]) -> list[str]:
        """The uids of the units that the difference between two fleets may touch."""
        if bool(before) != bool(after):
            return list(self._by_uid)  # that there is no cluster at all is told of each, whatever it selects
        changed = [
            (old, new)
            for name in sorted(before.keys() | after.keys())
            for old, new in [(_snapshot(before.get(name)), _snapshot(after.get(name)))]
            if old != new
        ]
        found: list[str] = []
        if not changed:
            return found
        for position, note in enumerate(tuple(self._by_uid.values())):
            if position % _YIELD_EACH == _YIELD_EACH - 1:
                await asyncio.sleep(0)
            if any(is_touched(note, old, new) for old, new in changed):
                found.append(note.uid)
        return found


def _snapshot(cluster: Cluster | None) -> ClusterSnapshot | None:
    return None if cluster is None else cluster.snapshot()
