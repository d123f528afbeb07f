"""The standard health service: serving while the database answers and the server does not drain."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse

from fedsvc.errors import StoreUnavailableError

_log = structlog.get_logger("fedsvc.api")

PROBE_SECONDS: Final = 2.0

Ping = Callable[[], Awaitable[None]]
"""Asks the database for an answer; raises StoreUnavailableError."""


class Health:
    """Keeps the health service true."""

    def __init__(self, services: Sequence[str], ping: Ping, *, probe_seconds: float = PROBE_SECONDS) -> None:
        self.servicer: health.aio.HealthServicer = health.aio.HealthServicer()
        self._services = ("", *services)
        self._ping = ping
        self._probe_seconds = probe_seconds

    async def run(self) -> None:
        """Probe the database for ever."""
        answers = True
        await self._set(serving=True)
        while True:
            await asyncio.sleep(self._probe_seconds)
            problem = await self._problem()
            if (problem is None) != answers:
                answers = problem is None
                _log.warning("database_state_changed", answers=answers, problem=problem or "")
                await self._set(serving=answers)

    async def drain(self) -> None:
        """Say NOT_SERVING from now on, whatever the database does."""
        await self.servicer.enter_graceful_shutdown()

    async def _problem(self) -> str | None:
        try:
            async with asyncio.timeout(self._probe_seconds):
                await self._ping()
        except TimeoutError:
            return "no answer in time"
        except StoreUnavailableError as error:
            return str(error)
        return None

    async def _set(self, *, serving: bool) -> None:
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self.servicer.set(service, status)
