"""Checking the providers of zones."""

import base64
import ipaddress
from collections.abc import Sequence
from typing import Final

from fedsvc.api.intent.metadata import check_labels
from fedsvc.api.problems import Problems
from fedsvc.model.zone_provider import (
    Claimed,
    DnsEndpoints,
    Endpoint,
    HiddenPrimary,
    Octodns,
    Provider,
    Rfc2136,
    ZoneKey,
    keys_of,
)
from fedsvc.rendering.names import dns_label_problem
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.providers.endpoint_objects import ZONE_LABEL
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.marks import check_owner

MAX_SERVERS: Final = 20
_MAX_PORT: Final = 65535
_SOME_SECRET: Final = "c2VjcmV0"  # noqa: S105 - stands for one that is stored already
_MAX_SECRET_SIZE: Final = 1_000
_MAX_ACCOUNT_SIZE: Final = 100


def check_provider(provider: Provider | None, secrets: dict[str, str], path: str, problems: Problems) -> None:
    """Note what is wrong with a provider.

    Args:
        provider: as it was written, its keys without secrets.
        secrets: that were given, by the name of their key.
        path: of the intent of the zone.
        problems: gathers what is refused.
    """
    match provider:
        case Rfc2136():
            check_endpoint(provider.server, f"{path}.rfc2136.server", problems)
            _check_claim(provider, f"{path}.rfc2136", problems)
        case Octodns():
            _check_account(provider.account, f"{path}.octodns.account", problems)
            _check_claim(provider, f"{path}.octodns", problems)
        case DnsEndpoints():
            _check_objects(provider, f"{path}.dns_endpoints", problems)
            _check_claim(provider, f"{path}.dns_endpoints", problems)
        case HiddenPrimary():
            _check_secondaries(provider, f"{path}.hidden_primary.secondaries", problems)
        case None:
            return
    for where, key in keys_of(provider):
        _check_key(key, secrets.get(key.name, ""), f"{path}.{where}", problems)


def _check_account(account: str, path: str, problems: Problems) -> None:
    if not account:
        problems.add(path, "is missing: name an account of the server's --octodns-config")
    elif len(account) > _MAX_ACCOUNT_SIZE or not account.isprintable():
        problems.add(path, f"is no name of an account: at most {_MAX_ACCOUNT_SIZE} printable characters")


def _check_objects(provider: DnsEndpoints, path: str, problems: Problems) -> None:
    for field, value in (("cluster", provider.cluster), ("namespace", provider.namespace)):
        if (problem := dns_label_problem(value)) is not None:
            problems.add(f"{path}.{field}", problem)
    check_labels(provider.labels, f"{path}.labels", problems)
    if ZONE_LABEL in provider.labels:
        problems.add(f"{path}.labels[{ZONE_LABEL}]", "is what fedsvc knows its own objects by")
    if len(provider.labels) > MAX_SERVERS:
        problems.add(f"{path}.labels", f"has {len(provider.labels)} entries; at most {MAX_SERVERS} are accepted")


def _check_claim(provider: Claimed, path: str, problems: Problems) -> None:
    owners = [(f"{path}.owner", provider.owner)] if provider.owner else []
    owners.extend((f"{path}.take_over[{index}]", one) for index, one in enumerate(provider.take_over))
    for where, owner in owners:
        try:
            check_owner(owner)
        except ValueError as error:
            problems.add(where, str(error))
    _check_count(provider.take_over, f"{path}.take_over", problems)
    _check_count(provider.authorities, f"{path}.authorities", problems)
    for index, one in enumerate(provider.authorities[:MAX_SERVERS]):
        check_endpoint(one, f"{path}.authorities[{index}]", problems)
    for where, affix in (("prefix", provider.foreign_marks.txt_prefix), ("suffix", provider.foreign_marks.txt_suffix)):
        if len(affix) > 63 or not affix.isascii() or " " in affix:
            problems.add(f"{path}.external_dns.{where}", "is no part of a name: at most 63 ASCII characters")


def _check_secondaries(provider: HiddenPrimary, path: str, problems: Problems) -> None:
    if not provider.secondaries:
        problems.add(path, "is missing: name at least one server that transfers the zone")
    _check_count(provider.secondaries, path, problems)
    seen: set[Endpoint] = set()
    for index, one in enumerate(provider.secondaries[:MAX_SERVERS]):
        check_endpoint(one.server, f"{path}[{index}].server", problems)
        if one.server in seen:
            problems.add(f"{path}[{index}].server", f"{one.server} stands here twice")
        seen.add(one.server)


def _check_count(listed: Sequence[object], path: str, problems: Problems) -> None:
    if len(listed) > MAX_SERVERS:
        problems.add(path, f"has {len(listed)} entries; at most {MAX_SERVERS} are accepted")


def check_endpoint(endpoint: Endpoint, path: str, problems: Problems) -> None:
    """Note what is wrong with where a name server is said to be."""
    if not endpoint.host:
        problems.add(f"{path}.host", "is missing: write an IP address or a host name")
    elif not _is_host(endpoint.host):
        problems.add(f"{path}.host", f"'{endpoint.host[:100]}' is neither an IP address nor a host name")
    if not 1 <= endpoint.port <= _MAX_PORT:
        problems.add(f"{path}.port", f"is {endpoint.port}; it must be from 1 to {_MAX_PORT}")


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            return ":" not in host and not host.startswith("*") and bool(to_a_labels(host))
        except ValueError:
            return False
    return True


def _check_key(key: ZoneKey, secret: str, path: str, problems: Problems) -> None:
    if not key.name:
        problems.add(f"{path}.name", "is missing: the key is called as the name server has it")
        return
    if len(secret) > _MAX_SECRET_SIZE:
        problems.add(f"{path}.secret", f"is longer than {_MAX_SECRET_SIZE} characters")
        return
    for field, parts in (
        ("algorithm", {"name": "k", "secret": _SOME_SECRET, "algorithm": key.algorithm}),
        ("name", {"name": key.name, "secret": _SOME_SECRET}),
        ("secret", {"name": "k", "secret": secret or _SOME_SECRET}),
    ):
        try:
            TsigKey(**parts)
        except ValueError as error:
            hint = "is not base64" if field == "secret" else str(error)  # a secret is in no message
            problems.add(f"{path}.{field}", hint)
            return
    try:
        base64.b64decode(secret, validate=True)
    except ValueError:
        problems.add(f"{path}.secret", "is not base64")
