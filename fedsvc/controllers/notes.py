"""The notes of all units that were decided, to find those that a change may touch."""

import asyncio
from collections.abc import Collection, Hashable
from typing import Final

from fedsvc.controllers.touching import FleetChange, Touch, UnitNote, touches_of, triggers_of
from fedsvc_placement import PlacedUnit, touches_unit

_YIELD_EACH: Final = 50
"""Notes looked at before others may run: a few milliseconds, where each asks for something else."""


_ANY: Final = None


def _minded(note: UnitNote) -> set[Hashable]:
    """Whom a unit minds: keys of units, a label that they have, or any."""
    placement = note.placement
    if not note.minds_neighbours:
        return set()
    found: set[Hashable] = set(placement.follows)
    for affinity in placement.affinities:
        names, selector = affinity.units.names, affinity.units.selector
        if names is not None:
            found.update(names)
        elif selector is not None:
            found.add(selector.match_labels[0] if selector.match_labels else _ANY)
    return found


class UnitNotes:
    """The notes of all units that were decided by this process."""

    def __init__(self) -> None:
        self._by_uid: dict[str, UnitNote] = {}
        self._uids: dict[str, str] = {}  # by name
        self._looking: dict[Hashable, set[str]] = {}  # uids of those that mind where others are, by whom they mind
        self._demands: dict[Hashable, list[int]] = {}  # each once: its number, and how many units have it
        self._numbers: dict[str, tuple[int, Hashable]] = {}  # by uid: those of its demands
        self._count = 0

    def put(self, note: UnitNote) -> UnitNote | None:
        """Keep a note; gives the one it takes the place of."""
        before = self._by_uid.get(note.uid)
        self._look_away(note.uid)
        self._by_uid[note.uid] = note
        self._number(note)
        self._uids[note.name] = note.uid
        for whom in _minded(note):
            self._looking.setdefault(whom, set()).add(note.uid)
        return before

    def forget(self, name: str) -> None:
        """The unit is gone."""
        uid = self._uids.pop(name, "")
        self._look_away(uid)
        self._by_uid.pop(uid, None)
        self._unnumber(uid)

    def _number(self, note: UnitNote) -> None:
        self._unnumber(note.uid)
        demands = note.demands
        if demands not in self._demands:
            self._count += 1
            self._demands[demands] = [self._count, 0]
        entry = self._demands[demands]
        entry[1] += 1
        self._numbers[note.uid] = (entry[0], demands)

    def _unnumber(self, uid: str) -> None:
        if uid not in self._numbers:
            return
        _, demands = self._numbers.pop(uid)
        entry = self._demands[demands]
        entry[1] -= 1
        if not entry[1]:
            del self._demands[demands]

    def using_policies(self, changed: Collection[tuple[str, str]]) -> list[str]:
        """The uids of the units that refer to any of the policies, each given by kind of change and name."""
        return [
            note.uid
            for note in self._by_uid.values()
            if ("placement_policy", note.placement_policy) in changed
            or any(("override_policy", name) in changed for name in note.override_policies)
        ]

    def named(self, names: Collection[str]) -> list[str]:
        """The uids of those of the units, by their names in the API, that were decided."""
        return [self._uids[name] for name in sorted(names) if name in self._uids]

    def beside(self, key: str, before: PlacedUnit | None, after: PlacedUnit | None) -> list[str]:
        """The uids of the units that mind that another one is elsewhere now, or has other labels."""
        if before == after:
            return []
        labels = {label for unit in (before, after) if unit is not None for label in unit.labels.items()}
        found: set[str] = set()
        for whom in (_ANY, key, *labels):
            found |= self._looking.get(whom, set())
        notes = (self._by_uid[uid] for uid in sorted(found))
        return [
            note.uid
            for note in notes
            if note.input.key != key and touches_unit(note.placement, note.input.key, before, after)
        ]

    def _look_away(self, uid: str) -> None:
        note = self._by_uid.get(uid)
        for whom in () if note is None else _minded(note):
            uids = self._looking[whom]
            uids.discard(uid)
            if not uids:
                del self._looking[whom]

    async def touched(self, change: FleetChange) -> dict[str, set[str]]:
        """The uids of the units that a change of the fleet may touch, and why."""
        found: dict[str, set[str]] = {}
        if not change:
            return found
        touching: dict[int, tuple[Touch, ...]] = {}  # by number of the demands
        for position, uid in enumerate(tuple(self._by_uid)):
            if position % _YIELD_EACH == _YIELD_EACH - 1:
                await asyncio.sleep(0)
            note = self._by_uid.get(uid)
            if note is None:  # it went while others ran
                continue
            number, _ = self._numbers[uid]
            if number not in touching:
                touching[number] = touches_of(note, change)
            triggers = triggers_of(note, change, touching[number])
            if triggers:
                found[uid] = triggers
        return found
