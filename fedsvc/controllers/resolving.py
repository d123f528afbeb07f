"""Host names of load balancers, resolved in the background: planning takes what is known and never waits for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import dns.asyncresolver
import dns.exception
import structlog

from fedsvc.controllers.wakeups import Signal

_log = structlog.get_logger(__name__)

LookUp = Callable[[str], Awaitable[tuple[str, ...]]]
"""Finds the addresses of a host name; none where there are none."""

_REFRESH_SECONDS: Final = 30.0
"""Load balancers of clouds change their addresses with a TTL of a minute."""
_TIMEOUT_SECONDS: Final = 5.0
_AT_ONCE: Final = 16


async def look_up(host: str) -> tuple[str, ...]:
    """The addresses of a host name by the resolver of this machine, of both families; none where there are none.

    Raises:
        dns.exception.DNSException: the resolver does not answer, or there is no such name.
        OSError: it cannot be reached.
    """
    name = host if host.endswith(".") else f"{host}."
    found = await dns.asyncresolver.Resolver().resolve_name(name, lifetime=_TIMEOUT_SECONDS)
    return tuple(sorted(set(found.addresses())))


class HostNames:
    """What host names are known to have, kept fresh."""

    def __init__(self, changed: Callable[[], None], *, refresh_seconds: float = _REFRESH_SECONDS) -> None:
        self._changed = changed
        self._refresh_seconds = refresh_seconds
        self._wanted: frozenset[str] = frozenset()
        self._known: dict[str, tuple[str, ...]] = {}
        self._signal = Signal()

    def of(self, hosts: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """The addresses of those of the names that are known; from now on these are kept, and no others."""
        wanted = frozenset(hosts)
        if wanted - self._wanted:
            self._signal.set()
        self._wanted = wanted
        self._known = {host: addresses for host, addresses in self._known.items() if host in wanted}
        return self._known

    async def run(self) -> None:
        """Resolve until cancelled, and tell when something else is found than before."""
        while True:
            before = dict(self._known)
            limit = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for host in sorted(self._wanted):
                    group.create_task(self._resolve(host, limit), name=f"resolve-{host}")
            if self._known != before:
                self._changed()
            await self._signal.wait(timeout_seconds=self._refresh_seconds)

    async def _resolve(self, host: str, limit: asyncio.Semaphore) -> None:
        """Take what is found; where nothing is, or nobody answers, what was known stays."""
        async with limit:
            try:
                found = await look_up(host)
            except (dns.exception.DNSException, OSError) as error:
                _log.info("host_name_not_resolved", host=host, message=str(error))
                return
        if found and host in self._wanted:
            self._known[host] = found
