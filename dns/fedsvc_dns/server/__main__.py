"""An authoritative name server from zone files.

    python -m fedsvc_dns.server --zone example.org=FILE --listen 127.0.0.1:5353
    dig @127.0.0.1 -p 5353 www.example.org

Files that end in .json say more than master files can, weights and places of addresses: examples/zone.json is one.
SIGHUP reads all files again (a changed zone needs a newer serial); SIGTERM ends.
"""

import argparse
import asyncio
import ipaddress
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    from fedsvc_dns.server.name_server import NameServer, Settings
    from fedsvc_dns.server.zone_data import ZoneData
    from fedsvc_dns.server.zone_file import read_zone_file
except ModuleNotFoundError as missing:
    sys.exit(f"a part of the name server is not installed ({missing.name}): pip install 'fedsvc[server]'")

_log = logging.getLogger("fedsvc_dns.server")

ZoneArgument = tuple[str | None, Path]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.run(_run(options))
    return uvloop.run(_run(options))


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m fedsvc_dns.server", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--zone", action="append", default=[], type=_zone, metavar="[ORIGIN=]FILE", help="a zone; may be repeated"
    )
    parser.add_argument(
        "--listen", action="append", type=_address, metavar="ADDRESS:PORT", help="may be repeated; [::1]:5353 for IPv6"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep zones here; served if the files cannot be read")
    parser.add_argument(
        "--allow-transfer", action="append", default=[], type=_network, metavar="CIDR", help="who may have whole zones"
    )
    parser.add_argument(
        "--responses-per-second",
        type=_count,
        default=200,
        metavar="N",
        help="equal answers to one network; 0: any number",
    )
    parser.add_argument(
        "--slip", type=_count, default=2, metavar="N", help="every Nth over that is sent truncated; 0: none"
    )
    parser.add_argument("--reuse-port", action="store_true", help="let several processes share the address")
    return parser


async def _run(options: argparse.Namespace) -> int:
    settings = Settings(
        responses_per_second=options.responses_per_second,
        slip=options.slip,
        transfer_to=tuple(options.allow_transfer),
        kept=options.keep,
        reuse_port=options.reuse_port,
    )
    server = NameServer(settings)
    loop = asyncio.get_running_loop()
    ended, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    if not await _load(server, options.zone, "the files are not served") and not await _load_kept(server):
        return 1
    for host, port in options.listen or [("127.0.0.1", 5353)]:
        try:
            got_host, got_port = await server.listen(host, port)
        except OSError as error:
            _log.error("cannot listen on %s port %d: %s", host, port, error.strerror or error)
            await server.stop()
            return 1
        _log.info("listening on %s port %d", got_host, got_port)
    reloading = loop.create_task(_reload(server, options.zone, again), name="reload")
    await ended.wait()
    reloading.cancel()
    await asyncio.gather(reloading, return_exceptions=True)
    await server.stop()
    counters = server.counters
    _log.info("stopped after %d queries by UDP and %d by TCP", counters.udp_queries, counters.tcp_queries)
    return 0


async def _reload(server: NameServer, zones: Sequence[ZoneArgument], again: asyncio.Event) -> None:
    while True:
        await again.wait()
        again.clear()
        await _load(server, zones, "the zones are not changed")


async def _load(server: NameServer, zones: Sequence[ZoneArgument], otherwise: str) -> bool:
    """Whether the files are served now; if not, what was served still is."""
    if not zones:
        return False
    try:
        data: list[ZoneData] = [await asyncio.to_thread(read_zone_file, path, origin) for origin, path in zones]
        await server.serve(data)
    except (OSError, ValueError) as error:
        _log.error("%s: %s", otherwise, error)
        return False
    for origin, serial in server.serials.items():
        _log.info("zone %s serial %d", origin, serial)
    return True


async def _load_kept(server: NameServer) -> bool:
    if server.settings.kept is None:
        _log.error(
            "there is nothing to serve: give --zone with a file that can be read, or --keep with zones of a former run"
        )
        return False
    try:
        await server.serve_kept()
    except (OSError, ValueError) as error:
        _log.error("there is nothing to serve: %s", error)
        return False
    for origin, serial in server.serials.items():
        _log.warning("zone %s serial %d is served as it was kept in %s", origin, serial, server.settings.kept)
    return True


def _zone(text: str) -> ZoneArgument:
    origin, _, path = text.rpartition("=")
    return (f"{origin.rstrip('.')}." if origin else None), Path(path)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host)), _port(port)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no ADDRESS:PORT with an IP address: {error}") from error


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise ValueError("a port is between 0 and 65535")
    return int(text)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{count} is less than 0")
    return count


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
