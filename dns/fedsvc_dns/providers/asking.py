"""Signed questions to a server, and what its answers' codes mean."""

import secrets
import struct

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig

from fedsvc_dns.providers import walking, wire
from fedsvc_dns.providers.connection import ServerConnection
from fedsvc_dns.providers.contract import CredentialsError, ServerRefusedError, TransferError
from fedsvc_dns.providers.keys import Signer, TsigKey

_OPCODE_SHIFT = 11
WRONG_SIGNATURE = {
    dns.tsig.PeerBadKey: "it does not know the key (BADKEY)",
    dns.tsig.PeerBadSignature: "the secret or algorithm of the key is another one there (BADSIG)",
    dns.tsig.PeerBadTime: "its clock and ours are too far apart (BADTIME)",
    dns.tsig.PeerBadTruncation: "it wants longer signatures (BADTRUNC)",
    dns.tsig.BadTime: "its clock and ours are too far apart",
    dns.tsig.BadSignature: "its own signature is wrong: somebody else answered, or the secret is another one there",
}


def new_id() -> int:
    """An unguessable identifier of a message."""
    return secrets.randbelow(2**16)


def header(identifier: int, *, opcode: int = 0, flags: int = 0, counts: tuple[int, int, int, int]) -> bytes:
    """The header of a message (RFC 1035 section 4.1.1)."""
    return struct.pack("!HHHHHH", identifier, (opcode << _OPCODE_SHIFT) | flags, *counts)


def question(name: str, type_: str) -> bytes:
    """A question by itself."""
    return wire.full_name(name) + struct.pack("!HH", wire.type_number(type_), 1)


def code_of(message: bytes) -> dns.rcode.Rcode:
    """What an answer's header says became of it."""
    return dns.rcode.Rcode.make(message[3] & 0xF)


async def ask_signed(
    connection: ServerConnection, key: TsigKey, message: bytes, *, again: bool = True
) -> dns.message.Message:
    """Ask, and check that the answer is the server's.

    Raises:
        CredentialsError: one side does not accept the other's signature.
        UnreachableError: no answer in time.
        TransferError: the answer is malformed.
    """
    signer = Signer(key.dns_key())
    answer = await connection.ask(signer.sign(message), again=again)
    return checked_answer(answer, key, signer.mac, str(connection.address))


def checked_answer(answer: bytes, key: TsigKey, request_mac: bytes, server: str) -> dns.message.Message:
    """An answer whose signature is right; one that says that something failed may have none."""
    try:
        records = list(walking.records(answer))
        signed = bool(records) and records[-1].type_number == dns.rdatatype.TSIG
        if not signed and code_of(answer) == dns.rcode.NOERROR:
            raise CredentialsError(f"{server} answered without a signature by {key.name}")
        return dns.message.from_wire(
            answer, keyring=key.keyring() if signed else False, request_mac=request_mac if signed else b""
        )
    except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadTime) as error:
        raise CredentialsError(f"{server}, key {key.name}: {WRONG_SIGNATURE.get(type(error), str(error))}") from error
    except (dns.tsig.BadKey, dns.tsig.BadAlgorithm, dns.message.UnknownTSIGKey) as error:
        raise CredentialsError(f"{server} answered with another key than {key.name}: {error}") from error
    except (dns.exception.DNSException, walking.MalformedError, ValueError, struct.error) as error:
        raise TransferError(f"{server} answered what is no DNS message: {error}") from error


def refuse_errors(code: dns.rcode.Rcode, what: str, server: str) -> None:
    """Raise what an answer's code means where it is no success.

    Raises:
        ServerRefusedError: always, but for NOERROR.
    """
    if code == dns.rcode.NOERROR:
        return
    hint = {
        dns.rcode.REFUSED: "it does not allow this to the key",
        dns.rcode.NOTAUTH: "it is no authority for the zone, or does not accept the signature",
        dns.rcode.SERVFAIL: "it has trouble of its own; its log tells which",
        dns.rcode.NOTIMP: "it knows no such request",
    }.get(code, "its log may tell why")
    raise ServerRefusedError(f"{server} answered {dns.rcode.to_text(code)} to {what}: {hint}")
