"""Pure: from a unit, its resources, the fleet and where it is now, to the decision and to what every member shall hold.

`plan_unit` decides and finds out which clusters need anything rendered; `render_cluster` renders one of them, resource
by resource (a generator, so that a caller can let others run meanwhile). Equal renderings are made once: a manifest
that is the same on a hundred clusters costs one rendering.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fedsvc.controllers.role_planning import RolePlan, plan_roles
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.copies import Copies, CopyBinding
from fedsvc.model.departure import ended_by, in_vain, lacks_place, places_better, waivable
from fedsvc.model.floor import Floor, KeptUp, Shares, eased
from fedsvc.model.handling import handling_of, handling_text
from fedsvc.model.unit import DeletionMode, ImmutableMode, Resource, Unit, UnitSpec
from fedsvc.model.work import Binding
from fedsvc.rendering.canonical import canonical_json, digest
from fedsvc.rendering.errors import ManifestError, OverrideError, RenderingError
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.kinds import wave_of
from fedsvc.rendering.marks import OwnerMark
from fedsvc.rendering.overrides import Override, matching_overrides, override_digests
from fedsvc.rendering.render import RenderedManifest, render, render_key
from fedsvc.rendering.replicas import AUTOSCALED, ReplicaShare
from fedsvc.rendering.roles import RoleView
from fedsvc.rendering.waves import AwaitedState
from fedsvc.rendering.workloads import Identity
from fedsvc.rollout import Rollout
from fedsvc.rollout.holding import revision_for
from fedsvc.store.placing import PlacementRequest
from fedsvc_placement import ClusterSnapshot, Decision, Trigger, decide, to_record
from fedsvc_placement.fleet import PreparedFleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What of a revision goes over the clusters in waves; all else of a unit holds everywhere at once."""

    resources: Sequence[Resource]  # in the order of the unit; bodies where something is to be rendered
    overrides: Sequence[Override]  # the policies' first, as they are now, then its own
    override_places: Sequence[str]  # where each of them is written, for people
    autoscaled: frozenset[str]  # keys of workloads whose replicas an autoscaler owns
    override_policies: tuple[str, ...] = ()  # names of those among the overrides


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInput:
    """All that a plan depends on."""

    request: PlacementRequest
    resources: Sequence[Resource]  # in the order of the unit; bodies where something is to be rendered
    overrides: Sequence[Override]  # the policies' first, then the unit's own
    override_places: Sequence[str]  # where each of them is written, for people
    fleet: PreparedFleet
    copies: Copies = field(default_factory=Copies)
    trigger: str = Trigger.OTHER
    now: datetime
    rollout: Rollout | None = None  # of the newest revision
    held: Mapping[int, Content] = field(default_factory=dict)  # earlier revisions that clusters may hold, by number
    ready: Shares = field(default_factory=dict)  # what is ready of it, where that is to be kept up

    @property
    def all_overrides(self) -> tuple[Override, ...]:
        """The overrides of all revisions that clusters may hold."""
        return (*self.overrides, *(one for content in self.held.values() for one in content.overrides))

    @property
    def all_override_policies(self) -> tuple[str, ...]:
        """The names of the override policies of all revisions that clusters may hold."""
        earlier = (name for content in self.held.values() for name in content.override_policies)
        return tuple(dict.fromkeys((*self.request.unit.spec.override_policies, *earlier)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """What shall be on one cluster."""

    binding: Binding  # its `decision` is that of the binding before, empty where there was none
    changed: bool  # replicas or rendering differ from before, or the unit is new there
    indexes: tuple[int, ...]  # of its resources
    renumbered: bool = False  # what it shall hold is the same in another revision


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """What of a unit shall be on a cluster that it is not placed on."""

    copy: CopyBinding
    binding: Binding  # stands for the one that it does not have, without shares
    indexes: tuple[int, ...]  # of its resources
    changed: bool  # differs from before, or is new there


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """The answer: where, how many, and what has to be rendered."""

    decision: Decision
    clusters: tuple[ClusterPlan, ...]  # sorted by name
    renderings: Mapping[int, "Renderings"]  # by revision
    copies: tuple[CopyPlan, ...]  # sorted by cluster; none of them is in `clusters`
    gone: tuple[str, ...]  # clusters it leaves, copies included, sorted
    request: PlacementRequest  # as it was decided in the end
    ended: tuple[str, ...] = ()  # clusters that it is let be on again
    kept: tuple[KeptUp, ...] = ()  # replicas that are wanted no more, and stay until enough is ready elsewhere
    floor: Floor | None = None  # by which this was found; None: nothing is kept up
    roles: RolePlan | None = None  # None: it has none

    @property
    def staying(self) -> tuple[str, ...]:
        """The clusters that it is to leave, and does not before it is a replica there."""
        return () if self.roles is None else self.roles.staying

    @property
    def changed(self) -> tuple[str, ...]:
        """Clusters that need their works rendered, copies included."""
        whole = tuple(plan.binding.cluster for plan in self.clusters if plan.changed)
        return (*whole, *(plan.copy.cluster for plan in self.copies if plan.changed))

    @property
    def renumbered(self) -> bool:
        """Whether some cluster holds the same in another revision."""
        return any(plan.renumbered for plan in self.clusters)

    @property
    def rendered(self) -> tuple[int, ...]:
        """The revisions of which something has to be rendered."""
        changed = [plan.binding.revision for plan in self.clusters if plan.changed]
        return tuple(sorted({*changed, *(plan.binding.revision for plan in self.copies if plan.changed)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One resource for one cluster: a manifest, or why there is none."""

    key: ObjectKey
    wave: int
    manifest: RenderedManifest | None
    error: tuple[str, str] | None  # reason and message
    handling: str = ""  # of `fedsvc.model.handling`


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderings:
    """Renders resources for clusters, each distinct result once."""

    unit: Unit
    resources: Sequence[Resource]
    overrides: Sequence[Override]
    override_places: Sequence[str]
    owner: OwnerMark
    override_digests: tuple[bytes, ...]
    autoscaled: frozenset[str]  # keys of workloads whose replicas an autoscaler owns
    roles: RolePlan | None = None
    _keys: dict[tuple[int, tuple[int, ...], ReplicaShare | None, RoleView | None], bytes] = field(default_factory=dict)
    _done: dict[bytes, Rendered] = field(default_factory=dict)

    def key_of(self, index: int, cluster: ClusterSnapshot, binding: Binding) -> bytes:
        """The digest of all that decides how resource `index` is rendered for a cluster."""
        resource = self.resources[index]
        share = self._share(resource, binding)
        matched: tuple[int, ...] = ()
        view = self._view(binding)
        if self.overrides:
            role = None if view is None else view.role
            matched = matching_overrides(self.overrides, cluster, resource.key, resource.labels, role)
        seen = view if any(self.overrides[one].role is not None for one in matched) else None
        found = self._keys.get((index, matched, share, seen))
        if found is None:
            found = self._keys[index, matched, share, seen] = render_key(
                template_digest=resource.digest,
                override_digests=self.override_digests,
                matched=matched,
                share=share,
                owner=self.owner,
                view=seen,
            )
        return found

    def _view(self, binding: Binding) -> RoleView | None:
        return None if self.roles is None or not binding.role else self.roles.view(binding.cluster)

    def render(self, index: int, cluster: ClusterSnapshot, binding: Binding) -> Rendered:
        """Resource `index` for a cluster."""
        key = self.key_of(index, cluster, binding)
        found = self._done.get(key)
        if found is None:
            found = self._done[key] = self._render(self.resources[index], cluster, binding)
        return found

    def _share(self, resource: Resource, binding: Binding) -> ReplicaShare | None:
        key = str(resource.key)
        if key in self.autoscaled:
            return AUTOSCALED
        if key not in binding.replicas:
            return None
        return ReplicaShare(count=binding.replicas[key], completions=binding.completions.get(key))

    def _render(self, resource: Resource, cluster: ClusterSnapshot, binding: Binding) -> Rendered:
        manifest: RenderedManifest | None = None
        error: tuple[str, str] | None = None
        assert resource.body is not None, "bodies are loaded before anything is rendered"
        try:
            manifest = render(
                resource.body,
                key=resource.key,
                overrides=self.overrides,
                cluster=cluster,
                share=self._share(resource, binding),
                owner=self.owner,
                view=self._view(binding),
            )
        except OverrideError as problem:
            error = ("OverrideFailed", self._override_words(problem))
        except (ManifestError, RenderingError) as problem:
            error = ("RenderingFailed", str(problem))
        wave = wave_of(*resource.key.group_kind) if manifest is None else manifest.place
        handling = handling_text(handling_of(self.unit.spec.propagation, resource.key, resource.labels))
        return Rendered(key=resource.key, wave=wave, manifest=manifest, error=error, handling=handling)

    def _override_words(self, problem: OverrideError) -> str:
        place = self.override_places[problem.index]
        if problem.op_index is not None:
            place = f"{place}.patch[{problem.op_index}]"
        path = "" if problem.path in problem.message else f"{problem.path}: "
        advice = "mend it, or give it a target or clusters that leave this one out"
        return f"{place} cannot be carried out here: {path}{problem.message} - {advice}"


def plan_unit(given: PlanInput) -> UnitPlan:
    """Decide, and compare with what is.

    Where and with how many replicas is decided of the newest revision; which one a cluster holds tells the rollout.
    A unit that is being deleted goes from every cluster. Without a replica policy templates keep their own replicas,
    also none at all, which leaves them to an autoscaler; an autoscaler among the resources owns them in any case.
    """
    request = given.request
    unit = request.unit
    request, decision = _decide(given)
    newest = Content(
        resources=given.resources,
        overrides=given.overrides,
        override_places=given.override_places,
        autoscaled=request.autoscaled,
    )
    contents = {**given.held, unit.revision: newest}
    before = {binding.cluster: binding for binding in request.bindings}
    clusters = given.fleet.clusters_by_name
    roles = plan_roles(request, targets=[target.cluster for target in decision.targets], clusters=clusters)
    renderings = {revision: _renderings(unit, content, roles) for revision, content in contents.items()}
    known = {str(resource.key) for resource in given.resources}
    divided = frozenset(key for binding in request.bindings for key in binding.replicas)
    floor = floor_of(request)
    shares, kept = _eased(given, decision, floor)
    completions = {target.cluster: dict(target.completions) for target in decision.targets}
    for name in () if roles is None else roles.staying:
        shares[name], completions[name] = before[name].replicas, before[name].completions
    plans = []
    for name in [] if unit.delete_time is not None else sorted(shares):
        cluster = clusters[name]
        old = before.get(name)
        revision = revision_for(given.rollout, unit.revision, name, held=old.revision if old is not None else None)
        if revision not in contents:
            raise LookupError(f"revision {revision} of {unit.resource_name} is not kept, and {name} holds it")
        wanted = Binding(
            unit_uid=unit.uid,
            cluster=name,
            revision=revision,
            replicas=shares[name],
            completions=completions[name],
            render_key=b"",
            decision=old.decision if old is not None else "",
            role="" if roles is None else roles.state.role_on(name),
        )
        if revision != unit.revision:
            wanted = _keep_shares(wanted, old, contents[revision], divided - known)
        resources = contents[revision].resources
        indexes = tuple(range(len(resources))) if roles is None else roles.indexes(resources, name)
        binding = replace(wanted, render_key=_works_key(renderings[revision], cluster, wanted, unit.spec, indexes))
        changed = old is None or _differs(old, binding)
        renumbered = old is not None and not changed and old.revision != revision
        plans.append(ClusterPlan(binding=binding, changed=changed, indexes=indexes, renumbered=renumbered))
    placed = {plan.binding.cluster for plan in plans}
    deleting = unit.delete_time is not None
    copies = () if deleting else tuple(_plan_copies(given, renderings, placed))
    stay = placed | {plan.copy.cluster for plan in copies}
    gone = tuple(sorted({*before, *given.copies.stored} - stay))
    waived = set(given.request.input.placement.left).difference(request.input.placement.left)
    return UnitPlan(
        decision=decision,
        clusters=tuple(plans),
        renderings=renderings,
        copies=copies,
        gone=gone,
        request=request,
        ended=tuple(ended_by(request.departures, placed, waived, is_over=not kept)),
        kept=kept,
        floor=floor,
        roles=roles,
    )


def floor_of(request: PlacementRequest) -> Floor | None:
    """What must be ready of a unit while it is decided otherwise; None: that is not looked at.

    While it takes back what it left, all that is wanted must be, where it does not say itself what must.
    """
    is_returning = any(one.return_time is not None for one in request.departures)
    return request.unit.spec.failover.floor or (Floor(percent=100) if is_returning else None)


def _eased(
    given: PlanInput, decision: Decision, floor: Floor | None
) -> tuple[dict[str, dict[str, int]], tuple[KeptUp, ...]]:
    wanted = {target.cluster: dict(target.replicas) for target in decision.targets}
    if floor is None:
        return wanted, ()
    before = {binding.cluster: binding.replicas for binding in given.request.bindings}
    return eased(wanted, before, given.ready, floor, asked=asked_of(decision))


def asked_of(decision: Decision) -> dict[str, int]:
    """How many replicas of each workload that is divided somebody wants, placed or not."""
    return {division.workload: division.wanted for division in decision.divisions}


def _decide(given: PlanInput) -> tuple[PlacementRequest, Decision]:
    """Decide, on clusters that the unit was taken away from too, where these live and more of it finds a place so."""
    request = given.request
    decision = _decided(given, request)
    before = {binding.cluster: binding.replicas for binding in request.bindings}
    vain = in_vain(request.departures, before, decision, given.now)
    if vain:
        request = request.without_leaving(vain)
        decision = _decided(given, request)
    if not request.input.placement.left or not lacks_place(decision):
        return request, decision
    waived = waivable(request.input.placement.left, given.fleet.clusters_by_name)
    if waived:
        other = request.without_leaving(waived)
        found = _decided(given, other)
        if places_better(found, decision):
            return other, found
    return request, decision


def _decided(given: PlanInput, request: PlacementRequest) -> Decision:
    return decide(request.input, given.fleet, request.previous, given.now, memory=request.memory, trigger=given.trigger)


def _renderings(unit: Unit, content: Content, roles: RolePlan | None) -> Renderings:
    return Renderings(
        unit=unit,
        resources=content.resources,
        overrides=content.overrides,
        override_places=content.override_places,
        owner=OwnerMark(unit_namespace=unit.namespace, unit_name=unit.name, unit_uid=unit.uid),
        override_digests=override_digests(content.overrides),
        autoscaled=content.autoscaled,
        roles=roles,
    )


def _keep_shares(wanted: Binding, old: Binding | None, content: Content, divided: Collection[str]) -> Binding:
    """The shares of workloads that the newest revision has no more, and an earlier one has that the cluster holds.

    Shares are the decision's, which knows the newest revision's workloads only. What else is divided stays as it is; of
    a cluster that is new to the unit it has no replica, rather than all of the template.
    """
    own = {str(resource.key) for resource in content.resources}
    kept = {key: 0 if old is None else old.replicas.get(key, 0) for key in divided if key in own}
    done = {} if old is None else {key: count for key, count in old.completions.items() if key in own}
    return replace(wanted, replicas=kept | wanted.replicas, completions=done | wanted.completions)


def render_cluster(plan: UnitPlan, cluster: ClusterSnapshot) -> Iterator[Rendered]:
    """What of a planned unit shall be on one of its clusters, in the order of the unit."""
    placed: ClusterPlan | CopyPlan | None = next(
        (entry for entry in plan.clusters if entry.binding.cluster == cluster.name), None
    )
    chosen = placed or next(entry for entry in plan.copies if entry.copy.cluster == cluster.name)
    for index in chosen.indexes:
        yield plan.renderings[chosen.binding.revision].render(index, cluster, chosen.binding)


def _plan_copies(given: PlanInput, renderings: Mapping[int, Renderings], placed: Collection[str]) -> Iterator[CopyPlan]:
    """Copies for those who name objects of a unit where it is not placed.

    Placement says where a unit runs, and its objects are needed wherever they are named; but for the law, which holds
    for what is written in them: a unit that is bound to jurisdictions is not copied out of these. A rollout comes to no
    copies: they are of the stable revision until it is over.
    """
    unit = given.request.unit
    for name, wanted in sorted(given.copies.wanted.items()):
        cluster = given.fleet.clusters_by_name.get(name)
        if cluster is None or name in placed:
            continue
        revision = revision_for(given.rollout, unit.revision, name, held=None)
        chosen = renderings[revision]
        indexes = _named(chosen, wanted)
        withheld = ""
        if (bound := _bound_elsewhere(given, cluster)) is not None:
            withheld, indexes = f"which is bound to {bound} and so not copied to {name}", ()
        elif revision != unit.revision and len(indexes) < len(_named(renderings[unit.revision], wanted)):
            withheld = f"which revision {unit.revision} brings: it is copied to {name} once the rollout of that is over"
        elif not indexes:
            continue
        binding = Binding(unit_uid=unit.uid, cluster=name, replicas={}, render_key=b"", decision="", revision=revision)
        key = _works_key(chosen, cluster, binding, unit.spec, indexes)
        copy = CopyBinding(unit_uid=unit.uid, cluster=name, render_key=key, withheld=withheld)
        changed = given.copies.stored.get(name) != copy
        yield CopyPlan(copy=copy, binding=binding, indexes=indexes, changed=changed)


def _named(renderings: Renderings, wanted: Collection[Identity]) -> tuple[int, ...]:
    return tuple(index for index, resource in enumerate(renderings.resources) if resource.key.identity in wanted)


def _bound_elsewhere(given: PlanInput, cluster: ClusterSnapshot) -> str | None:
    """The jurisdictions that a unit is bound to, where a cluster is in none of them."""
    bound = given.request.input.placement.jurisdictions
    if bound is None or cluster.jurisdiction in bound:
        return None
    return " or ".join(sorted(bound)) or "no jurisdiction"


def decision_record(decision: Decision) -> dict[str, Any]:
    """A decision as it is stored."""
    return to_record(decision)


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


def _works_key(
    renderings: Renderings, cluster: ClusterSnapshot, binding: Binding, spec: UnitSpec, indexes: Iterable[int]
) -> bytes:
    keys = b"".join(renderings.key_of(index, cluster, binding) for index in indexes)
    # How works are propagated is kept with them, so a change of it has to reach them too.
    propagation = spec.propagation
    propagated: list[Any] = [propagation.conflict, propagation.drift]
    # What is left out keeps the keys of works from before it could be said.
    if spec.wave_state is not AwaitedState.READY:
        propagated.append(spec.wave_state)
    if spec.follow_dependencies:
        propagated.append("follow")
    if binding.role:
        propagated.append(["role", binding.role])
    if propagation.fields or propagation.immutable is not ImmutableMode.FAIL or propagation.migrate:
        propagated += [repr(propagation.fields), propagation.immutable, list(propagation.migrate)]
    return digest(keys + canonical_json(propagated))


def _differs(old: Binding, new: Binding) -> bool:
    return (old.render_key, old.replicas, old.completions) != (new.render_key, new.replicas, new.completions)
