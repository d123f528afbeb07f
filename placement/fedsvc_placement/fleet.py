"""A fleet made ready to be decided on: sorted, looked up by name, and with what many decisions share kept beside it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from fedsvc_placement.capacity import demand_of, fitting_demand, reserve_ppm, settled, take
from fedsvc_placement.columns import Column
from fedsvc_placement.model import (
    Capacity,
    ClusterSnapshot,
    Dataset,
    Fleet,
    Headroom,
    PlacedUnit,
    Placement,
    Spoken,
    UnitAffinity,
)
from fedsvc_placement.neighbourhood import Neighbourhood
from fedsvc_placement.topology import group_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFleet:
    """A fleet that many units are decided on: `decide` takes it in place of a `Fleet`, with the same answers.

    It keeps what depends on the fleet and on parts that units share, so it is to be thrown away with the batch of
    decisions it was made for. Nothing it was made from may be changed meanwhile; what one decision of the batch gives
    away is told by `speak_for`.
    """

    # Sorted by name.
    clusters: tuple[ClusterSnapshot, ...]
    names: tuple[str, ...]
    clusters_by_name: Mapping[str, ClusterSnapshot]
    # Place of each cluster among `clusters`.
    places: Mapping[str, int]
    units_by_key: dict[str, PlacedUnit]
    datasets: Mapping[str, Dataset]
    distances_ms: Mapping[tuple[str, str], int]
    headroom: Headroom | None
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    # What depends on the units besides.
    _kept_beside: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    _placements: dict[int, tuple[Placement, int]] = field(default_factory=dict, repr=False, compare=False)
    _left: dict[str, tuple[Capacity | None, int]] = field(default_factory=dict, repr=False, compare=False)
    _neighbourhoods: dict[Hashable, Neighbourhood] = field(default_factory=dict, repr=False, compare=False)
    # Places of clusters in which room was spoken for, one by one.
    _changes: list[int] = field(default_factory=list, repr=False, compare=False)
    _spoken: list[Spoken] = field(default_factory=list, repr=False, compare=False)

    @property
    def spoken_for(self) -> tuple[Spoken, ...]:
        """What was given away since this was prepared, in order: told again to an equal fleet, it is left the same."""
        return tuple(self._spoken)

    @property
    def spoken_count(self) -> int:
        """How many entries `spoken_for` has."""
        return len(self._spoken)

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for this key, making it the first time; keys start with what they are for."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def keep_beside(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `keep` does, for what depends on where other units are."""
        if key not in self._kept_beside:
            self._kept_beside[key] = make()
        found: T = self._kept_beside[key]
        return found

    def number_of(self, placement: Placement) -> int:
        """Return a number that equal placements have in common: to be hashed in their place, which costs far less."""
        known = self._placements.get(id(placement))
        if known is None:
            number = self.keep(("placement", placement), lambda: len(self._kept))
            # The placement is held, so that its id stays its own.
            known = self._placements[id(placement)] = (placement, number)
        return known[1]

    def likeness(self) -> tuple[int, ...]:
        """Return a number for each cluster that it has in common with those that differ in name and room alone."""
        return self.keep(("likeness",), self._likeness)

    def _likeness(self) -> tuple[int, ...]:
        numbers: dict[Hashable, int] = {}
        return tuple(numbers.setdefault(_traits(cluster), len(numbers)) for cluster in self.clusters)

    def distance_ms(self, one: str, other: str) -> int | None:
        """Return the milliseconds between two regions, None where they are not known."""
        if one == other:
            return 0
        found = self.distances_ms.get((one, other))
        return self.distances_ms.get((other, one)) if found is None else found

    def groups(self, by: str, label_key: str) -> Mapping[str, str]:
        """Return the group each cluster is in, by name."""
        return self.keep(
            ("groups", by, label_key),
            lambda: {cluster.name: group_of(cluster, by, label_key) for cluster in self.clusters},
        )

    def reserve_ppm(self) -> int:
        """Return the part of each cluster's room, in millionths, that head-room keeps back."""
        headroom = self.headroom
        return 0 if headroom is None else self.keep(("reserve",), lambda: reserve_ppm(self.clusters, headroom))

    def room(self, requests: Mapping[str, int]) -> Column:
        """Return how many replicas fit into each cluster beside what is there; the same value until that changes."""
        demand = tuple(demand_of(requests))

        def count(place: int) -> int | None:
            capacity, _ = self._capacity(self.clusters[place])
            return None if capacity is None else fitting_demand(capacity, demand)

        column = self.keep(
            ("room", demand),
            lambda: Column(values=[count(place) for place in range(len(self.clusters))], seen=len(self._changes)),
        )
        column.refresh(self._changes, count)
        return column

    def left(self, cluster: ClusterSnapshot) -> tuple[ClusterSnapshot, int]:
        """Return a cluster with the room that is left in it, and a number that changes whenever that does.

        Left is what its nodes have free without what was granted, is kept back as head-room, or was `spoken_for` since.
        """
        capacity, version = self._capacity(cluster)
        return replace(cluster, capacity=capacity), version

    def _capacity(self, cluster: ClusterSnapshot) -> tuple[Capacity | None, int]:
        found = self._left.get(cluster.name)
        if found is None:
            capacity = cluster.capacity
            found = (None if capacity is None else settled(capacity, self.reserve_ppm()), 0)
            self._left[cluster.name] = found
        return found

    def speak_for(self, name: str, requests: Mapping[str, int], replicas: int) -> None:
        """Take the room of replicas off a cluster: decisions made on this fleet from now on find it taken.

        Args:
            name: of the cluster; one that is not in the fleet has no room to take.
            requests: what each replica requests.
            replicas: how many more there are now; fewer take nothing and give nothing back before they are gone.
        """
        cluster = self.clusters_by_name.get(name)
        if cluster is None or cluster.capacity is None or replicas <= 0:
            return
        capacity, version = self._capacity(cluster)
        assert capacity is not None, "what was settled has a capacity"
        self._spoken.append(Spoken(cluster=name, requests=requests, replicas=replicas))
        self._left[name] = (take(capacity, requests, replicas), version + 1)
        self._changes.append(self.places[name])

    def beside(self, units: Iterable[PlacedUnit]) -> "PreparedFleet":
        """Return the same fleet with other neighbours; what was spoken for stays so, in both.

        Raises:
            ValueError: a unit is given twice.
        """
        ordered = sorted(units, key=lambda unit: unit.key)
        refuse_twice("unit", [unit.key for unit in ordered])
        by_key = {unit.key: unit for unit in ordered}
        return replace(self, units_by_key=by_key, _kept_beside={}, _neighbourhoods={})

    def move(self, unit: PlacedUnit) -> None:
        """Tell where a unit is by now: decisions made on this fleet from now on find it there."""
        before = self.units_by_key.get(unit.key)
        if before == unit:
            return
        self.units_by_key[unit.key] = unit
        self._kept_beside.clear()
        for neighbourhood in self._neighbourhoods.values():
            neighbourhood.move(unit)

    def neighbourhood(self, affinity: UnitAffinity) -> Neighbourhood:
        """Return where the units are that an affinity is about; kept up to date by `move`."""
        key = (affinity.units, affinity.by, affinity.label_key)
        found = self._neighbourhoods.get(key)
        if found is None:
            found = Neighbourhood(affinity=affinity, clusters=self.clusters_by_name)
            for unit in self.units_by_key.values():
                found.move(unit)
            self._neighbourhoods[key] = found
        return found


def prepare_fleet(fleet: Fleet) -> PreparedFleet:
    """Make a fleet ready for many decisions.

    Raises:
        ValueError: a cluster, unit or dataset is given twice.
    """
    clusters = tuple(sorted(fleet.clusters, key=lambda cluster: cluster.name))
    units = tuple(sorted(fleet.units, key=lambda unit: unit.key))
    datasets = sorted(fleet.datasets, key=lambda dataset: dataset.name)
    refuse_twice("cluster", [cluster.name for cluster in clusters])
    refuse_twice("unit", [unit.key for unit in units])
    refuse_twice("dataset", [dataset.name for dataset in datasets])
    return PreparedFleet(
        clusters=clusters,
        names=tuple(cluster.name for cluster in clusters),
        clusters_by_name={cluster.name: cluster for cluster in clusters},
        places={cluster.name: place for place, cluster in enumerate(clusters)},
        units_by_key={unit.key: unit for unit in units},
        datasets={dataset.name: dataset for dataset in datasets},
        distances_ms=fleet.distances_ms,
        headroom=fleet.headroom,
    )


def _traits(cluster: ClusterSnapshot) -> Hashable:
    return (
        frozenset(cluster.labels.items()),
        cluster.taints,
        cluster.provider,
        cluster.region,
        cluster.zones,
        cluster.jurisdiction,
        cluster.deleting,
        cluster.kubernetes_version,
        cluster.kinds,
        frozenset(cluster.conditions.items()),
    )


def refuse_twice(what: str, names: Sequence[str]) -> None:
    """Raise ValueError where two neighbours of a sorted list are the same."""
    for one, other in pairwise(names):
        if one == other:
            raise ValueError(f"{what} {one!r} is given twice")
