"""Reading what changed once for all watchers: a thousand of them on one unit must not be a thousand transactions."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from fedsvc.api.watch_objects import Watched, load
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

Key: TypeAlias = tuple[str, str]
"""Kind and name, as the change log writes them."""

_KEPT_ROUNDS: Final = 16
"""Reads whose answers are kept: watchers of one change come within milliseconds of each other."""


class SharedReads:
    """Objects as they are now, read at most once for all who ask at the same time or for the same change.

    What is read is a state, not a difference: a read that began after a change was seen tells of that change, whoever
    asked for it.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._newest: dict[Key, _Round] = {}
        self._open: _Round | None = None  # has not begun: more may join
        self._kept: deque[_Round] = deque()

    async def objects(self, changes: Sequence[Change], *, not_before: float) -> dict[Key, Watched]:
        """The objects of changes; those that are gone are left out.

        Args:
            changes: what changed.
            not_before: when the newest of them was seen, on the clock of this reader; older reads do not count.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        keys = [(change.kind, change.name) for change in changes]
        rounds = {key: self._round_of(key, change, not_before) for key, change in zip(keys, changes, strict=True)}
        found: dict[Key, Watched] = {}
        for key, asked in rounds.items():
            await asked.done.wait()
            if asked.error is not None:
                raise asked.error
            if key in asked.objects:
                found[key] = asked.objects[key]
        return found

    def _round_of(self, key: Key, change: Change, not_before: float) -> "_Round":
        known = self._newest.get(key)
        if known is not None and (known.began is None or known.began >= not_before):
            return known
        if self._open is None:
            self._open = _Round()
            self._open.task = asyncio.create_task(self._read(self._open), name="watch-read")
        self._open.changes[key] = change
        self._newest[key] = self._open
        return self._open

    async def _read(self, asked: "_Round") -> None:
        await asyncio.sleep(0)  # all who were woken by the same change ask before anything is read
        self._open = None
        asked.began = self._clock()
        try:
            async with self._store.reader() as tx:
                asked.objects = await load(tx, list(asked.changes.values()))
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            asked.error = error
            self._forget(asked)
        else:
            self._kept.append(asked)
            if len(self._kept) > _KEPT_ROUNDS:
                self._forget(self._kept.popleft())
        finally:
            asked.done.set()

    def _forget(self, asked: "_Round") -> None:
        for key in asked.changes:
            if self._newest.get(key) is asked:
                del self._newest[key]


class _Round:
    """One read, and who is in it."""

    def __init__(self) -> None:
        self.changes: dict[Key, Change] = {}
        self.began: float | None = None
        self.done = asyncio.Event()  # not a future: shielding one for each of many waiters takes time by their square
        self.objects: dict[Key, Watched] = {}
        self.error: Exception | None = None
        self.task: asyncio.Task[None] | None = None
