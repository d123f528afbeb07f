"""A policy that is changed is tried on the units that name it."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from fedsvc.api import trying
from fedsvc.v1 import cluster_pb2, cluster_service_pb2, common_pb2, override_pb2, placement_pb2, policy_pb2
from fedsvc.v1 import policy_service_pb2 as pb

NAME = "overridePolicies/shared"
UNIT = "namespaces/shop/units/shop"


def override(op: str, path: str, *, cluster: str = "", kind: str = "ConfigMap") -> override_pb2.Override:
    value = b"" if op == "remove" else b'"x"'
    made = override_pb2.Override(
        patch=[override_pb2.PatchOperation(op=op, path=path, value_json=value)],
        target=override_pb2.ResourceMatcher(kind=kind),
    )
    if cluster:
        made.clusters.names.append(cluster)
    return made


FITS = override("replace", "/data/currency")
MISSES = override("replace", "/data/colour")


async def apply(
    api: Any, *overrides: override_pb2.Override, name: str = NAME, validate_only: bool = False
) -> pb.ApplyOverridePolicyResponse:
    policy = policy_pb2.OverridePolicy(name=name, spec=policy_pb2.OverridePolicySpec(overrides=overrides))
    request = pb.ApplyOverridePolicyRequest(override_policy=policy, validate_only=validate_only)
    response: pb.ApplyOverridePolicyResponse = await api.policies.ApplyOverridePolicy(request)
    return response


async def stored(api: Any) -> list[override_pb2.Override]:
    found = await api.policies.GetOverridePolicy(pb.GetOverridePolicyRequest(name=NAME))
    return list(found.override_policy.spec.overrides)


@pytest.fixture
async def used(api: Any, helpers: Any) -> Any:
    """Two clusters, the policy, and a unit that names it."""
    for name in ("eu", "us"):
        await api.join(name)
    await apply(api, FITS)
    config = helpers.config_map("settings", currency="EUR", size="1")
    await api.apply("shop", config, placement=helpers.everywhere(), override_policies=["shared"])
    return api


@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_change_that_fits_no_unit_anywhere_is_refused_with_unit_resource_and_path(
    used: Any,
    helpers: Any,
    validate_only: bool,  # noqa: FBT001 - a table's column
) -> None:
    refusal = await helpers.refused(apply(used, FITS, MISSES, validate_only=validate_only))
    ((path, message),) = refusal.fields
    assert path == "override_policy.spec.overrides[1].patch[0].path"
    assert message.startswith(f"does not fit v1 ConfigMap shop/settings of {UNIT}: ")
    assert await stored(used) == [FITS]


async def test_every_unit_that_breaks_is_named(used: Any, helpers: Any) -> None:
    other = helpers.config_map("other", currency="EUR", colour="red")
    await used.apply("fine", other, placement=helpers.everywhere(), override_policies=["shared"])
    third = helpers.config_map("third", currency="EUR")
    await used.apply("third", third, placement=helpers.everywhere(), override_policies=["shared"])
    refusal = await helpers.refused(apply(used, MISSES))
    named = [message.partition(" of ")[2].partition(":")[0] for _, message in refusal.fields]
    assert named == [UNIT, "namespaces/shop/units/third"]


async def test_a_change_that_fails_in_some_clusters_only_is_a_warning(used: Any) -> None:
    warnings = (await apply(used, override("add", "/data/colour", cluster="eu"), MISSES)).warnings
    assert len(warnings) == 1
    assert f"does not fit v1 ConfigMap shop/settings of {UNIT}: " in warnings[0]
    assert warnings[0].endswith("(in us; its works there will fail)")


async def test_a_target_that_the_unit_has_not_leaves_it_alone(used: Any) -> None:
    assert (await apply(used, override("replace", "/data/colour", kind="Deployment"))).warnings == []


async def test_a_change_that_breaks_an_override_of_the_unit_is_refused(used: Any, helpers: Any) -> None:
    await apply(used, FITS, override("add", "/data/colour"))
    config = helpers.config_map("settings", currency="EUR")
    await used.apply("shop", config, placement=helpers.everywhere(), override_policies=["shared"], overrides=[MISSES])
    refusal = await helpers.refused(apply(used, FITS))
    ((path, message),) = refusal.fields
    assert path == "override_policy.spec.overrides"
    assert message.startswith("breaks another override, spec.overrides[0].patch[0].path: does not fit v1 ConfigMap ")
    assert f" of {UNIT}: " in message


async def test_an_override_that_failed_before_does_not_hold_a_change_up(used: Any, helpers: Any) -> None:
    gives, needs = override("add", "/data/colour"), override("replace", "/data/colour")
    gives.clusters.selector.match_labels["gives"] = ""
    needs.clusters.selector.match_labels["needs"] = ""
    await used.clusters.UpdateCluster(relabelled("eu", gives="", needs=""))
    await used.clusters.UpdateCluster(relabelled("us", gives=""))
    request = helpers.apply_request(
        "shop",
        helpers.config_map("settings", currency="EUR"),
        placement=helpers.everywhere(),
        override_policies=["shared"],
        overrides=[gives, needs],
    )
    await used.units.ApplyUnit(request)
    await used.clusters.UpdateCluster(relabelled("eu", needs=""))  # from now on there is nothing to replace
    await helpers.refused(used.units.ApplyUnit(request))

    assert list((await apply(used, override("add", "/data/shape"))).warnings) == []


def relabelled(name: str, **labels: str) -> cluster_service_pb2.UpdateClusterRequest:
    return cluster_service_pb2.UpdateClusterRequest(
        cluster=cluster_pb2.Cluster(name=f"clusters/{name}", labels=labels), update_mask=FieldMask(paths=["labels"])
    )


async def test_a_policy_that_stays_as_it_is_is_not_tried(used: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "MAX_TRIED_RESOURCES", -1)
    assert (await apply(used, FITS)).warnings == []


async def test_beyond_the_bound_the_units_that_are_not_tried_are_told(
    used: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MAX_TRIED_RESOURCES", 1)
    monkeypatch.setattr(trying, "_BATCH_UNITS", 1)
    other = helpers.config_map("other", currency="EUR")
    await used.apply("zoo", other, placement=helpers.everywhere(), override_policies=["shared"])
    (warning,) = (await apply(used, override("replace", "/data/currency", cluster="eu"))).warnings
    assert warning.startswith("the policy was tried on 1 of the 2 units that name it")
    refusal = await helpers.refused(apply(used, MISSES))
    assert len(refusal.fields) == 1


async def test_replicas_that_placement_sets_are_there_for_a_policy(used: Any, helpers: Any) -> None:
    web = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {}, "template": {}},
    }
    placement = placement_pb2.Placement(
        cluster_selector=common_pb2.LabelSelector(),
        replicas=placement_pb2.ReplicaPolicy(mode=placement_pb2.REPLICA_MODE_DIVIDED),
    )
    await used.policies.ApplyPlacementPolicy(
        pb.ApplyPlacementPolicyRequest(
            placement_policy=policy_pb2.PlacementPolicy(name="placementPolicies/divided", spec=placement)
        )
    )
    await used.apply("web", web, placement_policy="divided", override_policies=["shared"])
    await apply(used, override("replace", "/spec/replicas", kind="Deployment"))


async def test_clusters_that_a_policy_names_and_nobody_knows_are_a_warning(api: Any) -> None:
    (warning,) = (await apply(api, override("replace", "/data/x", cluster="mars"))).warnings
    assert warning == "override_policy.spec.overrides[0].clusters names clusters that are not registered: mars"
