"""The composition root: the one module that knows all parts, puts them together and takes them down in order."""

import asyncio
import gc
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog

from fedsvc import clientfile
from fedsvc.api.edge import Edge, EdgeSettings
from fedsvc.api.http import http_endpoint
from fedsvc.api.self_check import self_check
from fedsvc.config import Address, ServerSettings, StoreSettings, TlsFiles
from fedsvc.controllers.answering import Answering
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.breaking import SelfCheck
from fedsvc.controllers.runner import Leadership, run_controllers
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.transferring import Transferring
from fedsvc.errors import AlreadyExistsError, ConfigurationError, StoreUnavailableError
from fedsvc.opening import embedded_postgres, open_store
from fedsvc.store import clusters, tokens
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.migrate import migrate
from fedsvc.store.sealing import SealError
from fedsvc.store.store import Store
from fedsvc.version import fedsvc_version
from fedsvc_dns.providers.primary.serving import Listening, server_tls

ADMIN: Final = "admin"
"""Name of the token that the first start makes."""

_WATCHDOG_SECONDS: Final = 0.5
_RESTART_MAX_SECONDS: Final = 10.0  # between tries where it does not start, as with a full disk

_YOUNG_OBJECTS: Final = 10_000
"""So many new objects are looked through for garbage in cycles, instead of 700.

What is remembered of units stays for as long as the process lives, and to look through all of that again and again
takes a fifth of the time in which a lost region is placed anew.
"""

_log = structlog.get_logger("fedsvc.server")


async def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends the process at once.

    Raises:
        ConfigurationError: a setting cannot work.
        SchemaError: the database was written by a newer release.
        StoreUnavailableError: PostgreSQL does not answer at the start; later, it is waited for.
        OSError: an address cannot be listened on, or the data folder not be written.
    """
    stop = asyncio.Event()
    _listen_to_signals(stop)
    collect_seldom()
    try:
        await _serve(settings, stop)
    except BaseExceptionGroup as group:
        # One part failed and took the others down with it: that part's words are what people need.
        raise _first(group) from group
    _log.info("stopped")


async def _serve(settings: ServerSettings, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(embedded_postgres(settings.store))
        store = await stack.enter_async_context(open_store(settings.store, postgres))
        version = await store.database.version()  # first: what is too old cannot hold the schema
        before, after = await migrate(store.database)
        _log.info("schema_ready", before=before or "empty", after=after)
        await _check_keyring(store, settings.store)
        leadership = Leadership()
        answering_at: list[tuple[str, int]] = []
        edge = Edge(
            store,
            _edge_settings(settings),
            is_leader=leadership.leading.is_set,
            name_servers=lambda: tuple(answering_at),
        )
        token = await first_token(store)
        port = await edge.start()
        stack.push_async_callback(edge.stop, 0)
        listen = Address(host=settings.listen.host, port=port)
        clientfile.write(settings.store.data_dir, listen, settings.tls, token)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = [
            tasks.create_task(store.feed.run(), name="feed"),
            tasks.create_task(edge.run(), name="health"),
        ]
        if postgres is not None:
            running.append(tasks.create_task(keep_running(postgres), name="postgres"))
        if settings.controllers:
            witness = "" if settings.witness is None else str(settings.witness)
            numbers = ControllerSettings(
                revisions_kept=settings.revisions_kept,
                audit_days=settings.audit_days,
                witness=witness,
                detect_seconds=settings.detect_seconds,
                octodns_accounts=settings.octodns_accounts,
            )
            check = await stack.enter_async_context(_own_api(settings.tls, listen, stop))
            run = run_controllers(store, holder=_holder(), settings=numbers, leadership=leadership, self_check=check)
            running.append(tasks.create_task(run, name="controllers"))
        names = None
        if settings.dns_listen is not None:
            answering = Answering(store, data_dir=settings.store.data_dir)
            names = await _answer_names(stack, answering, settings.dns_listen)
            own = clientfile.reachable(names)
            answering_at.append((own.host, own.port))
            running.append(tasks.create_task(answering.run(), name="dns"))
        transfers = transfers_tls = None
        if settings.transfer_listen is not None:
            transferring = Transferring(store)
            transfers, transfers_tls = await _serve_transfers(stack, transferring, settings)
            running.append(tasks.create_task(transferring.run(), name="transfers"))
        metrics = await _serve_metrics(stack, settings, edge)
        _log.info(
            "serving",
            listen=str(listen),
            tls=settings.tls is not None,
            database=version,
            metrics=str(metrics or ""),
            dns=str(names or ""),
            transfers=str(transfers or ""),
        )
        _write_ready_file(
            settings, listen, {"metrics": metrics, "dns": names, "transfer": transfers, "transfer_tls": transfers_tls}
        )
        await stop.wait()
        _log.info("draining", seconds=settings.drain_seconds)
        await edge.stop(settings.drain_seconds)
        for task in running:
            task.cancel()


@asynccontextmanager
async def _own_api(tls: TlsFiles | None, listen: Address, stop: asyncio.Event) -> AsyncIterator[SelfCheck]:
    """What asks our own API; once we stop, that it does not answer tells nothing."""
    address = clientfile.reachable(listen)
    certificate = None if tls is None else tls.certificate.read_bytes()
    name = None if tls is None else clientfile.name_to_verify(tls.certificate, address.host)
    async with self_check(str(address), certificate=certificate, server_name=name) as own:

        async def ask(timeout_seconds: float) -> str:
            error = await own.ask(timeout_seconds)
            return "" if stop.is_set() else error

        yield ask


def _first(group: BaseExceptionGroup) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def first_token(store: Store) -> str | None:
    """The admin token, made where there is no token at all; None where there is one already.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    async with store.transaction() as tx:
        if await tokens.list_all(tx):
            return None
        try:
            return await tokens.create(tx, ADMIN)
        except AlreadyExistsError:
            return None  # another replica started at the same moment


async def _check_keyring(store: Store, settings: StoreSettings) -> None:
    """Refuse to start with a key file that does not open what is stored, instead of failing call by call."""
    try:
        async with store.reader() as tx:
            await clusters.list_all(tx)
    except SealError as error:
        raise ConfigurationError(f"--key-file {settings.keyring}: {error}") from error


def _edge_settings(settings: ServerSettings) -> EdgeSettings:
    tls = settings.tls
    return EdgeSettings(
        address=str(settings.listen),
        tls=None if tls is None else (tls.key.read_bytes(), tls.certificate.read_bytes()),
        version=fedsvc_version(),
        bookmark_seconds=settings.bookmark_seconds,
    )


async def _serve_metrics(stack: AsyncExitStack, settings: ServerSettings, edge: Edge) -> Address | None:
    address = settings.metrics_listen
    if address is None:
        return None
    # Off loopback everything is encrypted; on loopback scrapers need not know our certificate.
    context = None if address.loopback or settings.tls is None else _tls_context(settings.tls)
    try:
        port = await stack.enter_async_context(
            http_endpoint(address.host, address.port, tls=context, is_ready=lambda: edge.ready)
        )
    except OSError as error:
        raise OSError(f"--metrics-listen {address} cannot be listened on: {error.strerror}") from error
    return Address(host=address.host, port=port)


def _tls_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    return context


async def keep_running(
    postgres: EmbeddedPostgres, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Start the embedded server again when it ended by itself; the rest of us waits for it meanwhile.

    Where it does not start it is tried again ever later, up to some seconds, and what it says is told when it changes.
    """
    backoff = Backoff("embedded-postgres", first=_WATCHDOG_SECONDS, maximum=_RESTART_MAX_SECONDS)
    told, pause = "", _WATCHDOG_SECONDS
    while True:
        await sleep(pause)
        if postgres.running:
            continue
        if not told:
            _log.error("embedded_postgres_ended", log=str(postgres.log))
        try:
            await postgres.restart()
        except StoreUnavailableError as error:
            pause = backoff.next_seconds()
            if told != (told := str(error)):
                _log.error("embedded_postgres_does_not_start", message=told)
        else:
            _log.warning("embedded_postgres_restarted")
            backoff.reset()
            told, pause = "", _WATCHDOG_SECONDS


def collect_seldom() -> None:
    """Have Python look for garbage in cycles as seldom as suits a large fleet."""
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _listen_to_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def handle(number: int) -> None:
        if stop.is_set():
            _log.warning("stopping_at_once", signal=signal.Signals(number).name)
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)


def _holder() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


async def _answer_names(stack: AsyncExitStack, answering: Answering, address: Address) -> Address:
    try:
        port = await answering.start(address.host, address.port)
    except OSError as error:
        raise OSError(f"--dns-listen {address} cannot be listened on: {error.strerror}") from error
    stack.push_async_callback(answering.server.stop)
    return Address(host=address.host, port=port)


async def _serve_transfers(
    stack: AsyncExitStack, transferring: Transferring, settings: ServerSettings
) -> tuple[Address, Address | None]:
    address, tls = settings.transfer_listen, settings.tls
    assert address is not None
    listening = Listening(host=address.host, port=address.port)
    if settings.transfer_tls_port is not None and tls is not None:
        context = server_tls(str(tls.certificate), str(tls.key))
        listening = replace(listening, tls=context, tls_port=settings.transfer_tls_port)
    try:
        primary = await transferring.start(stack, listening)
    except OSError as error:
        raise OSError(f"--transfer-listen {address} cannot be listened on: {error.strerror}") from error
    by_tls = None if listening.tls is None else Address(host=address.host, port=primary.tls_port)
    return Address(host=address.host, port=primary.port), by_tls


def _write_ready_file(settings: ServerSettings, listen: Address, others: Mapping[str, Address | None]) -> None:
    if settings.ready_file is None:
        return
    content = {
        "address": str(clientfile.reachable(listen)),
        "pid": os.getpid(),
        **{
            f"{what}_address": None if address is None else str(clientfile.reachable(address))
            for what, address in others.items()
        },
        "client_config": str(clientfile.path_in(settings.store.data_dir)),
    }
    # Renamed into place: whoever waits for it never reads half of it.
    temporary = settings.ready_file.with_name(f"{settings.ready_file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.replace(settings.ready_file)
