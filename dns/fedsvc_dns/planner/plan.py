"""Pure: the plan: what record sets the zones shall have, why, and what the next plan has to know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fedsvc_dns.planner.facts import Cluster, Observations, Service, Topology
from fedsvc_dns.planner.idn import to_a_labels, to_u_labels
from fedsvc_dns.planner.memory import Memory, Policy
from fedsvc_dns.planner.naming import Places, names_of, places_of
from fedsvc_dns.planner.outcome import WILDCARD, Decision, Outcome, outcome_of
from fedsvc_dns.planner.targets import TargetDecision, take_targets
from fedsvc_dns.planner.validate import Problem, validate_cluster, validate_settings, validate_zone
from fedsvc_dns.planner.withdrawing import Key
from fedsvc_dns.planner.zone import Zone
from fedsvc_dns.records import RecordSet

_SHOWN = 3

ZoneSets = Mapping[tuple[str, str], RecordSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What shall be, and why.

    Attributes:
        zones: apex -> (name, type) -> record set.
        decisions: name -> who answers for it.
        targets: (object, cluster) -> where the target stands.
        problems: what could not be done, and where it stands; nothing else waits for it.
        warnings: what will surprise, in words.
        memory: for the next plan, once this one is applied.
        due: when time alone changes something; None: never.
    """

    zones: Mapping[str, ZoneSets]
    decisions: Mapping[str, Decision]
    targets: Mapping[Key, TargetDecision]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    memory: Memory
    due: datetime | None


def plan(
    services: Iterable[Service],
    topology: Topology,
    observations: Observations,
    policy: Policy,
    *,
    memory: Memory,
    now: datetime,
) -> Plan:
    """Plan all zones.

    The same input gives the same plan, in whatever order it comes. What is wrong of one object is a problem of that one
    alone: its names stay as they are. A name that is there answers as long as its object is there.

    Args:
        services: objects that shall have names.
        topology: zones and clusters.
        observations: what is seen; what is missing is not known.
        policy: by which numbers, and whether automation is held.
        memory: what the last plan left.
        now: the time; with a zone.
    """
    ordered = sorted(services, key=lambda service: service.key)
    problems = [problem for zone in topology.zones for problem in validate_zone(zone, f"zones[{zone.name}]")]
    zones = {zone.name: zone for zone in topology.zones if not validate_zone(zone)}
    clusters, of_clusters = _named_clusters(topology.clusters)
    problems.extend(of_clusters)
    taken = take_targets(ordered, topology, observations, policy, memory=memory, now=now)
    by_service: dict[str, list[TargetDecision]] = {}
    for target in taken.decisions.values():
        by_service.setdefault(target.service, []).append(target)
    owned: dict[str, list[str]] = {}
    for name, owner in memory.owners.items():
        owned.setdefault(owner, []).append(name)
    places = places_of(clusters)
    outcomes: list[tuple[str, Outcome]] = []
    for service in ordered:
        published = {
            name: memory.published[name] for name in sorted(owned.get(service.key, ())) if name in memory.published
        }
        targets = by_service.get(service.key, [])
        outcomes.append(
            (service.key, _outcome(service, zones, topology, places, targets, published=published, problems=problems))
        )
    owners = _owners(outcomes, memory.owners, problems)
    sets = {
        name: tuple(made)
        for key, outcome in outcomes
        for name, made in outcome.sets.items()
        if made and owners[name] == key
    }
    decisions = {
        name: decision
        for key, outcome in outcomes
        for name, decision in outcome.decisions.items()
        if owners[name] == key
    }
    return Plan(
        zones=_by_zone(sets, zones.values()),
        decisions=decisions,
        targets=taken.decisions,
        problems=tuple(problems),
        warnings=tuple(_hidden_from_wildcards(sets)),
        memory=Memory(
            targets=taken.targets,
            resolved=taken.resolved,
            owners={name: owners[name] for name in sets},
            published=sets,
        ),
        due=taken.due,
    )


def _owners(
    outcomes: Iterable[tuple[str, Outcome]], before: Mapping[str, str], problems: list[Problem]
) -> dict[str, str]:
    """Return whose each name is: of those who want it the one who had it, else the first."""
    owners: dict[str, str] = {}
    for key, outcome in outcomes:
        for name in {**outcome.sets, **outcome.decisions}:
            holder = owners.setdefault(name, key)
            if holder == key:
                continue
            if before.get(name) == key:
                owners[name], holder, loser = key, key, holder
            else:
                loser = key
            if name in outcome.decisions:
                shown = to_u_labels(name)
                problems.append(
                    Problem(
                        path=f"services[{loser}].dns",
                        message=f"{shown} belongs to {holder}; give one of them another name",
                    )
                )
    return owners


def _by_zone(sets: Mapping[str, tuple[RecordSet, ...]], zones: Iterable[Zone]) -> dict[str, ZoneSets]:
    """Return the record sets by the zone that they stand in: the closest that is kept."""
    found: dict[str, dict[tuple[str, str], RecordSet]] = {to_a_labels(zone.domain): {} for zone in zones}
    for name, made in sets.items():
        origin = name
        while origin and origin not in found:
            origin = origin.partition(".")[2]
        if origin:
            kept = found[origin]
            for one in made:
                kept[name, one.type] = one
    return {origin: found[origin] for origin in sorted(found)}


def _hidden_from_wildcards(sets: Mapping[str, tuple[RecordSet, ...]]) -> Iterable[str]:
    """Warn of names that a wildcard does not answer for, since they have something of their own (RFC 4592, 2.2)."""
    wildcards = sorted(name for name in sets if name.startswith(WILDCARD))
    for wildcard in wildcards:
        parent = wildcard.removeprefix(WILDCARD)
        hidden = sorted(
            {
                f"{name.removesuffix(f'.{parent}').rpartition('.')[2]}.{parent}"
                for name in sets
                if name.endswith(f".{parent}") and name != wildcard
            }
        )
        if hidden:
            more = f" and {len(hidden) - _SHOWN} more" if len(hidden) > _SHOWN else ""
            shown = ", ".join(to_u_labels(name) for name in hidden[:_SHOWN])
            yield f"{to_u_labels(wildcard)} does not answer for what has records of its own: {shown}{more}"


def _named_clusters(clusters: Iterable[Cluster]) -> tuple[list[Cluster], list[Problem]]:
    named: list[Cluster] = []
    problems: list[Problem] = []
    for cluster in clusters:
        found = validate_cluster(cluster, f"clusters[{cluster.name}]")
        problems.extend(found)
        if not found:
            named.append(cluster)
    return named, problems


def _outcome(
    service: Service,
    zones: Mapping[str, Zone],
    topology: Topology,
    places: Places,
    targets: list[TargetDecision],
    *,
    published: Mapping[str, tuple[RecordSet, ...]],
    problems: list[Problem],
) -> Outcome:
    """Return what becomes of an object: of one that is wrong, what was published stays."""
    path = f"services[{service.key}].dns"
    found = validate_settings(service.settings, zones.values(), path)
    if not found:
        zone = zones[service.settings.zone]
        try:
            names = names_of(service, zone, places)
            problems.extend(
                Problem(
                    path=f"services[{service.key}].hosts", message=f"{host!r} is not within the zone of {zone.domain}"
                )
                for host in names.outside
            )
            return outcome_of(service, zone, names, targets, distances_ms=topology.distances_ms, published=published)
        except ValueError as error:
            found = [Problem(path=path, message=str(error))]
    problems.extend(found)
    return Outcome(sets={name: list(sets) for name, sets in published.items()})
