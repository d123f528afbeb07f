"""Pure: refuse zones, settings and clusters that mean nothing: with the path in the document and what would do."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from fedsvc_dns.planner.addresses import parsed
from fedsvc_dns.planner.facts import Cluster
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.memory import HealthPolicy
from fedsvc_dns.planner.zone import (
    Budget,
    DnsSettings,
    MinHealthy,
    OnAllDown,
    ProbeProtocol,
    ProbeSettings,
    ServiceBinding,
    Strategy,
    Zone,
)
from fedsvc_dns.records import MAX_TTL_SECONDS, is_within

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,13}[a-z0-9]")
_PATH = re.compile(r"/[!-~]{0,999}")
_GRPC_SERVICE = re.compile(r"[!-~]{0,256}")
_ALPN = re.compile(r'[^\s",\\]{1,255}')
MAX_WEIGHT = 65535
"""An SRV record has 16 bits for it (RFC 2782)."""
MAX_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: where, such as `dns.weights[east]`.
        message: what is wrong, and what would be right.
    """

    path: str
    message: str


def validate_zone(zone: Zone, path: str = "zone") -> list[Problem]:
    """Return what is wrong with a zone, in the order of the document."""
    problems = [*_label(zone.name, f"{path}.name")]
    problems.extend(_name(zone.domain, f"{path}.domain"))
    if zone.domain.startswith("*"):
        problems.append(Problem(path=f"{path}.domain", message="a zone has no wildcard as its domain"))
    problems.extend(_between(zone.ttl_seconds, f"{path}.ttl", 1, MAX_TTL_SECONDS, "seconds"))
    problems.extend(_between(zone.max_answers, f"{path}.maxAnswers", 1, 100, "answers"))
    problems.extend(_budget(zone.budget, f"{path}.budget"))
    return problems


def validate_settings(settings: DnsSettings, zones: Iterable[Zone], path: str = "dns") -> list[Problem]:
    """Return what is wrong with the settings of a unit, in the order of the document.

    Args:
        settings: as they were written.
        zones: that there are.
        path: where the settings stand in their document.
    """
    named = {zone.name: zone for zone in zones}
    zone = named.get(settings.zone)
    problems: list[Problem] = []
    if zone is None:
        known = ", ".join(sorted(named)) or "none"
        problems.append(Problem(path=f"{path}.zone", message=f"there is no zone {settings.zone!r}; there are: {known}"))
    for index, host in enumerate(settings.hosts):
        problems.extend(_host(host, zone, f"{path}.hosts[{index}]"))
    if settings.ttl_seconds is not None:
        problems.extend(_between(settings.ttl_seconds, f"{path}.ttl", 1, MAX_TTL_SECONDS, "seconds"))
    if settings.min_healthy is not None:
        problems.extend(_min_healthy(settings.min_healthy, f"{path}.minHealthy"))
    problems.extend(_sorry(settings, path))
    for cluster in sorted(settings.weights):
        problems.extend(_between(settings.weights[cluster], f"{path}.weights[{cluster}]", 0, MAX_WEIGHT, ""))
    problems.extend(_tiers(settings, path))
    if settings.prefix:
        problems.extend(_prefix(settings.prefix, f"{path}.prefix"))
    if settings.external_name:
        problems.extend(_label(settings.external_name, f"{path}.externalName"))
    if settings.probe is not None:
        problems.extend(_probe(settings.probe, f"{path}.probe"))
    for index, binding in enumerate(settings.bindings):
        problems.extend(_binding(binding, f"{path}.bindings[{index}]"))
    return problems


def validate_cluster(cluster: Cluster, path: str) -> list[Problem]:
    """Return what keeps a cluster's region and zones from being labels of names."""
    problems = [*_label(cluster.name, f"{path}.name")]
    if cluster.region:
        problems.extend(_label(cluster.region, f"{path}.region"))
    for index, zone in enumerate(cluster.zones):
        problems.extend(_label(zone, f"{path}.zones[{index}]"))
    if cluster.zones and not cluster.region:
        problems.append(Problem(path=f"{path}.region", message="zones are named below their region: give one"))
    problems.extend(_between(cluster.weight_percent, f"{path}.weight", 0, 100, "percent"))
    return problems


def validate_health(policy: HealthPolicy, path: str = "health") -> list[Problem]:
    """Return what is wrong with the numbers by which targets are judged."""
    problems = [*_between(policy.fall, f"{path}.fall", 1, 100, "probes")]
    problems.extend(_between(policy.rise, f"{path}.rise", 1, 100, "probes"))
    spans = {
        "minDown": policy.min_down,
        "unreadyFor": policy.unready_for,
        "readyFor": policy.ready_for,
        "probeFresh": policy.probe_fresh,
        "flapLongest": policy.flap_longest,
        "staleAfter": policy.stale_after,
        "addressGrace": policy.address_grace,
    }
    problems.extend(
        Problem(path=f"{path}.{name}", message=f"{span} is less than no time")
        for name, span in spans.items()
        if span < timedelta(0)
    )
    if policy.flap_half_life <= timedelta(0):
        problems.append(Problem(path=f"{path}.flapHalfLife", message=f"{policy.flap_half_life} is no time"))
    if not 0 < policy.flap_reuse < policy.flap_suppress:
        message = f"{policy.flap_reuse} is not above 0 and below flapSuppress, {policy.flap_suppress}"
        problems.append(Problem(path=f"{path}.flapReuse", message=message))
    if policy.flap_penalty < 0:
        problems.append(Problem(path=f"{path}.flapPenalty", message=f"{policy.flap_penalty} is less than nothing"))
    return problems


def _label(text: str, path: str) -> Iterator[Problem]:
    if _LABEL.fullmatch(text.lower()) is None:
        yield Problem(
            path=path, message=f"{text!r} is no label of a name: use 1 to 63 letters, digits and hyphens within them"
        )


def _name(text: str, path: str) -> Iterator[Problem]:
    try:
        to_a_labels(text)
    except ValueError as error:
        yield Problem(path=path, message=str(error))


def _host(host: str, zone: Zone | None, path: str) -> Iterator[Problem]:
    try:
        name = to_a_labels(host)
        origin = None if zone is None else to_a_labels(zone.domain)
    except ValueError as error:
        yield Problem(path=path, message=str(error))
        return
    if zone is not None and origin is not None and not is_within(name, origin):
        yield Problem(path=path, message=f"{host!r} is not within the zone {zone.name} of {zone.domain}")
    if "*" in name.removeprefix("*."):
        yield Problem(path=path, message=f"{host!r}: an asterisk is the whole of the first label, or none (RFC 4592)")


def _between(number: int, path: str, least: int, most: int, unit: str) -> Iterator[Problem]:
    if not least <= number <= most:
        words = f" {unit}" if unit else ""
        yield Problem(path=path, message=f"{number} is not between {least} and {most}{words}")


def _min_healthy(needed: MinHealthy, path: str) -> Iterator[Problem]:
    yield from _between(needed.count, f"{path}.count", 0, 1000, "targets")
    if not 0 <= needed.share <= 1:
        yield Problem(path=f"{path}.share", message=f"{needed.share} is no share: give 0.0 to 1.0")


def _budget(budget: Budget, path: str) -> Iterator[Problem]:
    yield from _between(budget.names, f"{path}.names", 0, 1_000_000, "names")
    yield from _between(budget.names_a_minute, f"{path}.namesAMinute", 1, 1_000_000, "names")
    if not 0 <= budget.share <= 1:
        yield Problem(path=f"{path}.share", message=f"{budget.share} is no share: give 0.0 to 1.0")


def _sorry(settings: DnsSettings, path: str) -> Iterator[Problem]:
    for index, address in enumerate(settings.sorry):
        found = parsed(address)
        if found is None or found[0] == 0:
            yield Problem(
                path=f"{path}.sorry[{index}]", message=f"{address!r} is no IP address that clients can connect to"
            )
    if settings.on_all_down is OnAllDown.SORRY and not settings.sorry:
        yield Problem(path=f"{path}.sorry", message="onAllDown: sorry needs at least one address here")
    if settings.on_all_down is not OnAllDown.SORRY and settings.sorry:
        yield Problem(path=f"{path}.sorry", message="addresses are only used with onAllDown: sorry")


def _tiers(settings: DnsSettings, path: str) -> Iterator[Problem]:
    if settings.strategy is Strategy.FAILOVER and not settings.tiers:
        yield Problem(path=f"{path}.tiers", message="failover needs at least one tier")
    if settings.strategy is not Strategy.FAILOVER and settings.tiers:
        yield Problem(path=f"{path}.tiers", message="tiers are only used with strategy: failover")
    if settings.strategy is not Strategy.FAILOVER and settings.spill:
        yield Problem(path=f"{path}.spill", message="spill is only used with strategy: failover")
    for index, tier in enumerate(settings.tiers):
        if not (tier.clusters or tier.regions or tier.labels):
            yield Problem(path=f"{path}.tiers[{index}]", message="a tier names clusters, regions or labels")


def _prefix(prefix: str, path: str) -> Iterator[Problem]:
    for label in prefix.split("."):
        if label.isascii():
            yield from _label(label, path)
    yield from _name(prefix, path)


def _probe(probe: ProbeSettings, path: str) -> Iterator[Problem]:
    if probe.port is not None:
        yield from _between(probe.port, f"{path}.port", 1, MAX_PORT, "")
    # Older results than a minute say nothing (`HealthPolicy.probe_fresh`): three of them have to be younger.
    yield from _between(probe.interval_seconds, f"{path}.intervalSeconds", 1, 20, "seconds")
    yield from _between(probe.timeout_seconds, f"{path}.timeoutSeconds", 1, min(10, probe.interval_seconds), "seconds")
    if _PATH.fullmatch(probe.path) is None:
        yield Problem(
            path=f"{path}.path", message=f"{probe.path[:100]!r} is no path: it begins with / and has no blanks"
        )
    if probe.host:
        yield from _host(probe.host, None, f"{path}.host")
    if probe.protocol is ProbeProtocol.TCP and probe.host:
        yield Problem(path=f"{path}.host", message="is only used with protocol HTTP, HTTPS and GRPC")
    if probe.protocol not in (ProbeProtocol.HTTP, ProbeProtocol.HTTPS) and probe.path != "/":
        yield Problem(path=f"{path}.path", message="is only used with protocol HTTP and HTTPS")
    if probe.protocol is not ProbeProtocol.GRPC and probe.service:
        yield Problem(path=f"{path}.service", message="is only used with protocol GRPC")
    if _GRPC_SERVICE.fullmatch(probe.service) is None:
        yield Problem(
            path=f"{path}.service",
            message=f"{probe.service[:100]!r} is no service of gRPC: up to 256 visible characters, as shop.v1.Cart",
        )


def _binding(binding: ServiceBinding, path: str) -> Iterator[Problem]:
    if _SCHEME.fullmatch(binding.scheme) is None:
        yield Problem(
            path=f"{path}.scheme",
            message=f"{binding.scheme!r} is no scheme: use `https`, `dns` or another of 2 to 15 letters",
        )
    if binding.port is not None:
        yield from _between(binding.port, f"{path}.port", 1, MAX_PORT, "")
    for index, protocol in enumerate(binding.alpn):
        if _ALPN.fullmatch(protocol) is None:
            yield Problem(
                path=f"{path}.alpn[{index}]",
                message=f"{protocol!r} is no protocol: use 1 to 255 characters without blanks, commas and quotes",
            )
