"""Signatures of messages by a shared secret: TSIG (RFC 8945)."""

import struct
import time
from dataclasses import dataclass, field

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

FUDGE_SECONDS = 300
"""How far two clocks may be apart, as RFC 8945 section 10 advises."""
ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
TSIG_OCTETS = 400
"""Room for a signature: two names and 64 octets of MAC are less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TsigKey:
    """A secret that is shared with a name server.

    Attributes:
        name: of the key, as the server knows it.
        secret: in base64.
        algorithm: one of `ALGORITHMS`; MD5 and SHA-1 are refused.
    """

    name: str
    secret: str = field(repr=False)
    algorithm: str = "hmac-sha256"

    def __post_init__(self) -> None:
        """Refuse what cannot sign.

        Raises:
            ValueError: the name, secret or algorithm is none.
        """
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm {self.algorithm!r} of key {self.name}: use {', '.join(ALGORITHMS)}")
        try:
            made = self.dns_key()
        except (dns.exception.DNSException, ValueError) as error:
            raise ValueError(f"key {self.name!r}: the name or the secret (base64) is not one: {error}") from error
        if not made.secret:
            raise ValueError(f"key {self.name!r} has an empty secret")

    def dns_key(self) -> dns.tsig.Key:
        """The key as dnspython has it."""
        return dns.tsig.Key(dns.name.from_text(self.name), self.secret, dns.name.from_text(self.algorithm))

    def keyring(self) -> dict[dns.name.Name, dns.tsig.Key]:
        """What dnspython looks keys up in."""
        key = self.dns_key()
        return {key.name: key}


@dataclass(slots=True)
class Signer:
    """Signs the messages of one exchange, each after the one before (RFC 8945 section 5.3.1).

    Attributes:
        key: to sign with.
        mac: of the request that is answered, or of the last message signed; empty before a request.
    """

    key: dns.tsig.Key
    mac: bytes = b""
    _context: object | None = None

    def sign(self, wire: bytes, *, more: bool = False, error: int = 0, other: bytes = b"") -> bytes:
        """A message with its signature.

        Args:
            wire: the message without one.
            more: whether it is one of several that answer one request.
            error: extended code of an answer that says what is wrong with the request's signature.
            other: what goes with the error.
        """
        (identifier,) = struct.unpack_from("!H", wire)
        rdata = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[no-untyped-call]
            dns.rdataclass.ANY,
            dns.rdatatype.TSIG,
            self.key.algorithm,
            0,
            FUDGE_SECONDS,
            b"",
            identifier,
            error,
            other,
        )
        signed, self._context = dns.tsig.sign(  # type: ignore[no-untyped-call]
            wire, self.key, rdata, int(time.time()), self.mac, self._context, more
        )
        self.mac = signed.mac
        data = signed.to_wire()
        owner = self.key.name.to_wire()
        assert owner is not None
        (additional,) = struct.unpack_from("!H", wire, 10)
        head = wire[:10] + struct.pack("!H", additional + 1)
        tail = struct.pack("!HHIH", dns.rdatatype.TSIG, dns.rdataclass.ANY, 0, len(data))
        return b"".join((head, wire[12:], owner, tail, data))
