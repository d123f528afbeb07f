"""Pure: how many equal answers a network gets (response rate limiting). The time is an argument.

Whoever forges a victim's address makes a name server send to the victim. Equal answers to one network are what that
looks like; resolvers do not ask again for what they have. Of answers over the limit, some are sent truncated: a
resolver behind the address comes again by TCP, where addresses cannot be forged.
"""

import ipaddress
from enum import Enum


class Verdict(Enum):
    """What becomes of an answer."""

    SEND = "send"
    TRUNCATE = "truncate"
    DROP = "drop"


class RateLimit:
    """Counts answers for networks of 24 bits of IPv4 and 56 bits of IPv6, within bounded memory."""

    def __init__(self, responses_per_second: int, *, slip: int = 2, max_entries: int = 100_000) -> None:
        """So many equal answers a second (0: any number); every `slip`-th over that is sent truncated (0: none)."""
        self._rate = responses_per_second
        self._slip = slip
        self._half = max_entries // 2
        self._recent: dict[tuple[str, bytes], list[float]] = {}
        self._older: dict[tuple[str, bytes], list[float]] = {}
        self._networks: dict[str, str] = {}

    def judge(self, client: str, identity: bytes, now_seconds: float) -> Verdict:
        """What becomes of one more answer to a client."""
        if not self._rate:
            return Verdict.SEND
        key = (self._network(client), identity)
        bucket = self._recent.get(key)
        if bucket is None:
            bucket = self._older.get(key) or [float(self._rate), now_seconds, 0.0]
            if len(self._recent) >= self._half:
                self._older, self._recent = self._recent, {}
            self._recent[key] = bucket
        left = min(self._rate, bucket[0] + (now_seconds - bucket[1]) * self._rate)
        bucket[1] = now_seconds
        if left >= 1:
            bucket[0] = left - 1
            return Verdict.SEND
        bucket[0] = left
        bucket[2] += 1
        return Verdict.TRUNCATE if self._slip and bucket[2] % self._slip == 0 else Verdict.DROP

    @property
    def entries(self) -> int:
        """How many networks and answers are counted."""
        return len(self._recent) + len(self._older)

    def _network(self, client: str) -> str:
        network = self._networks.get(client)
        if network is None:
            if len(self._networks) >= self._half:
                self._networks.clear()
            network = self._networks[client] = network_of(client)
        return network


def network_of(client: str) -> str:
    """The network that a client is counted with."""
    address = ipaddress.ip_address(client.partition("%")[0])
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = 24 if address.version == 4 else 56
    return str(ipaddress.ip_network((address, bits), strict=False))
