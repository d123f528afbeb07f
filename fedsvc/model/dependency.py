"""Units that wait for other units, and the graph that they make. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fedsvc.rendering.waves import AwaitedState

UnitId = tuple[str, str]
"""Namespace and name of a unit."""


class DependencyScope(StrEnum):
    """Where a dependency must be as far as is asked."""

    SAME_CLUSTER = "same-cluster"  # on each cluster for the works there
    EVERYWHERE = "everywhere"  # on all clusters that it is placed on, and on one at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A unit that must be so far before works of another one are applied, and that is removed after them."""

    unit: str  # as its user wrote it: a name in the same namespace, or "namespaces/{namespace}/units/{unit}"
    state: AwaitedState = AwaitedState.READY
    where: DependencyScope = DependencyScope.SAME_CLUSTER

    def target(self, namespace: str) -> UnitId:
        """The unit that is meant by a unit of this namespace."""
        if "/" not in self.unit:
            return namespace, self.unit
        _, named, _, name = self.unit.split("/")
        return named, name


def find_cycle(edges: Mapping[UnitId, Iterable[UnitId]], start: UnitId) -> tuple[UnitId, ...]:
    """The shortest way from a unit over its dependencies back to itself, both ends included; empty: there is none.

    Args:
        edges: what each unit waits for.
        start: the unit.
    """
    came_from: dict[UnitId, UnitId] = {}
    reached = [start]
    while reached:
        found: list[UnitId] = []
        for unit in reached:
            for target in sorted(set(edges.get(unit, ()))):
                if target == start:
                    return _way(came_from, start, unit)
                if target not in came_from:
                    came_from[target] = unit
                    found.append(target)
        reached = found
    return ()


def _way(came_from: Mapping[UnitId, UnitId], start: UnitId, last: UnitId) -> tuple[UnitId, ...]:
    way = [start, last] if last != start else [start]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    if len(way) == 1:
        return start, start
    return tuple(reversed(way))


def cycle_words(cycle: Iterable[UnitId]) -> str:
    """A cycle as people read it."""
    first, *rest = (unit_words(unit) for unit in cycle)
    return f"{first} waits for " + ", which waits for ".join(rest)


def unit_words(unit: UnitId, beside: str = "") -> str:
    """A unit as people read it; of the namespace `beside` without that."""
    namespace, name = unit
    return f"units/{name}" if namespace == beside else f"namespaces/{namespace}/units/{name}"
