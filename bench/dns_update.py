"""How many record sets a second get to a name server: by dynamic update, and by transfer from the hidden primary.

./dev bench dns_update --names 10000 --batch-octets 48000

One BIND holds `--names` names with two addresses each; then each gets other addresses, and what is timed ends when the
change set is applied and read back (update), or when BIND says that it has the serial (transfer). The ceiling of the
same run is BIND by itself: the same updates, rendered and signed before the clock starts, one after the other.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import dns.rcode

from fedsvc.testing.name_servers import HostedZone, Kind, NameServer, start_name_server
from fedsvc.testing.processes import free_ports
from fedsvc_dns.providers import asking, updates
from fedsvc_dns.providers.batching import batches
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection
from fedsvc_dns.providers.contract import ChangeSet, Fence
from fedsvc_dns.providers.judging import NameChange
from fedsvc_dns.providers.keys import Signer, TsigKey
from fedsvc_dns.providers.marks import zone_mark
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, HiddenZone, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening
from fedsvc_dns.providers.primary.versions import MemoryVersions, first_version
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
from fedsvc_dns.records import RecordSet, record_set

KEY = TsigKey(name="fedsvc-test.", secret="c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM=")  # noqa: S106 - made up
UPDATED, CEILING, TRANSFERRED = "updated.example.", "ceiling.example.", "transferred.example."
ROUNDS = 3


def wanted(origin: str, names: int, round_: int) -> tuple[RecordSet, ...]:
    addresses = [f"10.{round_}.0.1", f"10.{round_}.0.2"]
    return tuple(record_set(f"n{number}.{origin}", "A", addresses, ttl_seconds=30) for number in range(names))


def address_of(server: NameServer) -> ServerAddress:
    return ServerAddress(host="127.0.0.1", port=server.port, timeout_seconds=60)


async def by_update(server: NameServer, names: int, batch_octets: int) -> list[float]:
    """Seconds of each round but the first, which loads the zone."""
    claim = Claim(origin=UPDATED, owner="bench")
    settings = Rfc2136Settings(claim=claim, address=address_of(server), key=KEY, most_octets=batch_octets)
    zone, seconds = Rfc2136Zone(settings), []
    for round_ in range(ROUNDS + 1):
        changes = ChangeSet(fence=Fence(epoch=1, generation=round_ + 1), puts=wanted(UPDATED, names, round_))
        start = time.perf_counter()
        outcome = await zone.apply(changes)
        seconds.append(time.perf_counter() - start)
        assert (len(outcome.written), outcome.refused) == (names, ())
    await zone.close()
    return seconds[1:]


async def by_transfer(primary: HiddenPrimary, store: MemoryVersions, names: int) -> list[float]:
    """Seconds of each round but the first, which loads the zone."""
    zone, seconds = HiddenZone(primary, store, TRANSFERRED), []
    await primary.reached(TRANSFERRED, 1, timeout_seconds=60)
    for round_ in range(ROUNDS + 1):
        # twice as many names as change: a difference of more than half of a zone is sent as the zone
        changed = wanted(TRANSFERRED, names if round_ else 4 * names, round_)
        start = time.perf_counter()
        outcome = await zone.apply(ChangeSet(fence=Fence(epoch=1, generation=round_ + 1), puts=changed))
        await primary.reached(TRANSFERRED, outcome.serial, timeout_seconds=60)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


async def ceiling(server: NameServer, names: int, batch_octets: int) -> list[float]:
    """Seconds that BIND needs by itself."""
    connection, seconds, value = ServerConnection(address_of(server)), [], 0
    for round_ in range(ROUNDS + 1):
        items = [
            updates.item(NameChange(name=one.name, deletes=(), puts=(one,)), CEILING)
            for one in wanted(CEILING, names, round_)
        ]
        messages: list[bytes] = []
        for batch in batches(items, lambda item: len(item.octets), limit_octets=batch_octets):
            expected, value = (f'"{value}"' if value else None), value + 1
            required = updates.Prerequisite(name=zone_mark(CEILING), expected=expected, written=f'"{value}"')
            messages.append(Signer(KEY.dns_key()).sign(updates.message(CEILING, required, batch)))
        start = time.perf_counter()
        for message in messages:
            assert asking.code_of(await connection.ask(message)) == dns.rcode.NOERROR
        seconds.append(time.perf_counter() - start)
    await connection.close()
    return seconds[1:]


async def measure(names: int, batch_octets: int) -> None:
    primary_port, port = free_ports(2)
    store = MemoryVersions([first_version(TRANSFERRED, ["ns.example."], "hostmaster.example.")])
    secondary = Secondary(address=ServerAddress(host="127.0.0.1", port=port), key=KEY)
    zones = [PrimaryZone(origin=TRANSFERRED, secondaries=(secondary,))]
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        async with HiddenPrimary(store, zones, Listening(port=primary_port)).running() as primary:
            hosted = [
                HostedZone(origin=UPDATED),
                HostedZone(origin=CEILING),
                HostedZone(origin=TRANSFERRED, primary_port=primary_port),
            ]
            server = await start_name_server(Kind.BIND, Path(folder), hosted, port=port)
            try:
                bare = await ceiling(server, names, batch_octets)
                updated = await by_update(server, names, batch_octets)
                transferred = await by_transfer(primary, store, names)
            finally:
                await server.stop()
    print(f"dns_update: {names} record sets of two addresses each on BIND, best of {ROUNDS}")
    for label, seconds in (("ceiling, bare updates", bare), ("update", updated), ("transfer", transferred)):
        report(label, names, seconds, bare)


def report(label: str, names: int, seconds: Sequence[float], bare: Sequence[float]) -> None:
    ratio = min(bare) / min(seconds)
    print(f"  {label:<24}{names / min(seconds):8.0f} record sets/s   {ratio:5.2f} of the ceiling")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Record sets a second by update and by transfer.")
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--batch-octets", type=int, default=48_000)
    options = parser.parse_args()
    asyncio.run(measure(options.names, options.batch_octets))
