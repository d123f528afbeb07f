"""Zones on name servers of others: what was planned gets there, and only what was written from here is ever changed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.tsig
import dns.update
import pytest
from prometheus_client import REGISTRY

from fedsvc.controllers.hub import Hub
from fedsvc.controllers.publishing import PublishingController
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.transferring import Transferring
from fedsvc.errors import ConfigurationError
from fedsvc.members.registry import Members
from fedsvc.model.unit import UnitSpec
from fedsvc.model.zone import NameServer, Zone, ZoneReport, ZoneSpec, ZoneState
from fedsvc.model.zone_provider import (
    DnsEndpoints,
    Endpoint,
    HiddenPrimary,
    Octodns,
    Provider,
    Publication,
    Rfc2136,
    Secondary,
    ZoneKey,
)
from fedsvc.naming.gathering import authority_of
from fedsvc.naming.planning import next_serial, step_to
from fedsvc.simulator.certificates import make_authority
from fedsvc.store import policies, publications, zone_keys, zones
from fedsvc.store.journal import StoredVersions
from fedsvc.store.policies import ZONE
from fedsvc.store.store import Store
from fedsvc.store.zones import HeldZone, ZoneWrite
from fedsvc.testing import clouds, endpoints
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, start_name_server
from fedsvc.testing.name_servers import NameServer as Server
from fedsvc.testing.primaries import with_tls
from fedsvc.testing.processes import free_ports
from fedsvc_dns.planner.changes import Change, Replacement, StaleChangeError
from fedsvc_dns.planner.changes import Published as ChangedOn
from fedsvc_dns.planner.zone import DnsSettings
from fedsvc_dns.providers.contract import Mode
from fedsvc_dns.providers.judging import Ownership
from fedsvc_dns.providers.primary.hidden import HiddenPrimary as HiddenServing
from fedsvc_dns.providers.primary.serving import Listening
from fedsvc_dns.providers.serials import is_newer
from fedsvc_dns.records import RecordSet
from fedsvc_dns.server.zone_data import ZoneData, to_json
from fedsvc_placement import Placement

SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="
KEY_NAME = "fedsvc-test"
BUSY = "$ORIGIN busy.example.\n@ 60 IN SOA ns.invalid. h.invalid. 1 3600 600 86400 15\n@ 60 IN NS ns.invalid.\nmail 300 IN A 192.0.2.9\nweb 30 IN A 192.0.2.1\n"


def a(name: str, *values: str, ttl_seconds: int = 30) -> RecordSet:
    return RecordSet(name=name, type="A", ttl_seconds=ttl_seconds, values=tuple(sorted(values)))


class Published:
    """One zone, planned by hand, and kept by the real controller."""

    def __init__(self, store: Store, name: str, origin: str) -> None:
        self.store = store
        self.name = name
        self.origin = origin
        self.serial = 1_000
        self._sets: dict[tuple[str, str], RecordSet] = {}

    async def apply(self, provider: Provider, *, secret: str = SECRET, **spec: Any) -> Zone:
        """Store the intent."""
        sealed = zone_keys.sealed(self.store.sealer, self.name, provider, {KEY_NAME: secret}, before=None)
        servers = (NameServer(host=f"ns.{self.origin}", addresses=("192.0.2.53",)),)
        wanted = ZoneSpec(domain=self.origin, provider=sealed, name_servers=servers, **spec)
        async with self.store.transaction() as tx:
            zone, _ = await policies.apply(tx, ZONE, name=self.name, labels={}, spec=wanted)
        return zone

    async def plan(self, *sets: RecordSet, serial: int | None = None) -> None:
        """Store what the zone shall hold, as the planner does."""
        wanted = {one.key: one for one in sets}
        async with self.store.transaction() as tx:
            zone = await policies.get(tx, ZONE, self.name)
            held = (await zones.held(tx)).get(self.name)
            keys = sorted(wanted.keys() | self._sets.keys())
            replacements = tuple(Replacement(before=self._sets.get(key), after=wanted.get(key)) for key in keys)
            before = 0 if held is None else held.published.generation
            self.serial = serial or self.serial + 1
            data = ZoneData(origin=self.origin, record_sets=(*authority_of(zone.spec, self.serial), *wanted.values()))
            served = to_json([data])
            done = ZoneWrite(
                zone=zone,
                is_new=held is None,
                change=Change(
                    expects=before, replacements=tuple(one for one in replacements if one.before != one.after)
                ),
                serial=self.serial,
                served=served,
                report=ZoneReport(),
                removals=(),
                is_renumbered=True,
                step=step_to(zone, held, served, self.serial),
            )
            await zones.write(tx, done)
        self._sets = wanted

    async def state(self) -> ZoneState:
        async with self.store.reader() as tx:
            return (await zones.states(tx, [self.name]))[self.name]

    async def stands(self, **wanted: Any) -> Publication:
        """How it stands, once it stands so; a callable says of a value whether it is right."""
        found = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(15):
                while True:
                    found = (await self.state()).publication
                    if found is not None and all(_is(getattr(found, key), one) for key, one in wanted.items()):
                        return found
                    await asyncio.sleep(0.02)
        pytest.fail(f"it does not stand as {wanted}: {found}")

    async def stands_current(self) -> Publication:
        return await self.stands(serial=self.serial, trouble="", refused_count=0)


def _is(found: Any, wanted: Any) -> bool:
    return bool(wanted(found)) if callable(wanted) else found == wanted


async def ask(server: Server, name: str) -> set[str]:
    answer = await dns.asyncquery.tcp(dns.message.make_query(name, "A"), "127.0.0.1", port=server.port, timeout=5)
    return {str(record) for found in answer.answer for record in found}


async def change_by_hand(server: Server, origin: str, name: str, *values: str) -> None:
    """What somebody else does with the zone."""
    update = dns.update.UpdateMessage(origin, keyring={KEY.name: KEY}, keyname=KEY.name)
    update.delete(name, "A")
    for value in values:
        update.add(name, 30, "A", value)
    answer = await dns.asyncquery.tcp(update, "127.0.0.1", port=server.port, timeout=5)
    assert answer.rcode() == 0, answer


@pytest.fixture
async def keeping(store: Store) -> AsyncIterator[PublishingController]:
    """The controller, running."""
    async with kept_by(store, ControllerSettings()) as made:
        yield made


@contextlib.asynccontextmanager
async def kept_by(
    store: Store, settings: ControllerSettings, members: Members | None = None
) -> AsyncIterator[PublishingController]:
    hub = Hub(store, rescan_seconds=30)
    made = PublishingController(store, settings=settings, members=members or Members())
    made.listen(hub)
    tasks = [asyncio.create_task(hub.run(), name="hub"), asyncio.create_task(made.run(), name="publishing")]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
async def bind(tmp_path_factory: pytest.TempPathFactory, require: Any) -> AsyncIterator[Server]:
    """A BIND with zones that take updates; "busy" has records of somebody."""
    hosted = [
        HostedZone(origin=f"{name}.example.") for name in ("one", "two", "three", "four", "world", "cloud", "objects")
    ]
    hosted.append(HostedZone(origin="busy.example.", records=BUSY))
    try:
        server = await start_name_server(Kind.BIND, tmp_path_factory.mktemp("bind"), hosted)
    except ConfigurationError as error:
        require(str(error))
        raise
    yield server
    await server.stop()


def updates(server: Server, **different: Any) -> Rfc2136:
    return Rfc2136(server=Endpoint(host="127.0.0.1", port=server.port), key=ZoneKey(name=KEY_NAME), **different)


async def test_what_is_planned_gets_to_the_server_and_what_others_change_is_put_right(
    store: Store, keeping: PublishingController, bind: Server
) -> None:
    zone = Published(store, "one", "one.example.")
    await zone.apply(updates(bind))
    await zone.plan(a("web.one.example.", "192.0.2.1"), a("api.one.example.", "192.0.2.2"))
    stands = await zone.stands_current()
    assert stands.publish_time is not None
    assert [one.is_current for one in stands.servers] == [True]
    assert await ask(bind, "web.one.example.") == {"192.0.2.1"}

    await change_by_hand(bind, "one.example.", "web.one.example.", "203.0.113.1")
    await change_by_hand(bind, "one.example.", "theirs.one.example.", "203.0.113.2")
    await zone.plan(a("web.one.example.", "192.0.2.1", "192.0.2.3"))
    stands = await zone.stands_current()
    assert stands.drifted == ("web.one.example. A",)
    assert stands.stranger_count == 1
    assert await ask(bind, "web.one.example.") == {"192.0.2.1", "192.0.2.3"}
    assert await ask(bind, "api.one.example.") == set()
    assert await ask(bind, "theirs.one.example.") == {"203.0.113.2"}
    del keeping


async def test_a_leader_that_comes_later_goes_on_and_deletes_what_the_one_before_wrote(
    store: Store, bind: Server
) -> None:
    zone = Published(store, "two", "two.example.")
    await zone.apply(updates(bind))
    for sets in (
        [a("web.two.example.", "192.0.2.1"), a("old.two.example.", "192.0.2.2")],
        [a("web.two.example.", "192.0.2.4")],
    ):
        hub = Hub(store, rescan_seconds=30)
        leader = PublishingController(store, settings=ControllerSettings(), members=Members())
        leader.listen(hub)
        await zone.plan(*sets)
        task = asyncio.create_task(leader.run(), name="leader")
        await zone.stands_current()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await ask(bind, "web.two.example.") == {"192.0.2.4"}
    assert await ask(bind, "old.two.example.") == set()


async def test_a_zone_that_holds_something_is_first_looked_at_then_adopted(
    store: Store, keeping: PublishingController, bind: Server
) -> None:
    zone = Published(store, "busy", "busy.example.")
    provider = updates(bind, mode=Mode.READ_ONLY)
    await zone.apply(provider)
    await zone.plan(a("web.busy.example.", "192.0.2.1"), a("new.busy.example.", "192.0.2.2"))
    stands = await zone.stands(waiting_count=2)
    assert (stands.serial, stands.stranger_count) == (0, 1)
    assert await ask(bind, "new.busy.example.") == set()

    await zone.apply(replace(provider, mode=Mode.WRITE))
    await zone.stands(trouble=lambda told: "nobody's and not empty" in told and "adopt" in told)
    async with store.reader() as tx:
        uid = (await policies.get(tx, ZONE, "busy")).uid
        assert await publications.noted(tx, uid) == set()  # or what is somebody's would be deleted one day
    await zone.apply(replace(provider, mode=Mode.ADOPT))
    await zone.stands_current()
    assert await ask(bind, "new.busy.example.") == {"192.0.2.2"}
    await zone.plan(a("new.busy.example.", "192.0.2.2"))
    await zone.stands_current()
    assert await ask(bind, "web.busy.example.") == set()
    assert await ask(bind, "mail.busy.example.") == {"192.0.2.9"}
    del keeping


async def test_a_frozen_zone_is_not_written_and_tells_what_waits(
    store: Store, keeping: PublishingController, bind: Server
) -> None:
    zone = Published(store, "three", "three.example.")
    await zone.apply(updates(bind))
    await zone.plan(a("web.three.example.", "192.0.2.1"))
    await zone.stands_current()
    await zone.apply(updates(bind), frozen=True)
    await zone.plan(a("web.three.example.", "192.0.2.9"))
    await zone.stands(waiting_count=1)
    assert await ask(bind, "web.three.example.") == {"192.0.2.1"}
    await zone.apply(updates(bind))
    assert (await zone.stands_current()).waiting_count == 0
    assert await ask(bind, "web.three.example.") == {"192.0.2.9"}
    del keeping


async def test_names_that_are_refused_are_told_and_the_rest_is_written(
    store: Store, keeping: PublishingController, bind: Server
) -> None:
    zone = Published(store, "four", "four.example.")
    await change_by_hand(bind, "four.example.", "taken.four.example.", "203.0.113.2")
    await zone.apply(updates(bind, ownership=Ownership.RECORDS))
    await zone.plan(a("taken.four.example.", "192.0.2.1"), a("web.four.example.", "192.0.2.1"))
    stands = await zone.stands(refused_count=1, serial=zone.serial)
    assert stands.refused[0].startswith("FOREIGN: taken.four.example. A is there and nobody's mark is on it")
    assert await ask(bind, "taken.four.example.") == {"203.0.113.2"}
    assert await ask(bind, "web.four.example.") == {"192.0.2.1"}
    del keeping


async def test_a_wrong_key_and_a_server_that_is_away_are_told_and_mended_by_a_new_intent(
    store: Store, keeping: PublishingController, bind: Server
) -> None:
    zone = Published(store, "two", "two.example.")
    (nobody,) = free_ports(1)
    await zone.apply(replace(updates(bind), server=Endpoint(host="127.0.0.1", port=nobody)))
    await zone.plan(a("back.two.example.", "192.0.2.1"))
    await zone.stands(trouble=lambda told: str(nobody) in told)
    assert REGISTRY.get_sample_value("fedsvc_dns_zone_trouble", {"zone": "two"}) == 1
    await zone.apply(updates(bind), secret="d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3I=")
    stands = await zone.stands(trouble=lambda told: "BADSIG" in told)
    assert not stands.servers[0].is_current
    await zone.apply(updates(bind, mode=Mode.ADOPT, take_over=await owners(bind, "two.example.")))
    await zone.stands_current()
    assert await ask(bind, "back.two.example.") == {"192.0.2.1"}
    assert REGISTRY.get_sample_value("fedsvc_dns_zone_trouble", {"zone": "two"}) == 0
    del keeping


async def test_a_zone_of_an_account_is_written_by_its_provider_and_told_when_name_servers_have_it(
    store: Store, bind: Server
) -> None:
    zone = Published(store, "cloud", "cloud.example.")
    here = Endpoint(host="127.0.0.1", port=bind.port)
    await zone.apply(Octodns(account="elsewhere", authorities=(here,)))
    await zone.plan(a("web.cloud.example.", "192.0.2.1"), a("api.cloud.example.", "192.0.2.2"))
    async with kept_by(store, ControllerSettings(octodns_accounts={"b": clouds.bind_account(bind)})):
        await zone.stands(trouble="the server that leads has no account 'elsewhere' of octoDNS; it has: b")
        await zone.apply(Octodns(account="b", authorities=(here,)))
        stands = await zone.stands_current()
        assert [(one.server, one.serial, one.is_current) for one in stands.servers] == [(here, zone.serial, True)]
        assert await ask(bind, "web.cloud.example.") == {"192.0.2.1"}
        await change_by_hand(bind, "cloud.example.", "theirs.cloud.example.", "203.0.113.2")
        await zone.plan(a("web.cloud.example.", "192.0.2.3"))
        stands = await zone.stands_current()
    assert stands.stranger_count == 1
    assert await ask(bind, "web.cloud.example.") == {"192.0.2.3"}
    assert await ask(bind, "api.cloud.example.") == set()
    assert await ask(bind, "theirs.cloud.example.") == {"203.0.113.2"}


async def test_a_zone_is_kept_as_objects_in_a_cluster_and_told_when_name_servers_answer_so(
    quiet_world: Any, bind: Server
) -> None:
    store, client = quiet_world.store, quiet_world.client("a")
    zone = Published(store, "objects", "objects.example.")
    here = Endpoint(host="127.0.0.1", port=bind.port)
    await zone.apply(DnsEndpoints(cluster="a", namespace="dns", authorities=(here,)))
    await zone.plan(a("web.objects.example.", "192.0.2.1"), a("api.objects.example.", "192.0.2.2"))
    async with Members() as members, kept_by(store, ControllerSettings(), members):
        await zone.stands(trouble="there is no cluster a")
        await quiet_world.register("a")
        await endpoints.define(client)
        await endpoints.make_namespace(client, "dns")
        stands = await zone.stands_current()
        assert not stands.servers[0].is_current
        wanted = {(f"{name}.objects.example.", "A"): (30, frozenset({value})) for name, value in VALUES.items()}
        assert await endpoints.sets_in(client, "dns") == wanted
        for name, value in VALUES.items():  # as ExternalDNS does
            await change_by_hand(bind, "objects.example.", f"{name}.objects.example.", value)
        await zone.stands(servers=lambda servers: servers[0].is_current and servers[0].serial == zone.serial)
        await zone.plan(a("web.objects.example.", "192.0.2.1"))
        await zone.stands_current()
    assert set(await endpoints.sets_in(client, "dns")) == {("web.objects.example.", "A")}


VALUES = {"web": "192.0.2.1", "api": "192.0.2.2"}


async def test_of_two_plans_on_one_generation_of_a_zone_the_second_is_not_stored(store: Store) -> None:
    late = Published(store, "raced", "raced.example.")
    await late.apply(HiddenPrimary(secondaries=()))
    await late.plan(a("web.raced.example.", "192.0.2.1"))
    async with store.reader() as tx:
        zone, held = await policies.get(tx, ZONE, "raced"), (await zones.held(tx))["raced"]
    newer, older = (a("web.raced.example.", f"192.0.2.{number}") for number in (2, 3))
    before = a("web.raced.example.", "192.0.2.1")

    def made(after: RecordSet, serial: int) -> ZoneWrite:
        change = Change(expects=held.published.generation, replacements=(Replacement(before=before, after=after),))
        return ZoneWrite(
            zone=zone,
            is_new=False,
            change=change,
            serial=serial,
            served=b"[]",
            report=ZoneReport(),
            removals=(),
            is_renumbered=True,
        )

    async with store.transaction() as tx:
        await zones.write(tx, made(newer, 2_000))
    with pytest.raises(StaleChangeError, match="raced is at another generation"):
        async with store.transaction() as tx:
            await zones.write(tx, made(older, 3_000))
    async with store.reader() as tx:
        now = (await zones.held(tx))["raced"]
    assert (now.serial, list(now.published.sets.values())) == (2_000, [newer])


async def owners(server: Server, origin: str) -> tuple[str, ...]:
    """Whose mark the zone has."""
    query = dns.message.make_query(f"_fedsvc-zone.{origin}", "TXT")
    answer = await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=5)
    values = [str(record) for found in answer.answer for record in found]
    return tuple(value.partition("owner=")[2].partition(",")[0] for value in values)


@contextlib.asynccontextmanager
async def primary(store: Store, port: int, **tls: Any) -> AsyncIterator[HiddenServing]:
    """A replica that secondaries transfer from."""
    made = Transferring(store)
    async with contextlib.AsyncExitStack() as stack:
        serving = await made.start(stack, Listening(host="127.0.0.1", port=port, **tls))
        task = asyncio.create_task(made.run(), name="transfers")
        yield serving
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("kind", [Kind.BIND, Kind.KNOT, Kind.NSD], ids=["bind", "knot", "nsd"])
async def test_secondaries_follow_what_is_planned_from_any_replica_and_after_a_restore(
    store: Store, keeping: PublishingController, kind: Kind, tmp_path: Path, require: Any
) -> None:
    own_port, port = free_ports(2)
    origin = "hidden.example."
    zone = Published(store, "hidden", origin)
    secondary = Secondary(server=Endpoint(host="127.0.0.1", port=port), key=ZoneKey(name=KEY_NAME))
    await zone.apply(HiddenPrimary(secondaries=(secondary,)))
    await zone.plan(a("web.hidden.example.", "192.0.2.1"))
    try:
        server = await start_name_server(
            kind, tmp_path / kind, [HostedZone(origin=origin, primary_port=own_port)], port=port
        )
    except ConfigurationError as error:
        require(str(error))
        raise
    try:
        async with primary(store, own_port):
            await zone.stands_current()
            assert await ask(server, "web.hidden.example.") == {"192.0.2.1"}
            assert await ask(server, "ns.hidden.example.") == {"192.0.2.53"}
        async with primary(store, own_port):  # another one, which has to read all of it
            await zone.plan(a("web.hidden.example.", "192.0.2.2"), a("api.hidden.example.", "192.0.2.3"))
            await zone.stands_current()
            assert await ask(server, "web.hidden.example.") == {"192.0.2.2"}
            ahead = zone.serial
            await zone.plan(a("web.hidden.example.", "192.0.2.2"), serial=ahead - 1)  # as from a backup
            stands = await zone.stands(trouble=lambda told: "newer than" in told)
            assert not stands.servers[0].is_current
            async with store.reader() as tx:
                held = (await zones.held(tx))["hidden"]
            assert held.seen_serial == ahead
            assert is_newer(held.seen_serial, held.serial)
    finally:
        await server.stop()
    del keeping


async def test_a_secondary_transfers_by_tls(
    store: Store, keeping: PublishingController, tmp_path: Path, require: Any
) -> None:
    (port,) = free_ports(1)
    zone = Published(store, "hidden", "hidden.example.")
    secondary = Secondary(server=Endpoint(host="127.0.0.1", port=port), key=ZoneKey(name=KEY_NAME))
    await zone.apply(HiddenPrimary(secondaries=(secondary,)))
    await zone.plan(a("web.hidden.example.", "192.0.2.1"))
    listening, ca_file = with_tls(make_authority("secondaries"), tmp_path)
    async with primary(store, 0, tls=listening.tls, tls_port=0) as serving:
        hosted = HostedZone(origin=zone.origin, primary_port=serving.tls_port, ca_file=ca_file)
        try:
            server = await start_name_server(Kind.BIND, tmp_path / "bind", [hosted], port=port)
        except ConfigurationError as error:
            require(str(error))
            raise
        try:
            await zone.stands_current()
            assert await ask(server, "web.hidden.example.") == {"192.0.2.1"}
        finally:
            await server.stop()
    del keeping


def values_of(sets: Iterable[RecordSet]) -> set[str]:
    return {value for one in sets for value in one.values}


async def test_the_journal_tells_steps_and_ends_where_the_soa_says_more_than_a_serial(store: Store) -> None:
    zone = Published(store, "hidden", "hidden.example.")
    server = Endpoint(host="127.0.0.1", port=5300)
    provider = HiddenPrimary(secondaries=(Secondary(server=server, key=ZoneKey(name=KEY_NAME)),))
    made = await zone.apply(provider)
    versions = StoredVersions(store)
    versions.follow({zone.origin: made.uid})
    assert await versions.load(zone.origin) is None
    await zone.plan(a("web.hidden.example.", "192.0.2.1"))
    await zone.plan(a("web.hidden.example.", "192.0.2.1", "192.0.2.2"))
    await zone.plan(a("api.hidden.example.", "192.0.2.3"))
    version = await versions.load(zone.origin)
    assert version is not None
    assert version.serial == zone.serial
    assert [(one.before, one.after) for one in version.journal] == [(1001, 1002), (1002, 1003)]
    assert values_of(version.journal[0].added) == {"192.0.2.2"}
    assert values_of(version.journal[1].removed) == {"192.0.2.1", "192.0.2.2"}

    await zone.apply(provider, ttl_seconds=7)  # what resolvers may keep of what is not there
    await zone.plan(a("api.hidden.example.", "192.0.2.3"))
    version = await versions.load(zone.origin)
    assert version is not None
    assert version.journal == ()
    assert version.authority.negative_seconds == 7


@pytest.mark.parametrize(
    ("held", "seen", "now", "wanted"),
    [
        (1_000, 0, 2_000, 2_000),
        (3_000, 0, 2_000, 3_001),
        (1_000, 5_000, 2_000, 5_001),
        (1_000, 1_500, 2_000, 2_000),
        (2**32 - 1, 0, 2_000, 1),
    ],
    ids=["time", "one more", "above a secondary", "time above a secondary", "wraps without 0"],
)
def test_a_new_serial_is_newer_than_all_that_name_servers_have(held: int, seen: int, now: int, wanted: int) -> None:
    zone = HeldZone(
        published=ChangedOn(generation=1, sets={}),
        serial=held,
        served=b"[]",
        report=ZoneReport(),
        approved="",
        removals=(),
        seen_serial=seen,
    )
    assert next_serial(zone, datetime.fromtimestamp(now, tz=UTC)) == wanted


async def test_a_unit_is_found_by_the_names_that_it_has_on_a_server_of_others(world: Any, bind: Server) -> None:
    zone = Published(world.store, "main", "world.example.")
    await zone.apply(updates(bind))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
    }
    placement = Placement(clusters=("a", "b"))
    dns_settings = DnsSettings(zone="main", hosts=("shop.world.example",))
    await world.apply("web", service, spec=UnitSpec(placement=placement, dns=dns_settings))

    async def answers() -> bool:
        return len(await ask(bind, "shop.world.example.")) == 2

    await world.until(answers)
    assert len(await ask(bind, "web.shop.main.svc.region-a.world.example.")) == 1
    await world.apply("web", service, spec=UnitSpec(placement=Placement(clusters=("b",)), dns=dns_settings))

    async def answers_less() -> bool:
        return len(await ask(bind, "shop.world.example.")) == 1

    await world.until(answers_less)
