"""What placement looks at, read from the store: the fleet, and the units that ask.

Reading is batched: a few statements whatever the number of units and clusters.
"""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fedsvc.model.cluster import Cluster
from fedsvc.model.departure import Departure, acted_on, away_from, seen_at
from fedsvc.model.failover import tolerating
from fedsvc.model.grants import with_grants
from fedsvc.model.unit import Resource, Unit
from fedsvc.model.work import Binding
from fedsvc.rendering.canonical import load_json
from fedsvc.rendering.workloads import (
    AUTOSCALER,
    autoscaled,
    is_of_interest,
    kinds_meant,
    looks_into,
    needed_kinds,
    workloads_of,
)
from fedsvc.store import automation, clusters, fleet, grants, manifests, policies, served_kinds, unit_facts, works
from fedsvc.store.automation import Gate
from fedsvc.store.served_kinds import ServedKind
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_facts import UnitFacts
from fedsvc.store.unit_rows import resources_by_unit
from fedsvc_placement.model import (
    ApiKind,
    ClusterSnapshot,
    Fleet,
    Memory,
    PlacedUnit,
    Placement,
    PreviousBinding,
    UnitInput,
)

_MAX_KIND_SETS: Final = 256

NO_PLACEMENT: Final = Placement()
"""Of a unit with neither placement nor policy: selects no cluster."""

_PLACED = text(
    "SELECT u.namespace, u.name, u.labels, coalesce(array_agg(b.cluster ORDER BY b.cluster)"
    " FILTER (WHERE b.cluster IS NOT NULL), '{}') AS clusters"
    " FROM unit u LEFT JOIN binding b ON b.unit_uid = u.uid WHERE u.delete_time IS NULL GROUP BY u.uid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRequest:
    """A unit that asks where it shall run."""

    unit: Unit
    input: UnitInput
    bindings: tuple[Binding, ...]  # where it is, sorted by cluster
    facts: UnitFacts
    autoscaled: frozenset[str]  # keys of its workloads whose replicas an autoscaler owns
    resources: tuple[Resource, ...] = ()  # in the order of the unit; without bodies, unless these were asked for

    @property
    def memory(self) -> Memory:
        """What is remembered of it."""
        return self.facts.memory

    @property
    def read_time(self) -> datetime:
        """When all this was read, by the database's clock."""
        return self.facts.read_time

    @property
    def departures(self) -> tuple[Departure, ...]:
        """The clusters that it left, or is to leave."""
        return self.facts.departures

    @property
    def is_timed(self) -> bool:
        """Whether a time is noted at which it is to be decided again."""
        return self.facts.is_timed

    @property
    def previous(self) -> tuple[PreviousBinding, ...]:
        """Where it is, as placement looks at it."""
        found = tuple(
            PreviousBinding(cluster=binding.cluster, replicas=binding.replicas, since=binding.update_time)
            for binding in self._held_by_decision
        )
        return seen_at(found, self.departures, self.read_time) if self.departures else found

    @property
    def _held_by_decision(self) -> Sequence[Binding]:
        """Where it is, but for where it only waits to be no primary any more."""
        in_force = self.facts.in_force
        if self.unit.spec.failover.roles is None or in_force is None:
            return self.bindings
        wanted = {target["cluster"] for target in in_force.words["targets"]}
        if self.facts.switchover is not None:
            wanted.add(self.facts.switchover.primary)
        return [binding for binding in self.bindings if binding.cluster in wanted] or self.bindings

    def supposing(self, found: Iterable[Departure]) -> "PlacementRequest":
        """The same with other departures."""
        listed = tuple(found)
        placement = replace(self.input.placement, left=away_from(listed, self.read_time))
        facts = replace(self.facts, departures=listed)
        return replace(self, facts=facts, input=replace(self.input, placement=placement))

    def without_leaving(self, clusters: Collection[str]) -> "PlacementRequest":
        """The same, were it not taken away from these clusters."""
        placement = self.input.placement
        left = tuple(name for name in placement.left if name not in clusters)
        return replace(self, input=replace(self.input, placement=replace(placement, left=left)))


async def read_fleet(tx: Transaction, *, with_units: bool) -> Fleet:
    """Everything that units are placed on and next to, without the room that was given away.

    Args:
        tx: the transaction.
        with_units: whether units count that others want to be near or far from.
    """
    members = await clusters.list_all(tx)
    found = with_grants(await read_fleet_of(tx, await snapshots_of(tx, members)), await grants.outstanding(tx))
    return replace(found, units=await placed_units(tx)) if with_units else found


async def read_fleet_of(tx: Transaction, snapshots: Sequence[ClusterSnapshot]) -> Fleet:
    """The fleet of these clusters, without units: what the settings say of it is read."""
    settings = (await fleet.get(tx)).spec
    return Fleet(
        clusters=tuple(snapshots),
        datasets=settings.datasets,
        distances_ms={(entry.region, entry.other): entry.milliseconds for entry in settings.distances},
        headroom=settings.headroom,
    )


async def snapshots_of(tx: Transaction, members: Sequence[Cluster]) -> list[ClusterSnapshot]:
    """The members as placement looks at them, in their order: lost ones only as far as automation may act on that."""
    served = await served_kinds.of_digests(tx, {member.api_digest for member in members})
    gate = await automation.gate(tx)
    found: list[ClusterSnapshot] = []
    for member in members:
        rows = served.get(member.api_digest, ())
        found.append(replace(gate.seen(member.snapshot()), kinds=_kinds(rows) if rows else None))
    return found


@functools.lru_cache(maxsize=_MAX_KIND_SETS)
def _kinds(rows: tuple[ServedKind, ...]) -> frozenset[ApiKind]:
    """Kinds that are served, and those that mean the same: one set for all clusters where these are the same."""
    return _kinds_of(tuple((group, version, kind) for group, version, kind, *_ in rows))


@functools.lru_cache(maxsize=_MAX_KIND_SETS)
def _kinds_of(rows: tuple[tuple[str, str, str], ...]) -> frozenset[ApiKind]:
    return kinds_meant(rows)


async def placed_units(tx: Transaction) -> tuple[PlacedUnit, ...]:
    """All units that are not being deleted, and where they are."""
    return tuple(
        PlacedUnit(key=f"{row.namespace}/{row.name}", labels=row.labels, clusters=tuple(row.clusters))
        for row in await tx.execute(_PLACED)
    )


async def read_requests(look: Look, units: Sequence[Unit], *, opened: Collection[str] = ()) -> list[PlacementRequest]:
    """What the units ask for, in their order, policies resolved; those that are gone by now ask for nothing.

    Args:
        look: where they are read.
        units: those that ask.
        opened: uids of those whose resources are to have their bodies.
    """
    uids = [unit.uid for unit in units]
    placements = await placements_of(look, units)
    bindings = await works.bindings_of(look, uids)
    facts = await unit_facts.read(look, uids)
    gate = await automation.gate(look)
    held = gate.held_units
    resources = await resources_by_unit(look, uids, opened=opened)
    bodies = {one.digest: one.body for uid in opened for one in resources[uid] if one.body is not None}
    wanted = {
        one.digest
        for unit in units
        for one in resources[unit.uid]
        if one.key.group_kind == AUTOSCALER
        or (looks_into(placements[unit.uid]) and is_of_interest(*one.key.group_kind))
    }
    bodies |= await manifests.open_many(look, wanted - bodies.keys())
    return [
        _request(
            unit,
            placement=tolerating(
                placements[unit.uid],
                unit.spec.failover,
                is_held=unit.resource_name in held,
                detect_share=gate.detect_share,
            ),
            resources=resources[unit.uid],
            bodies=bodies,
            wanted=wanted,
            bindings=bindings[unit.uid],
            facts=_acted_on(facts[unit.uid], gate, unit),
        )
        for unit in units
        if unit.uid in facts
    ]


def _acted_on(facts: UnitFacts, gate: Gate, unit: Unit) -> UnitFacts:
    if not facts.departures:
        return facts
    is_held = not gate.is_on or unit.resource_name in gate.held_units
    return replace(facts, departures=acted_on(facts.departures, is_held=is_held, held=gate.held_clusters))


def _request(
    unit: Unit,
    *,
    placement: Placement,
    resources: Sequence[Resource],
    bodies: Mapping[bytes, bytes],
    wanted: Collection[bytes],
    bindings: Sequence[Binding],
    facts: UnitFacts,
) -> PlacementRequest:
    away = away_from(facts.departures, facts.read_time)
    if away:
        placement = replace(placement, left=away)
    roles = unit.spec.failover.roles
    manifests_of = [
        (one.key, load_json(bodies[one.digest]))
        for one in resources
        if one.digest in wanted and one.digest in bodies and not (roles is not None and roles.is_hook(one.key))
    ]
    owned = autoscaled(manifests_of)
    return PlacementRequest(
        unit=unit,
        input=UnitInput(
            key=f"{unit.namespace}/{unit.name}",
            placement=placement,
            labels=unit.labels,
            workloads=workloads_of(manifests_of) if looks_into(placement) else (),
            kinds=needed_kinds(one.key for one in resources),
        ),
        bindings=tuple(bindings),
        facts=facts,
        autoscaled=frozenset(str(one.key) for one in resources if one.key.identity in owned),
        resources=tuple(resources),
    )


async def placements_of(look: Look, units: Iterable[Unit]) -> dict[str, Placement]:
    """The placement of each unit by uid: its own, or that of the policy it names."""
    listed = list(units)
    names = sorted({unit.spec.placement_policy for unit in listed if unit.spec.placement_policy})
    shared = await policies.get_many(look, policies.PLACEMENT, names)
    found: dict[str, Placement] = {}
    for unit in listed:
        if unit.spec.placement_policy:
            # A policy that is not there (yet) places nothing; the API refuses to delete one that is used.
            policy = shared.get(unit.spec.placement_policy)
            found[unit.uid] = NO_PLACEMENT if policy is None else policy.spec
        else:
            found[unit.uid] = unit.spec.placement or NO_PLACEMENT
    return found
