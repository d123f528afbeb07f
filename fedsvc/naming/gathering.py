"""Pure: what the planner of DNS wants to know, from what is stored of units, their works and clusters."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from fedsvc import health
from fedsvc.model.cluster import Cluster
from fedsvc.model.hold import FLEET_SUBJECT, Hold, HoldScope, words_of
from fedsvc.model.sighting import ENDPOINTS, Lookings
from fedsvc.model.zone import Zone, ZoneSpec, planned_zone
from fedsvc.naming.foreign import ZONE_PREFIX, foreign_objects, is_foreign, unread
from fedsvc.naming.lookouts import EndpointsOf, NamedElsewhere, service_of
from fedsvc.store.named_objects import HeldObject, NamedObject
from fedsvc_dns.planner import facts, manifests
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.memory import Policy
from fedsvc_dns.planner.validate import Problem
from fedsvc_dns.planner.zone import DnsSettings
from fedsvc_dns.records import RecordSet, is_within

Manifest = Mapping[str, Any]

SERVICE: Final = "Service"
INGRESS: Final = "Ingress"
ROUTE: Final = "HTTPRoute"
GATEWAY: Final = "Gateway"
VANTAGE: Final = "fedsvc"
"""Who probes targets from here."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_KINDS: Final = {INGRESS: facts.Kind.INGRESS, ROUTE: facts.Kind.ROUTE, GATEWAY: facts.Kind.GATEWAY}

_REFRESH_SECONDS: Final = 3_600
_RETRY_SECONDS: Final = 600
_EXPIRE_SECONDS: Final = 1_209_600
_NEGATIVE_SECONDS: Final = 60
"""How long resolvers may keep that a name is not there, at most: it may come at any time (RFC 2308)."""
_AUTHORITY_TTL_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a plan is made from."""

    services: tuple[facts.Service, ...]
    topology: facts.Topology
    observations: facts.Observations
    policy: Policy
    problems: tuple[Problem, ...]  # what is left out, and why
    zones: Mapping[str, str]  # key of an object -> id of the zone that it wants names in
    elsewhere: NamedElsewhere = field(default_factory=NamedElsewhere)  # what is to be looked for in members


def is_headless(service: Manifest) -> bool:
    """Whether a Service has no address of its own."""
    return manifests.kind_of_service(service) is facts.Kind.HEADLESS


def not_probed_yet() -> facts.Probe:
    """Return what is known of a target that is to be probed before it was: what was known before still holds."""
    return facts.Probe(vantage=VANTAGE, outcome=facts.Outcome.UNKNOWN, streak=0, at=_NEVER)


def key_of(kind: str, namespace: str, name: str, unit: str) -> str:
    """What an object is called in plans, and where they are explained."""
    whose = unit if unit.startswith(ZONE_PREFIX) else f"unit {unit}"
    return f"{kind} {namespace}/{name} of {whose}"


def gather(
    objects: Iterable[NamedObject],
    held: Iterable[HeldObject],
    *,
    zones: Iterable[Zone],
    clusters: Iterable[Cluster],
    holds: Iterable[Hold],
    known: Iterable[tuple[str, str]],
    gateways: Iterable[HeldObject] = (),
    drained: Collection[str] = (),
    seen: Lookings | None = None,
) -> Facts:
    """Return what the planner wants to know.

    Args:
        objects: Services, Ingresses, HTTPRoutes and Gateways that shall have names.
        held: what clusters hold of their units.
        zones: that are kept.
        clusters: that are registered.
        holds: in force.
        known: (object, cluster) of all targets of the plan before: what is on a cluster no more is told as gone.
        gateways: what clusters hold of Gateways.
        drained: clusters that names are to have no addresses of, for a drill.
        seen: in members: endpoints of Services, and objects that fedsvc does not manage.
    """
    kept = tuple(zones)
    found_there = seen or Lookings()
    strange = foreign_objects(kept, found_there)
    named = _with_hosts((*objects, *strange.named))
    of_unit: dict[str, list[HeldObject]] = {}
    for one in (*held, *strange.held):
        of_unit.setdefault(one.unit_uid, []).append(one)
    before = frozenset(known)
    specs = {zone.name: zone.spec for zone in kept}
    of_cluster = _by_cluster((*gateways, *(one for one in strange.held if one.kind == GATEWAY)))
    routes = [one.manifest for one in named if one.kind == ROUTE]
    services: list[facts.Service] = []
    instances: dict[tuple[str, str], facts.Instance] = {}
    problems: list[Problem] = list(unread(kept, found_there))
    endpoints: set[EndpointsOf] = set()
    for wanted in named:
        key = key_of(wanted.kind, wanted.namespace, wanted.name, wanted.unit)
        kind = _KINDS.get(wanted.kind) or manifests.kind_of_service(wanted.manifest)
        beside = of_unit.get(wanted.unit_uid, ())
        same = [
            one for one in beside if (one.kind, one.namespace, one.name) == (wanted.kind, wanted.namespace, wanted.name)
        ]
        if kind is facts.Kind.ROUTE:
            problems.extend(_without_gateway(key, same, of_cluster))
        services.append(
            facts.Service(
                key=key,
                kind=kind,
                namespace=wanted.namespace,
                name=wanted.name,
                settings=_with_defaults(wanted.settings, specs.get(wanted.settings.zone)),
                hosts=_hosts(kind, wanted, same, of_cluster, routes),
            )
        )
        for one in same:
            is_new = (key, one.cluster) not in before
            if kind is facts.Kind.HEADLESS or (kind.is_service and is_foreign(wanted)):
                found = _by_endpoints(key, one, found_there, is_new=is_new)
                endpoints.add(EndpointsOf(cluster=one.cluster, namespace=one.namespace, name=one.name))
            else:
                found = _instance(key, one, beside, of_cluster.get(one.cluster, ()), is_new=is_new)
            if found is not None:
                is_probed = wanted.settings.probe is not None
                instances[key, one.cluster] = replace(found, probes=(not_probed_yet(),)) if is_probed else found
    wanted_keys = {service.key for service in services}
    on_clusters = {
        (key_of(one.kind, one.namespace, one.name, unit), one.cluster)
        for unit, uid in {(wanted.unit, wanted.unit_uid) for wanted in named}
        for one in of_unit.get(uid, ())
    }
    for key, cluster in before:
        if key in wanted_keys and (key, cluster) not in on_clusters:
            instances[key, cluster] = facts.Instance(service=key, cluster=cluster, presence=facts.Presence.ABSENT)
    hold = next((one for one in holds if one.subject == FLEET_SUBJECT and one.scope is HoldScope.AUTOMATION), None)
    return Facts(
        services=tuple(services),
        topology=facts.Topology(
            zones=tuple(planned_zone(zone.name, zone.spec) for zone in kept),
            clusters=tuple(cluster_fact(cluster, drained) for cluster in clusters),
        ),
        observations=facts.Observations(instances=tuple(instances.values())),
        policy=Policy(is_held=hold is not None, hold_reason="" if hold is None else words_of(hold)),
        problems=tuple(problems),
        zones={key_of(one.kind, one.namespace, one.name, one.unit): one.settings.zone for one in named},
        elsewhere=NamedElsewhere(
            endpoints=tuple(sorted(endpoints)),
            foreign=tuple((zone.name, one) for zone in kept for one in zone.spec.foreign),
        ),
    )


def _with_hosts(objects: Iterable[NamedObject]) -> list[NamedObject]:
    """The objects without Gateways whose listeners all have routes with names, and without any host at all.

    The hosts that a unit asks for are for what stands behind its Gateway, where there is something.
    """
    given = list(objects)
    routes = [one.manifest for one in given if one.kind == ROUTE]
    with_others = {one.unit_uid for one in given if one.kind != GATEWAY}
    found: list[NamedObject] = []
    for one in given:
        if one.kind != GATEWAY:
            found.append(one)
            continue
        settings = replace(one.settings, hosts=()) if one.unit_uid in with_others else one.settings
        if settings.hosts or manifests.gateway_hosts(one.manifest, routes):
            found.append(replace(one, settings=settings))
    return found


def _with_defaults(settings: DnsSettings, spec: ZoneSpec | None) -> DnsSettings:
    """What a unit says of its names, and where it says nothing its zone."""
    if spec is None:
        return settings
    return replace(
        settings,
        min_healthy=settings.min_healthy or spec.min_healthy,
        on_all_down=settings.on_all_down or spec.on_all_down,
    )


def _by_cluster(gateways: Iterable[HeldObject]) -> dict[str, list[Manifest]]:
    """Gateways as they are on their clusters."""
    found: dict[str, list[Manifest]] = {}
    for one in gateways:
        if one.manifest is not None and one.is_observed and not one.is_going:
            found.setdefault(one.cluster, []).append(_live(one))
    return found


def _hosts(
    kind: facts.Kind,
    wanted: NamedObject,
    same: Iterable[HeldObject],
    gateways: Mapping[str, Sequence[Manifest]],
    routes: Sequence[Manifest],
) -> tuple[str, ...]:
    """The hosts of an object; of a route those that Gateways have accepted, else those that it asks for."""
    if kind is facts.Kind.INGRESS:
        return manifests.ingress_hosts(wanted.manifest)
    if kind is facts.Kind.GATEWAY:
        return manifests.gateway_hosts(wanted.manifest, routes)
    if kind is not facts.Kind.ROUTE:
        return ()
    found = {
        host
        for one in same
        if one.manifest is not None and one.is_observed
        for host in manifests.route_hosts(_live(one), gateways.get(one.cluster, ()))
    }
    return tuple(sorted(found or set(_part(wanted.manifest, "spec").get("hostnames") or ())))


def _without_gateway(
    key: str, same: Iterable[HeldObject], gateways: Mapping[str, Sequence[Manifest]]
) -> Iterable[Problem]:
    """Clusters where no Gateway that fedsvc knows has accepted a route: it has no address there."""
    for one in same:
        if one.manifest is None or not one.is_observed or one.is_going:
            continue
        if not manifests.is_accepted(_live(one), gateways.get(one.cluster, ())):
            message = f"on {one.cluster} no Gateway of a unit has accepted it, so it has no address there"
            yield Problem(path=f"services[{key}]", message=message)


def _live(held: HeldObject) -> dict[str, Any]:
    """An object as it is on its cluster, as far as it is known."""
    return {**(held.manifest or {}), "status": held.status}


def cluster_fact(cluster: Cluster, drained: Collection[str] = ()) -> facts.Cluster:
    """What the planner knows of a cluster. One of which nothing was found yet says nothing, and is heard."""
    verdict = cluster.health.verdict
    return facts.Cluster(
        name=cluster.name,
        region=cluster.region,
        zones=cluster.zones if cluster.region else (),
        labels=tuple(sorted(cluster.effective_labels.items())),
        is_drained=cluster.delete_time is not None or cluster.name in drained,
        verdict=facts.Verdict.HEALTHY if verdict is health.Verdict.UNKNOWN else facts.Verdict(verdict.value),
        verdict_since=cluster.health.since,
    )


def authority_of(spec: ZoneSpec, serial: int) -> tuple[RecordSet, ...]:
    """Return the SOA and NS sets of a zone, and the addresses of its name servers within it."""
    origin = to_a_labels(spec.domain)
    servers = {to_a_labels(server.host): server.addresses for server in spec.name_servers} or {f"ns.{origin}": ()}
    negative = min(spec.ttl_seconds, _NEGATIVE_SECONDS)
    times = f"{_REFRESH_SECONDS} {_RETRY_SECONDS} {_EXPIRE_SECONDS} {negative}"
    soa = f"{next(iter(servers))} hostmaster.{origin} {serial} {times}"
    found = [
        RecordSet(name=origin, type="SOA", ttl_seconds=_AUTHORITY_TTL_SECONDS, values=(soa,)),
        RecordSet(name=origin, type="NS", ttl_seconds=_AUTHORITY_TTL_SECONDS, values=tuple(sorted(servers))),
    ]
    for host, addresses in servers.items():
        if is_within(host, origin):
            for type_, colon in (("A", False), ("AAAA", True)):
                values = tuple(sorted({address for address in addresses if (":" in address) is colon}))
                if values:
                    found.append(RecordSet(name=host, type=type_, ttl_seconds=_AUTHORITY_TTL_SECONDS, values=values))
    return tuple(found)


def _instance(
    key: str, held: HeldObject, beside: Sequence[HeldObject], gateways: Sequence[Manifest], *, is_new: bool
) -> facts.Instance | None:
    """What is seen of an object on a cluster; None: nothing yet. What shall go from there is gone for names.

    What is new is nothing before its pods are ready: it would be down, and answer later than it could.
    """
    if held.is_going:
        return facts.Instance(service=key, cluster=held.cluster, presence=facts.Presence.ABSENT)
    if held.manifest is None or not held.is_observed:
        return None
    live = _live(held)
    if held.kind == ROUTE:
        return manifests.route_instance(key, held.cluster, live, gateways)
    if held.kind in (GATEWAY, INGRESS):
        by_kind = manifests.gateway_instance if held.kind == GATEWAY else manifests.ingress_instance
        return by_kind(key, held.cluster, live)
    found = manifests.service_instance(key, held.cluster, live, None)
    counts = _ready(held, beside)
    known = [count for count in counts if count is not None]
    if is_new and counts and (len(known) < len(counts) or not any(known)):
        return None
    return replace(found, ready=sum(known) if counts and len(known) == len(counts) else None)


def _by_endpoints(key: str, held: HeldObject, seen: Lookings, *, is_new: bool) -> facts.Instance | None:
    """What is seen of a Service on a cluster by its endpoints; None: nothing yet, or they were not looked at."""
    if held.is_going:
        return facts.Instance(service=key, cluster=held.cluster, presence=facts.Presence.ABSENT)
    slices = seen.at(held.cluster, ENDPOINTS, held.namespace)
    if slices is None or held.manifest is None:
        return None
    own = [one.body for one in slices if service_of(one) == held.name]
    found = manifests.service_instance(key, held.cluster, _live(held), own)
    return None if is_new and not found.ready else found


def _ready(service: HeldObject, beside: Iterable[HeldObject]) -> list[int | None]:
    """How many pods are ready of each of the unit's own workloads that a Service selects; None: not known yet."""
    selector = _part(service.manifest, "spec", "selector")
    if not selector:
        return []
    return [
        one.ready_replicas if one.is_observed else None
        for one in beside
        if one.cluster == service.cluster
        and one.namespace == service.namespace
        and one.kind not in (SERVICE, *_KINDS)
        and not one.is_going
        and selector.items() <= _part(one.manifest, "spec", "template", "metadata", "labels").items()
    ]


def _part(manifest: Mapping[str, Any] | None, *steps: str) -> Mapping[str, Any]:
    found: Any = manifest
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
