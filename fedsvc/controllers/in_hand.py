"""Pure: which works of one member are in hand: queued or acted on, or with results that are not stored yet.

What is not stored keeps nobody from acting on what became of the work since, which is a newer generation of it: storing
may take seconds while much else is stored.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """What is not to be claimed.

    Attributes:
        ids: works that are being acted on.
        answered: works, by id, with the generation whose result is there and not stored.
    """

    ids: tuple[int, ...] = ()
    answered: tuple[tuple[int, int], ...] = ()


class InHand:
    """By id."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._unstored: dict[int, int] = {}  # the generation of the newest result

    def __len__(self) -> int:
        return len(self._taken | self._unstored.keys())

    def __contains__(self, work_id: int) -> bool:
        return work_id in self._taken or work_id in self._unstored

    def __iter__(self) -> Iterator[int]:
        return iter(self._taken | self._unstored.keys())

    @property
    def excluded(self) -> Excluded:
        """What is not to be claimed now."""
        return Excluded(ids=tuple(sorted(self._taken)), answered=tuple(sorted(self._unstored.items())))

    def take(self, work_id: int) -> None:
        """It is queued."""
        self._taken.add(work_id)

    def put_back(self, work_ids: Iterable[int]) -> None:
        """They are not acted on after all."""
        self._taken.difference_update(work_ids)

    def answered(self, work_id: int, generation: int) -> None:
        """It was acted on; the result is handed in."""
        self._taken.discard(work_id)
        self._unstored[work_id] = generation

    def stored(self, work_id: int, generation: int) -> bool:
        """A result is stored; whether it is the newest one, and nothing goes on with the work."""
        if self._unstored.get(work_id) == generation:
            del self._unstored[work_id]
        return work_id not in self
