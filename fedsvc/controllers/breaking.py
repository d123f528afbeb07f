"""Looks at the fleet as a whole: keeps the breaker, and asks a witness and ourselves whether it is us who are cut off.

Verdicts on members are judged where they are stored (`store.automation.look`). What is left to do here is what no
verdict gives rise to: a witness that falls silent, an API of ours that does not answer, and time that passes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.detection import share_of
from fedsvc.health import Automation, BreakerState
from fedsvc.store import automation
from fedsvc.store.automation import Sight
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_SILENT_TIMES: Final = 2
"""Who was silent so often in a row tells that we are cut off."""

_DOUBT: Final = 0.2
"""Of the time between looks: after somebody was silent the next look comes so soon."""

SelfCheck = Callable[[float], Awaitable[str]]
"""Asks our own API, which has so many seconds to answer; gives why it does not, or nothing."""


class Breaking:
    """The breaker's own eyes and clock.

    Args of the constructor: `self_check` asks our own API; None: that is not looked at.
    """

    def __init__(self, store: Store, *, settings: ControllerSettings, self_check: SelfCheck | None = None) -> None:
        self._store = store
        self._settings = settings
        self._self_check = self_check
        self._share = share_of(settings.detect_seconds)
        self._silent = 0  # the witness, how often in a row
        self._deaf = 0  # we ourselves
        self._own_error = ""
        self._was_reached = False

    @property
    def sight(self) -> Sight:
        """How far what we see can be trusted, as far as it was looked into."""
        errors = [self._own_error] if self._deaf >= _SILENT_TIMES else []
        if self._silent >= _SILENT_TIMES:
            errors.append(f"the witness {self._settings.witness} does not answer")
        return Sight(error="; ".join(errors), has_witness=self._was_reached, detect_share=self._share)

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        try:
            while True:
                await asyncio.gather(self._ask_witness(), self._ask_ourselves())
                async with self._store.transaction() as tx:
                    state = await automation.look(tx, sight=self.sight)
                show(state)
                metrics.WITNESS_SILENT.set(self._silent >= _SILENT_TIMES)
                metrics.SELF_CHECK_FAILED.set(self._deaf >= _SILENT_TIMES)
                is_doubted = 0 < max(self._silent, self._deaf) < _SILENT_TIMES
                pause = self._settings.breaker_seconds * self._share
                await asyncio.sleep(pause * _DOUBT if is_doubted else pause)
        finally:
            # Another replica may lead from now on, and know better.
            metrics.AUTOMATION.clear()
            metrics.WITNESS_SILENT.set(0)
            metrics.SELF_CHECK_FAILED.set(0)

    async def _ask_ourselves(self) -> None:
        if self._self_check is None:
            return
        error = await self._self_check(self._settings.witness_timeout_seconds * self._share)
        self._deaf = self._deaf + 1 if error else 0
        self._own_error = error
        if error:
            _log.info("self_check_failed", error=error, times=self._deaf)

    async def _ask_witness(self) -> None:
        if not self._settings.witness:
            return
        host, _, port = self._settings.witness.rpartition(":")
        try:
            async with asyncio.timeout(self._settings.witness_timeout_seconds * self._share):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError as error:  # a TimeoutError is one
            self._silent += 1
            _log.info("witness_silent", witness=self._settings.witness, error=str(error), times=self._silent)
            return
        self._silent = 0
        self._was_reached = True
        writer.close()


def show(state: BreakerState) -> None:
    """Have the metrics tell whether automation acts."""
    for each in Automation:
        metrics.AUTOMATION.labels(each).set(each is state.automation)
