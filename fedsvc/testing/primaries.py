"""What tests of the hidden primary share: a zone of one version, and a primary whose secondary is away."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fedsvc.simulator.certificates import KeyPair, issue_serving
from fedsvc.testing.processes import free_ports
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import ChangeSet, Fence
from fedsvc_dns.providers.judging import Holder, Ownership, judge
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, HiddenZone, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening, server_tls
from fedsvc_dns.providers.primary.versions import (
    MemoryVersions,
    ZoneVersion,
    advanced,
    first_version,
    renumbered,
)
from fedsvc_dns.records import RecordSet, record_set

ORIGIN = "example.com."


SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="  # noqa: S105 - made up, for tests


TSIG = TsigKey(name="fedsvc-test.", secret=SECRET)


def a(name: str, *values: str, ttl_seconds: int = 30) -> RecordSet:
    """Addresses of a name."""
    return record_set(name, "A", values, ttl_seconds=ttl_seconds)


def puts(generation: int, *record_sets: RecordSet) -> ChangeSet:
    """A change set that puts record sets."""
    return ChangeSet(fence=Fence(epoch=1, generation=generation), puts=record_sets)


def start_version(*record_sets: RecordSet, serial: int = 1) -> ZoneVersion:
    """A zone that holds record sets, and nothing led to it."""
    empty = first_version(ORIGIN, ["ns.example.org"], "hostmaster.example.org", serial=serial)
    accepted, refused = judge(
        puts(1, *record_sets), empty.record_sets, Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    )
    assert not refused
    return renumbered(advanced(empty, empty.fence, accepted), serial)


@contextlib.asynccontextmanager
async def alone(*record_sets: RecordSet, **listening: Any) -> AsyncIterator[tuple[HiddenPrimary, HiddenZone]]:
    """A primary whose secondary is away."""
    store = MemoryVersions([start_version(*record_sets)])
    away = ServerAddress(host="127.0.0.1", port=free_ports(1)[0], timeout_seconds=1)
    zones = [PrimaryZone(origin=ORIGIN, secondaries=(Secondary(address=away, key=TSIG),))]
    async with HiddenPrimary(store, zones, Listening(port=0, **listening)).running() as primary:
        yield primary, HiddenZone(primary, store, ORIGIN)


def with_tls(authority: KeyPair, folder: Path) -> tuple[Listening, Path]:
    """Where to listen with a certificate of an authority, and the file of the authority's own."""
    made = issue_serving(authority, hosts=("127.0.0.1",))
    files = {"ca.pem": authority.certificate_pem, "cert.pem": made.certificate_pem, "key.pem": made.key_pem}
    for name, pem in files.items():
        (folder / name).write_bytes(pem)
    context = server_tls(str(folder / "cert.pem"), str(folder / "key.pem"))
    port, tls_port = free_ports(2)
    return Listening(port=port, tls=context, tls_port=tls_port), folder / "ca.pem"
