"""Name servers for tests: one of each kind for all tests of a process, with a pool of zones that are each used once."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.xfr
import dns.zone
import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, NameServer, start_name_server
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import Provider
from fedsvc_dns.providers.keys import TsigKey
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

    def __init__(self, origin: str, port: int, make: Callable[..., Provider]) -> None:
        self.origin = origin
        self.port = port
        self.provider = make  # another writer of the same zone, each time; takes what may be different about it

    async def served(self) -> Served:
        """What the server holds besides SOA, apex NS and marks, read without any of our own code."""
        zone = dns.zone.Zone(self.origin, relativize=False)
        query, _ = dns.xfr.make_query(zone, keyring={KEY.name: KEY}, keyname=KEY.name)
        await dns.asyncquery.inbound_xfr("127.0.0.1", zone, query, port=self.port, timeout=10, lifetime=20)
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


@pytest.fixture
async def updated(updated_kind: Kind, primaries: Primaries) -> AsyncIterator[Place]:
    """A fresh zone on each server that takes updates."""
    server, origin = await primaries.fresh_zone(updated_kind)
    made: list[Rfc2136Zone] = []

    def make(**different: Any) -> Rfc2136Zone:
        settings: dict[str, Any] = {"origin": origin, "key": TSIG, "owner": "test"} | different
        settings.setdefault("address", ServerAddress(host="127.0.0.1", port=server.port))
        made.append(Rfc2136Zone(Rfc2136Settings(**settings)))
        return made[-1]

    yield Place(origin, server.port, make)
    for provider in made:
        await provider.close()
