from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.planning import (
    PlanInput,
    UnitPlan,
    decision_record,
    plan_unit,
    removal_of,
    render_cluster,
    with_decision,
)
from fedsvc.model.cluster import Cluster, Connection, ObjectDeletion
from fedsvc.model.copies import Copies
from fedsvc.model.unit import ConflictMode, DeletionMode, Propagation, Resource, Unit, UnitSpec, UnitStatus
from fedsvc.model.work import Binding
from fedsvc.rendering.canonical import canonical_json, digest, load_json
from fedsvc.rendering.identity import key_of
from fedsvc.rendering.overrides import Override, PatchOp, PatchOperation
from fedsvc.rendering.workloads import autoscaled, looks_into, needed_kinds, workloads_of
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.unit_facts import UnitFacts
from fedsvc_placement import (
    ClusterMatcher,
    Fleet,
    LabelSelector,
    Mode,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    UnitInput,
    answer_digest,
    prepare_fleet,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALL = Placement(cluster_selector=LabelSelector())


def cluster(name: str, **labels: str) -> Cluster:
    return Cluster(
        name=name,
        uid=f"uid-{name}",
        labels=labels,
        annotations={},
        provider="",
        region="",
        zones=(),
        taints=(),
        connection=Connection(endpoint="https://x"),
        create_time=NOW,
        update_time=NOW,
    )


def resource(kind: str = "ConfigMap", name: str = "x", api: str = "", **content: Any) -> Resource:
    api = api or ("apps/v1" if kind == "Deployment" else "v1")
    manifest = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, **content}
    body = canonical_json(manifest)
    return Resource(key=key_of(manifest), digest=digest(body), labels={}, body=body)


def unit(spec: UnitSpec | None = None, **changes: Any) -> Unit:
    made = Unit(
        namespace="shop",
        name="web",
        uid="unit-uid",
        labels={},
        annotations={},
        spec=spec or UnitSpec(),
        revision=1,
        generation=1,
        decided_generation=0,
        status=UnitStatus(),
        resource_count=1,
        create_time=NOW,
        update_time=NOW,
    )
    return replace(made, **changes)


@dataclass(frozen=True, kw_only=True)
class World:
    """What a plan is made from, as tests put it."""

    unit: Unit = field(default_factory=unit)
    resources: list[Resource] = field(default_factory=lambda: [resource(data={"a": "1"})])
    placement: Placement = ALL
    overrides: tuple[Override, ...] = ()
    override_places: tuple[str, ...] = ()
    clusters: list[Cluster] = field(default_factory=lambda: [cluster("a"), cluster("b")])
    previous: list[Binding] = field(default_factory=list)


def given_input(**changes: Any) -> PlanInput:
    world = World(**changes)
    found = [(one.key, load_json(one.body or b"")) for one in world.resources]
    owned = autoscaled(found)
    asked = UnitInput(
        key="shop/web",
        placement=world.placement,
        labels=world.unit.labels,
        workloads=workloads_of(found) if looks_into(world.placement) else (),
        kinds=needed_kinds(key for key, _ in found),
    )
    request = PlacementRequest(
        unit=world.unit,
        input=asked,
        bindings=tuple(world.previous),
        facts=UnitFacts(read_time=NOW),
        autoscaled=frozenset(str(key) for key, _ in found if key.identity in owned),
    )
    return PlanInput(
        request=request,
        resources=world.resources,
        overrides=world.overrides,
        override_places=world.override_places,
        fleet=prepare_fleet(Fleet(clusters=tuple(one.snapshot() for one in world.clusters))),
        now=NOW,
    )


def carried_out(plan: UnitPlan) -> list[Binding]:
    return [with_decision(entry, "decision-1") for entry in plan.clusters]


def test_a_new_unit_is_new_everywhere() -> None:
    plan = plan_unit(given_input())
    assert plan.changed == ("a", "b")
    assert plan.gone == ()


def test_deciding_again_changes_nothing_and_says_the_same() -> None:
    first = plan_unit(given_input())
    second = plan_unit(given_input(previous=carried_out(first)))
    assert second.changed == ()
    assert second.gone == ()
    assert answer_digest(decision_record(first.decision)) == answer_digest(decision_record(second.decision))


def test_a_cluster_that_leaves_is_gone_and_the_others_are_untouched() -> None:
    first = plan_unit(given_input())
    plan = plan_unit(given_input(previous=carried_out(first), clusters=[cluster("b")]))
    assert plan.gone == ("a",)
    assert plan.changed == ()


def test_a_unit_being_deleted_goes_from_everywhere() -> None:
    first = plan_unit(given_input())
    plan = plan_unit(given_input(unit=unit(delete_time=NOW), previous=carried_out(first)))
    assert plan.gone == ("a", "b")
    assert plan.clusters == ()


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        pytest.param({"resources": [resource(data={"a": "2"})]}, ("a", "b"), id="template"),
        pytest.param({"resources": [resource(data={"a": "1"}), resource(name="y")]}, ("a", "b"), id="more"),
        pytest.param({"resources": []}, ("a", "b"), id="fewer"),
        pytest.param({"clusters": [cluster("a", tier="x"), cluster("b")]}, (), id="label-that-matters-to-nobody"),
        pytest.param({"unit": unit(labels={"x": "y"}, generation=2)}, (), id="label-of-the-unit"),
        pytest.param(
            {"overrides": (Override(clusters=ClusterMatcher(names=("b",)), annotations={"x": "y"}),)},
            ("b",),
            id="override-of-one-cluster",
        ),
        pytest.param(
            {"unit": unit(UnitSpec(propagation=Propagation(conflict=ConflictMode.ADOPT)))}, ("a", "b"), id="modes"
        ),
        pytest.param(
            {"unit": unit(UnitSpec(propagation=Propagation(deletion=DeletionMode.ORPHAN)))}, (), id="deletion-mode"
        ),
    ],
)
def test_only_what_a_change_concerns_is_rendered_again(changes: dict[str, Any], changed: tuple[str, ...]) -> None:
    previous = carried_out(plan_unit(given_input()))
    assert plan_unit(given_input(previous=previous, **changes)).changed == changed


def test_equal_renderings_are_made_once() -> None:
    plan = plan_unit(given_input(clusters=[cluster(f"c{number}") for number in range(20)]))
    rendered = [next(render_cluster(plan, cluster(name).snapshot())) for name in plan.changed]
    assert len({id(one) for one in rendered}) == 1


def test_an_override_that_does_not_fit_is_the_error_of_that_cluster_alone() -> None:
    bad = Override(
        clusters=ClusterMatcher(names=("b",)), patch=(PatchOperation(op=PatchOp.REMOVE, path="/data/nothing"),)
    )
    plan = plan_unit(given_input(overrides=(bad,), override_places=("overridePolicies/x overrides[3]",)))
    (good,) = render_cluster(plan, cluster("a").snapshot())
    (failed,) = render_cluster(plan, cluster("b").snapshot())
    assert good.error is None
    assert failed.manifest is None
    assert failed.error is not None
    assert failed.error[0] == "OverrideFailed"
    assert failed.error[1].startswith(
        "overridePolicies/x overrides[3].patch[0] cannot be carried out here: path /data/nothing does not exist"
    )


def test_an_override_selects_by_location_as_a_placement_does() -> None:
    here = replace(cluster("a"), region="eu")
    selector = LabelSelector(match_labels=(("region", "eu"),))
    override = Override(clusters=ClusterMatcher(selector=selector), labels={"near": "yes"})
    plan = plan_unit(given_input(overrides=(override,), clusters=[here, cluster("b")]))

    (near,) = render_cluster(plan, here.snapshot())
    (far,) = render_cluster(plan, cluster("b").snapshot())

    assert near.manifest is not None
    assert far.manifest is not None
    assert load_json(near.manifest.body)["metadata"]["labels"]["near"] == "yes"
    assert "near" not in load_json(far.manifest.body)["metadata"]["labels"]


def test_replicas_are_left_to_the_template_where_no_policy_divides_them() -> None:
    deployment = resource("Deployment", spec={"template": {}})
    plan = plan_unit(given_input(resources=[deployment]))
    (rendered,) = render_cluster(plan, cluster("a").snapshot())
    assert rendered.manifest is not None
    assert "replicas" not in load_json(rendered.manifest.body)["spec"]
    assert plan.clusters[0].binding.replicas == {}


@given(
    total=st.integers(min_value=0, max_value=200),
    weights=st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=6),
)
def test_divided_replicas_are_what_the_manifests_say(total: int, weights: list[int]) -> None:
    names = [f"c{number}" for number in range(len(weights))]
    rules = tuple(
        ReplicaRule(clusters=ClusterMatcher(names=(name,)), weight=weight)
        for name, weight in zip(names, weights, strict=True)
    )
    placement = Placement(cluster_selector=LabelSelector(), replicas=ReplicaPolicy(mode=Mode.DIVIDED, clusters=rules))
    deployment = resource("Deployment", spec={"replicas": total, "template": {}})
    plan = plan_unit(
        given_input(resources=[deployment], placement=placement, clusters=[cluster(name) for name in names])
    )
    found = []
    for name in names:
        (rendered,) = render_cluster(plan, cluster(name).snapshot())
        assert rendered.manifest is not None
        found.append(load_json(rendered.manifest.body)["spec"]["replicas"])
    assert sum(found) == (total if any(weights) else 0)
    again = plan_unit(
        given_input(
            resources=[deployment],
            placement=placement,
            clusters=[cluster(name) for name in names],
            previous=carried_out(plan),
        )
    )
    assert again.changed == ()


@pytest.mark.parametrize(
    ("mode", "cascade", "deleted", "removal"),
    [
        (DeletionMode.DELETE, None, False, ObjectDeletion.BACKGROUND),
        (DeletionMode.ORPHAN, None, False, ObjectDeletion.ORPHAN),
        (DeletionMode.ORPHAN, ObjectDeletion.FOREGROUND, True, ObjectDeletion.FOREGROUND),
        (DeletionMode.DELETE, ObjectDeletion.ORPHAN, True, ObjectDeletion.ORPHAN),
        (DeletionMode.ORPHAN, None, True, ObjectDeletion.ORPHAN),
    ],
)
def test_what_was_asked_for_at_deletion_goes_before_the_mode_of_the_unit(
    mode: DeletionMode, cascade: ObjectDeletion | None, removal: ObjectDeletion, *, deleted: bool
) -> None:
    spec = UnitSpec(propagation=Propagation(deletion=mode))
    assert removal_of(unit(spec, cascade=cascade, delete_time=NOW if deleted else None)) == removal


AUTOSCALER = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
    "minReplicas": 1,
    "maxReplicas": 9,
}
DIVIDED = Placement(cluster_selector=LabelSelector(), replicas=ReplicaPolicy(mode=Mode.DIVIDED))


def specs_of(plan: UnitPlan, name: str) -> dict[str, Any]:
    """The spec of each manifest for a cluster, by kind."""
    specs: dict[str, Any] = {}
    for rendered in render_cluster(plan, cluster(name).snapshot()):
        assert rendered.manifest is not None, rendered.error
        specs[rendered.key.kind] = load_json(rendered.manifest.body)["spec"]
    return specs


@pytest.mark.parametrize("placement", [ALL, DIVIDED], ids=["duplicated", "divided"])
def test_replicas_that_an_autoscaler_owns_are_left_to_it(placement: Placement) -> None:
    deployment = resource("Deployment", spec={"replicas": 6, "template": {}})
    autoscaler = resource("HorizontalPodAutoscaler", api="autoscaling/v2", spec=AUTOSCALER)

    plan = plan_unit(given_input(resources=[deployment, autoscaler], placement=placement))

    assert "replicas" not in specs_of(plan, "a")["Deployment"]
    assert plan.clusters[0].binding.replicas == {}
    without = plan_unit(given_input(resources=[deployment], placement=placement, previous=carried_out(plan)))
    assert without.changed == ("a", "b"), "they are the unit's again"


def test_a_job_is_divided_by_parallelism_and_its_completions_go_along() -> None:
    job = resource("Job", api="batch/v1", spec={"parallelism": 4, "completions": 10, "template": {}})

    plan = plan_unit(given_input(resources=[job], placement=DIVIDED))

    found = [specs_of(plan, name)["Job"] for name in ("a", "b")]
    assert [spec["parallelism"] for spec in found] == [2, 2]
    assert [spec["completions"] for spec in found] == [5, 5]
    again = plan_unit(given_input(resources=[job], placement=DIVIDED, previous=carried_out(plan)))
    assert again.changed == ()


NAMED = frozenset({("", "ConfigMap", "shop", "x")})
ONLY_A = Placement(clusters=("a",))


def planned_copies(copies: Copies, **changes: Any) -> UnitPlan:
    two = [resource(data={"a": "1"}), resource(name="unnamed")]
    given = {"resources": two, "placement": ONLY_A, **changes}
    return plan_unit(replace(given_input(**given), copies=copies))


def copied(plan: UnitPlan) -> Copies:
    """What is copied once a plan was carried out, and needed still."""
    return Copies(wanted={"a": NAMED, "b": NAMED}, stored={entry.copy.cluster: entry.copy for entry in plan.copies})


def test_what_others_name_is_copied_to_where_the_unit_is_not_and_nothing_else() -> None:
    plan = planned_copies(Copies(wanted={"a": NAMED, "b": NAMED, "not-registered": NAMED}))

    assert [entry.binding.cluster for entry in plan.clusters] == ["a"]
    assert [entry.copy.cluster for entry in plan.copies] == ["b"]
    assert plan.changed == ("a", "b")
    assert [rendered.key.name for rendered in render_cluster(plan, cluster("b").snapshot())] == ["x"]
    assert [rendered.key.name for rendered in render_cluster(plan, cluster("a").snapshot())] == ["x", "unnamed"]


def test_a_copy_that_is_as_it_should_be_is_left_alone_and_one_that_nobody_names_goes() -> None:
    first = planned_copies(Copies(wanted={"b": NAMED}))
    again = planned_copies(copied(first), previous=carried_out(first))
    gone = planned_copies(replace(copied(first), wanted={}), previous=carried_out(first))

    assert (again.changed, again.gone) == ((), ())
    assert (gone.copies, gone.gone) == ((), ("b",))


def test_a_copy_changes_with_its_template_alone() -> None:
    first = planned_copies(Copies(wanted={"b": NAMED}))
    other = [resource(data={"a": "1"}), resource(name="unnamed", data={"b": "2"})]
    named = [resource(data={"a": "2"}), resource(name="unnamed")]

    assert planned_copies(copied(first), previous=carried_out(first), resources=other).changed == ("a",)
    assert planned_copies(copied(first), previous=carried_out(first), resources=named).changed == ("a", "b")


def test_a_unit_that_comes_to_where_it_was_copied_to_is_placed_there_as_a_whole() -> None:
    first = planned_copies(Copies(wanted={"b": NAMED}))
    plan = planned_copies(copied(first), previous=carried_out(first), placement=ALL)

    assert ([entry.binding.cluster for entry in plan.clusters], plan.copies) == (["a", "b"], ())
    assert (plan.changed, plan.gone) == (("b",), ())


def test_a_unit_being_deleted_leaves_no_copy() -> None:
    first = planned_copies(Copies(wanted={"b": NAMED}))
    plan = planned_copies(copied(first), previous=carried_out(first), unit=unit(delete_time=NOW))

    assert (plan.copies, plan.gone) == ((), ("a", "b"))


def test_what_the_law_binds_is_not_copied_out_of_its_reach() -> None:
    bound = replace(ONLY_A, jurisdictions=("EU",))
    clusters = [replace(cluster("a"), jurisdiction="EU"), replace(cluster("b"), jurisdiction="US")]
    clusters.append(replace(cluster("c"), jurisdiction="EU"))

    plan = planned_copies(Copies(wanted={"b": NAMED, "c": NAMED}), placement=bound, clusters=clusters)

    found = {entry.copy.cluster: (entry.indexes, entry.copy.withheld) for entry in plan.copies}
    assert found == {"b": ((), "which is bound to EU and so not copied to b"), "c": ((0,), "")}
