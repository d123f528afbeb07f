"""The plain HTTP side: /metrics for Prometheus, /livez and /readyz for whoever watches the process."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_CONTENT_TYPE = {"Content-Type": CONTENT_TYPE_LATEST}


@asynccontextmanager
async def http_endpoint(
    host: str, port: int, *, tls: ssl.SSLContext | None, is_ready: Callable[[], bool]
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port.

    Args:
        host: name or address to listen on.
        port: 0 for any.
        tls: None for plain HTTP.
        is_ready: whether calls of the API are answered now.

    Raises:
        OSError: the address cannot be listened on.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers=_CONTENT_TYPE)

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if is_ready() else web.Response(status=503, text="not ready\n")

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/livez", live), web.get("/readyz", ready)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls, shutdown_timeout=1.0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
