"""Wake-ups: sets of keys that somebody shall look at; adding a key twice is adding it once."""

import asyncio
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class Wakeups(Generic[KeyT]):
    """Keys that wait for one reader. Added from callbacks (never blocks), taken in the order of their first arrival."""

    def __init__(self) -> None:
        self._keys: dict[KeyT, None] = {}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, *keys: KeyT) -> None:
        """Ask for a look at `keys`."""
        self.update(keys)

    def update(self, keys: Iterable[KeyT]) -> None:
        """Ask for a look at all of `keys`."""
        for key in keys:
            self._keys.setdefault(key)
        if self._keys:
            self._some.set()

    async def take(self, *, limit: int | None = None, timeout_seconds: float | None = None) -> tuple[KeyT, ...]:
        """Wait until there are keys and take them out.

        Args:
            limit: at most so many; the rest stays for the next call.
            timeout_seconds: how long to wait; then the answer is empty.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._some.wait()
        except TimeoutError:
            return ()
        return self.take_now(limit=limit)

    def take_now(self, *, limit: int | None = None) -> tuple[KeyT, ...]:
        """Take out what is there, without waiting."""
        taken = tuple(self._keys)[: limit if limit is not None else len(self._keys)]
        for key in taken:
            del self._keys[key]
        if not self._keys:
            self._some.clear()
        return taken

    def discard(self, keys: Iterable[KeyT]) -> None:
        """Take keys out that are looked at anyway."""
        for key in keys:
            self._keys.pop(key, None)
        if not self._keys:
            self._some.clear()


class Signal:
    """A wake-up without a key: set any number of times, it wakes its one reader once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the reader."""
        self._event.set()

    async def wait(self, *, timeout_seconds: float | None = None) -> bool:
        """Wait for the next wake-up; False when the time was over before."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
