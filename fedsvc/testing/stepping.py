"""Ends chosen coroutines at a chosen await: what a killed process leaves behind, at every place where that can be.

The steps of the coroutines are counted over all of them, in the order in which they happen. At the step that is asked
for they go on no more: each of them sees a cancellation where it stands, and so does each that is begun later.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import CoroutineType
from typing import Any


class Steps:
    """Counts the awaits of coroutines by their qualified names, as a task factory of an event loop.

    Args of the constructor: `names` are those of the coroutines ("Propagator.run"); `ended` is called when they are
    ended.
    """

    def __init__(self, names: frozenset[str], *, ended: Callable[[], None]) -> None:
        self._names = names
        self._ended = ended
        self.count = 0
        self._end_at: int | None = None
        self.is_over = False

    def begin(self, end_at: int | None) -> None:
        """Count from 0, and end all of them at await number `end_at`, from 1; None: count only."""
        self.count, self._end_at, self.is_over = 0, end_at, False

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any] | Generator[Any, Any, Any],
        **more: Any,
    ) -> "asyncio.Task[Any]":
        """Make a task, as `loop.set_task_factory` wants it."""
        if isinstance(coroutine, CoroutineType) and coroutine.__qualname__ in self._names:
            coroutine = _Stepped(coroutine, self)
        return asyncio.Task(coroutine, loop=loop, **more)

    def pass_one(self) -> None:
        """One of them has come to an await."""
        self.count += 1
        if self.count == self._end_at:
            self.is_over = True
            self._ended()


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine whose awaits are counted."""

    def __init__(self, inner: "CoroutineType[Any, Any, Any]", steps: Steps) -> None:
        self._inner = inner
        self._steps = steps
        self._thrown = False
        self.__qualname__ = inner.__qualname__
        self.__name__ = inner.__name__

    def send(self, value: Any) -> Any:
        if self._steps.is_over and not self._thrown:
            self._thrown = True
            return self._inner.throw(asyncio.CancelledError())
        awaited = self._inner.send(value)
        if not self._steps.is_over:
            self._steps.pass_one()
        return awaited

    def throw(self, *error: Any) -> Any:
        self._thrown = True
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()
