"""The name server: zones that are swapped whole, listeners that answer from them, a file that outlives the process."""

import asyncio
import ipaddress
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedsvc_dns.providers.serials import is_newer
from fedsvc_dns.server import wire
from fedsvc_dns.server.counters import Counters
from fedsvc_dns.server.encoding import Encoded
from fedsvc_dns.server.kept import keep, load_kept
from fedsvc_dns.server.rate import RateLimit, Verdict
from fedsvc_dns.server.responder import Book, respond
from fedsvc_dns.server.tcp import TcpLimits, TcpListener, bind_tcp
from fedsvc_dns.server.transfer import asked_for, transfer
from fedsvc_dns.server.udp import UdpListener, bind_udp
from fedsvc_dns.server.zone import Zone, ZoneError
from fedsvc_dns.server.zone_data import ZoneData

_log = logging.getLogger(__name__)
_PORT_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a name server is told.

    Attributes:
        responses_per_second: equal answers by UDP to one network (rate limit); 0: any number.
        slip: every so manieth answer over that is sent truncated; 0: none.
        transfer_to: networks that may have whole zones (AXFR).
        kept: the file of the last zones.
        reuse_port: several processes may listen on one address, and share what comes.
        tcp: limits of connections.
        grace_seconds: how long what is being answered may take at the end.
    """

    responses_per_second: int = 200
    slip: int = 2
    transfer_to: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    kept: Path | None = None
    reuse_port: bool = False
    tcp: TcpLimits = field(default_factory=TcpLimits)
    grace_seconds: float = 5


class NameServer:
    """Answers for zones, over any number of addresses.

    Attributes:
        counters: what it did.
        addresses: where it listens, with the ports that it got.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.counters = Counters()
        self.addresses: list[tuple[str, int]] = []
        self._book = Book(())
        self._data: dict[bytes, ZoneData] = {}
        self._encoded: dict[str, Encoded] = {}
        self._rate = RateLimit(self.settings.responses_per_second, slip=self.settings.slip)
        self._udp: list[UdpListener] = []
        self._tcp: list[TcpListener] = []
        self._swapping = asyncio.Lock()
        self._quiet_until_seconds = 0.0

    @property
    def serials(self) -> dict[str, int]:
        """The serial of each zone, by its origin."""
        return {wire.text_name(origin): zone.serial for origin, zone in self._book.zones.items()}

    async def serve(self, zones: Sequence[ZoneData]) -> None:
        """Answer from these zones, and no others, from now on; and keep them in the file.

        Raises:
            ZoneError: one of them cannot be served, or is another than the one served though its serial is not newer
                (RFC 1982). Then nothing has changed.
        """
        async with self._swapping:
            await self._swap(zones)
            if self.settings.kept is not None:
                try:
                    await asyncio.to_thread(keep, self.settings.kept, zones)
                except OSError:
                    # Answers matter more: what is lost is that a restart alone would answer from older zones.
                    self.counters.keep_failures += 1
                    _log.exception("the zones could not be kept in %s", self.settings.kept)

    async def serve_kept(self) -> None:
        """Answer from the zones of the file.

        Raises:
            OSError: there is none, or it cannot be read.
            ValueError: it is damaged.
        """
        assert self.settings.kept is not None
        async with self._swapping:
            await self._swap(await asyncio.to_thread(load_kept, self.settings.kept))

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Answer on an IP address, by UDP and TCP; port 0 takes one that is free for both.

        Raises:
            OSError: the address cannot be had.
        """
        reuse_port = self.settings.reuse_port
        for attempt in range(_PORT_TRIES):
            stream = bind_tcp(host, port, reuse_port=reuse_port)
            try:
                datagrams = bind_udp(host, stream.getsockname()[1], reuse_port=reuse_port)
            except OSError:
                stream.close()
                if port or attempt == _PORT_TRIES - 1:
                    raise
            else:
                break
        address = (host, stream.getsockname()[1])
        connections = TcpListener(stream, self._replies, self.settings.tcp, self.counters)
        await connections.start()
        self._tcp.append(connections)
        self._udp.append(UdpListener(datagrams, self._answer, self.counters))
        self.addresses.append(address)
        return address

    async def stop(self) -> None:
        """Answer what has come, then no more."""
        for datagrams in self._udp:
            datagrams.close()
        await asyncio.gather(*(connections.stop(self.settings.grace_seconds) for connections in self._tcp))
        self._udp, self._tcp, self.addresses = [], [], []

    async def _swap(self, zones: Sequence[ZoneData]) -> None:
        encoded = {data.origin: self._encoded.get(data.origin) or Encoded() for data in zones}
        made = [await asyncio.to_thread(encoded[data.origin].zone, data) for data in zones]
        data_of = dict(zip((zone.origin for zone in made), zones, strict=True))
        if len(data_of) < len(zones):
            raise ZoneError(zones[0].origin, ["a zone is given twice"])
        for zone in made:
            self._check_serial(zone, data_of[zone.origin])
        self._book, self._data, self._encoded = Book(made), data_of, encoded
        self.counters.swaps += 1

    def _check_serial(self, zone: Zone, data: ZoneData) -> None:
        served = self._book.zones.get(zone.origin)
        if served is None or data == self._data[zone.origin] or is_newer(zone.serial, served.serial):
            return
        raise ZoneError(
            data.origin, [f"serial {zone.serial} is not newer than {served.serial}, which is served: raise it"]
        )

    def _answer(self, message: bytes, client: str) -> bytes | None:
        """The reply to a datagram."""
        try:
            reply = respond(
                self._book, message, client=client, max_octets=wire.PAYLOAD_OCTETS, seed=random.getrandbits(64)
            )
            counters = self.counters
            if reply is None:
                counters.ignored += 1
                return None
            counters.udp_queries += 1
            counters.rcodes[reply.rcode] += 1
            verdict = self._rate.judge(client, reply.identity, time.monotonic())
            if verdict is Verdict.SEND:
                counters.truncated += reply.truncated
                return reply.message
            if verdict is Verdict.DROP:
                counters.rate_dropped += 1
                return None
            counters.rate_truncated += 1
            shortened = respond(self._book, message, client=client, max_octets=0, seed=0)
        except Exception:  # noqa: BLE001 - see there
            return self._failed(message)
        return shortened.message if shortened else None

    def _replies(self, message: bytes, client: str) -> Iterator[bytes]:
        """The replies to a message that came by TCP."""
        self.counters.tcp_queries += 1
        asked = asked_for(self._book, message)
        if asked is not None and self._may_transfer(client):
            self.counters.transfers += 1
            self.counters.rcodes[wire.NOERROR] += 1
            yield from transfer(*asked, message[:2])
            return
        try:
            reply = respond(
                self._book, message, client=client, max_octets=wire.MAX_MESSAGE_OCTETS, seed=random.getrandbits(64)
            )
        except Exception:  # noqa: BLE001 - see there
            yield self._failed(message)
            return
        if reply is None:
            self.counters.ignored += 1
            return
        self.counters.rcodes[reply.rcode] += 1
        yield reply.message

    def _failed(self, message: bytes) -> bytes:
        """Nobody who asks may end the server, or fill its log: the fault is told, and the asker goes elsewhere."""
        self.counters.failures += 1
        if time.monotonic() >= self._quiet_until_seconds:
            self._quiet_until_seconds = time.monotonic() + 1
            _log.exception("no answer for %s", message[:512].hex())
        return message[:2] + bytes((0x80 | message[2] & 0x79, wire.SERVFAIL, 0, 0, 0, 0, 0, 0, 0, 0))

    def _may_transfer(self, client: str) -> bool:
        address = ipaddress.ip_address(client.partition("%")[0])
        return any(address in network for network in self.settings.transfer_to)
