"""Pure: how much goes into one message."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], octets: Callable[[Item], int], *, limit_octets: int) -> Iterator[tuple[Item, ...]]:
    """Divide items, in their order, into batches that keep below a limit; one that is above it by itself goes alone."""
    batch: list[Item] = []
    used = 0
    for item in items:
        size = octets(item)
        if batch and used + size > limit_octets:
            yield tuple(batch)
            batch, used = [], 0
        batch.append(item)
        used += size
    if batch:
        yield tuple(batch)


def halves(items: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    """The two parts of what was refused as a whole; of two items or more."""
    middle = len(items) // 2
    return items[:middle], items[middle:]
