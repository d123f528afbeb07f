"""One probe: whether somebody answers at any of a target's addresses."""

import asyncio
import errno
import ssl
from dataclasses import dataclass
from typing import Final

from fedsvc.controllers.grpc_health import ask_health
from fedsvc.naming.reachable import ProbeTarget
from fedsvc_dns.planner.facts import Outcome
from fedsvc_dns.planner.zone import ProbeProtocol

_OUR_TROUBLE: Final = frozenset(
    (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
)
"""What says nothing of the other side: no route for a family, no file to be opened."""
_GOOD_STATUS: Final = range(200, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What one probe found, in words where it failed."""

    outcome: Outcome
    detail: str = ""


async def reach(target: ProbeTarget) -> Reached:
    """Ask all addresses at once; the target is reached if one answers, and what is not known is not known."""
    found = await asyncio.gather(*(_reach_one(target, address) for address in target.addresses))
    for outcome in (Outcome.UP, Outcome.UNKNOWN):
        for one in found:
            if one.outcome is outcome:
                return one
    return found[0]


async def _reach_one(target: ProbeTarget, address: str) -> Reached:
    what = f"{target.protocol.value.upper()} {address} port {target.port}"
    try:
        async with asyncio.timeout(target.timeout_seconds):
            if target.protocol is ProbeProtocol.GRPC:
                trouble = await ask_health(target, address)
            else:
                trouble = _status_words(target, await _ask(target, address))
    except TimeoutError:
        return Reached(outcome=Outcome.DOWN, detail=f"{what} did not answer within {target.timeout_seconds} s")
    except OSError as error:
        outcome = Outcome.UNKNOWN if error.errno in _OUR_TROUBLE else Outcome.DOWN
        return Reached(outcome=outcome, detail=f"{what}: {_words(error)}")
    except (EOFError, ValueError):
        return Reached(outcome=Outcome.DOWN, detail=f"{what} answered what is no HTTP")
    return Reached(outcome=Outcome.DOWN, detail=f"{what} {trouble}") if trouble else Reached(outcome=Outcome.UP)


def _status_words(target: ProbeTarget, status: int) -> str:
    return "" if status in _GOOD_STATUS else f"answered {status} to GET {target.path}"


async def _ask(target: ProbeTarget, address: str) -> int:
    """The status of the answer; that of a connection alone is a success."""
    tls = _unchecked_tls() if target.protocol is ProbeProtocol.HTTPS else None
    host = target.host or address
    reader, writer = await asyncio.open_connection(
        address, target.port, ssl=tls, server_hostname=host if tls is not None else None
    )
    try:
        if target.protocol is ProbeProtocol.TCP:
            return _GOOD_STATUS.start
        shown = f"[{host}]" if ":" in host else host
        lines = f"GET {target.path} HTTP/1.1", f"Host: {shown}", "User-Agent: fedsvc", "Connection: close", "", ""
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        first = (await reader.readuntil(b"\n")).split()
        if len(first) < 2 or not first[0].startswith(b"HTTP/"):
            raise ValueError("no status line")
        return int(first[1])
    except asyncio.LimitOverrunError as error:
        raise ValueError("no status line") from error
    finally:
        writer.transport.abort()  # nothing more is wanted: no end of TLS is waited for


def _unchecked_tls() -> ssl.SSLContext:
    """It is asked whether somebody answers, not who; clients check that."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _words(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
