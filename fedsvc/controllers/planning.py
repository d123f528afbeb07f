"""Pure: from a unit, its resources, the fleet and where it is now, to the decision and to what every member shall hold.

`plan_unit` decides and finds out which clusters need anything rendered; `render_cluster` renders one of them, resource
by resource (a generator, so that a caller can let others run meanwhile). Equal renderings are made once: a manifest
that is the same on a hundred clusters costs one rendering.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from fedsvc.model.cluster import Cluster, ObjectDeletion
from fedsvc.model.unit import DeletionMode, Propagation, Resource, Unit
from fedsvc.model.work import Binding
from fedsvc.rendering.canonical import canonical_json, digest, load_json
from fedsvc.rendering.errors import ManifestError, OverrideError, RenderingError
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.kinds import replica_paths, wave_of
from fedsvc.rendering.marks import OwnerMark
from fedsvc.rendering.overrides import Override, matching_overrides, override_digests
from fedsvc.rendering.render import RenderedManifest, render, render_key
from fedsvc.rendering.replicas import template_replicas
from fedsvc_placement import (
    ClusterSnapshot,
    Decision,
    Placement,
    PreviousBinding,
    UnitInput,
    WorkloadInput,
    decide,
    to_dict,
)

NO_PLACEMENT: Final = Placement()
"""Of a unit with neither placement nor policy: selects no cluster."""

# What a decision says of the run itself and not of its result.
_RUN_FIELDS: Final = ("inputs_digest",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInput:
    """All that a plan depends on."""

    unit: Unit
    resources: Sequence[Resource]  # in the order of the unit; bodies where `needs_body` says so
    placement: Placement  # the policy's where the unit names one
    overrides: Sequence[Override]  # the policies' first, then the unit's own
    override_places: Sequence[str]  # where each of them is written, for people
    clusters: Sequence[Cluster]  # the whole fleet
    previous: Sequence[Binding]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """What shall be on one cluster."""

    binding: Binding  # its `decision` is that of the binding before, empty where there was none
    changed: bool  # replicas or rendering differ from before, or the unit is new there


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """The answer: where, how many, and what has to be rendered."""

    decision: Decision
    clusters: tuple[ClusterPlan, ...]  # sorted by name
    renderings: "Renderings"
    gone: tuple[str, ...]  # clusters it leaves, sorted

    @property
    def changed(self) -> tuple[str, ...]:
        """Clusters that need their works rendered."""
        return tuple(plan.binding.cluster for plan in self.clusters if plan.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One resource for one cluster: a manifest, or why there is none."""

    key: ObjectKey
    wave: int
    manifest: RenderedManifest | None
    error: tuple[str, str] | None  # reason and message


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderings:
    """Renders resources for clusters, each distinct result once."""

    unit: Unit
    resources: Sequence[Resource]
    overrides: Sequence[Override]
    override_places: Sequence[str]
    owner: OwnerMark
    override_digests: tuple[bytes, ...]
    _keys: dict[tuple[int, tuple[int, ...], int | None], bytes] = field(default_factory=dict)
    _done: dict[bytes, Rendered] = field(default_factory=dict)

    def key_of(self, index: int, cluster: ClusterSnapshot, replicas: Mapping[str, int]) -> bytes:
        """The digest of all that decides how resource `index` is rendered for a cluster."""
        resource = self.resources[index]
        share = replicas.get(str(resource.key))
        matched = matching_overrides(self.overrides, cluster, resource.key, resource.labels) if self.overrides else ()
        found = self._keys.get((index, matched, share))
        if found is None:
            found = self._keys[index, matched, share] = render_key(
                template_digest=resource.digest,
                override_digests=self.override_digests,
                matched=matched,
                replicas=share,
                owner=self.owner,
            )
        return found

    def render(self, index: int, cluster: ClusterSnapshot, replicas: Mapping[str, int]) -> Rendered:
        """Resource `index` for a cluster."""
        key = self.key_of(index, cluster, replicas)
        found = self._done.get(key)
        if found is None:
            found = self._done[key] = self._render(self.resources[index], cluster, replicas)
        return found

    def _render(self, resource: Resource, cluster: ClusterSnapshot, replicas: Mapping[str, int]) -> Rendered:
        manifest: RenderedManifest | None = None
        error: tuple[str, str] | None = None
        assert resource.body is not None, "bodies are loaded before anything is rendered"
        try:
            manifest = render(
                resource.body,
                key=resource.key,
                overrides=self.overrides,
                cluster=cluster,
                replicas=replicas.get(str(resource.key)),
                owner=self.owner,
            )
        except OverrideError as problem:
            error = ("OverrideFailed", self._override_words(problem))
        except (ManifestError, RenderingError) as problem:
            error = ("RenderingFailed", str(problem))
        wave = wave_of(*resource.key.group_kind)
        return Rendered(key=resource.key, wave=wave, manifest=manifest, error=error)

    def _override_words(self, problem: OverrideError) -> str:
        place = self.override_places[problem.index]
        if problem.op_index is not None:
            place = f"{place}.patch[{problem.op_index}]"
        path = "" if problem.path in problem.message else f"{problem.path}: "
        advice = "mend it, or give it a target or clusters that leave this one out"
        return f"{place} cannot be carried out here: {path}{problem.message} - {advice}"


def needs_body(resource: Resource, placement: Placement) -> bool:
    """Whether deciding (not rendering) has to look into the template: for the replicas that are to be divided."""
    return placement.replicas is not None and bool(replica_paths(*resource.key.group_kind))


def plan_unit(given: PlanInput) -> UnitPlan:
    """Decide, and compare with what is.

    A unit that is being deleted goes from every cluster. Without a replica policy templates keep their own replicas,
    also none at all, which leaves them to an autoscaler.
    """
    owner = OwnerMark(unit_namespace=given.unit.namespace, unit_name=given.unit.name, unit_uid=given.unit.uid)
    renderings = Renderings(
        unit=given.unit,
        resources=given.resources,
        overrides=given.overrides,
        override_places=given.override_places,
        owner=owner,
        override_digests=override_digests(given.overrides),
    )
    key = f"{given.unit.namespace}/{given.unit.name}"
    fleet = {cluster.name: cluster.snapshot() for cluster in given.clusters}
    decision = decide(
        UnitInput(key=key, placement=given.placement, workloads=_workloads(given)),
        fleet.values(),
        [PreviousBinding(cluster=binding.cluster, replicas=binding.replicas) for binding in given.previous],
        given.now,
    )
    before = {binding.cluster: binding for binding in given.previous}
    plans = []
    for target in [] if given.unit.delete_time is not None else decision.targets:
        cluster = fleet[target.cluster]
        old = before.get(target.cluster)
        binding = Binding(
            unit_uid=given.unit.uid,
            cluster=target.cluster,
            replicas=dict(target.replicas),
            render_key=_binding_key(renderings, cluster, target.replicas, given.unit.spec.propagation),
            decision=old.decision if old is not None else "",
        )
        plans.append(ClusterPlan(binding=binding, changed=old is None or _differs(old, binding)))
    stay = {plan.binding.cluster for plan in plans}
    gone = tuple(sorted(name for name in before if name not in stay))
    return UnitPlan(decision=decision, clusters=tuple(plans), renderings=renderings, gone=gone)


def render_cluster(plan: UnitPlan, cluster: Cluster) -> Iterator[Rendered]:
    """All resources of a planned unit for one of its clusters, in the order of the unit."""
    binding = next(entry.binding for entry in plan.clusters if entry.binding.cluster == cluster.name)
    target = cluster.snapshot()
    for index in range(len(plan.renderings.resources)):
        yield plan.renderings.render(index, target, binding.replicas)


def same_result(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two decision records say the same, though they may have been made from different inputs.

    That a unit is bound where it was only chosen before is the decision's own effect, and no news.
    """
    return _result(one) == _result(other)


def decision_record(decision: Decision) -> dict[str, Any]:
    """A decision as it is stored."""
    return to_dict(decision)


def removal_of(unit: Unit) -> ObjectDeletion:
    """What becomes of objects that are no longer wanted: as asked for at deletion, else by the mode of the unit."""
    if unit.delete_time is not None and unit.cascade is not None:
        return unit.cascade
    if unit.spec.propagation.deletion is DeletionMode.ORPHAN:
        return ObjectDeletion.ORPHAN
    return ObjectDeletion.BACKGROUND


def with_decision(plan: ClusterPlan, decision_id: str) -> Binding:
    """The binding to be stored: a changed one names the decision that changed it."""
    return replace(plan.binding, decision=decision_id) if plan.changed else plan.binding


def _workloads(given: PlanInput) -> tuple[WorkloadInput, ...]:
    if given.unit.delete_time is not None:
        return ()
    workloads = []
    for resource in given.resources:
        if not needs_body(resource, given.placement):
            continue
        assert resource.body is not None, "the caller loads the bodies that needs_body asks for"
        count = template_replicas(load_json(resource.body))
        if count is not None:
            workloads.append(WorkloadInput(key=str(resource.key), replicas=count))
    return tuple(workloads)


def _binding_key(
    renderings: Renderings, cluster: ClusterSnapshot, replicas: Mapping[str, int], propagation: Propagation
) -> bytes:
    keys = b"".join(renderings.key_of(index, cluster, replicas) for index in range(len(renderings.resources)))
    # How works are propagated is kept with them, so a change of it has to reach them too.
    return digest(keys + canonical_json([propagation.conflict, propagation.drift]))


def _differs(old: Binding, new: Binding) -> bool:
    return old.render_key != new.render_key or dict(old.replicas) != dict(new.replicas)


def _result(record: Mapping[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in record.items() if name not in _RUN_FIELDS}
    result["clusters"] = [
        {name: value for name, value in entry.items() if name != "bound"} for entry in record["clusters"]
    ]
    return result
