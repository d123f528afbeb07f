"""Settings of the service: checked once, at the start, with the name of the setting in every message.

They come from flags, then the environment (FEDSVC_DATA_DIR for --data-dir), then a YAML file, then the defaults here.
"""

import ipaddress
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import yaml

from fedsvc.detection import DEFAULT_DETECT_SECONDS
from fedsvc.errors import ConfigurationError
from fedsvc_dns.providers.octodns.accounts import Account

DEFAULT_LISTEN: Final = "127.0.0.1:7443"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("console", "json")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen."""

    host: str  # name or address, IPv6 without brackets
    port: int  # 0: any free one

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Certificate chain and private key, PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where state lives."""

    data_dir: Path
    database_url: str | None = field(default=None, repr=False)  # may hold a password; None: embedded PostgreSQL
    key_file: Path | None = None  # None: `keyring` in the data folder

    @property
    def keyring(self) -> Path:
        """The file with the keys that seal credentials and Secrets."""
        return self.key_file or self.data_dir / "keyring"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """All of `fedsvc serve`."""

    store: StoreSettings
    listen: Address
    tls: TlsFiles | None = None
    metrics_listen: Address | None = None
    dns_listen: Address | None = None  # the name server; None: there is none
    transfer_listen: Address | None = None  # for secondaries of zones; None: they transfer nothing here
    transfer_tls_port: int | None = None  # there by TLS as well; None: not
    octodns_accounts: Mapping[str, Account] = field(default_factory=dict, repr=False)  # by name
    ready_file: Path | None = None
    controllers: bool = True  # whether this replica may lead; without, it serves the API only
    bookmark_seconds: float = 15.0
    revisions_kept: int = 20  # of each unit, beside those that a cluster holds
    audit_days: int = 365  # for so long the audit is kept
    witness: Address | None = None  # beside all members; answers while this server is not cut off
    detect_seconds: float = DEFAULT_DETECT_SECONDS  # within which a lost member is found to be so
    # Calls under way get so long to finish when the server stops.
    drain_seconds: float = 10.0


def default_data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_DATA_HOME/fedsvc``, else ``~/.local/share/fedsvc`` (XDG base directories)."""
    base = environment.get("XDG_DATA_HOME", "")
    # A relative path is to be ignored, says the specification.
    home = Path(base) if base.startswith("/") else Path.home() / ".local" / "share"
    return home / "fedsvc"


def parse_address(text: str, setting: str) -> Address:
    """The address in ``host:port``, ``[ipv6]:port`` or ``:port`` (every interface).

    Raises:
        ConfigurationError: it is not one.
    """
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    # int() would also take "+1", "1_0" and digits of other scripts.
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else -1
    if not colon or not 0 <= number <= 65535 or (":" in host) is not bracketed or not _HOST.fullmatch(host):
        raise ConfigurationError(f"{setting}: '{text}' is not host:port, such as {DEFAULT_LISTEN} or [::1]:7443")
    return Address(host=host or "::", port=number)


def parse_dns_address(text: str, setting: str = "--dns-listen") -> Address:
    """The address of the name server: an IP address, since it answers from the very address that it is asked at.

    Raises:
        ConfigurationError: it is not one.
    """
    address = parse_address(text, setting)
    try:
        ipaddress.ip_address(address.host)
    except ValueError as error:
        raise ConfigurationError(
            f"{setting}: '{address.host}' is no IP address: give one such as 127.0.0.1:5353 or [::1]:5353"
        ) from error
    return address


def check_tls(tls: TlsFiles | None, listen: Address, metrics_listen: Address | None) -> None:
    """Refuse what cannot be served safely.

    Raises:
        ConfigurationError: a listener off loopback without TLS, or files that cannot be used, with what to do.
    """
    for address, setting in ((listen, "--listen"), (metrics_listen, "--metrics-listen")):
        if address is not None and not address.loopback and tls is None:
            raise ConfigurationError(
                f"{setting} {address} can be reached from other machines, so it needs TLS: give --tls-cert and "
                f"--tls-key, or listen on 127.0.0.1:{address.port} only"
            )
    if tls is not None:
        _check_pair(tls)


def check_transfers(settings: ServerSettings) -> None:
    """Refuse transfers by TLS where there is nowhere to listen, or nothing to show.

    Raises:
        ConfigurationError: with what is missing.
    """
    if settings.transfer_tls_port is None:
        return
    if settings.transfer_listen is None:
        raise ConfigurationError("--transfer-tls-port needs --transfer-listen: it is a port of the same address")
    if settings.tls is None:
        raise ConfigurationError(
            "--transfer-tls-port needs --tls-cert and --tls-key: secondaries check the certificate"
        )


def tls_files(certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """Both files, or none.

    Raises:
        ConfigurationError: only one of them is given.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        given, wanted = ("--tls-cert", "--tls-key") if key is None else ("--tls-key", "--tls-cert")
        raise ConfigurationError(f"{given} needs {wanted}: TLS takes a certificate and its private key")
    return TlsFiles(certificate=certificate, key=key)


def load_config_file(path: Path, known: Iterable[str]) -> dict[str, str | int | float | bool]:
    """The settings in a YAML file, by the names of the flags with underscores.

    Args:
        path: the file: one mapping, keys as the flags without the leading dashes.
        known: the names that mean something, with underscores.

    Raises:
        ConfigurationError: the file cannot be read, is no such mapping, or has a key that is not known.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--config {path}: cannot be read: {_reason(error)}") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"--config {path}: not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"--config {path}: must hold settings such as 'listen: {DEFAULT_LISTEN}'")
    names = sorted(known)
    settings: dict[str, str | int | float | bool] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in names:
            raise ConfigurationError(f"--config {path}: {_unknown(str(key), names)}")
        if name in settings:
            raise ConfigurationError(f"--config {path}: '{key}' is given twice")
        if not isinstance(value, str | int | float | bool):
            raise ConfigurationError(f"--config {path}: '{key}' must be one value, not {type(value).__name__}")
        settings[name] = value
    return settings


def _unknown(key: str, names: list[str]) -> str:
    close = get_close_matches(key.replace("-", "_"), names, n=1)
    hint = f"; did you mean '{close[0].replace('_', '-')}'?" if close else ""
    listed = ", ".join(name.replace("_", "-") for name in names)
    return f"'{key}' is not a setting{hint} (settings: {listed})"


def _check_pair(tls: TlsFiles) -> None:
    for path, setting in ((tls.certificate, "--tls-cert"), (tls.key, "--tls-key")):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{setting} {path}: cannot be read: {_reason(error)}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_refuse_passphrase)
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            message = f"--tls-key {tls.key} does not belong to --tls-cert {tls.certificate}"
        else:
            message = f"--tls-cert {tls.certificate} and --tls-key {tls.key}: must be PEM files ({error.reason})"
        raise ConfigurationError(message) from error
    _check_time(tls.certificate, datetime.now(UTC))


def _check_time(path: Path, now: datetime) -> None:
    # Only the service needs cryptography, and only here: not at the top, so that the other commands start faster.
    from cryptography import x509  # noqa: PLC0415

    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    if certificate.not_valid_after_utc <= now:
        ended = certificate.not_valid_after_utc.isoformat()
        raise ConfigurationError(f"--tls-cert {path}: the certificate ended at {ended}: take a new one")
    if certificate.not_valid_before_utc > now:
        begins = certificate.not_valid_before_utc.isoformat()
        raise ConfigurationError(f"--tls-cert {path}: the certificate begins at {begins} only: is the clock right?")


def _refuse_passphrase() -> str:
    # Without a callback OpenSSL would ask at the terminal.
    raise ConfigurationError("--tls-key: the key has a passphrase; give one without")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not UTF-8"
