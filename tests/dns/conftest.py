"""Name servers for tests: one of each kind for all tests of a process, with a pool of zones that are each used once."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.xfr
import dns.zone
import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, NameServer, start_name_server
from fedsvc.testing.processes import free_ports
from fedsvc.testing.relay import Relay
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import Provider
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, HiddenZone, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening
from fedsvc_dns.providers.primary.versions import MemoryVersions, first_version
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone

POOL = 120


class Primaries:
    """Servers that take updates, started when first asked for."""

    def __init__(self, folder: Path, require: Callable[[str], None]) -> None:
        self._folder = folder
        self._require = require
        self._servers: dict[Kind, tuple[NameServer, Iterator[int]]] = {}

    async def fresh_zone(self, kind: Kind) -> tuple[NameServer, str]:
        """A zone that nobody has used: a SOA and one NS."""
        if kind not in self._servers:
            zones = [HostedZone(origin=f"z{number}.example.") for number in range(POOL)]
            try:
                server = await start_name_server(kind, self._folder / kind.value, zones)
            except ConfigurationError as error:
                self._require(str(error))
                raise
            self._servers[kind] = server, itertools.count()
        server, numbers = self._servers[kind]
        number = next(numbers)
        assert number < POOL, "more zones are asked for than there are: enlarge the pool"
        return server, f"z{number}.example."

    async def stop(self) -> None:
        for server, _ in self._servers.values():
            await server.stop()


@pytest.fixture(scope="session")
async def primaries(
    tmp_path_factory: pytest.TempPathFactory, require: Callable[[str], None]
) -> AsyncIterator[Primaries]:
    """Each kind of server, with zones to update."""
    found = Primaries(tmp_path_factory.mktemp("dns"), require)
    yield found
    await found.stop()


SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="
TSIG = TsigKey(name="fedsvc-test.", secret=SECRET)
Served = dict[tuple[str, str], tuple[int, frozenset[str]]]


class Place:
    """A zone that a provider keeps, and the real server that it is asked for."""

    def __init__(
        self,
        origin: str,
        port: int,
        make: Callable[..., Provider],
        settle: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self.origin = origin
        self.port = port
        self._settle = settle
        self.provider = make  # another writer of the same zone, each time; takes what may be different about it

    async def _transferred(self) -> dns.zone.Zone:
        zone = dns.zone.Zone(self.origin, relativize=False)
        query, _ = dns.xfr.make_query(zone, keyring={KEY.name: KEY}, keyname=KEY.name)
        await dns.asyncquery.inbound_xfr("127.0.0.1", zone, query, port=self.port, timeout=10, lifetime=20)
        return zone

    async def served(self) -> Served:
        """What the server holds besides SOA, apex NS and marks, read without any of our own code."""
        serial = await self._settle() if self._settle is not None else None
        async with asyncio.timeout(20):
            # while NSD reloads, the process that was answers some connections, and the one that is to be others
            while (zone := await self._transferred()).get_soa().serial != serial and serial is not None:
                await asyncio.sleep(0.01)
        return {
            (name.to_text().lower(), rdataset.rdtype.name): (
                rdataset.ttl,
                frozenset(rdata.to_text() for rdata in rdataset),
            )
            for name, rdataset in zone.iterate_rdatasets()
            if "_fedsvc-" not in name.to_text() and (name != zone.origin or rdataset.rdtype.name not in {"SOA", "NS"})
        }


@pytest.fixture(params=[Kind.BIND, Kind.KNOT, Kind.POWERDNS], ids=["bind", "knot", "powerdns"])
def updated_kind(request: pytest.FixtureRequest) -> Kind:
    """Each server that takes updates."""
    kind: Kind = request.param
    return kind


@contextlib.asynccontextmanager
async def updated_place(kind: Kind, primaries: Primaries) -> AsyncIterator[Place]:
    """A fresh zone of a server that takes updates."""
    server, origin = await primaries.fresh_zone(kind)
    made: list[Rfc2136Zone] = []

    def make(**different: Any) -> Rfc2136Zone:
        settings: dict[str, Any] = {"origin": origin, "key": TSIG, "owner": "test"} | different
        settings.setdefault("address", ServerAddress(host="127.0.0.1", port=server.port))
        made.append(Rfc2136Zone(Rfc2136Settings(**settings)))
        return made[-1]

    yield Place(origin, server.port, make)
    for provider in made:
        await provider.close()


@pytest.fixture
async def updated(updated_kind: Kind, primaries: Primaries) -> AsyncIterator[Place]:
    """A fresh zone on each server that takes updates."""
    async with updated_place(updated_kind, primaries) as found:
        yield found


@pytest.fixture
async def relay(updated: Any) -> AsyncIterator[Relay]:
    """What stands between a writer and its server."""
    async with Relay(updated.port).running() as running:
        yield running


SECONDARY_POOL = 40


class Secondaries:
    """Servers that transfer zones from a hidden primary each, started when first asked for."""

    def __init__(self, folder: Path, require: Callable[[str], None], stack: contextlib.AsyncExitStack) -> None:
        self._folder = folder
        self._require = require
        self._stack = stack
        self._servers: dict[Kind, tuple[NameServer, HiddenPrimary, MemoryVersions, Iterator[int]]] = {}

    async def fresh_zone(self, kind: Kind) -> tuple[NameServer, HiddenPrimary, MemoryVersions, str]:
        """A zone that nobody has used, with the server that transfers it."""
        if kind not in self._servers:
            self._servers[kind] = await self._start(kind)
        server, primary, store, numbers = self._servers[kind]
        number = next(numbers)
        assert number < SECONDARY_POOL, "more zones are asked for than there are: enlarge the pool"
        return server, primary, store, f"z{number}.example."

    async def _start(self, kind: Kind) -> tuple[NameServer, HiddenPrimary, MemoryVersions, Iterator[int]]:
        port, own_port = free_ports(2)
        origins = [f"z{number}.example." for number in range(SECONDARY_POOL)]
        store = MemoryVersions(first_version(origin, ["ns.example."], "hostmaster.example.") for origin in origins)
        secondary = Secondary(address=ServerAddress(host="127.0.0.1", port=port), key=TSIG)
        zones = [PrimaryZone(origin=origin, secondaries=(secondary,)) for origin in origins]
        primary = HiddenPrimary(store, zones, Listening(port=own_port))
        await self._stack.enter_async_context(primary.running())
        hosted = [HostedZone(origin=origin, primary_port=own_port) for origin in origins]
        try:
            server = await start_name_server(kind, self._folder / kind.value, hosted, port=port)
        except ConfigurationError as error:
            self._require(str(error))
            raise
        self._stack.push_async_callback(server.stop)
        return server, primary, store, itertools.count()


@pytest.fixture(scope="session")
async def secondaries(
    tmp_path_factory: pytest.TempPathFactory, require: Callable[[str], None]
) -> AsyncIterator[Secondaries]:
    """Each kind of server, with zones that it transfers from us."""
    async with contextlib.AsyncExitStack() as stack:
        yield Secondaries(tmp_path_factory.mktemp("secondaries"), require, stack)


async def transferred_place(kind: Kind, secondaries: Secondaries) -> Place:
    """A fresh zone of a hidden primary, as a secondary has it."""
    server, primary, store, origin = await secondaries.fresh_zone(kind)

    async def settle() -> int:
        version = await store.load(origin)
        assert version is not None
        await primary.reached(origin, version.serial, timeout_seconds=20)
        return version.serial

    return Place(origin, server.port, lambda: HiddenZone(primary, store, origin), settle)


EVERY_PLACE = [
    *(
        pytest.param(("update", kind), id=f"update-{kind.name.lower()}")
        for kind in (Kind.BIND, Kind.KNOT, Kind.POWERDNS)
    ),
    *(pytest.param(("primary", kind), id=f"primary-{kind.name.lower()}") for kind in (Kind.BIND, Kind.KNOT, Kind.NSD)),
]


@pytest.fixture(params=EVERY_PLACE)
async def place(request: pytest.FixtureRequest, primaries: Primaries, secondaries: Secondaries) -> AsyncIterator[Place]:
    """A fresh zone of each provider on each kind of server."""
    way, kind = request.param
    if way == "primary":
        yield await transferred_place(kind, secondaries)
        return
    async with updated_place(kind, primaries) as found:
        yield found
