"""Pure: where a client is, by its address, and for how much of the address that holds (RFC 7871 section 7.2.1)."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedsvc_dns.server.wire import ClientSubnet


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """A family's addresses in ranges of one place each; the first starts at 0, "" is no place."""

    bits: int
    starts: tuple[int, ...] = (0,)
    places: tuple[str, ...] = ("",)

    def locate(self, address: int) -> tuple[str, int]:
        index = bisect_right(self.starts, address) - 1
        scope_bits = 0
        if index:
            scope_bits = self._differs_at(address, self.starts[index] - 1)
        if index + 1 < len(self.starts):
            scope_bits = max(scope_bits, self._differs_at(address, self.starts[index + 1]))
        return self.places[index], scope_bits

    def _differs_at(self, one: int, other: int) -> int:
        """The number of bits by which both are told apart."""
        return self.bits - (one ^ other).bit_length() + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """A table of networks, and the place of each; the longest prefix that fits counts."""

    ipv4: _Ranges = _Ranges(bits=32)
    ipv6: _Ranges = _Ranges(bits=128)

    def of_address(self, text: str) -> str:
        """The place of an IP address; "" where it is in no network, or is no address."""
        if len(self.ipv4.starts) == len(self.ipv6.starts) == 1:
            return self.ipv4.places[0]
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return ""
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        ranges = self.ipv4 if address.version == 4 else self.ipv6
        return ranges.locate(int(address))[0]

    def of_subnet(self, subnet: ClientSubnet) -> tuple[str, int]:
        """The place of a client's subnet, and the bits of its address that decided it."""
        ranges = self.ipv4 if subnet.family == 1 else self.ipv6
        address = int.from_bytes(subnet.address, "big") << (subnet.bits - len(subnet.address) * 8)
        return ranges.locate(address)


def places(networks: Iterable[tuple[str, str]]) -> Places:
    """A table of prefixes in CIDR notation and places.

    Raises:
        ValueError: a prefix is none, has bits beyond its length, or is there twice with different places.
    """
    by_version: dict[int, dict[tuple[int, int], str]] = {4: {}, 6: {}}
    for prefix, place in networks:
        network = ipaddress.ip_network(prefix)
        start = int(network.network_address)
        key = (start, start + network.num_addresses)
        if by_version[network.version].setdefault(key, place) != place:
            raise ValueError(f"{prefix} is in two places: {by_version[network.version][key]!r} and {place!r}")
    return Places(
        ipv4=_flatten(32, [(start, end, place) for (start, end), place in by_version[4].items()]),
        ipv6=_flatten(128, [(start, end, place) for (start, end), place in by_version[6].items()]),
    )


def _flatten(bits: int, networks: Sequence[tuple[int, int, str]]) -> _Ranges:
    """Ranges out of networks that hold each other or are apart; (start, end, place)."""
    starts, names = [0], [""]

    def begin(start: int, place: str) -> None:
        if starts[-1] == start:
            starts.pop()
            names.pop()
        if not names or names[-1] != place:
            starts.append(start)
            names.append(place)

    inside = [(1 << bits, "")]

    def leave(until: int) -> None:
        while inside[-1][0] <= until and len(inside) > 1:
            end, _ = inside.pop()
            if end < 1 << bits:
                begin(end, inside[-1][1])

    for start, end, place in sorted(networks, key=lambda network: (network[0], -network[1])):
        leave(start)
        begin(start, place)
        inside.append((end, place))
    leave(1 << bits)
    return _Ranges(bits=bits, starts=tuple(starts), places=tuple(names))
