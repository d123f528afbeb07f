"""Room by cluster for what a replica requests: counted once for all units that request the same, kept up to date."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Column:
    """How many replicas fit into each cluster beside what is there, by place in the fleet."""

    # None where the capacity is not known.
    values: list[int | None]
    # Raised whenever a value changes.
    version: int = 0
    # How many changes of the fleet are in it.
    seen: int = 0
    # The places of which nothing is known, now or later.
    unknown: frozenset[int] = field(init=False)
    _below: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.unknown = frozenset([place for place, value in enumerate(self.values) if value is None])

    def below(self, need: int) -> set[int]:
        """Return the places that have room for fewer than `need`, or of which nothing is known; not to be changed."""
        found = self._below.get(need)
        if found is None:
            found = {place for place, value in enumerate(self.values) if value is None or value < need}
            self._below[need] = found
        return found

    def refresh(self, changes: Sequence[int], count: Callable[[int], int | None]) -> None:
        """Count anew where something changed since; `changes` are the places, of all changes there were."""
        if self.seen == len(changes):
            return
        for place in _once(changes[self.seen :]):
            value = count(place)
            if value == self.values[place]:
                continue
            self.values[place] = value
            self.version += 1
            for need, places in self._below.items():
                if value is None or value < need:
                    places.add(place)
                else:
                    places.discard(place)
        self.seen = len(changes)


def _once(places: Iterable[int]) -> Iterable[int]:
    return dict.fromkeys(places)
