"""Pure: what is to be probed that it is known whether names' targets can be reached."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.naming.gathering import Facts
from fedsvc_dns.planner.addresses import last_known, parsed
from fedsvc_dns.planner.facts import Instance, Probe, Service
from fedsvc_dns.planner.validate import Problem
from fedsvc_dns.planner.zone import ProbeProtocol, ProbeSettings

Key = tuple[str, str]
"""Of a target: key of the object, and cluster."""

_MOST_ADDRESSES: Final = 4
_HTTP_PORT: Final = 80
_HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTarget:
    """What is asked, of whom: targets that are equal are probed once.

    Attributes:
        addresses: of which one has to answer.
        port: of all of them.
        protocol: see there.
        path: that is asked for.
        host: whom it is asked of; empty: the address.
        interval_seconds: between two probes.
        timeout_seconds: of one probe.
        service: that is asked for by gRPC; empty: the server as a whole.
    """

    addresses: tuple[str, ...]
    port: int
    protocol: ProbeProtocol
    path: str
    host: str
    interval_seconds: int
    timeout_seconds: int
    service: str = ""


def probe_targets(
    found: Facts, before: Mapping[str, tuple[str, ...]]
) -> tuple[dict[Key, ProbeTarget], tuple[Problem, ...]]:
    """Return what to probe for each target, and what cannot be probed.

    Args:
        found: what names rest on.
        before: host name -> the last addresses that it had.
    """
    services = {one.key: one for one in found.services if one.settings.probe is not None}
    targets: dict[Key, ProbeTarget] = {}
    problems: list[Problem] = []
    for instance in found.observations.instances:
        service = services.get(instance.service)
        probe = None if service is None else service.settings.probe
        if service is None or probe is None or not instance.addresses:
            continue
        port = _port(service, instance, probe)
        if port is None:
            message = f"on {instance.cluster} it has no TCP port to probe: name one in dns.probe.port"
            problems.append(Problem(path=f"services[{service.key}]", message=message))
            continue
        addresses = _addresses(instance, found.observations.resolved, before)
        if addresses:
            targets[instance.service, instance.cluster] = ProbeTarget(
                addresses=addresses,
                port=port,
                protocol=probe.protocol,
                path=probe.path,
                host=probe.host or _first_host(service),
                interval_seconds=probe.interval_seconds,
                timeout_seconds=probe.timeout_seconds,
                service=probe.service,
            )
    return targets, tuple(problems)


def _addresses(
    instance: Instance, resolved: Mapping[str, tuple[str, ...]], before: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    named = last_known([one for one in instance.addresses if parsed(one) is None], resolved, before)
    every = [real for one in instance.addresses for real in named.get(one, (one,))]
    usable = [known[1] for one in every if (known := parsed(one)) is not None and known[0]]
    return tuple(dict.fromkeys(usable))[:_MOST_ADDRESSES]


def _port(service: Service, instance: Instance, probe: ProbeSettings) -> int | None:
    if probe.port is not None:
        return probe.port
    if service.kind.is_service:
        return next((one.port for one in instance.ports if one.protocol == "TCP"), None)
    return _HTTPS_PORT if probe.protocol is ProbeProtocol.HTTPS else _HTTP_PORT


def _first_host(service: Service) -> str:
    if service.settings.probe is not None and service.settings.probe.protocol is ProbeProtocol.TCP:
        return ""
    return next((host for host in (*service.hosts, *service.settings.hosts) if not host.startswith("*")), "")


def with_probes(found: Facts, seen: Mapping[Key, tuple[Probe, ...]]) -> Facts:
    """Return the facts with what was found of their targets."""
    instances = tuple(
        replace(one, probes=seen.get((one.service, one.cluster), one.probes)) for one in found.observations.instances
    )
    return replace(found, observations=replace(found.observations, instances=instances))
