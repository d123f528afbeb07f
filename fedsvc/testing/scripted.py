"""A server that answers with bytes of the test's choice: everything that may stand where an API server should."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fedsvc.simulator.certificates import KeyPair


@dataclass(slots=True, kw_only=True)
class ScriptedServer:
    """Answers every request of a connection with the same bytes, and counts."""

    answer: bytes | None = b""  # None: accept and stay silent; empty: close at once
    requests: int = 0
    port: int = 0
    scheme: str = "http"
    plain_in_tls: bool = False  # answer a TLS greeting as a server does that speaks plain HTTP only
    first: list[bytes] = field(default_factory=list)  # answers before `answer`

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over one connection."""
        try:
            if self.plain_in_tls:
                await reader.read(1)
                writer.write(http(400, b"plain HTTP is spoken here"))
                return
            while await self._read_request(reader):
                self.requests += 1
                answer = self.first.pop(0) if self.first else self.answer
                if answer is None:
                    await reader.read()
                    return
                if answer:
                    writer.write(answer)
                    await writer.drain()
                if not answer or b"connection: close" in answer.lower():
                    return
        except (ConnectionError, ssl.SSLError):
            return
        finally:
            writer.close()

    @staticmethod
    async def _read_request(reader: asyncio.StreamReader) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return False
        length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
        await reader.readexactly(length)
        return True

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    server: ScriptedServer, certificate: KeyPair | None = None, folder: Path | None = None
) -> AsyncIterator[ScriptedServer]:
    """Serve on a free port of the loopback interface; with `certificate` by TLS, its files made in `folder`."""
    context = None
    if certificate is not None:
        assert folder is not None, "OpenSSL reads certificates from files only"
        (folder / "pair.pem").write_bytes(certificate.certificate_pem + certificate.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "pair.pem")
        server.scheme = "https"
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def http(status: int, body: Any = b"", *headers: str, content_type: str = "application/json") -> bytes:
    """An HTTP answer; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A Status object, as API servers answer errors."""
    return {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
