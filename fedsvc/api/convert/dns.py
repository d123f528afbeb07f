"""What units say of their names, between protobuf and the planner."""

from typing import Final

from fedsvc.api.convert.common import inverted, read_enum
from fedsvc.api.problems import Problems
from fedsvc.v1 import dns_pb2, zone_pb2
from fedsvc_dns.planner.zone import DnsSettings, MinHealthy, OnAllDown, ProbeProtocol, ProbeSettings, Strategy, Tier

MAX_HOSTS: Final = 100
MAX_TIERS: Final = 20
MAX_SORRY: Final = 20

_STRATEGIES: Final = {
    Strategy.ROUND_ROBIN: dns_pb2.DNS_STRATEGY_ROUND_ROBIN,
    Strategy.WEIGHTED: dns_pb2.DNS_STRATEGY_WEIGHTED,
    Strategy.FAILOVER: dns_pb2.DNS_STRATEGY_FAILOVER,
    Strategy.LOCALITY: dns_pb2.DNS_STRATEGY_LOCALITY,
}
_READ_STRATEGIES: Final = {dns_pb2.DNS_STRATEGY_UNSPECIFIED: Strategy.ROUND_ROBIN, **inverted(_STRATEGIES)}
_ALL_DOWN: Final = {
    OnAllDown.ALL: dns_pb2.ON_ALL_DOWN_ALL,
    OnAllDown.LAST: dns_pb2.ON_ALL_DOWN_LAST,
    OnAllDown.SORRY: dns_pb2.ON_ALL_DOWN_SORRY,
    OnAllDown.NXDOMAIN: dns_pb2.ON_ALL_DOWN_NXDOMAIN,
}
_PROTOCOLS: Final = {
    ProbeProtocol.TCP: dns_pb2.DNS_PROBE_PROTOCOL_TCP,
    ProbeProtocol.HTTP: dns_pb2.DNS_PROBE_PROTOCOL_HTTP,
    ProbeProtocol.HTTPS: dns_pb2.DNS_PROBE_PROTOCOL_HTTPS,
    ProbeProtocol.GRPC: dns_pb2.DNS_PROBE_PROTOCOL_GRPC,
}
_READ_PROTOCOLS: Final = {dns_pb2.DNS_PROBE_PROTOCOL_UNSPECIFIED: ProbeProtocol.TCP, **inverted(_PROTOCOLS)}
_READ_ALL_DOWN: Final = inverted(_ALL_DOWN)


def read_dns(message: dns_pb2.DnsSettings, path: str, problems: Problems) -> DnsSettings:
    """The settings of protobuf; what they mean is checked against the zone (`fedsvc.api.intent.dns`)."""
    for field, most in (("hosts", MAX_HOSTS), ("tiers", MAX_TIERS), ("sorry", MAX_SORRY)):
        count = len(getattr(message, field))
        if count > most:
            problems.add(f"{path}.{field}", f"has {count} entries; at most {most} are accepted")
    if not message.zone:
        problems.add(f"{path}.zone", "is missing: write the id of a zone")
    return DnsSettings(
        zone=message.zone,
        hosts=tuple(message.hosts),
        strategy=read_enum(message.strategy, _READ_STRATEGIES, f"{path}.strategy", problems),
        ttl_seconds=message.ttl_seconds if message.HasField("ttl_seconds") else None,
        min_healthy=read_min_healthy(message, path, problems),
        on_all_down=read_all_down(message.on_all_down, path, problems),
        weights=dict(message.weights),
        tiers=tuple(
            Tier(
                clusters=tuple(tier.clusters),
                regions=tuple(tier.regions),
                labels=tuple(sorted(tier.labels.items())),
            )
            for tier in message.tiers
        ),
        spill=message.spill,
        prefix=message.prefix,
        external_name=message.external_name,
        sorry=tuple(message.sorry),
        probe=_read_probe(message.probe, f"{path}.probe", problems) if message.HasField("probe") else None,
    )


def _read_probe(message: dns_pb2.DnsProbe, path: str, problems: Problems) -> ProbeSettings:
    usual = ProbeSettings()
    return ProbeSettings(
        protocol=read_enum(message.protocol, _READ_PROTOCOLS, f"{path}.protocol", problems),
        port=message.port if message.HasField("port") else None,
        path=message.path or usual.path,
        host=message.host,
        interval_seconds=message.interval_seconds if message.HasField("interval_seconds") else usual.interval_seconds,
        timeout_seconds=message.timeout_seconds if message.HasField("timeout_seconds") else usual.timeout_seconds,
        service=message.service,
    )


def read_min_healthy(
    message: dns_pb2.DnsSettings | zone_pb2.ZoneSpec, path: str, problems: Problems
) -> MinHealthy | None:
    """How many clusters have to be fit; None: nothing is said of it."""
    if not message.HasField("min_healthy"):
        return None
    said = message.min_healthy
    if not 0 <= said.percent <= 100:
        problems.add(f"{path}.min_healthy.percent", f"is {said.percent}; it must be from 0 to 100")
    return MinHealthy(count=said.count if said.HasField("count") else 1, share=said.percent / 100)


def read_all_down(value: dns_pb2.OnAllDown.ValueType, path: str, problems: Problems) -> OnAllDown | None:
    """What names hold when too few are fit; None: nothing is said of it."""
    if value == dns_pb2.ON_ALL_DOWN_UNSPECIFIED:
        return None
    return read_enum(value, _READ_ALL_DOWN, f"{path}.on_all_down", problems)


def min_healthy_message(needed: MinHealthy | None) -> dns_pb2.DnsMinHealthy | None:
    """How many clusters have to be fit, as protobuf."""
    if needed is None:
        return None
    return dns_pb2.DnsMinHealthy(count=needed.count, percent=round(needed.share * 100))


def all_down_value(on_all_down: OnAllDown | None) -> dns_pb2.OnAllDown.ValueType:
    """What names hold when too few are fit, as protobuf."""
    return dns_pb2.ON_ALL_DOWN_UNSPECIFIED if on_all_down is None else _ALL_DOWN[on_all_down]


def dns_message(settings: DnsSettings | None) -> dns_pb2.DnsSettings | None:
    """The settings as protobuf."""
    if settings is None:
        return None
    return dns_pb2.DnsSettings(
        zone=settings.zone,
        hosts=settings.hosts,
        strategy=_STRATEGIES[settings.strategy],
        ttl_seconds=settings.ttl_seconds,
        min_healthy=min_healthy_message(settings.min_healthy),
        on_all_down=all_down_value(settings.on_all_down),
        weights=settings.weights,
        tiers=[
            dns_pb2.DnsTier(clusters=tier.clusters, regions=tier.regions, labels=dict(tier.labels))
            for tier in settings.tiers
        ],
        spill=settings.spill,
        prefix=settings.prefix,
        external_name=settings.external_name,
        sorry=settings.sorry,
        probe=None if settings.probe is None else _probe_message(settings.probe),
    )


def _probe_message(probe: ProbeSettings) -> dns_pb2.DnsProbe:
    return dns_pb2.DnsProbe(
        protocol=_PROTOCOLS[probe.protocol],
        port=probe.port,
        path=probe.path if probe.protocol in (ProbeProtocol.HTTP, ProbeProtocol.HTTPS) else "",
        host=probe.host,
        interval_seconds=probe.interval_seconds,
        timeout_seconds=probe.timeout_seconds,
        service=probe.service,
    )
