"""Pure: the plan: what record sets the zones shall have, why, and what the next plan has to know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_dns.planner.facts import Cluster, Observations, Service, Topology
from fedsvc_dns.planner.idn import to_a_labels, to_u_labels
from fedsvc_dns.planner.memory import Memory, Policy
from fedsvc_dns.planner.naming import places_of
from fedsvc_dns.planner.outcome import WILDCARD, Decision, Outcome
from fedsvc_dns.planner.outcomes import Ground, Made, make_all
from fedsvc_dns.planner.targets import TargetDecision, take_targets
from fedsvc_dns.planner.validate import Problem, validate_cluster, validate_health, validate_zone
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
        made: key of an object -> what it came to and what that rests on; for the next plan.
    """

    zones: Mapping[str, ZoneSets]
    decisions: Mapping[str, Decision]
    targets: Mapping[Key, TargetDecision]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    memory: Memory
    due: datetime | None
    made: Mapping[str, Made] = field(default_factory=dict, repr=False, compare=False)


def plan(
    services: Iterable[Service],
    topology: Topology,
    observations: Observations,
    policy: Policy,
    *,
    memory: Memory,
    now: datetime,
    previous: Plan | None = None,
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
        previous: an earlier plan, to do less over again; the result is the same without.

    Raises:
        ValueError: the policy's numbers mean nothing.
    """
    if wrong := validate_health(policy.health, "policy.health"):
        raise ValueError("; ".join(f"{one.path}: {one.message}" for one in wrong))
    ordered = sorted(services, key=lambda service: service.key)
    problems = [problem for zone in topology.zones for problem in validate_zone(zone, f"zones[{zone.name}]")]
    zones = {zone.name: zone for zone in topology.zones if not validate_zone(zone)}
    clusters, of_clusters = _named_clusters(topology.clusters)
    problems.extend(of_clusters)
    earlier = {} if previous is None else previous.targets
    taken = take_targets(ordered, topology, observations, policy, memory=memory, now=now, before=earlier)
    ground = Ground(zones=zones, places=places_of(clusters), distances_ms=topology.distances_ms)
    made = make_all(ordered, taken.decisions.values(), ground, memory, {} if previous is None else previous.made)
    problems.extend(problem for one in made.values() for problem in one.problems)
    outcomes = [(key, one.outcome) for key, one in made.items()]
    owners = _owners(outcomes, memory.owners, problems)
    sets = {
        name: found
        for key, outcome in outcomes
        for name, found in outcome.sets.items()
        if found and owners[name] == key
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
        made=made,
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
    closest: dict[str, str] = {}
    for name, made in sets.items():
        parent = name.partition(".")[2]
        if name not in found and parent not in closest:
            origin = parent
            while origin and origin not in found:
                origin = origin.partition(".")[2]
            closest[parent] = origin
        origin = name if name in found else closest[parent]
        if origin:
            kept = found[origin]
            for one in made:
                kept[name, one.type] = one
    return {origin: found[origin] for origin in sorted(found)}


def _hidden_from_wildcards(sets: Mapping[str, tuple[RecordSet, ...]]) -> Iterable[str]:
    """Warn of names that a wildcard does not answer for, since they have something of their own (RFC 4592, 2.2)."""
    hidden: dict[str, set[str]] = {
        name.removeprefix(WILDCARD): set() for name in sorted(sets) if name.startswith(WILDCARD)
    }
    for name in sets if hidden else ():
        child, parent = name, name.partition(".")[2]
        while parent:
            if parent in hidden and not child.startswith(WILDCARD):
                hidden[parent].add(child)
            child, parent = parent, parent.partition(".")[2]
    for parent, names in hidden.items():
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            shown = ", ".join(to_u_labels(name) for name in sorted(names)[:_SHOWN])
            wildcard = to_u_labels(f"{WILDCARD}{parent}")
            yield f"{wildcard} does not answer for what has records of its own: {shown}{more}"


def _named_clusters(clusters: Iterable[Cluster]) -> tuple[list[Cluster], list[Problem]]:
    named: list[Cluster] = []
    problems: list[Problem] = []
    for cluster in clusters:
        found = validate_cluster(cluster, f"clusters[{cluster.name}]")
        problems.extend(found)
        if not found:
            named.append(cluster)
    return named, problems
