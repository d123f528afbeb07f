"""Where the server is and how to show who we are: the configuration file that `fedctl` and `Client.from_config` read.

current: default
servers:
  default: {address: "127.0.0.1:7443", token: "fedsvc_...", tls: false, ca_file: null, server_name: null}
"""

import difflib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from fedsvc_client._errors import ConfigurationError

DEFAULT_PORT = 7443
_TOP = ("current", "servers")
_KNOWN = ("address", "token", "tls", "ca_file", "server_name")


_EXAMPLE = f'write for example: servers: {{default: {{address: "127.0.0.1:{DEFAULT_PORT}", token: ...}}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server and how to talk to it."""

    address: str  # "host:port"
    token: str = field(default="", repr=False)  # bearer token; empty sends none
    tls: bool = False
    ca_file: Path | None = None  # authorities to trust, PEM; none: those of the system
    server_name: str = ""  # name to verify in the certificate where it differs from the host

    @property
    def host(self) -> str:
        """Host part of the address, without brackets."""
        return urlsplit(f"//{self.address}").hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent cannot leave this machine."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a configuration file holds."""

    path: Path
    current: str  # name of the server to use unless told otherwise; may be empty
    servers: Mapping[str, Server]

    def server(self, name: str = "") -> Server:
        """Return the server of that name, or the current one.

        Raises:
            ConfigurationError: There is none of that name, or no current one.
        """
        wanted = name or self.current or (next(iter(self.servers)) if len(self.servers) == 1 else "")
        if not self.servers:
            raise ConfigurationError(f"{self.path}: there is no server in it; {_EXAMPLE}")
        known = ", ".join(sorted(self.servers))
        if not wanted:
            raise ConfigurationError(f"{self.path}: `current` is not set; choose one of: {known}")
        if wanted not in self.servers:
            raise ConfigurationError(f"{self.path}: there is no server {wanted!r} under `servers`; there are: {known}")
        return self.servers[wanted]


def default_config_path() -> Path:
    """Return where the configuration lies unless told otherwise (XDG base directories)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else Path.home() / ".config") / "fedctl" / "config.yaml"


def is_loopback(host: str) -> bool:
    """Tell whether an address or host name is this machine's own."""
    try:
        return ipaddress.ip_address(host.split("%", 1)[0]).is_loopback
    except ValueError:
        return host.rstrip(".").lower() in ("localhost", "ip6-localhost")


def parse_address(text: str) -> Server:
    """Read "host", "host:port", "http://host:port" or "https://host:port"; TLS unless http or loopback.

    Raises:
        ConfigurationError: The text is no address.
    """
    stripped = text.strip()
    scheme, _, rest = stripped.partition("://") if "://" in stripped else ("", "", stripped)
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if not host or scheme not in ("", "http", "https") or parts.path.strip("/") or parts.username or " " in host:
        raise ConfigurationError(
            f"{text!r} is no server address: write host:port, for example 127.0.0.1:{DEFAULT_PORT}"
        )
    shown = f"[{host}]" if ":" in host else host
    tls = scheme == "https" or (scheme == "" and not is_loopback(host))
    return Server(address=f"{shown}:{port}", tls=tls)


def load_config(path: Path | str | None = None) -> Configuration:
    """Read a configuration file.

    Args:
        path: The file; unset: `default_config_path()`.

    Raises:
        ConfigurationError: It cannot be read, or is no configuration; the text names file and field.
    """
    path = Path(path) if path else default_config_path()
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot be read: {detail}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: is no valid YAML: {_in_one_line(error)}") from error
    root = _mapping(path, "the file", {} if document is None else document)
    _check_keys(path, "", root, _TOP)
    servers = _mapping(path, "`servers`", root.get("servers", {}))
    current = root.get("current") or ""
    if not isinstance(current, str):
        raise ConfigurationError(f"{path}: `current` must be the name of a server")
    read = {str(name): _server(path, f"servers.{name}", entry) for name, entry in servers.items()}
    return Configuration(path=path, current=current, servers=read)


def _in_one_line(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    return f"line {error.problem_mark.line + 1}: {error.problem}"


def _check_keys(path: Path, where: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            meant = f"did you mean `{near[0]}`?" if near else f"known are: {', '.join(known)}"
            raise ConfigurationError(f"{path}: `{where}{key}` is not known; {meant}")


def _mapping(path: Path, what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path}: {what} must be a mapping, as in `servers: {{default: {{address: ...}}}}`")
    return value


def _server(path: Path, where: str, value: Any) -> Server:
    entry = _mapping(path, f"`{where}`", value)
    _check_keys(path, f"{where}.", entry, _KNOWN)
    address, tls = entry.get("address"), entry.get("tls")
    if not isinstance(address, str) or not address:
        raise ConfigurationError(f'{path}: `{where}.address` is missing; write for example "127.0.0.1:{DEFAULT_PORT}"')
    if tls is not None and not isinstance(tls, bool):
        raise ConfigurationError(f"{path}: `{where}.tls` must be true or false")
    texts: dict[str, str] = {}
    for key in ("token", "ca_file", "server_name"):
        text = entry.get(key)
        if text is not None and not isinstance(text, str):
            raise ConfigurationError(f"{path}: `{where}.{key}` must be text")
        texts[key] = text or ""
    parsed = parse_address(address)
    # A relative file is meant from where the configuration lies, so that a data folder can be moved as a whole.
    ca_file = path.parent / Path(texts["ca_file"]).expanduser() if texts["ca_file"] else None
    return Server(
        address=parsed.address,
        token=texts["token"].strip(),
        tls=parsed.tls if tls is None else tls,
        ca_file=ca_file,
        server_name=texts["server_name"],
    )
