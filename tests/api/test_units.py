import json
from typing import Any
from uuid import uuid4

import grpc
import pytest

from fedsvc.model.service_import import IMPORT_LABEL, import_spec
from fedsvc.store import served_kinds, units
from fedsvc.store.store import Store
from fedsvc.v1 import common_pb2, override_pb2, placement_pb2, policy_pb2, policy_service_pb2, unit_pb2
from fedsvc.v1 import unit_service_pb2 as pb

CREATED, CONFIGURED = pb.APPLY_OUTCOME_CREATED, pb.APPLY_OUTCOME_CONFIGURED
UNCHANGED, REMOVED = pb.APPLY_OUTCOME_UNCHANGED, pb.APPLY_OUTCOME_REMOVED


async def get(api: Any, name: str = "shop") -> unit_pb2.Unit:
    response = await api.units.GetUnit(pb.GetUnitRequest(name=f"namespaces/shop/units/{name}"))
    unit: unit_pb2.Unit = response.unit
    return unit


async def test_a_unit_is_stored_with_its_resources_in_canonical_form(api: Any, helpers: Any) -> None:
    response = await api.apply("shop", helpers.config_map("b", z="1", a="2"), helpers.config_map("a"))

    unit = await get(api)
    assert response.outcome == CREATED
    assert (unit.name, unit.revision, unit.status.state) == (
        "namespaces/shop/units/shop",
        1,
        unit_pb2.UNIT_STATE_PENDING,
    )
    first = unit.spec.resources[0]
    assert first.json == (
        b'{"apiVersion":"v1","data":{"a":"2","z":"1"},"kind":"ConfigMap","metadata":{"name":"b","namespace":"shop"}}'
    )
    assert (first.ref.kind, first.ref.namespace, first.ref.name) == ("ConfigMap", "shop", "b")
    assert len(first.digest) == 64


async def test_what_an_apply_did_is_told_for_every_resource(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map("same"), helpers.config_map("changed"), helpers.config_map("gone"))

    response = await api.apply(
        "shop", helpers.config_map("same"), helpers.config_map("changed", a="b"), helpers.config_map("new")
    )

    assert response.outcome == CONFIGURED
    assert [(entry.ref.name, entry.outcome) for entry in response.resources] == [
        ("same", UNCHANGED),
        ("changed", CONFIGURED),
        ("new", CREATED),
        ("gone", REMOVED),
    ]
    assert response.unit.revision == 2


async def test_applying_the_same_again_changes_nothing(api: Any, helpers: Any) -> None:
    first = await api.apply("shop", helpers.config_map(), placement=helpers.everywhere())

    second = await api.apply("shop", helpers.config_map(), placement=helpers.everywhere())

    assert second.outcome == UNCHANGED
    assert second.unit.etag == first.unit.etag


async def test_the_answer_tells_where_the_unit_would_run(api: Any, helpers: Any) -> None:
    for name, tier in (("eu-1", "prod"), ("eu-2", "test"), ("us-1", "prod")):
        await api.join(name, labels={"tier": tier})
    selector = common_pb2.LabelSelector(match_labels={"tier": "prod"})

    response = await api.apply(
        "shop", helpers.config_map(), placement=placement_pb2.Placement(cluster_selector=selector)
    )

    assert list(response.clusters) == ["eu-1", "us-1"]
    assert list(response.warnings) == []


async def test_a_placement_comes_back_as_it_was_sent(api: Any, helpers: Any) -> None:
    placement = placement_pb2.Placement(
        clusters=placement_pb2.ClusterNames(names=[]),
        replicas=placement_pb2.ReplicaPolicy(
            mode=placement_pb2.REPLICA_MODE_DIVIDED, clusters=[placement_pb2.ReplicaRule(weight=2, min=1)]
        ),
    )

    await api.apply("shop", helpers.config_map(), placement=placement)

    stored = (await get(api)).spec.placement
    assert stored.HasField("clusters")
    assert list(stored.replicas.clusters) == list(placement.replicas.clusters)


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        pytest.param(
            {"placement": placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=["mars"]))},
            "placement.clusters names clusters that are not registered: mars",
            id="unknown cluster",
        ),
        pytest.param({}, "no cluster is chosen now", id="no placement"),
        pytest.param(
            {
                "overrides": [
                    override_pb2.Override(labels={"a": "b"}, clusters=common_pb2.ClusterMatcher(names=["mars"]))
                ]
            },
            "unit.spec.overrides[0].clusters names clusters that are not registered: mars",
            id="unknown cluster in an override",
        ),
        pytest.param(
            {
                "overrides": [
                    override_pb2.Override(labels={"a": "b"}, target=override_pb2.ResourceMatcher(kind="Service"))
                ]
            },
            "matches no resource of the unit",
            id="override of nothing",
        ),
    ],
)
async def test_what_is_odd_is_stored_with_a_warning(api: Any, helpers: Any, spec: dict[str, Any], warning: str) -> None:
    response = await api.apply("shop", helpers.config_map(), **spec)

    assert any(warning in text for text in response.warnings), list(response.warnings)
    assert (await get(api)).name


def patch(path: str, op: str = "replace", value: bytes | None = b'"x"') -> override_pb2.Override:
    return override_pb2.Override(patch=[override_pb2.PatchOperation(op=op, path=path, value_json=value)])


BAD_SPECS = [
    pytest.param(
        {"placement_policy": "web", "placement": placement_pb2.Placement()},
        "unit.spec.placement_policy",
        "give one of the two",
        id="placement and policy",
    ),
    pytest.param(
        {"placement_policy": "web"}, "unit.spec.placement_policy", "there is no placementPolicies/web", id="no policy"
    ),
    pytest.param(
        {"placement_policy": "Web"}, "unit.spec.placement_policy", "'web' would do", id="policy with capitals"
    ),
    pytest.param(
        {"override_policies": ["web"]},
        "unit.spec.override_policies[0]",
        "there is no overridePolicies/web",
        id="no override policy",
    ),
    pytest.param(
        {"override_policies": ["a", "a"]}, "unit.spec.override_policies[1]", "twice", id="override policy twice"
    ),
    pytest.param(
        {"placement": placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=["A"]))},
        "unit.spec.placement.clusters.names[0]",
        "lower-case",
        id="cluster name",
    ),
    pytest.param(
        {
            "placement": placement_pb2.Placement(
                cluster_selector=common_pb2.LabelSelector(
                    match_expressions=[common_pb2.LabelSelectorRequirement(key="a", operator="in")]
                )
            )
        },
        "unit.spec.placement.cluster_selector.match_expressions[0].operator",
        "did you mean In?",
        id="operator",
    ),
    pytest.param(
        {
            "placement": placement_pb2.Placement(
                replicas=placement_pb2.ReplicaPolicy(
                    mode=placement_pb2.REPLICA_MODE_DIVIDED, clusters=[placement_pb2.ReplicaRule(min=3, max=1)]
                )
            )
        },
        "unit.spec.placement.replicas.clusters[0].min",
        "more than max",
        id="bounds",
    ),
    pytest.param(
        {"placement": placement_pb2.Placement(tolerations=[placement_pb2.Toleration(key="a", toleration_seconds=5)])},
        "unit.spec.placement.tolerations[0].toleration_seconds",
        "NoExecute",
        id="toleration seconds",
    ),
    pytest.param(
        {"overrides": [override_pb2.Override()]}, "unit.spec.overrides[0]", "does nothing", id="empty override"
    ),
    pytest.param(
        {"overrides": [patch("/metadata/name")]}, "unit.spec.overrides[0].patch[0].path", "identity", id="name"
    ),
    pytest.param(
        {"overrides": [patch("data")]}, "unit.spec.overrides[0].patch[0].path", "begins with '/'", id="pointer"
    ),
    pytest.param(
        {"overrides": [patch("/data", "move")]}, "unit.spec.overrides[0].patch[0].op", "not supported", id="op"
    ),
    pytest.param(
        {"overrides": [patch("/data/a", value=None)]},
        "unit.spec.overrides[0].patch[0].value",
        "is missing",
        id="no value",
    ),
    pytest.param(
        {"overrides": [patch("/data/zz")]},
        "unit.spec.overrides[0].patch[0].path",
        "does not fit v1 ConfigMap shop/web",
        id="path",
    ),
    pytest.param(
        {"propagation": unit_pb2.Propagation(conflict=9)},  # type: ignore[arg-type]  # a value of a newer client
        "unit.spec.propagation.conflict",
        "must be one of abort, adopt, overwrite",
        id="propagation",
    ),
]


@pytest.mark.parametrize(("spec", "path", "text"), BAD_SPECS)
async def test_a_spec_that_cannot_work_is_refused_with_path_and_reason(
    api: Any, helpers: Any, spec: dict[str, Any], path: str, text: str
) -> None:
    refusal = await helpers.refused(api.apply("shop", helpers.config_map(a="b"), **spec))

    assert (refusal.code, refusal.reason, refusal.detail) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "FIELD_INVALID",
        "BadRequest",
    )
    assert [field for field, _ in refusal.fields] == [path]
    assert text in refusal.fields[0][1]


async def test_all_problems_of_a_unit_are_told_at_once(api: Any, helpers: Any) -> None:
    request = helpers.apply_request("shop", helpers.config_map("Web"), overrides=[override_pb2.Override()])
    request.unit.name = "shop"
    request.unit.labels["a b"] = ""
    request.unit.spec.resources.append(common_pb2.Manifest(json=b"{"))

    refusal = await helpers.refused(api.units.ApplyUnit(request))

    assert [path for path, _ in refusal.fields] == [
        "unit.name",
        "unit.labels[a b]",
        "unit.spec.resources[0].json",
        "unit.spec.resources[1].json",
        "unit.spec.overrides[0]",
    ]


async def test_an_object_of_another_unit_is_refused(api: Any, helpers: Any) -> None:
    await api.apply("one", helpers.config_map())

    refusal = await helpers.refused(api.apply("two", helpers.config_map("other"), helpers.config_map()))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "OBJECT_OWNED")
    assert refusal.metadata == {"object": "v1 ConfigMap shop/web", "unit": "namespaces/shop/units/one"}
    assert "unit.spec.resources[1]" in refusal.message
    assert refusal.detail == "PreconditionFailure"


async def test_policies_are_used_for_placement_and_overrides(api: Any, helpers: Any) -> None:
    await api.join("eu-1")
    await api.policies.ApplyPlacementPolicy(
        policy_service_pb2.ApplyPlacementPolicyRequest(
            placement_policy=policy_pb2.PlacementPolicy(name="placementPolicies/all", spec=helpers.everywhere())
        )
    )
    await api.policies.ApplyOverridePolicy(
        policy_service_pb2.ApplyOverridePolicyRequest(
            override_policy=policy_pb2.OverridePolicy(
                name="overridePolicies/bad", spec=policy_pb2.OverridePolicySpec(overrides=[patch("/spec/replicas")])
            )
        )
    )

    response = await api.apply("shop", helpers.config_map(), placement_policy="all")
    refusal = await helpers.refused(api.apply("shop", helpers.config_map(), override_policies=["bad"]))

    assert list(response.clusters) == ["eu-1"]
    assert refusal.fields[0][0] == "unit.spec.override_policies[0].overrides[0].patch[0].path"


async def test_scopes_of_custom_kinds_come_from_the_members(api: Any, store: Store) -> None:
    await api.join("eu-1")
    async with store.transaction() as tx:
        await served_kinds.set_api_resources(tx, "eu-1", [["x.io", "v1", "Thing", "things", False]])

    response = await api.apply("shop", {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}})

    assert response.resources[0].ref.namespace == ""
    assert not any("neither built into" in text for text in response.warnings)


async def test_bytes_of_secrets_are_never_returned(api: Any, store: Store) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "hunter2"}}

    response = await api.apply("shop", secret)

    unit = await get(api)
    assert b"hunter2" not in unit.SerializeToString() + response.SerializeToString()
    assert json.loads(unit.spec.resources[0].json)["stringData"] == {"password": "***"}
    async with store.reader() as tx:
        stored = await units.find(tx, "shop", "shop")
        assert stored is not None
        assert b"hunter2" in ((await units.resources_of(tx, stored.uid))[0].body or b"")


async def test_a_secret_that_was_read_from_the_api_cannot_overwrite_the_real_one(api: Any, helpers: Any) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "x"}}
    await api.apply("shop", secret)
    shown = (await get(api)).spec.resources[0].json

    refusal = await helpers.refused(api.apply("shop", json.loads(shown)))

    assert [path for path, _ in refusal.fields] == ["unit.spec.resources[0].json"]
    assert refusal.fields[0][1].startswith("stringData.password: '***' is what the API shows")


async def test_overrides_come_back_as_they_were_sent(api: Any, helpers: Any) -> None:
    overrides = [
        override_pb2.Override(
            clusters=common_pb2.ClusterMatcher(names=["eu-1"]),
            target=override_pb2.ResourceMatcher(kind="ConfigMap"),
            patch=[
                override_pb2.PatchOperation(op="remove", path="/data/a"),
                override_pb2.PatchOperation(op="add", path="/data/b", value_json=b"null"),
            ],
        )
    ]

    await api.apply("shop", helpers.config_map(a="b"), overrides=overrides)

    assert list((await get(api)).spec.overrides) == overrides


async def test_units_are_listed_by_namespace_and_label_without_manifests(api: Any, helpers: Any) -> None:
    for namespace, name, team in (("a", "one", "x"), ("a", "two", "y"), ("b", "one", "x")):
        unit = unit_pb2.Unit(name=f"namespaces/{namespace}/units/{name}", labels={"team": team})
        unit.spec.resources.append(
            common_pb2.Manifest(json=json.dumps(helpers.config_map(f"{namespace}-{name}")).encode())
        )
        await api.units.ApplyUnit(pb.ApplyUnitRequest(unit=unit))

    async def names(**fields: Any) -> list[str]:
        response = await api.units.ListUnits(pb.ListUnitsRequest(**fields))
        assert all(not unit.spec.resources for unit in response.units)
        return [unit.name for unit in response.units]

    assert await names() == ["namespaces/a/units/one", "namespaces/a/units/two", "namespaces/b/units/one"]
    assert await names(parent="namespaces/-", label_selector="team=x") == [
        "namespaces/a/units/one",
        "namespaces/b/units/one",
    ]
    assert await names(parent="namespaces/a") == ["namespaces/a/units/one", "namespaces/a/units/two"]
    first = await api.units.ListUnits(pb.ListUnitsRequest(page_size=2))
    assert await names(page_size=2, page_token=first.next_page_token) == ["namespaces/b/units/one"]


async def test_etags_guard_apply_and_delete(api: Any, helpers: Any) -> None:
    first = await api.apply("shop", helpers.config_map())
    await api.apply("shop", helpers.config_map(a="b"))
    request = helpers.apply_request("shop", helpers.config_map(a="c"))
    request.unit.etag = first.unit.etag

    applied = await helpers.refused(api.units.ApplyUnit(request))
    deleted = await helpers.refused(
        api.units.DeleteUnit(pb.DeleteUnitRequest(name="namespaces/shop/units/shop", etag=first.unit.etag))
    )

    assert (applied.code, applied.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert deleted.reason == "ETAG_MISMATCH"


async def test_validate_only_writes_nothing_and_refuses_what_the_real_call_refuses(api: Any, helpers: Any) -> None:
    await api.join("eu-1")
    request = helpers.apply_request("shop", helpers.config_map(), placement=helpers.everywhere())
    request.validate_only = True

    response = await api.units.ApplyUnit(request)

    assert (response.outcome, list(response.clusters)) == (CREATED, ["eu-1"])
    missing = await helpers.refused(api.units.GetUnit(pb.GetUnitRequest(name="namespaces/shop/units/shop")))
    assert missing.reason == "NOT_FOUND"
    request.unit.spec.placement_policy = "x"
    assert (await helpers.refused(api.units.ApplyUnit(request))).reason == "FIELD_INVALID"


async def test_a_repeated_request_answers_as_the_first_and_does_nothing_more(api: Any, helpers: Any) -> None:
    request = helpers.apply_request("shop", helpers.config_map())
    request.request_id = str(uuid4())
    first = await api.units.ApplyUnit(request)
    await api.apply("shop", helpers.config_map(a="b"))

    assert await api.units.ApplyUnit(request) == first
    assert (await get(api)).revision == 2


async def test_a_deleted_unit_is_marked_and_takes_no_changes(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map())

    response = await api.units.DeleteUnit(pb.DeleteUnitRequest(name="namespaces/shop/units/shop"))

    assert response.unit.status.state == unit_pb2.UNIT_STATE_DELETING
    refusal = await helpers.refused(api.apply("shop", helpers.config_map(a="b")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DELETING")


async def test_deleting_what_is_not_there_is_an_error_unless_allowed(api: Any, helpers: Any) -> None:
    request = pb.DeleteUnitRequest(name="namespaces/shop/units/none")

    assert (await helpers.refused(api.units.DeleteUnit(request))).reason == "NOT_FOUND"
    request.allow_missing = True
    assert not (await api.units.DeleteUnit(request)).HasField("unit")


async def test_the_status_of_a_new_unit_has_no_verdicts_yet(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map())

    response = await api.units.GetUnitStatus(pb.GetUnitStatusRequest(name="namespaces/shop/units/shop"))

    assert response.unit.status.reconciling
    assert list(response.verdicts) == []


async def test_a_unit_that_fedsvc_makes_of_exports_is_changed_by_nobody_else(
    api: Any, helpers: Any, store: Store
) -> None:
    async with store.transaction() as tx:
        spec, labels = import_spec((), {}), {IMPORT_LABEL: "web"}
        await units.apply(
            tx, namespace="shop", name="imported-web", labels=labels, annotations={}, spec=spec, resources=[]
        )
    name = "namespaces/shop/units/imported-web"
    for call in (
        api.apply("imported-web", helpers.config_map()),
        api.units.DeleteUnit(pb.DeleteUnitRequest(name=name)),
    ):
        refusal = await helpers.refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UNIT_MANAGED")
        assert "delete the ServiceExports of that name" in refusal.message

    unit = unit_pb2.Unit(name="namespaces/shop/units/mine", labels=labels)
    refusal = await helpers.refused(api.units.ApplyUnit(pb.ApplyUnitRequest(unit=unit)))
    assert [path for path, _ in refusal.fields] == [f"unit.labels[{IMPORT_LABEL}]"]
