"""What is to be written of units that were decided: manifests rendered, decisions compared, before any transaction."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fedsvc.controllers import planning
from fedsvc.controllers.deciding import Decided
from fedsvc.controllers.driven import driven_out
from fedsvc.controllers.planning import UnitPlan, render_cluster
from fedsvc.model.unit import Resource, Unit
from fedsvc.model.work import DesiredWork
from fedsvc.rendering.canonical import load_json
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.references import Reference, names_others, references_of
from fedsvc.rendering.render import RenderedManifest
from fedsvc.rendering.waves import AwaitedState, awaited_states
from fedsvc.store import manifests
from fedsvc.store.store import Store
from fedsvc_placement import ClusterSnapshot, PlacedUnit, answer_digest
from fedsvc_placement.inputs import inputs_to_dict

_YIELD_SECONDS: Final = 0.005

_MAX_RESOURCES: Final = 1_000
"""Bodies of about so many are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What of a decision is another than before."""

    record: dict[str, Any]
    answer_digest: bytes
    inputs: dict[str, Any]  # of the decision, where it is news
    news: bool  # it chooses or refuses otherwise
    moved: bool  # something is to be done in members, or they hold it by another revision
    undecided: bool  # it is the first of this intent
    noted: bool  # the unit's row changes besides

    @property
    def writes(self) -> bool:
        """Whether anything is to be written."""
        return self.news or self.moved or self.undecided or self.noted


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A unit that is decided and rendered, not stored yet."""

    decided: Decided
    outcome: Outcome
    desired: dict[str, list[DesiredWork]]  # of changed clusters
    bodies: tuple[tuple[ObjectKey, bytes, bytes], ...]  # distinct renderings: key, plain digest, body
    references: dict[str, frozenset[Reference]]  # of changed clusters: what comes along with the works there
    driven_out: tuple[
        ClusterSnapshot, ...
    ]  # clusters that it leaves, and was on, for a taint or being taken away alone

    @property
    def unit(self) -> Unit:
        """The unit as it was read."""
        return self.decided.unit

    @property
    def plan(self) -> UnitPlan:
        """Where it will be."""
        return self.decided.plan

    @property
    def work_count(self) -> int:
        """Works that are to be written."""
        return sum(len(found) for found in self.desired.values())


async def prepare(store: Store, decided: Sequence[Decided], *, max_works: int) -> AsyncIterator[list[Prepared]]:
    """Render what was decided and find what is to be written; lets others run every few milliseconds.

    A unit that was applied anew meanwhile is left out: it is undecided, and looked at with the next batch.

    Args:
        store: to read bodies that turn out to be needed.
        decided: what was decided, in the order in which it is to be written.
        max_works: units are given together until they have so many works, so that members are busy with the first ones
            while the next are rendered.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    found: list[Prepared] = []
    count = 0
    plain = _PlainInputs()
    for part in _parts(decided):
        opened = await _bodies(store, part)
        for one in part:
            await asyncio.sleep(0)
            plan = _with_bodies(one.plan, opened)
            if plan is None:
                continue
            naming = _Naming(plan, one.unit)
            desired, bodies = await _render(
                plan, one.ground.prepared.clusters_by_name, one.unit.spec.wave_state, naming
            )
            outcome = _outcome(one, plain)
            done = Prepared(
                decided=one,
                outcome=outcome,
                desired=desired,
                bodies=bodies,
                references=naming.by_cluster(desired),
                driven_out=tuple(_driven_out(one, plan)),
            )
            found.append(done)
            count += done.work_count
            if count >= max_works:
                yield found
                found, count = [], 0
    if found:
        yield found


def _parts(decided: Sequence[Decided]) -> Iterator[list[Decided]]:
    """Cut so that the bodies of one part may be held in memory together."""
    part: list[Decided] = []
    count = 0
    for one in decided:
        if part and count + one.unit.resource_count > _MAX_RESOURCES:
            yield part
            part, count = [], 0
        part.append(one)
        count += one.unit.resource_count
    if part:
        yield part


def _lacking(plan: UnitPlan) -> Iterator[Resource]:
    """The templates that are to be rendered and whose bodies were not read."""
    for revision in plan.rendered:
        yield from (resource for resource in plan.renderings[revision].resources if resource.body is None)


async def _bodies(store: Store, part: Sequence[Decided]) -> Mapping[bytes, bytes]:
    """The bodies that a part lacks, by digest."""
    wanted = {resource.digest for one in part for resource in _lacking(one.plan)}
    if not wanted:
        return {}
    async with store.reader() as tx:
        return await manifests.open_many(tx, wanted)


def _with_bodies(plan: UnitPlan, opened: Mapping[bytes, bytes]) -> UnitPlan | None:
    """The plan with the bodies that it needs; None where one is no longer kept: the unit was applied anew."""
    lacking = {resource.digest for resource in _lacking(plan)}
    if not lacking:
        return plan
    if not lacking <= opened.keys():
        return None
    found = dict(plan.renderings)
    for revision in plan.rendered:
        resources = [
            one if one.body is not None else replace(one, body=opened[one.digest]) for one in found[revision].resources
        ]
        found[revision] = replace(found[revision], resources=resources)
    return replace(plan, renderings=found)


class _PlainInputs:
    """Inputs of decisions as JSON types; neighbours that several units mind are made plain once."""

    def __init__(self) -> None:
        self._neighbours: dict[int, tuple[tuple[PlacedUnit, ...], Any]] = {}  # by identity, which is held

    def of(self, one: Decided) -> dict[str, Any]:
        neighbours = one.inputs.neighbours
        if not neighbours:
            return inputs_to_dict(one.inputs)
        if id(neighbours) not in self._neighbours:
            plain = inputs_to_dict(one.inputs)
            self._neighbours[id(neighbours)] = (neighbours, plain["neighbours"])
            return plain
        _, shared = self._neighbours[id(neighbours)]
        return {**inputs_to_dict(replace(one.inputs, neighbours=())), "neighbours": shared}


def _outcome(one: Decided, plain: _PlainInputs) -> Outcome:
    unit, plan, before = one.unit, one.plan, one.in_force
    record = planning.decision_record(plan.decision)
    answer = answer_digest(record)
    deleting = unit.delete_time is not None
    undecided = unit.decided_generation < unit.generation
    timed = plan.decision.reconsider_at is not None or (
        before is not None and before.words["reconsider_at"] is not None
    )
    news = not deleting and (before is None or before.answer_digest != answer)
    return Outcome(
        record=record,
        answer_digest=answer,
        inputs=plain.of(one) if news else {},
        news=news,
        moved=bool(plan.changed or plan.gone or plan.renumbered) or (deleting and undecided),
        undecided=undecided,
        noted=timed
        or plan.request.is_timed
        or unit.rebalance
        or any(departure.is_pending for departure in plan.request.departures)
        or plan.decision.memory != one.remembered,
    )


def _driven_out(one: Decided, plan: UnitPlan) -> list[ClusterSnapshot]:
    bound = {binding.cluster for binding in one.given.request.bindings}
    return driven_out(plan.decision, left=bound.intersection(plan.gone), clusters=one.ground.prepared.clusters_by_name)


async def _render(
    plan: UnitPlan, fleet: Mapping[str, ClusterSnapshot], wave_state: AwaitedState, naming: "_Naming"
) -> tuple[dict[str, list[DesiredWork]], tuple[tuple[ObjectKey, bytes, bytes], ...]]:
    desired: dict[str, list[DesiredWork]] = {}
    bodies: dict[bytes, tuple[ObjectKey, bytes, bytes]] = {}
    started = time.monotonic()
    for name in plan.changed:
        found: list[DesiredWork] = []
        for rendered in render_cluster(plan, fleet[name]):
            digest = None
            if rendered.manifest is not None:
                digest = rendered.manifest.digest
                naming.note(name, rendered.key, rendered.manifest)
                bodies.setdefault(digest, (rendered.key, digest, rendered.manifest.body))
            found.append(
                DesiredWork(
                    cluster=name,
                    key=rendered.key,
                    wave=rendered.wave,
                    digest=digest,
                    error=rendered.error,
                    handling=rendered.handling,
                )
            )
            if time.monotonic() - started > _YIELD_SECONDS:
                await asyncio.sleep(0)
                started = time.monotonic()
        desired[name] = _with_awaited(found, wave_state)
    return desired, tuple(bodies.values())


class _Naming:
    """What the works of a unit name, where that comes along: all of a unit that says so, and of what is copied."""

    def __init__(self, plan: UnitPlan, unit: Unit) -> None:
        copied = frozenset(entry.copy.cluster for entry in plan.copies)
        self._clusters = None if unit.spec.follow_dependencies else copied
        self._found: dict[str, set[Reference]] = {}  # by cluster
        self._known: dict[bytes, tuple[Reference, ...]] = {}  # by digest of the manifest

    def note(self, cluster: str, key: ObjectKey, manifest: RenderedManifest) -> None:
        """A work for a cluster was rendered."""
        if (self._clusters is not None and cluster not in self._clusters) or not names_others(*key.group_kind):
            return
        if manifest.digest not in self._known:
            self._known[manifest.digest] = references_of(key, load_json(manifest.body))
        self._found.setdefault(cluster, set()).update(self._known[manifest.digest])

    def by_cluster(self, clusters: Iterable[str]) -> dict[str, frozenset[Reference]]:
        """What is named on each of the clusters; what one work needs is not optional since another can do without."""
        found = {cluster: self._found.get(cluster, set()) for cluster in clusters}
        return {
            cluster: frozenset(one for one in named if not one.optional or replace(one, optional=False) not in named)
            for cluster, named in found.items()
        }


def _with_awaited(found: list[DesiredWork], state: AwaitedState) -> list[DesiredWork]:
    """The works of one cluster, those marked that a later wave waits for."""
    awaited = awaited_states({work.key: (work.wave, work.key.group_kind) for work in found}, state)
    if not awaited:
        return found
    return [replace(work, awaited=awaited[work.key]) if work.key in awaited else work for work in found]
