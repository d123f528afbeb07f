"""UDP: a socket that is read until it is empty, so that under load one wake-up serves many."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from fedsvc_dns.server.counters import Counters

Answer = Callable[[bytes, str], bytes | None]

_BATCH = 64
"""Datagrams at one wake-up: then others of the loop have their turn."""
_MAX_QUERY_OCTETS = 4096
_BUFFER_OCTETS = 4 << 20
_IPV4_ADDRESS_OF_PACKET = 8
"""IP_PKTINFO of Linux, which Python's socket module has a name for only since 3.14."""


class UdpListener:
    """Answers what comes to a socket, from the address it came to."""

    def __init__(self, bound: socket.socket, answer: Answer, counters: Counters) -> None:
        self._socket = bound
        self._answer = answer
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        # A reply has to come from the address that was asked; a socket of all addresses has to ask each packet for it.
        is_any = ipaddress.ip_address(bound.getsockname()[0]).is_unspecified
        self._loop.add_reader(bound, self._read_any if is_any else self._read)

    def close(self) -> None:
        """Answer no more."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        receive, send, answer = self._socket.recvfrom, self._socket.sendto, self._answer
        for _ in range(_BATCH):
            try:
                message, client = receive(_MAX_QUERY_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._counters.receive_failures += 1
                return
            reply = answer(message, client[0])
            if reply is not None:
                try:
                    send(reply, client)
                except OSError:
                    self._counters.send_failures += 1

    def _read_any(self) -> None:
        for _ in range(_BATCH):
            try:
                message, ancillary, _, client = self._socket.recvmsg(_MAX_QUERY_OCTETS, 128)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._counters.receive_failures += 1
                return
            reply = self._answer(message, client[0])
            if reply is not None:
                try:
                    self._socket.sendmsg([reply], [_from_there(*one) for one in ancillary], 0, client)
                except OSError:
                    self._counters.send_failures += 1


def bind_udp(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """A socket for a listener.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)  # noqa: FBT003
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_OCTETS)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if ipaddress.ip_address(host).is_unspecified:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                bound.setsockopt(socket.IPPROTO_IP, _IPV4_ADDRESS_OF_PACKET, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _from_there(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """What a packet says of the address that it came to, as what its reply shall come from."""
    if level == socket.IPPROTO_IP:
        return level, kind, b"\0\0\0\0" + data[4:8] + b"\0\0\0\0"  # any interface, from the local address
    return level, kind, data
