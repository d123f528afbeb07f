"""Where units are as others see them, found by key and label: of ten thousand a unit minds few."""

from collections.abc import Collection, Iterable

from fedsvc_placement import PlacedUnit, Placement, UnitMatcher
from fedsvc_placement.selectors import matches_unit


class Places:
    """The units that are not being deleted, and where they are."""

    def __init__(self, placed: Iterable[PlacedUnit] = ()) -> None:
        self._by_key: dict[str, PlacedUnit] = {}
        self._by_label: dict[tuple[str, str], set[str]] = {}  # keys
        for unit in placed:
            self.put(unit)

    def put(self, unit: PlacedUnit) -> None:
        """The unit is there now."""
        if self._by_key.get(unit.key) == unit:
            return  # the same object stays, so that what is made for it may be found by its identity
        self.drop(unit.key)
        self._by_key[unit.key] = unit
        for label in unit.labels.items():
            self._by_label.setdefault(label, set()).add(unit.key)

    def drop(self, key: str) -> None:
        """The unit counts for others no more."""
        unit = self._by_key.pop(key, None)
        for label in () if unit is None else unit.labels.items():
            keys = self._by_label[label]
            keys.discard(key)
            if not keys:
                del self._by_label[label]

    def beside(self, placement: Placement, key: str) -> tuple[PlacedUnit, ...]:
        """The units that a placement follows, wants to be near or far from, sorted by key, but for the unit itself."""
        found = {name for name in placement.follows if name in self._by_key}
        for affinity in placement.affinities:
            candidates = self._candidates(affinity.units)
            found.update(one for one in candidates if matches_unit(affinity.units, one, self._by_key[one].labels))
        found.discard(key)
        return tuple(self._by_key[name] for name in sorted(found))

    def _candidates(self, matcher: UnitMatcher) -> Collection[str]:
        if matcher.names is not None:
            return [name for name in matcher.names if name in self._by_key]
        if matcher.selector is not None and matcher.selector.match_labels:
            return min((self._by_label.get(label, set()) for label in matcher.selector.match_labels), key=len)
        return self._by_key
