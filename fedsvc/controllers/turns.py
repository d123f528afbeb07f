"""Pure: works that wait in memory, taken in turns: one of each unit, then the next of each.

So what a unit waits for is bounded by the number of units that have something to do, not by how much they have.
"""

from collections import deque
from collections.abc import Iterator

from fedsvc.model.work import DirtyWork


class Turns:
    """A queue that is fair between units; works of one unit keep their order."""

    def __init__(self) -> None:
        self._of_unit: dict[str, deque[DirtyWork]] = {}  # by uid, the next in turn first; none is empty
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[DirtyWork]:
        """All that wait, unit by unit."""
        for waiting in self._of_unit.values():
            yield from waiting

    def has(self, unit_uid: str) -> bool:
        """Whether works of a unit wait."""
        return unit_uid in self._of_unit

    def add(self, work: DirtyWork) -> None:
        """Put a work behind those of its unit; a unit that is new has its turn after all others had theirs."""
        self._of_unit.setdefault(work.unit_uid, deque()).append(work)
        self._count += 1

    def take(self) -> DirtyWork:
        """The next work; its unit's next turn comes after all others had theirs.

        Raises:
            IndexError: nothing waits.
        """
        if not self._of_unit:
            raise IndexError("no work waits")
        uid = next(iter(self._of_unit))
        waiting = self._of_unit.pop(uid)
        work = waiting.popleft()
        if waiting:
            self._of_unit[uid] = waiting
        self._count -= 1
        return work

    def clear(self) -> None:
        """Let all of them go."""
        self._of_unit.clear()
        self._count = 0
