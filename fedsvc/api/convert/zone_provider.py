"""Providers of zones between protobuf and the model; secrets go in and never come out."""

from collections.abc import Iterable
from typing import Any, Final

from fedsvc.api.convert.common import inverted, read_enum, timestamp
from fedsvc.api.problems import Problems
from fedsvc.model.zone_provider import (
    DEFAULT_ALGORITHM,
    DEFAULT_ENDPOINT_NAMESPACE,
    DEFAULT_PORT,
    Claimed,
    DnsEndpoints,
    Endpoint,
    HiddenPrimary,
    Octodns,
    Provider,
    Publication,
    Rfc2136,
    Secondary,
    ZoneKey,
)
from fedsvc.v1 import zone_pb2
from fedsvc_dns.providers.contract import Mode
from fedsvc_dns.providers.judging import Ownership
from fedsvc_dns.providers.marks import ForeignMarks

_MODES: Final = {
    Mode.WRITE: zone_pb2.ZONE_MODE_WRITE,
    Mode.ADOPT: zone_pb2.ZONE_MODE_ADOPT,
    Mode.READ_ONLY: zone_pb2.ZONE_MODE_READ_ONLY,
}
_READ_MODES: Final = {zone_pb2.ZONE_MODE_UNSPECIFIED: Mode.WRITE, **inverted(_MODES)}
_ENDPOINT_MODES: Final = {value: mode for value, mode in _READ_MODES.items() if mode is not Mode.ADOPT}
_OWNERSHIPS: Final = {
    Ownership.ZONE: zone_pb2.ZONE_OWNERSHIP_ZONE,
    Ownership.RECORDS: zone_pb2.ZONE_OWNERSHIP_RECORDS,
}
_READ_OWNERSHIPS: Final = {zone_pb2.ZONE_OWNERSHIP_UNSPECIFIED: Ownership.ZONE, **inverted(_OWNERSHIPS)}


def read_provider(message: zone_pb2.ZoneSpec, path: str, problems: Problems) -> Provider | None:
    """The provider of protobuf, its keys without secrets; None: the zone has none."""
    match message.WhichOneof("provider"):
        case "rfc2136":
            return _read_rfc2136(message.rfc2136, f"{path}.rfc2136", problems)
        case "octodns":
            return _read_octodns(message.octodns, f"{path}.octodns", problems)
        case "dns_endpoints":
            return _read_endpoints(message.dns_endpoints, f"{path}.dns_endpoints", problems)
        case "hidden_primary":
            return HiddenPrimary(
                secondaries=tuple(
                    Secondary(server=read_endpoint(one.server), key=_read_key(one.key))
                    for one in message.hidden_primary.secondaries
                )
            )
        case _:
            return None


def _read_rfc2136(message: zone_pb2.Rfc2136Provider, path: str, problems: Problems) -> Rfc2136:
    claimed = _read_claimed(message, path, problems)
    return Rfc2136(server=read_endpoint(message.server), key=_read_key(message.key), **claimed)


def _read_octodns(message: zone_pb2.OctodnsProvider, path: str, problems: Problems) -> Octodns:
    return Octodns(account=message.account, **_read_claimed(message, path, problems))


def _read_endpoints(message: zone_pb2.DnsEndpointProvider, path: str, problems: Problems) -> DnsEndpoints:
    return DnsEndpoints(
        cluster=message.cluster,
        namespace=message.namespace or DEFAULT_ENDPOINT_NAMESPACE,
        labels=dict(message.labels),
        mode=read_enum(message.mode, _ENDPOINT_MODES, f"{path}.mode", problems),
        owner=message.owner,
        take_over=tuple(message.take_over),
        authorities=tuple(read_endpoint(one) for one in message.authorities),
    )


def _read_claimed(
    message: zone_pb2.Rfc2136Provider | zone_pb2.OctodnsProvider, path: str, problems: Problems
) -> dict[str, Any]:
    marks = message.external_dns
    return {
        "mode": read_enum(message.mode, _READ_MODES, f"{path}.mode", problems),
        "ownership": read_enum(message.ownership, _READ_OWNERSHIPS, f"{path}.ownership", problems),
        "owner": message.owner,
        "take_over": tuple(message.take_over),
        "authorities": tuple(read_endpoint(one) for one in message.authorities),
        "foreign_marks": ForeignMarks(txt_prefix=marks.prefix, txt_suffix=marks.suffix),
    }


def read_secrets(message: zone_pb2.ZoneSpec, path: str, problems: Problems) -> dict[str, str]:
    """The secrets that are given, by the name of their key."""
    found: dict[str, str] = {}
    for where, key in _key_messages(message):
        name = key.name.lower()
        if key.secret and found.setdefault(name, key.secret) != key.secret:
            problems.add(f"{path}.{where}.secret", f"is another one than the key '{key.name}' has above")
    return found


def _key_messages(message: zone_pb2.ZoneSpec) -> Iterable[tuple[str, zone_pb2.TsigKey]]:
    if message.WhichOneof("provider") == "rfc2136":
        yield "rfc2136.key", message.rfc2136.key
    for index, one in enumerate(message.hidden_primary.secondaries):
        yield f"hidden_primary.secondaries[{index}].key", one.key


def read_endpoint(message: zone_pb2.NameServerEndpoint) -> Endpoint:
    """Where a name server is."""
    return Endpoint(host=message.host, port=message.port or DEFAULT_PORT)


def _read_key(message: zone_pb2.TsigKey) -> ZoneKey:
    return ZoneKey(name=message.name.lower(), algorithm=message.algorithm or DEFAULT_ALGORITHM)


def write_provider(provider: Provider | None, message: zone_pb2.ZoneSpec) -> None:
    """Put a provider into the intent of a zone, without its secrets."""
    match provider:
        case Rfc2136():
            message.rfc2136.CopyFrom(_rfc2136_message(provider))
        case Octodns():
            message.octodns.CopyFrom(_octodns_message(provider))
        case DnsEndpoints():
            message.dns_endpoints.CopyFrom(_endpoints_message(provider))
        case HiddenPrimary():
            message.hidden_primary.CopyFrom(
                zone_pb2.HiddenPrimaryProvider(
                    secondaries=[
                        zone_pb2.ZoneSecondary(server=endpoint_message(one.server), key=_key_message(one.key))
                        for one in provider.secondaries
                    ]
                )
            )
        case None:
            pass


def _rfc2136_message(provider: Rfc2136) -> zone_pb2.Rfc2136Provider:
    server, key = endpoint_message(provider.server), _key_message(provider.key)
    return zone_pb2.Rfc2136Provider(server=server, key=key, **_claimed_fields(provider))


def _octodns_message(provider: Octodns) -> zone_pb2.OctodnsProvider:
    return zone_pb2.OctodnsProvider(account=provider.account, **_claimed_fields(provider))


def _endpoints_message(provider: DnsEndpoints) -> zone_pb2.DnsEndpointProvider:
    return zone_pb2.DnsEndpointProvider(
        cluster=provider.cluster,
        namespace=provider.namespace,
        labels=provider.labels,
        mode=_MODES[provider.mode],
        owner=provider.owner,
        take_over=provider.take_over,
        authorities=[endpoint_message(one) for one in provider.authorities],
    )


def _claimed_fields(provider: Claimed) -> dict[str, Any]:
    marks = provider.foreign_marks
    has_marks = bool(marks.txt_prefix or marks.txt_suffix)
    return {
        "mode": _MODES[provider.mode],
        "ownership": _OWNERSHIPS[provider.ownership],
        "owner": provider.owner,
        "take_over": provider.take_over,
        "authorities": [endpoint_message(one) for one in provider.authorities],
        "external_dns": zone_pb2.ExternalDnsMarks(prefix=marks.txt_prefix, suffix=marks.txt_suffix)
        if has_marks
        else None,
    }


def publication_message(stands: Publication) -> zone_pb2.ZonePublication:
    """How a zone stands on the name servers of its provider."""
    return zone_pb2.ZonePublication(
        serial=stands.serial,
        trouble=stands.trouble,
        refused=stands.refused,
        refused_count=stands.refused_count,
        waiting_count=stands.waiting_count,
        drifted=stands.drifted,
        stranger_count=stands.stranger_count,
        servers=[
            zone_pb2.NameServerStanding(
                server=endpoint_message(one.server), serial=one.serial, is_current=one.is_current, trouble=one.trouble
            )
            for one in stands.servers
        ],
        publish_time=None if stands.publish_time is None else timestamp(stands.publish_time),
    )


def endpoint_message(endpoint: Endpoint) -> zone_pb2.NameServerEndpoint:
    """Where a name server is, as protobuf."""
    return zone_pb2.NameServerEndpoint(host=endpoint.host, port=endpoint.port)


def _key_message(key: ZoneKey) -> zone_pb2.TsigKey:
    return zone_pb2.TsigKey(name=key.name, algorithm=key.algorithm)
