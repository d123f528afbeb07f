"""Which units a change of clusters, policies, settings or other units may touch, from what was noted of them."""

from collections.abc import Collection, Hashable, Iterable, Mapping
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
)
from fedsvc_placement.bystanders import got_worse, minds_neighbours, minds_others
from fedsvc_placement.rooms import counts_capacity

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
    minds_others: bool  # a cluster that gets worse may change where it is though it is not on it
    minds_neighbours: bool  # where other units are may change where it is
    workloads: frozenset[Workload]  # whose pods teach something
    override_clusters: tuple[ClusterMatcher, ...]  # those that select by more than name, distinct
    placement_policy: str
    override_policies: tuple[str, ...]

    @property
    def placement(self) -> Placement:
        """Its placement, policies resolved."""
        return self.input.placement

    @property
    def demands(self) -> Hashable:
        """What it asks of clusters: units of equal demands are touched by the same changes."""
        return self.placement, self.input.kinds, self.wants_room, self.minds_others, self.override_clusters


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
        minds_others=minds_others(asked.placement, decision.memory),
        minds_neighbours=minds_neighbours(asked.placement, decision.memory),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """A change of a cluster that may touch units of the same demands."""

    cluster: str
    trigger: str
    only_there: bool  # it touches those alone that are on the cluster


def touches_of(note: UnitNote, change: FleetChange) -> tuple[Touch, ...]:
    """The changes of clusters that may touch a unit, wherever it is: the same for all units of its `demands`."""
    # More or less room moves nothing that has its room, unless the unit asks for that.
    pairs = change.clusters if note.wants_room else change.beside_room
    alone = not note.minds_others
    found: list[Touch] = []
    for before, after in pairs:
        cluster = before or after
        if cluster is not None and is_touched(note, before, after):
            only_there = alone and got_worse(before, after)
            found.append(Touch(cluster=cluster.name, trigger=_trigger(before, after), only_there=only_there))
    return tuple(found)


def triggers_of(note: UnitNote, change: FleetChange, touching: Iterable[Touch]) -> set[str]:
    """Why a change of the fleet asks for a unit to be decided again; empty: it does not.

    Args:
        note: of the unit.
        change: of the fleet.
        touching: what `touches_of` says of it.
    """
    placement = note.placement
    there = note.placed.clusters if note.placed is not None else ()
    found = {touch.trigger for touch in touching if not touch.only_there or touch.cluster in there}
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
