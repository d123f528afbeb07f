"""The configuration that `fedctl --config D/fedctl.yaml` uses as it is: the server's address, token, certificate."""

import ipaddress
import os
from pathlib import Path
from typing import Any, Final

import structlog
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from fedsvc.config import Address, TlsFiles

_NAME: Final = "fedctl.yaml"
_SERVER: Final = "default"

_log = structlog.get_logger("fedsvc.server")


def path_in(data_dir: Path) -> Path:
    """Where it lies."""
    return data_dir / _NAME


def write(data_dir: Path, listen: Address, tls: TlsFiles | None, token: str | None) -> None:
    """Write it, readable by its owner only; nothing is written where nothing changes.

    Args:
        data_dir: the folder.
        listen: where the server listens.
        tls: its certificate, which the client is to trust.
        token: a new token; None: the one in the file stays. Without a file there is then nothing to write: tokens are
            stored as digests, and `fedsvc token create` makes another one.

    Raises:
        OSError: the folder cannot be written.
    """
    path = path_in(data_dir)
    before = _read(path)
    servers = _mapping(before.get("servers"))
    known = _mapping(servers.get(_SERVER))
    shown = token or known.get("token")
    if not shown:
        _log.warning("no_client_configuration", path=str(path), advice="make a token: fedsvc token create NAME")
        return
    address = reachable(listen)
    server_name = known.get("server_name")
    entry = {
        "address": str(address),
        "token": shown,
        "tls": tls is not None,
        "ca_file": None if tls is None else str(tls.certificate.absolute()),
        "server_name": server_name if tls is None else name_to_verify(tls.certificate, address.host, server_name),
    }
    content = {**before, "current": before.get("current") or _SERVER, "servers": {**servers, _SERVER: entry}}
    if content == before:
        return
    temporary = path.with_name(f"{_NAME}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("# How fedctl reaches this server: fedctl --config THIS_FILE. Holds a token: keep it to yourself.\n")
        yaml.safe_dump(content, file, sort_keys=False)
    temporary.replace(path)


def reachable(listen: Address) -> Address:
    """An address that a client on this machine can use, where the server listens on every interface."""
    hosts = {"0.0.0.0": "127.0.0.1", "::": "localhost"}  # noqa: S104 - compared with, not listened on
    return Address(host=hosts.get(listen.host, listen.host), port=listen.port)


def name_to_verify(certificate: Path, host: str, known: str | None = None) -> str | None:
    """The name that a client has to find in the certificate, where it is not that of the address (RFC 6125).

    Certificates are made for the names by which others reach the server; here it is called by a loopback address.
    """
    found = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = names.get_values_for_type(x509.DNSName)
        addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        dns = [str(item.value) for item in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        addresses = []
    if known and _covers(dns, addresses, known):
        return known
    if _covers(dns, addresses, host):
        return None
    return next((name.replace("*", "fedsvc", 1) for name in dns), next(iter(addresses), None))


def _covers(dns: list[str], addresses: list[str], host: str) -> bool:
    try:
        return str(ipaddress.ip_address(host)) in addresses
    except ValueError:
        wanted = host.lower().rstrip(".")
        return any(name.lower() in (wanted, f"*.{wanted.partition('.')[2]}") for name in dns)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError):
        _log.warning("client_configuration_unreadable", path=str(path))
        return {}
    return _mapping(content)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
