"""Name servers for tests: one of each kind for all tests of a process, with a pool of zones that are each used once."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.xfr
import dns.zone
import pytest

from fedsvc.controllers.endpoint_zone import EndpointPlace, EndpointZone
from fedsvc.errors import ConfigurationError
from fedsvc.members.client import MemberClient
from fedsvc.model.cluster import Connection, Credential
from fedsvc.simulator import Options, SimulatedClusterSpec, Simulator, Timing
from fedsvc.testing import clouds, endpoints
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, NameServer, start_name_server
from fedsvc.testing.processes import free_ports
from fedsvc.testing.relay import Relay
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import Provider
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.octodns.forms import told_as
from fedsvc_dns.providers.octodns.zone import OctodnsZone
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, HiddenZone, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening
from fedsvc_dns.providers.primary.versions import MemoryVersions, first_version
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
from fedsvc_dns.providers.wire import canonical
from fedsvc_dns.records import RecordSet

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
        held: Callable[[], Awaitable[Served]] | None = None,
        *,
        told_as: Callable[[RecordSet], RecordSet] = canonical,
        quotes: bool = True,
        lacks: frozenset[str] = frozenset(),
    ) -> None:
        self.origin = origin
        self.port = port
        self.told_as = told_as
        self.takes_quotes = quotes  # in texts
        self.lacks = lacks  # types
        self._settle = settle
        self._held = held  # where nobody answers for it: what it holds by its API
        self.provider = make  # another writer of the same zone, each time; takes what may be different about it

    async def _transferred(self) -> dns.zone.Zone | None:
        zone = dns.zone.Zone(self.origin, relativize=False)
        query, _ = dns.xfr.make_query(zone, keyring={KEY.name: KEY}, keyname=KEY.name)
        try:
            await dns.asyncquery.inbound_xfr("127.0.0.1", zone, query, port=self.port, timeout=10, lifetime=20)
        except ConnectionError:
            return None
        return zone

    async def served(self) -> Served:
        """What the server holds besides SOA, apex NS and marks, read without any of our own code."""
        if self._held is not None:
            return {
                key: one
                for key, one in (await self._held()).items()
                if "_fedsvc-" not in key[0] and (key[0] != self.origin or key[1] not in {"SOA", "NS"})
            }
        serial = await self._settle() if self._settle is not None else None
        async with asyncio.timeout(20):
            # while NSD reloads, the process that was answers some connections or ends them, the one that is to be others
            while (zone := await self._transferred()) is None or serial not in {None, zone.get_soa().serial}:
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
        apart = {name: different.pop(name) for name in ("address", "key", "most_octets") if name in different}
        settings: dict[str, Any] = {"address": ServerAddress(host="127.0.0.1", port=server.port), "key": TSIG} | apart
        claim = Claim(**({"origin": origin, "owner": "test"} | different))
        made.append(Rfc2136Zone(Rfc2136Settings(claim=claim, **settings)))
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


@contextlib.asynccontextmanager
async def bridged_place(kind: Kind | None, primaries: Primaries, aws: Any) -> AsyncIterator[Place]:
    """A fresh zone that a provider of octoDNS keeps: on a server of a kind, or on Route 53."""
    if kind is None:
        client = aws()
        origin = f"z{len(client.list_hosted_zones()['HostedZones'])}.example."
        client.create_hosted_zone(Name=origin, CallerReference=origin)
        account, port, held = clouds.ROUTE53, 0, partial(asyncio.to_thread, clouds.hosted_sets, client, origin)
        lacks = frozenset({"HTTPS"})
    else:
        server, origin = await primaries.fresh_zone(kind)
        account = clouds.bind_account(server) if kind is Kind.BIND else clouds.powerdns_account(server)
        port, held, lacks = server.port, None, frozenset()

    def make(**different: Any) -> OctodnsZone:
        return OctodnsZone(Claim(**({"origin": origin, "owner": "test"} | different)), account, ask=clouds.ask_thread)

    yield Place(origin, port, make, held=held, told_as=told_as, quotes=kind is Kind.BIND, lacks=lacks)


@pytest.fixture(scope="session")
def aws(require: Callable[[str], None]) -> Iterator[Callable[[], Any]]:
    """An emulated Route 53, when first asked for."""
    with contextlib.ExitStack() as stack:
        clients: list[Any] = []

        def client() -> Any:
            if not clients:
                try:
                    clients.append(stack.enter_context(clouds.route53()))
                except ConfigurationError as error:
                    require(str(error))
                    raise
            return clients[0]

        yield client


@pytest.fixture(
    params=[
        *(pytest.param(("update", kind), id=kind.name.lower()) for kind in (Kind.BIND, Kind.KNOT, Kind.POWERDNS)),
        pytest.param(("octodns", Kind.BIND), id="octodns"),
    ]
)
async def kept(request: pytest.FixtureRequest, primaries: Primaries, aws: Any) -> AsyncIterator[Place]:
    """A fresh zone that others may write to as well, by each provider that writes to servers of others."""
    way, kind = request.param
    async with updated_place(kind, primaries) if way == "update" else bridged_place(kind, primaries, aws) as found:
        yield found


class Namespaces:
    """A simulated cluster that serves ExternalDNS' objects, with a pool of namespaces."""

    def __init__(self, client: MemberClient) -> None:
        self.client = client
        self._numbers = itertools.count()

    async def fresh(self) -> str:
        """A namespace that nobody has used."""
        name = f"n{next(self._numbers)}"
        await endpoints.make_namespace(self.client, name)
        return name


@pytest.fixture(scope="session")
async def namespaces() -> AsyncIterator[Namespaces]:
    """A simulated cluster with namespaces."""
    async with Simulator([SimulatedClusterSpec(name="dns")], options=Options(timing=Timing())) as simulator:
        credential = Credential(token=simulator.cluster("dns").admin_token)
        connection = Connection(endpoint=simulator.server_of("dns"), credential=credential)
        async with MemberClient(connection, name="dns") as client:
            await endpoints.define(client)
            yield Namespaces(client)


async def objects_place(namespaces: Namespaces) -> Place:
    """A zone as objects in a namespace of its own."""
    namespace = await namespaces.fresh()
    origin, client = f"{namespace}.example.", namespaces.client

    async def get_client() -> MemberClient:
        return client

    def make(**different: Any) -> EndpointZone:
        claim = Claim(**({"origin": origin, "owner": "test"} | different))
        return EndpointZone(claim, EndpointPlace(client=get_client, cluster="dns", namespace=namespace, labels={}))

    held = partial(endpoints.sets_in, client, namespace)
    return Place(origin, 0, make, held=held, told_as=told_as, quotes=False, lacks=frozenset({"HTTPS"}))


ANSWERED_PLACES = [
    *(
        pytest.param(("update", kind), id=f"update-{kind.name.lower()}")
        for kind in (Kind.BIND, Kind.KNOT, Kind.POWERDNS)
    ),
    *(pytest.param(("primary", kind), id=f"primary-{kind.name.lower()}") for kind in (Kind.BIND, Kind.KNOT, Kind.NSD)),
    *(pytest.param(("octodns", kind), id=f"octodns-{kind.name.lower()}") for kind in (Kind.BIND, Kind.POWERDNS)),
]


@contextlib.asynccontextmanager
async def any_place(
    request: pytest.FixtureRequest, primaries: Primaries, secondaries: Secondaries, aws: Any
) -> AsyncIterator[Place]:
    """A fresh zone of the provider and server that a test is run for."""
    way, kind = request.param
    if way == "primary":
        yield await transferred_place(kind, secondaries)
        return
    made = updated_place(kind, primaries) if way == "update" else bridged_place(kind, primaries, aws)
    async with made as found:
        yield found


HELD_PLACES = [
    pytest.param(("octodns", None), id="octodns-route53"),
    pytest.param(("objects", None), id="objects"),
]


@pytest.fixture(params=[*ANSWERED_PLACES, *HELD_PLACES])
async def place(
    request: pytest.FixtureRequest,
    primaries: Primaries,
    secondaries: Secondaries,
    aws: Any,
    namespaces: Namespaces,
) -> AsyncIterator[Place]:
    """A fresh zone of each provider on each kind of server."""
    if request.param[0] == "objects":
        yield await objects_place(namespaces)
        return
    async with any_place(request, primaries, secondaries, aws) as found:
        yield found


@pytest.fixture(params=ANSWERED_PLACES)
async def answered(
    request: pytest.FixtureRequest, primaries: Primaries, secondaries: Secondaries, aws: Any
) -> AsyncIterator[Place]:
    """As `place`, where somebody answers for the zone."""
    async with any_place(request, primaries, secondaries, aws) as found:
        yield found
