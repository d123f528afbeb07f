"""The hidden primary with real secondaries."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone
import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.simulator.certificates import make_authority
from fedsvc.testing.name_servers import HostedZone, Kind, NameServer, start_name_server
from fedsvc.testing.primaries import ORIGIN, TSIG, a, puts, start_version, with_tls
from fedsvc.testing.processes import free_ports
from fedsvc.testing.relay import Relay
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import UnreachableError
from fedsvc_dns.providers.primary import answers, following
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, HiddenZone, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening
from fedsvc_dns.providers.primary.versions import (
    MemoryVersions,
    ZoneVersion,
)
from fedsvc_dns.providers.serials import is_newer

SECONDARIES = pytest.mark.parametrize("kind", [Kind.BIND, Kind.KNOT, Kind.NSD], ids=["bind", "knot", "nsd"])


@dataclass
class Pair:
    """A primary of ours and one secondary of it."""

    primary: HiddenPrimary
    store: MemoryVersions
    server: NameServer

    @property
    def zone(self) -> HiddenZone:
        return HiddenZone(self.primary, self.store, ORIGIN)

    async def answers(self, name: str, expected: set[str]) -> None:
        """Wait until it answers so: while NSD reloads, the process that was may still answer."""
        async with asyncio.timeout(20):
            while (found := await self._asked(name)) != expected:
                await asyncio.sleep(0.01)
        assert found == expected

    async def _asked(self, name: str) -> set[str]:
        query = dns.message.make_query(name, "A")
        answer = await dns.asyncquery.udp(query, "127.0.0.1", port=self.server.port, timeout=5)
        return {rdata.to_text() for rrset in answer.answer for rdata in rrset}


@contextlib.asynccontextmanager
async def pair(
    kind: Kind,
    folder: Path,
    require: Callable[[str], None],
    *,
    version: ZoneVersion | None = None,
    relay: Relay | None = None,
    port: int = 0,
    listening: Listening | None = None,
    ca_file: Path | None = None,
) -> AsyncIterator[Pair]:
    port = port or free_ports(1)[0]
    listening = listening or Listening(port=free_ports(1)[0])
    store = MemoryVersions([version or start_version()])
    address = ServerAddress(host="127.0.0.1", port=relay.port if relay else port, timeout_seconds=2)
    zones = [PrimaryZone(origin=ORIGIN, secondaries=(Secondary(address=address, key=TSIG),))]
    async with HiddenPrimary(store, zones, listening).running() as primary:
        from_port = primary.tls_port if ca_file else primary.port
        try:
            hosted = HostedZone(origin=ORIGIN, primary_port=from_port, ca_file=ca_file)
            server = await start_name_server(kind, folder, [hosted], port=port)
        except ConfigurationError as error:
            require(str(error))
            raise
        found = Pair(primary, store, server)
        try:
            yield found
        finally:
            await found.server.stop()


@SECONDARIES
async def test_secondaries_follow_by_differences_alone_once_they_have_the_zone(
    kind: Kind, tmp_path: Path, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [a(f"n{number}.{ORIGIN}", "10.0.0.1") for number in range(100)]
    async with pair(kind, tmp_path, require, version=start_version(*many)) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)

        def no_whole_zone(version: ZoneVersion, type_: str) -> list[bytes]:
            raise AssertionError(f"{type_} of {version.serial}")

        monkeypatch.setattr(answers, "whole", no_whole_zone)
        for generation in range(2, 7):
            outcome = await found.zone.apply(puts(generation, a(f"n1.{ORIGIN}", f"10.0.1.{generation}")))
            await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)
            await found.answers(f"n1.{ORIGIN}", {f"10.0.1.{generation}"})


@SECONDARIES
async def test_a_secondary_whose_notifications_are_lost_is_notified_until_it_has_the_change(
    kind: Kind, tmp_path: Path, require: Callable[[str], None]
) -> None:
    lost: list[bytes] = []
    lose = False

    async def requests_pass(message: bytes) -> bool:
        if lose and (message[2] >> 3) & 0xF == 4 and len(lost) < 2:
            lost.append(message)
            return False
        return True

    port = free_ports(1)[0]
    relay = Relay(port)
    relay.requests = requests_pass
    async with relay.running(), pair(kind, tmp_path, require, relay=relay, port=port) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)
        lose = True
        outcome = await found.zone.apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        assert len(lost) == 2
        await found.answers(f"web.{ORIGIN}", {"10.0.0.1"})


@SECONDARIES
async def test_serials_go_on_across_the_wrap(kind: Kind, tmp_path: Path, require: Callable[[str], None]) -> None:
    serials = []
    async with pair(kind, tmp_path, require, version=start_version(serial=2**32 - 2)) as found:
        await found.primary.reached(ORIGIN, 2**32 - 2, timeout_seconds=20)
        for generation in range(1, 4):
            outcome = await found.zone.apply(puts(generation, a(f"web.{ORIGIN}", f"10.0.0.{generation}")))
            serials.append(outcome.serial)
            await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)
            await found.answers(f"web.{ORIGIN}", {f"10.0.0.{generation}"})

    assert serials == [2**32 - 1, 1, 2]


@SECONDARIES
async def test_after_a_restore_from_a_backup_secondaries_are_told_to_be_ahead_until_the_serial_is_raised(
    kind: Kind, tmp_path: Path, require: Callable[[str], None]
) -> None:
    async with pair(kind, tmp_path, require) as found:
        backup = await found.store.load(ORIGIN)
        assert backup is not None
        for generation in range(1, 4):
            outcome = await found.zone.apply(puts(generation, a(f"web.{ORIGIN}", f"10.0.0.{generation}")))
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)
        newest = await found.store.load(ORIGIN)
        assert newest is not None
        assert await found.store.save(backup, replacing=newest)
        found.primary.wake(ORIGIN)
        async with asyncio.timeout(20):
            while "newer than 1 here" not in found.primary.standings(ORIGIN)[0].trouble:
                await asyncio.sleep(0.02)

        serial = await found.zone.raise_serial(unix_seconds=0)
        await found.primary.reached(ORIGIN, serial, timeout_seconds=20)

        assert is_newer(serial, outcome.serial)
        await found.answers(f"web.{ORIGIN}", set())  # the backup knows no such name
        assert found.primary.standings(ORIGIN)[0].trouble == ""


@SECONDARIES
async def test_a_secondary_that_was_away_catches_up_through_all_that_it_missed(
    kind: Kind, tmp_path: Path, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LONGEST_WAIT_SECONDS", 0.5)
    async with pair(kind, tmp_path, require) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)
        await found.server.stop()
        for generation in range(1, 6):
            outcome = await found.zone.apply(puts(generation, a(f"n{generation}.{ORIGIN}", "10.0.0.1")))
        with pytest.raises(
            UnreachableError, match=rf"example\.com\. serial {outcome.serial} is not everywhere .* has 1"
        ):
            await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=0.3)
        hosted = [HostedZone(origin=ORIGIN, primary_port=found.primary.port)]
        found.server = await start_name_server(kind, tmp_path, hosted, port=found.server.port)
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        await found.answers(f"n5.{ORIGIN}", {"10.0.0.1"})


async def test_bind_transfers_by_tls_from_a_certificate_that_it_can_check(
    tmp_path: Path, require: Callable[[str], None]
) -> None:
    authority = make_authority("test")
    listening, ca_file = with_tls(authority, tmp_path)
    async with pair(Kind.BIND, tmp_path / "bind", require, listening=listening, ca_file=ca_file) as found:
        outcome = await found.zone.apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        await found.answers(f"web.{ORIGIN}", {"10.0.0.1"})


async def test_a_secondary_that_transfers_from_one_replica_gets_what_another_wrote(
    tmp_path: Path, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.1)
    async with pair(Kind.KNOT, tmp_path, require) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)
        secondary = Secondary(address=ServerAddress(host="127.0.0.1", port=found.server.port), key=TSIG)
        zones = [PrimaryZone(origin=ORIGIN, secondaries=(secondary,))]
        async with HiddenPrimary(found.store, zones, Listening(port=0)).running() as other:
            outcome = await HiddenZone(other, found.store, ORIGIN).apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
            await other.reached(ORIGIN, outcome.serial, timeout_seconds=20)
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        await found.answers(f"web.{ORIGIN}", {"10.0.0.1"})
