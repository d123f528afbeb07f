"""Real name servers as child processes: BIND, Knot, PowerDNS, NSD, unprivileged on free ports of 127.0.0.1.

Each serves the zones it is given, as primary or as secondary of another server, and takes transfers, updates and
notifications signed by `KEY` only. Everything is in the folder given; use a fresh one each time.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.tsig
import dns.zone

from fedsvc.errors import ConfigurationError
from fedsvc.testing.processes import Child, free_ports

KEY = dns.tsig.Key("fedsvc-test.", "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM=", "hmac-sha256")
_SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="  # noqa: S105 - made up, for tests
API_KEY = "made up, for tests"
START_SECONDS = 30.0
_SBIN = "/usr/sbin"
_PDNS_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


class Kind(StrEnum):
    """Which name server; the value is the name of its program."""

    BIND = "named"
    KNOT = "knotd"
    POWERDNS = "pdns_server"
    NSD = "nsd"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedZone:
    """A zone as one server has it.

    Attributes:
        origin: absolute, with its last dot.
        records: master file that it starts with, `$ORIGIN` being the zone's; empty for the least: a SOA and one NS.
        primary_port: of the server on 127.0.0.1 that it is transferred from; None where this server is the primary.
        ca_file: the transfer is by TLS then, from a server whose certificate for 127.0.0.1 is issued by it (BIND only).
    """

    origin: str
    records: str = ""
    primary_port: int | None = None
    ca_file: Path | None = None

    @property
    def text(self) -> str:
        """The whole master file."""
        least = "@ 60 IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 15\n@ 60 IN NS ns.invalid.\n"
        return f"$ORIGIN {self.origin}\n$TTL 60\n{self.records or least}"

    def file(self, folder: Path) -> Path:
        """Where its master file is."""
        return folder / f"{self.origin}zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What a server shows to those who speak TLS to it."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServer:
    """A running one; it answers on UDP and TCP. PowerDNS has an API by HTTP as well, for `API_KEY`."""

    kind: Kind
    port: int
    child: Child
    tls_port: int | None = None
    api_port: int | None = None

    async def stop(self) -> None:
        """End it and wait until it is gone."""
        await self.child.stop()


def find_program(name: str) -> str | None:
    """Its path: they are in a folder that is not on everybody's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SBIN}")


async def start_name_server(
    kind: Kind, folder: Path, zones: Sequence[HostedZone], *, port: int = 0, tls: TlsFiles | None = None
) -> NameServer:
    """Start it and wait until it answers.

    Args:
        kind: which one.
        folder: for its files; empty, but for a restart of what was there.
        zones: what it serves.
        port: 0 for any that is free.
        tls: BIND listens for TLS as well with it, the only one that can in the versions that are tested with.

    Raises:
        ConfigurationError: the machine lacks it.
        RuntimeError: it ended, or does not answer in time; with the end of its log.
    """
    program = find_program(kind)
    if program is None:
        raise ConfigurationError(f"no name server {kind.value}: apt-get install {_PACKAGES[kind]}")
    port = port or free_ports(1)[0]
    folder.mkdir(parents=True, exist_ok=True)
    arguments = _SETUPS[kind](folder, zones, port)
    tls_port = _add_tls(folder, tls) if tls is not None and kind is Kind.BIND else None
    api_port = _add_api(folder) if kind is Kind.POWERDNS else None
    child = Child(kind.value, [program, *arguments], log=folder / "log")
    server = NameServer(kind=kind, port=port, child=child, tls_port=tls_port, api_port=api_port)
    try:
        for zone in zones:
            await _answers(server, zone)
    except BaseException:
        await server.stop()
        raise
    return server


async def _answers(server: NameServer, zone: HostedZone) -> None:
    """Wait until it answers for a zone; a secondary's may still be on its way."""
    query = dns.message.make_query(zone.origin, "SOA")
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if not server.child.running():
            raise RuntimeError(f"{server.kind.value} ended:\n{server.child.tail()}")
        try:
            answer = await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=1)
            if zone.primary_port is not None or answer.rcode() == dns.rcode.NOERROR:
                return
        except (OSError, EOFError, dns.exception.DNSException):
            pass  # it is not up yet
        await asyncio.sleep(0.02)
    raise RuntimeError(f"{server.kind.value} does not answer:\n{server.child.tail()}")


def _bind(folder: Path, zones: Sequence[HostedZone], port: int) -> list[str]:
    options = (
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};'
        f' pid-file none; session-keyfile none; managed-keys-directory "{folder}"; recursion no; notify no;'
        " dnssec-validation no; allow-transfer { key fedsvc-test; }; min-refresh-time 1; min-retry-time 1;"
        " serial-query-rate 1000; startup-notify-rate 1000; transfers-in 100; transfers-per-ns 100; };"
    )
    lines = [
        options,
        "controls { };",
        f'key fedsvc-test {{ algorithm hmac-sha256; secret "{_SECRET}"; }};',
    ]
    for number, zone in enumerate(zones):
        file = zone.file(folder)
        if zone.primary_port is None:
            file.write_text(zone.text)
            role = "type primary; allow-update { key fedsvc-test; };"
        else:
            tls = ""
            if zone.ca_file is not None:
                lines.append(f'tls tls{number} {{ ca-file "{zone.ca_file}"; remote-hostname "127.0.0.1"; }};')
                tls = f" tls tls{number}"
            role = (
                f"type secondary; primaries {{ 127.0.0.1 port {zone.primary_port} key fedsvc-test{tls}; }};"
                " allow-notify { key fedsvc-test; };"
            )
        lines.append(f'zone "{zone.origin}" {{ file "{file}"; {role} }};')
    config = folder / "named.conf"
    config.write_text("\n".join(lines) + "\n")
    return ["-4", "-g", "-n", "1", "-c", str(config)]


def _add_tls(folder: Path, tls: TlsFiles) -> int:
    port = free_ports(1)[0]
    config = folder / "named.conf"
    listening = f" listen-on port {port} tls own {{ 127.0.0.1; }}; listen-on-v6"
    files = f'tls own {{ cert-file "{tls.certificate}"; key-file "{tls.key}"; }};\n'
    config.write_text(files + config.read_text().replace(" listen-on-v6", listening, 1))
    return port


def _knot(folder: Path, zones: Sequence[HostedZone], port: int) -> list[str]:
    lines = [
        "server:",
        f"  rundir: {folder}\n  listen: 127.0.0.1@{port}",
        "  udp-workers: 1\n  tcp-workers: 2\n  background-workers: 1",
        f"database:\n  storage: {folder}\n  journal-db-max-size: 512M",
        "log:\n- target: stderr\n  any: info",
        f"key:\n- id: fedsvc-test\n  algorithm: hmac-sha256\n  secret: {_SECRET}",
        "acl:\n- id: signed\n  key: fedsvc-test\n  action: [transfer, update, notify]",
    ]
    primaries = sorted({zone.primary_port for zone in zones if zone.primary_port is not None})
    lines += ["remote:"] if primaries else []
    lines += [f"- id: p{number}\n  address: 127.0.0.1@{number}\n  key: fedsvc-test" for number in primaries]
    lines += ["zone:"]
    for zone in zones:
        # to write the master file anew at each update would be most of an update's time
        lines.append(f"- domain: {zone.origin}\n  file: {zone.file(folder)}\n  acl: signed\n  zonefile-sync: -1")
        if zone.primary_port is None:
            zone.file(folder).write_text(zone.text)
            lines.append("  journal-content: changes")
        else:
            lines.append(f"  master: p{zone.primary_port}\n  journal-content: all\n  zonefile-load: none")
    config = folder / "knot.conf"
    config.write_text("\n".join(lines) + "\n")
    return ["-c", str(config)]


def _powerdns(folder: Path, zones: Sequence[HostedZone], port: int) -> list[str]:
    file = folder / "pdns.sqlite"
    if not file.exists():
        connection = sqlite3.connect(file)
        with connection:
            connection.executescript(_PDNS_SCHEMA.read_text())
            connection.execute(
                "INSERT INTO tsigkeys (name, algorithm, secret) VALUES ('fedsvc-test', 'hmac-sha256', ?)", (_SECRET,)
            )
            for number, zone in enumerate(zones, start=1):
                _insert_powerdns_zone(connection, number, zone)
        connection.close()
    (folder / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={file}\ngsqlite3-dnssec=yes\ngsqlite3-pragma-synchronous=0\n"
        f"local-address=127.0.0.1\nlocal-port={port}\nsocket-dir={folder}\nguardian=no\ndaemon=no\n"
        "allow-axfr-ips=\ndnsupdate=yes\nallow-dnsupdate-from=127.0.0.0/8\nreceiver-threads=1\ndistributor-threads=1\n"
        "security-poll-suffix=\nversion-string=anonymous\nzone-cache-refresh-interval=0\n"
    )
    return [f"--config-dir={folder}"]


def _add_api(folder: Path) -> int:
    port = free_ports(1)[0]
    with (folder / "pdns.conf").open("a") as config:
        config.write(f"webserver=yes\nwebserver-address=127.0.0.1\nwebserver-port={port}\napi=yes\napi-key={API_KEY}\n")
    return port


def _insert_powerdns_zone(connection: sqlite3.Connection, number: int, zone: HostedZone) -> None:
    bare = zone.origin.rstrip(".")
    connection.execute("INSERT INTO domains (id, name, type) VALUES (?, ?, 'NATIVE')", (number, bare))
    for kind in ("TSIG-ALLOW-DNSUPDATE", "TSIG-ALLOW-AXFR"):
        connection.execute(
            "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (?, ?, 'fedsvc-test')", (number, kind)
        )
    for name, ttl, rdata in dns.zone.from_text(zone.text, zone.origin, relativize=False).iterate_rdatas():
        connection.execute(
            "INSERT INTO records (domain_id, name, type, content, ttl, disabled, auth) VALUES (?, ?, ?, ?, ?, 0, 1)",
            (number, name.to_text(omit_final_dot=True), rdata.rdtype.name, rdata.to_text().rstrip("."), ttl),
        )


def _nsd(folder: Path, zones: Sequence[HostedZone], port: int) -> list[str]:
    lines = [
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  chroot: ""\n  zonesdir: "{folder}"',
        f'  zonelistfile: "{folder}/zone.list"\n  xfrdfile: "{folder}/xfrd.state"\n  xfrdir: "{folder}"\n  pidfile: ""',
        '  database: ""',
        "  server-count: 1\n  xfrd-reload-timeout: 0\n  zonefiles-write: 0\n  refuse-any: yes",
        "remote-control:\n  control-enable: no",
        f'key:\n  name: fedsvc-test\n  algorithm: hmac-sha256\n  secret: "{_SECRET}"',
    ]
    for zone in zones:
        lines.append(f'zone:\n  name: {zone.origin}\n  zonefile: "{zone.file(folder)}"')
        lines.append("  provide-xfr: 127.0.0.1 fedsvc-test")
        if zone.primary_port is None:
            zone.file(folder).write_text(zone.text)
        else:
            lines.append(f"  request-xfr: 127.0.0.1@{zone.primary_port} fedsvc-test")
            lines.append("  allow-notify: 127.0.0.1 fedsvc-test")
    config = folder / "nsd.conf"
    config.write_text("\n".join(lines) + "\n")
    return ["-d", "-c", str(config)]


_PACKAGES = {
    Kind.BIND: "bind9",
    Kind.KNOT: "knot",
    Kind.POWERDNS: "pdns-server pdns-backend-sqlite3",
    Kind.NSD: "nsd",
}
_SETUPS: dict[Kind, Callable[[Path, Sequence[HostedZone], int], list[str]]] = {
    Kind.BIND: _bind,
    Kind.KNOT: _knot,
    Kind.POWERDNS: _powerdns,
    Kind.NSD: _nsd,
}
