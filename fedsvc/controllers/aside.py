"""Decisions that take long to carry out, one after the other beside all others: a large unit holds up no small one."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from fedsvc.controllers.deciding import Decided
from fedsvc.controllers.places import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """A decision that is to be rendered and stored aside."""

    decided: Decided
    triggers: Collection[str]  # what it was made for
    places: Places  # that it was made on, and is noted in


def is_large(decided: Decided, *, max_works: int) -> bool:
    """Whether carrying a decision out writes more works than one transaction is to hold."""
    return decided.unit.resource_count * len(decided.plan.changed) > max_works


class Aside:
    """What waits to be carried out, by unit: a unit is not decided again before its decision is carried out."""

    def __init__(self) -> None:
        self._waiting: dict[str, Large] = {}  # by uid
        self._some = asyncio.Event()

    @property
    def uids(self) -> Collection[str]:
        """The units that wait, the one at work included."""
        return self._waiting.keys()

    def put(self, large: Large) -> None:
        """Have a decision carried out."""
        self._waiting[large.decided.unit.uid] = large
        self._some.set()

    async def run(self, carry_out: Callable[[Large], Awaitable[None]], done: Callable[[], None]) -> None:
        """Carry out until cancelled, or until `carry_out` fails; `done` is called after each."""
        while True:
            await self._some.wait()
            uid, large = next(iter(self._waiting.items()))
            await carry_out(large)
            del self._waiting[uid]
            if not self._waiting:
                self._some.clear()
            done()
