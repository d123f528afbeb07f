"""Pure: what the planner wants to know, read from objects of Kubernetes as their API servers give them.

Services (`v1`), EndpointSlices (`discovery.k8s.io/v1`), Ingresses (`networking.k8s.io/v1`), Gateways and HTTPRoutes
(`gateway.networking.k8s.io/v1`). What an object does not say is taken as the API's documents say; no field is needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedsvc_dns.planner.facts import Endpoint, Instance, Kind, Port, Probe

Manifest = Mapping[str, Any]


def kind_of_service(service: Manifest) -> Kind:
    """Whether a Service is headless."""
    return Kind.HEADLESS if _of(service, "spec").get("clusterIP") == "None" else Kind.SERVICE


def service_instance(
    key: str, cluster: str, service: Manifest, slices: Sequence[Manifest] | None, probes: Iterable[Probe] = ()
) -> Instance:
    """Return what is seen of a Service in a cluster.

    Its addresses are those of its load balancer and its external IPs; a headless one has its ready endpoints instead.

    Args:
        key: what it is called in the plan.
        cluster: where it is.
        service: as it is there.
        slices: its EndpointSlices; None: they are not known.
        probes: of it.
    """
    spec = _of(service, "spec")
    is_headless = kind_of_service(service) is Kind.HEADLESS
    ready = None if slices is None else _ready(slices, everyone=bool(spec.get("publishNotReadyAddresses")))
    balancer = _balancer(service) if spec.get("type") == "LoadBalancer" else []
    return Instance(
        service=key,
        cluster=cluster,
        addresses=() if is_headless else _each_once([*balancer, *spec.get("externalIPs", ())]),
        ready=None if ready is None else len(ready),
        ports=_slice_ports(slices or ()) if is_headless else _service_ports(spec),
        endpoints=tuple(ready or ()) if is_headless else (),
        probes=tuple(probes),
    )


def ingress_instance(key: str, cluster: str, ingress: Manifest, probes: Iterable[Probe] = ()) -> Instance:
    """Return what is seen of an Ingress in a cluster: the addresses of its load balancer."""
    return Instance(service=key, cluster=cluster, addresses=_each_once(_balancer(ingress)), probes=tuple(probes))


def ingress_hosts(ingress: Manifest) -> tuple[str, ...]:
    """Return the hosts of an Ingress's rules; a rule without one has no name."""
    rules = _of(ingress, "spec").get("rules") or ()
    return _each_once(rule["host"] for rule in rules if rule.get("host"))


def route_instance(
    key: str, cluster: str, route: Manifest, gateways: Iterable[Manifest], probes: Iterable[Probe] = ()
) -> Instance:
    """Return what is seen of an HTTPRoute in a cluster: the addresses of the Gateways that have accepted it.

    Args:
        key: what it is called in the plan.
        cluster: where it is.
        route: as it is there.
        gateways: of the cluster.
        probes: of it.
    """
    addresses = [
        address["value"]
        for gateway in _accepting(route, gateways)
        for address in _of(gateway, "status").get("addresses") or ()
        if address.get("value")
    ]
    return Instance(service=key, cluster=cluster, addresses=_each_once(addresses), probes=tuple(probes))


def gateway_instance(key: str, cluster: str, gateway: Manifest, probes: Iterable[Probe] = ()) -> Instance:
    """Return what is seen of a Gateway in a cluster: the addresses that it was given."""
    addresses = (one["value"] for one in _of(gateway, "status").get("addresses") or () if one.get("value"))
    return Instance(service=key, cluster=cluster, addresses=_each_once(addresses), probes=tuple(probes))


def gateway_hosts(gateway: Manifest, routes: Iterable[Manifest]) -> tuple[str, ...]:
    """Return the hosts of those of a Gateway's listeners that none of the routes means; the others have theirs.

    Args:
        gateway: the Gateway.
        routes: that have names themselves, of any namespace.
    """
    taken = [listener for route in routes for listener in _listeners(route, gateway)]
    listeners = _of(gateway, "spec").get("listeners") or ()
    return _each_once(one["hostname"] for one in listeners if one.get("hostname") and one not in taken)


def is_accepted(route: Manifest, gateways: Iterable[Manifest]) -> bool:
    """Return whether any of the Gateways has accepted an HTTPRoute."""
    return bool(_accepting(route, gateways))


def route_hosts(route: Manifest, gateways: Iterable[Manifest]) -> tuple[str, ...]:
    """Return the hosts that an HTTPRoute answers for at the Gateways that have accepted it.

    They are what its host names and those of the listeners have in common; where one side names none, the other's.
    """
    wanted = _of(route, "spec").get("hostnames") or ()
    found: list[str] = []
    for gateway in _accepting(route, gateways):
        for listener in _listeners(route, gateway):
            offered = listener.get("hostname") or ""
            if not wanted or not offered:
                found.extend(wanted or ([offered] if offered else ()))
            else:
                found.extend(common for one in wanted if (common := _common_host(one, offered)))
    return tuple(sorted(set(found)))


def _of(manifest: Manifest, part: str) -> Manifest:
    return manifest.get(part) or {}


def _each_once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _balancer(manifest: Manifest) -> list[str]:
    entries = (_of(manifest, "status").get("loadBalancer") or {}).get("ingress") or ()
    return [address for entry in entries if (address := entry.get("ip") or entry.get("hostname"))]


def _service_ports(spec: Manifest) -> tuple[Port, ...]:
    return tuple(
        Port(name=port.get("name") or "", port=port["port"], protocol=port.get("protocol") or "TCP")
        for port in spec.get("ports") or ()
    )


def _slice_ports(slices: Iterable[Manifest]) -> tuple[Port, ...]:
    """Return the ports of endpoints: who connects to a pod uses the pod's own."""
    found = {
        Port(name=port.get("name") or "", port=port["port"], protocol=port.get("protocol") or "TCP")
        for one in slices
        for port in one.get("ports") or ()
        if port.get("port")
    }
    return tuple(sorted(found))


def _ready(slices: Iterable[Manifest], *, everyone: bool) -> list[Endpoint]:
    """Return the ready endpoints: a pod that is in slices of both families is one."""
    addresses: dict[str, list[str]] = {}
    host_names: dict[str, str] = {}
    for one in slices:
        if one.get("addressType") == "FQDN":
            continue
        for endpoint in one.get("endpoints") or ():
            # Not said is ready, as the API has it.
            if not everyone and (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            own = endpoint.get("addresses") or ()
            name = (endpoint.get("targetRef") or {}).get("name") or ",".join(own)
            addresses.setdefault(name, []).extend(own)
            if endpoint.get("hostname"):
                host_names[name] = endpoint["hostname"]
    return [
        Endpoint(id=name, addresses=_each_once(sorted(addresses[name])), hostname=host_names.get(name, ""))
        for name in sorted(addresses)
    ]


def _accepting(route: Manifest, gateways: Iterable[Manifest]) -> list[Manifest]:
    """Return the Gateways that a route has as parents and that accepted it."""
    namespace = _of(route, "metadata").get("namespace", "")
    accepted = {
        _parent(parent.get("parentRef") or {}, namespace)
        for parent in _of(route, "status").get("parents") or ()
        for condition in parent.get("conditions") or ()
        if condition.get("type") == "Accepted" and condition.get("status") == "True"
    }
    return [
        gateway
        for gateway in gateways
        if (_of(gateway, "metadata").get("namespace", ""), _of(gateway, "metadata").get("name", "")) in accepted
    ]


def _parent(reference: Manifest, namespace: str) -> tuple[str, str]:
    return reference.get("namespace") or namespace, reference.get("name", "")


def _listeners(route: Manifest, gateway: Manifest) -> list[Manifest]:
    """Return the listeners of a Gateway that a route's references to it mean."""
    metadata = _of(gateway, "metadata")
    place = metadata.get("namespace", ""), metadata.get("name", "")
    namespace = _of(route, "metadata").get("namespace", "")
    listeners = _of(gateway, "spec").get("listeners") or ()
    meant = [
        reference
        for reference in _of(route, "spec").get("parentRefs") or ()
        if reference.get("kind", "Gateway") == "Gateway" and _parent(reference, namespace) == place
    ]
    return [
        listener
        for listener in listeners
        if any(
            reference.get("sectionName") in (None, listener.get("name"))
            and reference.get("port") in (None, listener.get("port"))
            for reference in meant
        )
    ]


def _common_host(one: str, other: str) -> str:
    """Return what two host names have in common, each a name or a wildcard for any labels before it; empty: nothing."""
    if one == other or _covers(other, one):
        return one
    return other if _covers(one, other) else ""


def _covers(wildcard: str, name: str) -> bool:
    return wildcard.startswith("*.") and name.endswith(wildcard[1:]) and name != wildcard[1:]
