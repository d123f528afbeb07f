"""What is asked of the primary, and whether it is signed as it must be (RFC 8945 section 5.2)."""

import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.tsig

from fedsvc_dns.providers import asking
from fedsvc_dns.providers.keys import Signer, TsigKey

_QR = 0x8000
_RD = 0x0100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question that is understood and signed by somebody we know.

    Attributes:
        identifier: of the message.
        origin: the name that is asked for.
        type_: of what is asked for.
        since: the serial that the asker has, where it asks for the difference.
        edns: whether the asker speaks EDNS.
        key_name: who asks.
        signer: for the answer.
    """

    identifier: int
    origin: str
    type_: str
    since: int | None
    edns: bool
    key_name: str
    signer: Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer at once, where there is nothing to look up."""

    octets: bytes
    why: str


def keyring(keys: Iterable[TsigKey]) -> dict[dns.name.Name, dns.tsig.Key]:
    """All keys that anybody may sign with.

    Raises:
        ValueError: two keys have one name and are not the same.
    """
    found: dict[dns.name.Name, dns.tsig.Key] = {}
    for key in keys:
        made = key.dns_key()
        if found.setdefault(made.name, made) != made:
            raise ValueError(f"two keys are called {key.name}: a name tells which secret a message is signed by")
    return found


def understood(octets: bytes, keys: Mapping[dns.name.Name, dns.tsig.Key]) -> Request | Reply | None:
    """What a message asks for; None where it is not to be answered, lest two servers answer each other for ever."""
    if len(octets) < 12 or octets[2] & 0x80:
        return None
    try:
        message = dns.message.from_wire(octets, keyring=dict(keys))
    except dns.tsig.BadTime:
        return _not_authentic(octets, dns.rcode.BADTIME, keys)
    except (dns.message.UnknownTSIGKey, dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadAlgorithm) as error:
        is_unknown = isinstance(error, dns.message.UnknownTSIGKey)
        return _not_authentic(octets, dns.rcode.BADKEY if is_unknown else dns.rcode.BADSIG)
    except (dns.exception.DNSException, ValueError, struct.error):
        return Reply(octets=_bare(octets, dns.rcode.FORMERR), why="it is malformed")
    return _asked(octets, message, keys)


def _asked(octets: bytes, message: dns.message.Message, keys: Mapping[dns.name.Name, dns.tsig.Key]) -> Request | Reply:
    if message.opcode() != dns.opcode.QUERY:
        return Reply(octets=_bare(octets, dns.rcode.NOTIMP), why=f"opcode {message.opcode()} is not served")
    if len(message.question) != 1:
        return Reply(octets=_bare(octets, dns.rcode.FORMERR), why="it asks for one thing, no more and no less")
    if not message.had_tsig or message.keyname is None:
        return Reply(octets=refused(octets), why="it is not signed")
    question = message.question[0]
    known = message.authority[0] if message.authority else None
    has_serial = known is not None and known.rdtype == dns.rdatatype.SOA and len(known) == 1
    return Request(
        identifier=message.id,
        origin=question.name.to_text().lower(),
        type_=dns.rdatatype.to_text(question.rdtype),
        since=known[0].serial if known is not None and has_serial else None,
        edns=message.edns >= 0,
        key_name=message.keyname.to_text().lower(),
        signer=Signer(keys[message.keyname], message.mac or b""),
    )


def refused(octets: bytes) -> bytes:
    """That somebody may not ask for it, unsigned."""
    return _bare(octets, dns.rcode.REFUSED)


def failed(request: Request, code: dns.rcode.Rcode) -> bytes:
    """That it cannot be had, signed."""
    head = asking.header(request.identifier, flags=_QR | int(code), counts=(1, 0, 0, 0))
    return request.signer.sign(head + asking.question(request.origin, request.type_))


def _bare(octets: bytes, code: dns.rcode.Rcode) -> bytes:
    """The header alone, with the request's identifier and opcode."""
    identifier, flags = struct.unpack_from("!HH", octets)
    return asking.header(identifier, flags=_QR | (flags & (0x7800 | _RD)) | int(code), counts=(0, 0, 0, 0))


def _not_authentic(
    octets: bytes, error: dns.rcode.Rcode, keys: Mapping[dns.name.Name, dns.tsig.Key] | None = None
) -> Reply:
    """NOTAUTH, with what is wrong in the signature's place; only where it is our clock is that itself signed."""
    why = {dns.rcode.BADKEY: "its key is not known", dns.rcode.BADSIG: "its signature is wrong"}.get(
        error, "its clock and ours are too far apart"
    )
    bare = _bare(octets, dns.rcode.NOTAUTH)
    try:
        request = dns.message.from_wire(octets, keyring=False)
    except (dns.exception.DNSException, ValueError, struct.error):
        return Reply(octets=_bare(octets, dns.rcode.FORMERR), why="it is malformed")
    if request.tsig is None or request.keyname is None or request.keyalgorithm is None:
        return Reply(octets=bare, why=why)
    if keys is not None:
        signer = Signer(keys[request.keyname], request.mac or b"")
        now = struct.pack("!Q", int(time.time()))[2:]
        return Reply(octets=signer.sign(bare, error=int(error), other=now), why=why)
    owner, algorithm = request.keyname.to_wire(), request.keyalgorithm.to_wire()
    assert owner is not None
    assert algorithm is not None
    data = algorithm + struct.pack("!HIHHHHH", 0, int(time.time()), 300, 0, request.id, int(error), 0)
    signature = owner + struct.pack("!HHIH", dns.rdatatype.TSIG, 255, 0, len(data)) + data
    return Reply(octets=bare[:10] + b"\0\1" + signature, why=why)
