"""Where PostgreSQL is: `--database-url` as libpq reads it (PostgreSQL manual, "Connection URIs"), several hosts included."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from fedsvc.errors import ConfigurationError

_HOST: Final = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.%]+)\]|(?P<plain>[^:\[\]@]*))(?::(?P<port>\d{1,5}))?")
_PASSWORDS: Final = ("password", "sslpassword")
_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One of the hosts; None: what the driver takes where nothing is said."""

    name: str | None  # a name, an IP address or the folder of a socket
    port: int | None

    def __str__(self) -> str:
        name = self.name or "the default host"
        return name if self.port is None else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A database, and the hosts of which one serves it."""

    shown: str  # without passwords
    hosts: tuple[Host, ...]  # one at least
    arguments: dict[str, Any]  # for the driver, in addition to one of the hosts
    chooses: bool  # whether the URL itself says which kind of host is wanted


def parse_address(url: str) -> Address:
    """Read the URL of a database.

    Raises:
        ConfigurationError: it is none, or none of PostgreSQL.
    """
    scheme, separator, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    try:
        parts = urlsplit(f"postgresql://{rest}")
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _no_url() from error
    if not separator or not backend:
        raise _no_url()
    if backend not in ("postgresql", "postgres"):
        raise ConfigurationError(f"--database-url: {backend} is not PostgreSQL")
    account, _, listed = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    options = dict(query)
    if not listed:
        # Once taken out, host and port are ours to hand over one by one.
        listed, ports = options.pop("host", ""), options.pop("port", "")
    else:
        ports = options.pop("port", "")
    arguments: dict[str, Any] = {"dsn": f"postgresql://{parts.path or '/'}?{urlencode(options)}"}
    if user:
        arguments["user"] = unquote(user)
    if password:
        arguments["password"] = unquote(password)
    return Address(
        shown=_shown(parts.netloc, parts.path, query),
        hosts=_hosts(unquote(listed), ports),
        arguments=arguments,
        chooses="target_session_attrs" in options,
    )


def _hosts(listed: str, ports: str) -> tuple[Host, ...]:
    names = listed.split(",")
    defaults = ports.split(",")
    if len(defaults) == 1:
        defaults *= len(names)
    if len(defaults) != len(names):
        raise ConfigurationError(f"--database-url: {len(names)} hosts, but {len(defaults)} ports")
    return tuple(_host(name, port) for name, port in zip(names, defaults, strict=True))


def _host(name: str, default: str) -> Host:
    if name.startswith("/"):
        return Host(name=name, port=_port(default))
    found = _HOST.fullmatch(name)
    if found is None:
        raise _no_url()
    return Host(name=found["bracketed"] or found["plain"] or None, port=_port(found["port"] or default))


def _port(given: str) -> int | None:
    if not given:
        return None
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
        raise ConfigurationError(f"--database-url: {given} is no port: a number from 1 to 65535")
    return int(given)


def _shown(netloc: str, path: str, query: list[tuple[str, str]]) -> str:
    account, at, hosts = netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    hidden = [(key, _HIDDEN if key in _PASSWORDS else value) for key, value in query]
    options = "&".join(f"{key}={value}" for key, value in hidden)
    return f"postgresql://{user}{colon and f':{_HIDDEN}'}{at}{hosts}{path}{options and f'?{options}'}"


def _no_url() -> ConfigurationError:
    return ConfigurationError(
        "--database-url: not a URL such as postgresql://user:password@host/name or postgresql://user@host1,host2/name"
    )
