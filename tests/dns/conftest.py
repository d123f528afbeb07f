"""Name servers for tests: one of each kind for all tests of a process, with a pool of zones that are each used once."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import HostedZone, Kind, NameServer, start_name_server

POOL = 60


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
