"""Pure: every target taken on to now, and where it stands: fit, in reserve, or out, and for what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from fedsvc_dns.planner.addresses import Answer, answers_of, host_names, last_known
from fedsvc_dns.planner.evidence import Evidence, blind_vantages, is_heard, readiness, weigh
from fedsvc_dns.planner.facts import Cluster, Instance, Observations, Port, Presence, Service, Topology, Verdict
from fedsvc_dns.planner.health import earliest, is_fit, step
from fedsvc_dns.planner.memory import Memory, Policy, State, TargetMemory
from fedsvc_dns.planner.withdrawing import Key, Standpoint, held_back


class Standing(StrEnum):
    """How near a target is to answering. Drained and gone ones never do, the others when there is nothing better."""

    FIT = "fit"
    STANDBY = "standby"
    RESTING = "resting"
    DOWN = "down"
    DRAINED = "drained"
    GONE = "gone"


class Cause(StrEnum):
    """Why a target stands where it does, where evidence alone does not say it."""

    EVIDENCE = "evidence"
    HELD = "held"
    FLAPPED = "flapped"
    WEIGHT = "weight"
    DRAINED = "drained"
    MAINTENANCE = "maintenance"
    HIBERNATED = "hibernated"
    ABSENT = "absent"
    LEFT = "left"
    NO_ADDRESS = "no address"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDecision:
    """Where one object in one cluster stands, and why.

    Attributes:
        service: key of the object.
        cluster: name of the cluster.
        region: of the cluster.
        zones: of the cluster.
        standing: see there.
        cause: see there.
        target: its state; None where none is kept.
        evidence: what is seen; None where nothing is asked.
        held: why it was not taken out, in words; empty: nothing holds it.
        weight: its share, 0 to 65535.
        tier: index of its tier, 0 the first.
        answers: what answers there.
        ports: of the object there.
    """

    service: str
    cluster: str
    region: str = ""
    zones: tuple[str, ...] = ()
    standing: Standing
    cause: Cause
    target: TargetMemory | None = None
    evidence: Evidence | None = None
    held: str = ""
    weight: int = 0
    tier: int = 0
    answers: tuple[Answer, ...] = ()
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """All targets as of now.

    Attributes:
        decisions: by object and cluster, in this order.
        targets: what is kept of them.
        resolved: the addresses of host names in use.
        due: when time alone changes something.
    """

    decisions: Mapping[Key, TargetDecision]
    targets: Mapping[Key, TargetMemory]
    resolved: Mapping[str, tuple[str, ...]]
    due: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A target before guards: its new state, what it rests on, and whether it is to go out."""

    service: Service
    cluster: Cluster
    target: TargetMemory
    evidence: Evidence
    was_out: bool
    has_expired: bool

    @property
    def key(self) -> Key:
        return self.service.key, self.cluster.name

    @property
    def wants_out(self) -> bool:
        return self.has_expired or not is_fit(self.target)


def take_targets(
    services: Iterable[Service],
    topology: Topology,
    observations: Observations,
    policy: Policy,
    *,
    memory: Memory,
    now: datetime,
    before: Mapping[Key, TargetDecision],
) -> Taken:
    """Take all targets on to now; decisions of `before` that are the same are taken over."""
    clusters = {cluster.name: cluster for cluster in topology.clusters}
    by_key = {(one.service, one.cluster): one for one in observations.instances}
    places: dict[str, set[str]] = {}
    for service_key, cluster_name in (*by_key, *memory.targets):
        places.setdefault(service_key, set()).add(cluster_name)
    should_answer = {cluster.name for cluster in topology.clusters if _administrative(cluster) is None}
    blind = blind_vantages(observations.instances, should_answer, policy.health, now)
    readings: list[_Reading] = []
    decisions: dict[Key, TargetDecision] = {}
    dues: list[datetime | None] = []
    for service in services:
        for name in sorted(places.get(service.key, ())):
            key = service.key, name
            instance, previous = by_key.get(key), memory.targets.get(key)
            gone = _gone(clusters.get(name), instance, key)
            if gone is not None:
                decisions[key] = gone
            else:
                reading, due = _read(service, clusters[name], instance, previous, policy=policy, blind=blind, now=now)
                readings.append(reading)
                dues.append(due)
    held = held_back((_standpoint(one) for one in readings if _administrative(one.cluster) is None), policy)
    wanted = [host for one in readings for host in host_names(_every_address(one.target))]
    known = last_known(wanted, observations.resolved, memory.resolved)
    targets: dict[Key, TargetMemory] = {}
    for reading in readings:
        is_out = reading.wants_out and reading.key not in held
        target = reading.target
        if target.is_withdrawn is not is_out:
            target = replace(target, is_withdrawn=is_out)
        targets[reading.key] = target
        decision, old = _decide(reading, target, held.get(reading.key, ""), known), before.get(reading.key)
        decisions[reading.key] = old if old is not None and old == decision else decision
    return Taken(decisions=dict(sorted(decisions.items())), targets=targets, resolved=known, due=earliest(*dues))


def _gone(cluster: Cluster | None, instance: Instance | None, key: Key) -> TargetDecision | None:
    if cluster is None:
        return TargetDecision(service=key[0], cluster=key[1], standing=Standing.GONE, cause=Cause.LEFT)
    if instance is not None and instance.presence is Presence.ABSENT:
        return TargetDecision(
            service=key[0], cluster=key[1], region=cluster.region, standing=Standing.GONE, cause=Cause.ABSENT
        )
    return None


def _read(
    service: Service,
    cluster: Cluster,
    instance: Instance | None,
    previous: TargetMemory | None,
    *,
    policy: Policy,
    blind: frozenset[str],
    now: datetime,
) -> tuple[_Reading, datetime | None]:
    health = policy.health
    is_seen = instance is not None and instance.presence is Presence.PRESENT
    asked = instance.ready if instance is not None and is_seen and service.settings.require_endpoints else None
    ready = readiness(previous, cluster, asked, health, now)
    probes = () if instance is None else instance.probes
    evidence, evidence_due = weigh(cluster, ready, probes, health, blind=blind, now=now)
    stepped = step(previous, evidence, ready, health, now)
    target = _with_addresses(stepped.target, cluster, instance, now)
    expires_at = None if target.emptied_at is None else target.emptied_at + health.address_grace
    reading = _Reading(
        service=service,
        cluster=cluster,
        target=target,
        evidence=evidence,
        was_out=previous is None or previous.is_withdrawn,
        has_expired=expires_at is not None and now >= expires_at,
    )
    if expires_at is not None and now >= expires_at:
        expires_at = None
    return reading, earliest(ready.due, evidence_due, stepped.due, expires_at)


def _with_addresses(target: TargetMemory, cluster: Cluster, instance: Instance | None, now: datetime) -> TargetMemory:
    if instance is None or instance.presence is Presence.UNKNOWN:
        return target
    if instance.addresses or instance.endpoints:
        seen = (instance.addresses, instance.endpoints, instance.ports)
        if (target.addresses, target.endpoints, target.ports) == seen and target.emptied_at is None:
            return target
        return replace(target, addresses=seen[0], endpoints=seen[1], ports=seen[2], emptied_at=None)
    # What a cluster that is not heard no longer shows is old news.
    if target.emptied_at is None and (target.addresses or target.endpoints) and is_heard(cluster):
        return replace(target, emptied_at=now)
    return target


def _every_address(target: TargetMemory) -> list[str]:
    return [*target.addresses, *(address for one in target.endpoints for address in one.addresses)]


def _standpoint(reading: _Reading) -> Standpoint:
    return Standpoint(
        key=reading.key,
        region=reading.cluster.region or f"of cluster {reading.cluster.name}",
        is_out=reading.was_out,
        wants_out=reading.wants_out,
        is_certain=reading.evidence.is_certain or reading.has_expired,
        has_quorum=reading.evidence.has_quorum,
        since=reading.target.since,
    )


def _administrative(cluster: Cluster) -> Cause | None:
    if cluster.is_drained or cluster.weight_percent == 0:
        return Cause.DRAINED
    if cluster.verdict is Verdict.MAINTENANCE:
        return Cause.MAINTENANCE
    return Cause.HIBERNATED if cluster.verdict is Verdict.HIBERNATED else None


def _decide(reading: _Reading, target: TargetMemory, held: str, known: Mapping[str, tuple[str, ...]]) -> TargetDecision:
    cluster, settings = reading.cluster, reading.service.settings
    answers = answers_of(cluster.name, target.addresses, target.endpoints, known)
    weight = settings.weights.get(cluster.name, 100)
    standing, cause = _standing(reading, target, weight, has_answers=bool(answers), held=held)
    return TargetDecision(
        service=reading.service.key,
        cluster=cluster.name,
        region=cluster.region,
        zones=cluster.zones,
        standing=standing,
        cause=cause,
        target=target,
        evidence=reading.evidence,
        held=held,
        weight=max(1, weight * cluster.weight_percent // 100) if weight else 0,
        tier=_tier(reading.service, cluster),
        answers=answers,
        ports=target.ports,
    )


def _standing(
    reading: _Reading, target: TargetMemory, weight: int, *, has_answers: bool, held: str
) -> tuple[Standing, Cause]:
    administrative = _administrative(reading.cluster)
    if not has_answers:
        named = bool(target.addresses or target.endpoints)
        return Standing.GONE, Cause.UNRESOLVED if named else Cause.NO_ADDRESS
    if administrative is not None:
        return Standing.DRAINED, administrative
    if target.is_withdrawn:
        return _withdrawn(target, has_expired=reading.has_expired)
    if weight == 0:
        return Standing.STANDBY, Cause.WEIGHT
    return Standing.FIT, Cause.HELD if held else Cause.EVIDENCE


def _withdrawn(target: TargetMemory, *, has_expired: bool) -> tuple[Standing, Cause]:
    if has_expired:
        return Standing.DOWN, Cause.NO_ADDRESS
    if target.state in (State.UP, State.SUSPECT):
        return Standing.RESTING, Cause.FLAPPED
    return (Standing.RESTING if target.state is State.RECOVERING else Standing.DOWN), Cause.EVIDENCE


def _tier(service: Service, cluster: Cluster) -> int:
    tiers = service.settings.tiers
    for index, tier in enumerate(tiers):
        by_labels = tier.labels and set(tier.labels) <= set(cluster.labels)
        if cluster.name in tier.clusters or cluster.region in tier.regions or by_labels:
            return index
    return len(tiers)
