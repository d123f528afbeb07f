"""Looks at the fleet as a whole: keeps the breaker, and asks a witness whether it is us who are cut off.

Verdicts on members are judged where they are stored (`store.automation.look`). What is left to do here is what no
verdict gives rise to: a witness that falls silent, and time that passes.
"""

import asyncio
from typing import Final

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.health import Automation, BreakerState
from fedsvc.store import automation
from fedsvc.store.automation import Sight
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_SILENT_TIMES: Final = 2
"""A witness that was silent so often in a row tells that we are cut off."""


class Breaking:
    """The breaker's own eyes and clock."""

    def __init__(self, store: Store, *, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings
        self._silent = 0
        self._was_reached = False

    @property
    def sight(self) -> Sight:
        """How far what we see can be trusted, as far as it was looked into."""
        witness = self._settings.witness
        if not witness:
            return Sight()
        error = f"the witness {witness} does not answer" if self._silent >= _SILENT_TIMES else ""
        return Sight(error=error, has_witness=self._was_reached)

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        try:
            while True:
                if self._settings.witness:
                    await self._ask()
                async with self._store.transaction() as tx:
                    state = await automation.look(tx, sight=self.sight)
                show(state)
                metrics.WITNESS_SILENT.set(bool(self.sight.error))
                await asyncio.sleep(self._settings.breaker_seconds)
        finally:
            # Another replica may lead from now on, and know better.
            metrics.AUTOMATION.clear()
            metrics.WITNESS_SILENT.set(0)

    async def _ask(self) -> None:
        host, _, port = self._settings.witness.rpartition(":")
        try:
            async with asyncio.timeout(self._settings.witness_timeout_seconds):
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
