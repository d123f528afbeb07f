"""Sees to it that a secondary has the newest version: by NOTIFY (RFC 1996), again until it says that it has.

A notification may be lost, and a secondary may be away for days: so it is asked for its serial, ever less often while
it is behind, and now and then while it is not.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import dns.rdatatype

from fedsvc_dns.providers import asking, wire
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection
from fedsvc_dns.providers.contract import ProviderError
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.primary.versions import VersionStore, ZoneVersion
from fedsvc_dns.providers.serials import is_newer

_NOTIFY = 4
_AUTHORITATIVE = 0x0400
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 60.0
LOOK_SECONDS = 5.0
"""How often the newest version is looked up that another replica may have made."""
ASK_SECONDS = 60.0
"""How often a secondary is asked that had the newest version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secondary:
    """Who transfers a zone.

    Attributes:
        address: where it is notified and asked.
        key: that it signs with, and we.
    """

    address: ServerAddress
    key: TsigKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a secondary stands.

    Attributes:
        serial: that it said it has; None: it never said.
        is_current: whether that was the newest when it was last asked.
        trouble: why not, in words; empty where it only takes its time.
    """

    serial: int | None = None
    is_current: bool = False
    trouble: str = ""


class Follower:
    """One secondary of one zone. Whoever runs it owns it."""

    def __init__(
        self, origin: str, secondary: Secondary, store: VersionStore, moved: Callable[[], None] = lambda: None
    ) -> None:
        """Of one zone.

        Args:
            origin: of the zone.
            secondary: who is followed.
            store: has the versions.
            moved: called when it stands otherwise than before.
        """
        self._told = moved
        self._origin = origin
        self._secondary = secondary
        self._store = store
        self._connection = ServerConnection(secondary.address)
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._standing = Standing()

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return self._standing

    @standing.setter
    def standing(self, standing: Standing) -> None:
        if standing != self._standing:
            self._standing = standing
            self._told()

    def __str__(self) -> str:
        """For messages."""
        standing = self.standing
        seen = "never said what it has" if standing.serial is None else f"has {standing.serial}"
        return f"{self._secondary.address} {seen}{f' ({standing.trouble})' if standing.trouble else ''}"

    def wake(self) -> None:
        """There is a newer version."""
        self._wake.set()

    async def run(self) -> None:
        """Keep it current, until cancelled."""
        clock = asyncio.get_running_loop()
        wait_seconds, asked_at = FIRST_WAIT_SECONDS, -ASK_SECONDS
        try:
            while True:
                self._wake.clear()
                version = await self._newest()
                if version is not None and (self._is_behind(version) or clock.time() - asked_at >= ASK_SECONDS):
                    await self._look(version)
                    asked_at = clock.time()
                    self._connection.drop()  # a server has room for so many, and there may be many zones
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS if self.standing.is_current else wait_seconds):
                        await self._wake.wait()
                starts_anew = self._wake.is_set() or self.standing.is_current
                wait_seconds = FIRST_WAIT_SECONDS if starts_anew else min(2 * wait_seconds, LONGEST_WAIT_SECONDS)
        except Exception as error:
            self.standing = replace(self.standing, is_current=False, trouble=f"it is not followed any more: {error!r}")
            raise
        finally:
            await self._connection.close()

    async def reached(self, serial: int) -> None:
        """Wait until it has a serial, or a newer one; the caller has the deadline."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.has(serial))

    def has(self, serial: int) -> bool:
        """Whether it said that it has a serial, or a newer one."""
        seen = self.standing.serial
        return seen is not None and (seen == serial or is_newer(seen, serial))

    async def ask_serial(self) -> int:
        """The serial that it has now, by a connection of its own.

        Raises:
            ProviderError: it does not say.
        """
        connection = ServerConnection(self._secondary.address)
        try:
            return await self._serial(connection)
        finally:
            await connection.close()

    async def _serial(self, connection: ServerConnection) -> int:
        query = asking.header(asking.new_id(), counts=(1, 0, 0, 0)) + asking.question(self._origin, "SOA")
        answer = await asking.ask_signed(connection, self._secondary.key, query)
        asking.refuse_errors(answer.rcode(), f"a question for the SOA of {self._origin}", str(self._secondary.address))
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.SOA:
                serial: int = rrset[0].serial
                return serial
        raise ProviderError(f"{self._secondary.address} has no SOA of {self._origin}: it does not serve the zone")

    async def _newest(self) -> ZoneVersion | None:
        try:
            version, trouble = await self._store.load(self._origin), f"there is no version of {self._origin}"
        except ProviderError as error:
            version, trouble = None, str(error)
        if version is None:
            self.standing = replace(self.standing, is_current=False, trouble=trouble)
        return version

    def _is_behind(self, version: ZoneVersion) -> bool:
        return not self.standing.is_current or self.standing.serial != version.serial

    async def _look(self, version: ZoneVersion) -> None:
        """Notify it if it may be behind, and ask what it has."""
        trouble = ""
        try:
            if self.standing.serial != version.serial:
                await self._notify(version)
        except ProviderError as error:
            trouble = f"it does not take the notification: {error}"
        seen = self.standing.serial
        try:
            seen = await self._serial(self._connection)
            if is_newer(seen, version.serial):
                version = await self._newest() or version  # another may have been made since
            if is_newer(seen, version.serial):
                trouble = (
                    f"it has serial {seen}, newer than {version.serial} here, and will keep it:"
                    " raise the serial of the zone above it"
                )
        except ProviderError as error:
            trouble = trouble or str(error)
        current = not trouble and seen == version.serial
        self.standing = Standing(serial=seen, is_current=current, trouble=trouble)
        async with self._moved:
            self._moved.notify_all()

    async def _notify(self, version: ZoneVersion) -> None:
        (soa,) = wire.records(version.soa(), version.origin)
        head = asking.header(asking.new_id(), opcode=_NOTIFY, flags=_AUTHORITATIVE, counts=(1, 1, 0, 0))
        message = head + asking.question(self._origin, "SOA") + soa
        answer = await asking.ask_signed(self._connection, self._secondary.key, message)
        asking.refuse_errors(answer.rcode(), f"a notification of {self._origin}", str(self._secondary.address))


@contextlib.asynccontextmanager
async def following(followers: list[Follower]) -> AsyncIterator[None]:
    """Run them all, until left."""
    tasks = [asyncio.create_task(one.run(), name="dns-follower") for one in followers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
