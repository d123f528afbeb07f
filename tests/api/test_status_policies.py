"""Status policies by the API: stored, listed, watched, refused where they cannot work, and used for sums."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from grpc import aio

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import WorkState
from fedsvc.model.work import Binding, DesiredWork, WorkObservation, WorkResult
from fedsvc.store import units, works
from fedsvc.store.store import Store
from fedsvc.v1 import policy_pb2, resource_service_pb2, watch_service_pb2
from fedsvc.v1 import policy_service_pb2 as pb

ROLLOUT = {
    "group": "argoproj.io",
    "kind": "Rollout",
    "health": "status.phase == 'Healthy'",
    "fields": [
        {"name": "ready", "value": "status.readyReplicas", "aggregation": policy_pb2.STATUS_AGGREGATION_SUM},
        {"name": "hosts", "value": "status.hosts", "aggregation": policy_pb2.STATUS_AGGREGATION_UNION},
        {"name": "note", "value": "'x'"},
    ],
}


def policy(*rules: Any, name: str = "argo", **fields: Any) -> policy_pb2.StatusPolicy:
    spec = policy_pb2.StatusPolicySpec(rules=[policy_pb2.StatusRule(**rule) for rule in rules])
    return policy_pb2.StatusPolicy(name=f"statusPolicies/{name}", spec=spec, **fields)


async def apply(api: Any, *rules: Any, **fields: Any) -> pb.ApplyStatusPolicyResponse:
    request = pb.ApplyStatusPolicyRequest(status_policy=policy(*rules, **fields))
    response: pb.ApplyStatusPolicyResponse = await api.policies.ApplyStatusPolicy(request)
    return response


async def test_a_policy_is_stored_as_it_was_given_and_guarded_by_its_etag(api: Any, helpers: Any) -> None:
    made = (await apply(api, ROLLOUT, labels={"team": "web"})).status_policy
    assert made.spec == policy(ROLLOUT).spec
    assert (await apply(api, ROLLOUT, labels={"team": "web"})).outcome == 3  # unchanged
    found = await api.policies.GetStatusPolicy(pb.GetStatusPolicyRequest(name="statusPolicies/argo"))
    assert found.status_policy == made
    listed = await api.policies.ListStatusPolicies(pb.ListStatusPoliciesRequest())
    assert list(listed.status_policies) == [made]

    changed = (await apply(api, ROLLOUT | {"health": "true"}, etag=made.etag)).status_policy
    assert changed.etag != made.etag
    refusal = await helpers.refused(apply(api, ROLLOUT, etag=made.etag))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")

    await api.policies.DeleteStatusPolicy(pb.DeleteStatusPolicyRequest(name=made.name))
    refusal = await helpers.refused(api.policies.DeleteStatusPolicy(pb.DeleteStatusPolicyRequest(name=made.name)))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    await api.policies.DeleteStatusPolicy(pb.DeleteStatusPolicyRequest(name=made.name, allow_missing=True))


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        ({"kind": ""}, "kind", "is missing"),
        ({"kind": "rollout"}, "kind", "'rollout' is no kind"),
        ({"group": "Argo"}, "group", ""),
        ({"health": "stat.phase"}, "health", "there is no variable 'stat'; did you mean status?"),
        ({"message": "1 +"}, "message", "a value is expected, not the end"),
        ({"ready_replicas": "1"}, "desired_replicas", "is missing"),
        ({"fields": [{"name": "a b", "value": "1"}]}, "fields[0].name", "'a b' is no name"),
        ({"fields": [{"name": "generation", "value": "1"}]}, "fields[0].name", "is kept by fedsvc itself"),
        ({"fields": [{"name": "a", "value": "1"}, {"name": "a", "value": "1"}]}, "fields[1].name", "is there twice"),
        ({"fields": [{"name": "a"}]}, "fields[0].value", "is empty"),
        ({"fields": [{"name": "a", "value": "1", "aggregation": 99}]}, "fields[0].aggregation", "99 is not one of Sum"),
        ({"group": "apps", "kind": "Deployment"}, "", "is a kind of Kubernetes that fedsvc knows"),
        ({"health": "", "fields": []}, "", "says nothing"),
    ],
)
async def test_a_rule_that_cannot_work_is_refused_with_its_field(
    api: Any, helpers: Any, rule: dict[str, Any], path: str, message: str
) -> None:
    refusal = await helpers.refused(apply(api, ROLLOUT | rule))
    ((field, description),) = refusal.fields
    assert field == f"status_policy.spec.rules[0].{path}".removesuffix(".")
    assert message in description


async def test_a_kind_has_one_rule_in_all_policies_together(api: Any, helpers: Any) -> None:
    refusal = await helpers.refused(apply(api, ROLLOUT, ROLLOUT))
    assert refusal.fields[0][1] == "is for the same kind as rules[0]: a kind has one rule"
    await apply(api, ROLLOUT)
    refusal = await helpers.refused(apply(api, ROLLOUT, name="other"))
    assert "has a rule in statusPolicies/argo: change that one" in refusal.fields[0][1]


async def test_policies_are_watched(api: Any) -> None:
    await apply(api, ROLLOUT)
    kinds = [watch_service_pb2.WATCH_KIND_STATUS_POLICY]
    stream = api.watch.Watch(watch_service_pb2.WatchRequest(kinds=kinds, send_initial_state=True))
    async with asyncio.timeout(10):
        (first,) = (await stream.read()).changes
        assert first.status_policy.spec == policy(ROLLOUT).spec
        await apply(api, ROLLOUT | {"health": "true"})
        # What changed in the moment between the list and its end is told twice.
        while not (changes := (await stream.read()).changes) or changes[0].status_policy.spec == policy(ROLLOUT).spec:
            pass
        assert changes[0].status_policy.spec.rules[0].health == "true"
    stream.cancel()
    with pytest.raises((asyncio.CancelledError, aio.AioRpcError)):
        await stream.read()


async def test_the_status_of_all_clusters_sums_up_by_the_rule(api: Any, store: Store) -> None:
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {}}
    for name in ("eu-1", "us-1"):
        await api.join(name)
    await api.apply("shop", rollout)
    async with store.transaction() as tx:
        unit = await units.get(tx, "shop", "shop")
        (key,) = [resource.key for resource in await units.resources_of(tx, unit.uid)]
        names = ("eu-1", "us-1")
        plan = works.UnitSync(
            unit=unit,
            bindings=[
                Binding(unit_uid=unit.uid, cluster=name, replicas={}, render_key=b"x", decision=unit.uid)
                for name in names
            ],
            desired={name: [DesiredWork(cluster=name, key=key, wave=2, digest=None)] for name in names},
            removal=ObjectDeletion.BACKGROUND,
        )
        await works.sync_units(tx, [plan])
        rows = await works.list_page(tx, after=0, limit=10)
        results = [WorkResult(id=row.id, generation=1, state=WorkState.APPLIED, member_uid="u") for row in rows]
        await works.write_results(tx, results)
        statuses = {"eu-1": {"ready": 2, "hosts": ["b", "a"], "note": "x"}, "us-1": {"ready": 3, "hosts": ["a"]}}
        await works.write_observations(
            tx,
            [
                WorkObservation(
                    id=row.id,
                    member_uid="u",
                    health="Healthy",
                    health_reason="",
                    health_message="",
                    status=statuses[row.cluster],
                    desired_replicas=None,
                    ready_replicas=None,
                )
                for row in rows
            ],
        )

    async def total() -> Any:
        (found,) = (await api.resources.ListResources(resource_service_pb2.ListResourcesRequest())).resources
        return json.loads(found.aggregated_status_json or "{}")

    assert await total() == {}
    await apply(api, ROLLOUT)
    assert await total() == {"ready": 5, "hosts": ["a", "b"]}
