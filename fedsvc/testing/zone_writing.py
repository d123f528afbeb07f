"""What tests of dynamic updates share: change sets, and what somebody else does with a zone."""

from typing import Any

import dns.asyncquery
import dns.rcode
import dns.update

from fedsvc.testing.name_servers import KEY
from fedsvc.testing.relay import Relay
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import (
    ChangeSet,
    Fence,
)
from fedsvc_dns.records import RecordSet, record_set

UPDATE = 5


def opcode(message: bytes) -> int:
    """What a message asks for (RFC 1035 section 4.1.1)."""
    return (message[2] >> 3) & 0xF


def puts(*record_sets: RecordSet, epoch: int = 1, generation: int = 1) -> ChangeSet:
    """A change set that puts record sets."""
    return ChangeSet(fence=Fence(epoch=epoch, generation=generation), puts=record_sets)


def a(name: str, *values: str) -> RecordSet:
    """Addresses of a name."""
    return record_set(name, "A", values, ttl_seconds=30)


async def by_hand(place: Any, change: Any) -> None:
    """Update the zone as somebody else, without a fence."""
    update = dns.update.UpdateMessage(place.origin, keyring={KEY.name: KEY}, keyname=KEY.name)
    change(update)
    answer = await dns.asyncquery.tcp(update, "127.0.0.1", port=place.port, timeout=10)
    assert answer.rcode() == dns.rcode.NOERROR


def through(relay: Relay, *, timeout_seconds: float = 10.0) -> ServerAddress:
    """Where a server is reached through what stands between."""
    return ServerAddress(host="127.0.0.1", port=relay.port, timeout_seconds=timeout_seconds)
