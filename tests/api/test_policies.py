from typing import Any

import grpc
import pytest

from fedsvc.v1 import common_pb2, override_pb2, placement_pb2, policy_pb2, unit_service_pb2
from fedsvc.v1 import policy_service_pb2 as pb


def placement_policy(name: str = "all", **fields: Any) -> policy_pb2.PlacementPolicy:
    spec = placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector())
    return policy_pb2.PlacementPolicy(name=f"placementPolicies/{name}", **{"spec": spec, **fields})


def override_policy(name: str = "all", *overrides: override_pb2.Override) -> policy_pb2.OverridePolicy:
    chosen = overrides or (override_pb2.Override(labels={"a": "b"}),)
    return policy_pb2.OverridePolicy(
        name=f"overridePolicies/{name}", spec=policy_pb2.OverridePolicySpec(overrides=chosen)
    )


async def apply_placement(api: Any, policy: policy_pb2.PlacementPolicy) -> pb.ApplyPlacementPolicyResponse:
    response: pb.ApplyPlacementPolicyResponse = await api.policies.ApplyPlacementPolicy(
        pb.ApplyPlacementPolicyRequest(placement_policy=policy)
    )
    return response


async def apply_override(api: Any, policy: policy_pb2.OverridePolicy) -> pb.ApplyOverridePolicyResponse:
    response: pb.ApplyOverridePolicyResponse = await api.policies.ApplyOverridePolicy(
        pb.ApplyOverridePolicyRequest(override_policy=policy)
    )
    return response


async def test_a_placement_policy_is_created_read_changed_and_removed(api: Any, helpers: Any) -> None:
    created = await apply_placement(api, placement_policy())
    same = await apply_placement(api, placement_policy())
    changed = await apply_placement(api, placement_policy(labels={"a": "b"}))

    name = "placementPolicies/all"
    found = await api.policies.GetPlacementPolicy(pb.GetPlacementPolicyRequest(name=name))
    assert [entry.outcome for entry in (created, same, changed)] == [
        unit_service_pb2.APPLY_OUTCOME_CREATED,
        unit_service_pb2.APPLY_OUTCOME_UNCHANGED,
        unit_service_pb2.APPLY_OUTCOME_CONFIGURED,
    ]
    assert found.placement_policy == changed.placement_policy
    assert found.placement_policy.spec.HasField("cluster_selector")
    await api.policies.DeletePlacementPolicy(pb.DeletePlacementPolicyRequest(name=name))
    gone = await helpers.refused(api.policies.GetPlacementPolicy(pb.GetPlacementPolicyRequest(name=name)))
    assert (gone.reason, gone.metadata) == ("NOT_FOUND", {"name": name})


async def test_an_override_policy_is_created_read_and_removed(api: Any, helpers: Any) -> None:
    patch = override_pb2.PatchOperation(op="add", path="/spec/x", value_json=b'{"n":9007199254740993}')
    created = await apply_override(api, override_policy("all", override_pb2.Override(patch=[patch])))

    name = "overridePolicies/all"
    found = await api.policies.GetOverridePolicy(pb.GetOverridePolicyRequest(name=name))
    assert found.override_policy == created.override_policy
    assert found.override_policy.spec.overrides[0].patch[0].value_json == b'{"n":9007199254740993}'
    await api.policies.DeleteOverridePolicy(pb.DeleteOverridePolicyRequest(name=name))
    gone = await helpers.refused(api.policies.DeleteOverridePolicy(pb.DeleteOverridePolicyRequest(name=name)))
    assert gone.reason == "NOT_FOUND"
    await api.policies.DeleteOverridePolicy(pb.DeleteOverridePolicyRequest(name=name, allow_missing=True))


async def test_policies_are_listed_page_by_page(api: Any) -> None:
    for name in ("c", "a", "b"):
        await apply_placement(api, placement_policy(name))
        await apply_override(api, override_policy(name))

    placements = await api.policies.ListPlacementPolicies(pb.ListPlacementPoliciesRequest(page_size=2))
    rest = await api.policies.ListPlacementPolicies(
        pb.ListPlacementPoliciesRequest(page_size=2, page_token=placements.next_page_token)
    )
    overrides = await api.policies.ListOverridePolicies(pb.ListOverridePoliciesRequest())

    assert [policy.name for policy in placements.placement_policies] == ["placementPolicies/a", "placementPolicies/b"]
    assert [policy.name for policy in rest.placement_policies] == ["placementPolicies/c"]
    assert [policy.name for policy in overrides.override_policies] == [f"overridePolicies/{name}" for name in "abc"]
    assert placements.resume_token
    assert overrides.resume_token


async def test_a_policy_in_use_is_not_removed(api: Any, helpers: Any) -> None:
    await apply_placement(api, placement_policy())
    await api.apply("shop", helpers.config_map(), placement_policy="all")

    found = await api.policies.GetPlacementPolicy(pb.GetPlacementPolicyRequest(name="placementPolicies/all"))
    refusal = await helpers.refused(
        api.policies.DeletePlacementPolicy(pb.DeletePlacementPolicyRequest(name="placementPolicies/all"))
    )

    assert found.placement_policy.unit_count == 1
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IN_USE")
    assert refusal.metadata == {"name": "placementPolicies/all", "used_by": "namespaces/shop/units/shop"}


async def test_an_old_etag_is_refused(api: Any, helpers: Any) -> None:
    first = await apply_placement(api, placement_policy())
    await apply_placement(api, placement_policy(labels={"a": "b"}))

    refusal = await helpers.refused(apply_placement(api, placement_policy(etag=first.placement_policy.etag)))

    assert refusal.reason == "ETAG_MISMATCH"


async def test_names_of_unknown_clusters_are_a_warning(api: Any) -> None:
    spec = placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=["mars"]))

    response = await apply_placement(api, placement_policy(spec=spec))

    assert response.warnings == [
        "placement.clusters names clusters that are not registered: mars",
        "no cluster is chosen now: no cluster is registered",
    ]


@pytest.mark.parametrize(
    ("policy", "paths"),
    [
        pytest.param(policy_pb2.PlacementPolicy(name="all"), ["placement_policy.name"], id="name"),
        pytest.param(
            policy_pb2.PlacementPolicy(name="placementPolicies/a", labels={"a b": ""}),
            ["placement_policy.labels[a b]", "placement_policy.spec"],
            id="label and no spec",
        ),
        pytest.param(
            placement_policy(spec=placement_pb2.Placement(tolerations=[placement_pb2.Toleration(operator="Is")])),
            ["placement_policy.spec.tolerations[0].operator", "placement_policy.spec.tolerations[0].key"],
            id="toleration",
        ),
        pytest.param(
            placement_policy(
                spec=placement_pb2.Placement(
                    cluster_selector=common_pb2.LabelSelector(),
                    replicas=placement_pb2.ReplicaPolicy(
                        mode=placement_pb2.REPLICA_MODE_DIVIDED,
                        clusters=[placement_pb2.ReplicaRule(min=3, max=2)],
                    ),
                )
            ),
            ["placement_policy.spec.replicas.clusters[0].min"],
            id="minimum above maximum",
        ),
    ],
)
async def test_a_wrong_placement_policy_is_refused_with_its_paths(
    api: Any, helpers: Any, policy: policy_pb2.PlacementPolicy, paths: list[str]
) -> None:
    refusal = await helpers.refused(apply_placement(api, policy))

    assert [path for path, _ in refusal.fields] == paths


async def test_a_wrong_override_policy_is_refused_with_its_paths(api: Any, helpers: Any) -> None:
    bad = override_pb2.Override(patch=[override_pb2.PatchOperation(op="replace", path="/kind", value_json=b'"X"')])

    refusal = await helpers.refused(apply_override(api, override_policy("a", override_pb2.Override(), bad)))

    assert [path for path, _ in refusal.fields] == [
        "override_policy.spec.overrides[0]",
        "override_policy.spec.overrides[1].patch[0].path",
    ]


async def test_validate_only_writes_nothing(api: Any, helpers: Any) -> None:
    await api.policies.ApplyPlacementPolicy(
        pb.ApplyPlacementPolicyRequest(placement_policy=placement_policy(), validate_only=True)
    )

    refusal = await helpers.refused(
        api.policies.GetPlacementPolicy(pb.GetPlacementPolicyRequest(name="placementPolicies/all"))
    )
    assert refusal.reason == "NOT_FOUND"
