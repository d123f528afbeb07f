"""Which units a change of clusters, policies, settings or other units may touch, from what was noted of them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.controllers.learning import Workload, workload_of_key
from fedsvc.model.unit import Unit
from fedsvc.rendering.overrides import Override
from fedsvc_placement import (
    ClusterMatcher,
    ClusterSnapshot,
    Decision,
    Fleet,
    PlacedUnit,
    Placement,
    Trigger,
    UnitInput,
    matches_cluster,
    touches,
    touches_unit,
)
from fedsvc_placement.rooms import counts_capacity

_YIELD_EACH: Final = 200
"""Notes looked at before others may run: about 2 ms."""

FOREMOST: Final = (
    Trigger.REBALANCE,
    Trigger.INTENT,
    Trigger.CLUSTER_JOINED,
    Trigger.LABELS,
    Trigger.CAPACITY,
    Trigger.OTHER,
)
"""Of several triggers the one that counts, where a unit is to be moved by none or all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNote:
    """What decides whether a change touches a unit."""

    uid: str
    name: str  # in the API
    input: UnitInput
    placed: PlacedUnit | None  # as others see it; None while it is being deleted
    wants_room: bool  # more room somewhere may change where it is
    workloads: frozenset[Workload]  # whose pods teach something
    override_clusters: tuple[ClusterMatcher, ...]  # those that select by more than name, distinct
    placement_policy: str
    override_policies: tuple[str, ...]

    @property
    def placement(self) -> Placement:
        """Its placement, policies resolved."""
        return self.input.placement


ClusterChange = tuple[ClusterSnapshot | None, ClusterSnapshot | None]
"""A cluster before and after; None where it was or is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChange:
    """What of the fleet is another than before."""

    clusters: tuple[ClusterChange, ...]
    beside_room: tuple[ClusterChange, ...]  # those of them that differ in more than their room, without it
    stuck: frozenset[Workload]  # workloads of which more or fewer pods find no place
    datasets: frozenset[str]  # names
    distances: bool
    headroom: bool
    some_or_none: bool  # whether there is any cluster at all

    def __bool__(self) -> bool:
        return bool(self.clusters or self.stuck or self.datasets or self.distances or self.headroom)


def note_of(unit: Unit, asked: UnitInput, decision: Decision, overrides: Iterable[Override]) -> UnitNote:
    """The note of a unit that was decided so."""
    selecting: list[ClusterMatcher] = []
    for override in overrides:
        matcher = override.clusters
        if (matcher.selector is not None or matcher.fields) and matcher not in selecting:
            selecting.append(matcher)
    clusters = tuple(target.cluster for target in decision.targets)
    counting = counts_capacity(asked.placement.replicas)
    return UnitNote(
        uid=unit.uid,
        name=unit.resource_name,
        input=asked,
        placed=None
        if unit.delete_time is not None
        else PlacedUnit(key=asked.key, labels=asked.labels, clusters=clusters),
        wants_room=counting and (bool(decision.shortfall) or Trigger.CAPACITY in asked.placement.stability.replace_on),
        workloads=frozenset(workload_of_key(workload.key) for workload in asked.workloads) if counting else frozenset(),
        override_clusters=tuple(selecting),
        placement_policy=unit.spec.placement_policy,
        override_policies=unit.spec.override_policies,
    )


def fleet_change(
    before: Fleet,
    after: Fleet,
    stuck_before: Mapping[str, Mapping[Workload, int]],
    stuck: Mapping[str, Mapping[Workload, int]],
) -> FleetChange:
    """What differs between two fleets, and between the pods that found no place there, by cluster."""
    old = {cluster.name: cluster for cluster in before.clusters}
    new = {cluster.name: cluster for cluster in after.clusters}
    data_before, data = ({entry.name: entry for entry in fleet.datasets} for fleet in (before, after))
    pairs = [(old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())]
    clusters = tuple(pair for pair in pairs if pair[0] is not pair[1] and pair[0] != pair[1])
    roomless = [_roomless(pair) for pair in clusters]
    return FleetChange(
        clusters=clusters,
        beside_room=tuple(pair for pair in roomless if pair[0] != pair[1]),
        stuck=frozenset(
            workload
            for name in stuck_before.keys() | stuck.keys()
            for workload, _ in stuck_before.get(name, {}).items() ^ stuck.get(name, {}).items()
        ),
        datasets=frozenset(
            name for name in data_before.keys() | data.keys() if data_before.get(name) != data.get(name)
        ),
        distances=before.distances_ms != after.distances_ms,
        headroom=before.headroom != after.headroom,
        some_or_none=bool(before.clusters) != bool(after.clusters),
    )


def triggers_of(note: UnitNote, change: FleetChange) -> set[str]:
    """Why a change of the fleet asks for a unit to be decided again; empty: it does not."""
    placement = note.placement
    # More or less room moves nothing that has its room, unless the unit asks for that.
    pairs = change.clusters if note.wants_room else change.beside_room
    found = {_trigger(before, after) for before, after in pairs if is_touched(note, before, after)}
    if (
        note.workloads & change.stuck
        or any(anchor.dataset in change.datasets for anchor in placement.data)
        or (change.distances and _measures_distance(placement))
        or change.some_or_none  # which is told of each unit, whatever it selects
    ):
        found.add(Trigger.OTHER)
    if change.headroom and counts_capacity(placement.replicas):
        found.add(Trigger.CAPACITY)
    return found


def is_touched(note: UnitNote, before: ClusterSnapshot | None, after: ClusterSnapshot | None) -> bool:
    """Whether the change of a cluster may change where the unit runs, or what it looks like there."""
    if touches(note.placement, before, after, note.input.kinds):
        return True
    if before is None or after is None:
        return False
    return any(
        matches_cluster(matcher, before) != matches_cluster(matcher, after) for matcher in note.override_clusters
    )


def foremost(triggers: Collection[str], placement: Placement) -> str:
    """The trigger that a decision is made with: one that may move the unit, where there is one."""
    ordered = [trigger for trigger in FOREMOST if trigger in triggers]
    moving = [trigger for trigger in ordered if trigger in placement.stability.replace_on]
    return (moving or ordered or [Trigger.OTHER])[0]


class UnitNotes:
    """The notes of all units that were decided by this process."""

    def __init__(self) -> None:
        self._by_uid: dict[str, UnitNote] = {}
        self._uids: dict[str, str] = {}  # by name
        self._looking: set[str] = set()  # uids of those that mind where others are

    def put(self, note: UnitNote) -> UnitNote | None:
        """Keep a note; gives the one it takes the place of."""
        before = self._by_uid.get(note.uid)
        self._by_uid[note.uid] = note
        self._uids[note.name] = note.uid
        if note.placement.follows or note.placement.affinities:
            self._looking.add(note.uid)
        else:
            self._looking.discard(note.uid)
        return before

    def forget(self, name: str) -> None:
        """The unit is gone."""
        uid = self._uids.pop(name, "")
        self._by_uid.pop(uid, None)
        self._looking.discard(uid)

    def using_policies(self, changed: Collection[tuple[str, str]]) -> list[str]:
        """The uids of the units that refer to any of the policies, each given by kind of change and name."""
        return [
            note.uid
            for note in self._by_uid.values()
            if ("placement_policy", note.placement_policy) in changed
            or any(("override_policy", name) in changed for name in note.override_policies)
        ]

    def beside(self, key: str, before: PlacedUnit | None, after: PlacedUnit | None) -> list[str]:
        """The uids of the units that mind that another one is elsewhere now, or has other labels."""
        if before == after:
            return []
        notes = (self._by_uid[uid] for uid in self._looking)
        return [
            note.uid
            for note in notes
            if note.input.key != key and touches_unit(note.placement, note.input.key, before, after)
        ]

    async def touched(self, change: FleetChange) -> dict[str, set[str]]:
        """The uids of the units that a change of the fleet may touch, and why."""
        found: dict[str, set[str]] = {}
        if not change:
            return found
        for position, note in enumerate(tuple(self._by_uid.values())):
            if position % _YIELD_EACH == _YIELD_EACH - 1:
                await asyncio.sleep(0)
            triggers = triggers_of(note, change)
            if triggers:
                found[note.uid] = triggers
        return found


def _roomless(pair: ClusterChange) -> ClusterChange:
    before, after = pair
    if before is None or after is None:
        return pair
    return replace(before, capacity=None), replace(after, capacity=None)


def _trigger(before: ClusterSnapshot | None, after: ClusterSnapshot | None) -> str:
    if before is None:
        return Trigger.CLUSTER_JOINED
    if after is None:
        return Trigger.OTHER
    if _location(before) != _location(after):
        return Trigger.LABELS
    if (before.capacity, before.cost, before.scores) != (after.capacity, after.cost, after.scores):
        return Trigger.CAPACITY
    return Trigger.OTHER


def _location(cluster: ClusterSnapshot) -> object:
    return cluster.labels, cluster.provider, cluster.region, cluster.zones, cluster.jurisdiction


def _measures_distance(placement: Placement) -> bool:
    return bool(placement.data) or any(preference.near_regions for preference in placement.preferences)
