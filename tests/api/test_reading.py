import json
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fedsvc.api.edge import SERVICES, Edge
from fedsvc.model import unit as unit_model
from fedsvc.model.cluster import ClusterObservation, Condition, ConditionStatus, ObjectDeletion
from fedsvc.model.work import Binding, DesiredWork, WorkObservation, WorkResult
from fedsvc.rendering.canonical import canonical_json, digest
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store import clusters, events, manifests, units, works
from fedsvc.store.store import Store
from fedsvc.v1 import event_service_pb2, resource_service_pb2, server_service_pb2, unit_pb2


async def place(store: Store, unit_name: str, *clusters: str) -> None:
    """What the placement controller would do: a work of every resource on every cluster."""
    async with store.transaction() as tx:
        unit = await units.get(tx, "shop", unit_name)
        resources = await units.resources_of(tx, unit.uid)
        for resource in resources:
            assert resource.body is not None
            await manifests.put_many(tx, [(resource.digest, resource.body, False)])
        plan = works.UnitSync(
            unit=unit,
            bindings=[
                Binding(unit_uid=unit.uid, cluster=name, replicas={}, render_key=b"x", decision=unit.uid)
                for name in clusters
            ],
            desired={
                name: [
                    DesiredWork(cluster=name, key=resource.key, wave=2, digest=resource.digest)
                    for resource in resources
                ]
                for name in clusters
            },
            removal=ObjectDeletion.BACKGROUND,
        )
        await works.sync_units(tx, [plan])


async def test_resources_are_listed_by_unit_kind_and_name_without_bytes(api: Any, helpers: Any) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    await api.apply("two", helpers.config_map("z"))
    await api.apply("one", service, helpers.config_map("b"), helpers.config_map("a"))

    async def names(**fields: Any) -> list[str]:
        response = await api.resources.ListResources(resource_service_pb2.ListResourcesRequest(**fields))
        assert all(not resource.manifest.json for resource in response.resources)
        return [f"{resource.ref.kind} {resource.ref.name}" for resource in response.resources]

    assert await names() == ["ConfigMap a", "ConfigMap b", "Service a", "ConfigMap z"]
    assert await names(parent="namespaces/shop/units/two") == ["ConfigMap z"]
    assert await names(parent="namespaces/shop/units/-", kind="Service") == ["Service a"]
    assert await names(parent="namespaces/other/units/-") == []
    first = await api.resources.ListResources(resource_service_pb2.ListResourcesRequest(page_size=3))
    assert await names(page_size=3, page_token=first.next_page_token) == ["ConfigMap z"]


async def test_a_resource_is_read_with_its_works(api: Any, helpers: Any, store: Store) -> None:
    for name in ("us-1", "eu-1"):
        await api.join(name)
    await api.apply("shop", helpers.config_map(a="b"), helpers.config_map("other"))
    await place(store, "shop", "eu-1", "us-1")
    listed = await api.resources.ListResources(resource_service_pb2.ListResourcesRequest())
    name = next(entry.name for entry in listed.resources if entry.ref.name == "web")

    response = await api.resources.GetResource(resource_service_pb2.GetResourceRequest(name=name))

    assert b'"a":"b"' in response.resource.manifest.json
    assert (response.resource.work_count, response.resource.applied_work_count) == (2, 0)
    assert [work.cluster for work in response.works] == ["eu-1", "us-1"]
    assert {work.unit for work in response.works} == {"namespaces/shop/units/shop"}
    assert {work.state for work in response.works} == {unit_pb2.WORK_STATE_PENDING}


async def test_a_resource_that_is_not_there_is_not_found(api: Any, helpers: Any) -> None:
    name = "namespaces/shop/units/shop/resources/7"

    refusal = await helpers.refused(api.resources.GetResource(resource_service_pb2.GetResourceRequest(name=name)))

    assert (refusal.code, refusal.metadata) == (grpc.StatusCode.NOT_FOUND, {"name": name})


async def test_works_are_listed_by_unit_and_cluster(api: Any, helpers: Any, store: Store) -> None:
    for name in ("eu-1", "us-1"):
        await api.join(name)
    await api.apply("one", helpers.config_map("a"), helpers.config_map("b"))
    await api.apply("two", helpers.config_map("c"))
    await place(store, "one", "eu-1", "us-1")
    await place(store, "two", "eu-1")

    async def found(**fields: Any) -> list[tuple[str, str]]:
        response = await api.resources.ListWorks(resource_service_pb2.ListWorksRequest(**fields))
        return sorted((work.cluster, work.ref.name) for work in response.works)

    assert await found(cluster="us-1") == [("us-1", "a"), ("us-1", "b")]
    assert await found(parent="namespaces/shop/units/two") == [("eu-1", "c")]
    assert await found(parent="namespaces/-/units/two", cluster="us-1") == []
    assert len(await found()) == 5
    assert len(await found(only_trouble=True)) == 5
    first = await api.resources.ListWorks(resource_service_pb2.ListWorksRequest(page_size=4))
    assert len(first.works) == 4
    assert len(await found(page_size=4, page_token=first.next_page_token)) == 1


async def test_a_work_that_waits_is_listed_with_what_it_waits_for(api: Any, helpers: Any, store: Store) -> None:
    await api.join("eu-1")
    await api.apply("db", helpers.config_map("a"))
    await api.apply("web", helpers.config_map("b"), depends_on=[unit_pb2.UnitDependency(unit="db")])
    await place(store, "db", "eu-1")
    await place(store, "web", "eu-1")

    asked = resource_service_pb2.ListWorksRequest()
    found = {work.ref.name: (work.reason, work.message) for work in (await api.resources.ListWorks(asked)).works}

    assert found["a"] == ("", "")
    assert found["b"][0] == "DependencyNotReady"
    assert found["b"][1].startswith("waits for units/db to be Ready on eu-1")


async def observe(store: Store, name: str, *false: str) -> None:
    """What the health controller writes: these conditions are False."""
    since = datetime(2026, 1, 2, tzinfo=UTC)
    conditions = tuple(
        Condition(
            type=kind,
            status=ConditionStatus.FALSE if kind in false else ConditionStatus.TRUE,
            reason="Why",
            message="",
            last_transition_time=since,
        )
        for kind in ("Reachable", "CredentialsValid", "Ready")
    )
    observation = ClusterObservation(conditions=conditions, last_seen_time=since)
    async with store.transaction() as tx:
        connection = (await clusters.get(tx, name)).connection
        await clusters.observe(tx, name, observation, connection=connection)


@pytest.fixture
async def partly_silent(api: Any, helpers: Any, store: Store) -> None:
    """ConfigMap a on four clusters, of which us-1 does not answer and us-2 refuses us."""
    for name in ("eu-1", "eu-2", "us-1", "us-2"):
        await api.join(name)
    await api.apply("shop", helpers.config_map("a"))
    await place(store, "shop", "eu-1", "eu-2", "us-1", "us-2")
    await observe(store, "eu-2", "Ready")
    await observe(store, "us-1", "Reachable")
    await observe(store, "us-2", "CredentialsValid")


async def test_works_tell_that_their_cluster_is_not_heard(api: Any, partly_silent: None) -> None:
    works = (await api.resources.ListWorks(resource_service_pb2.ListWorksRequest())).works

    assert {work.cluster: (work.silence_reason, work.HasField("last_heard_time")) for work in works} == {
        "eu-1": ("", False),
        "eu-2": ("", False),
        "us-1": ("MemberUnreachable", True),
        "us-2": ("CredentialsInvalid", True),
    }


async def test_resources_name_their_clusters_that_are_not_heard(api: Any, partly_silent: None) -> None:
    (listed,) = (await api.resources.ListResources(resource_service_pb2.ListResourcesRequest())).resources
    found = await api.resources.GetResource(resource_service_pb2.GetResourceRequest(name=listed.name))

    assert list(listed.silent_clusters) == list(found.resource.silent_clusters) == ["us-1", "us-2"]
    assert [bool(work.silence_reason) for work in found.works] == [False, False, True, True]


async def settle(store: Store, *, late: str = "", **statuses: dict[str, Any]) -> None:
    """What propagation and collection write: every work is applied, and shown by its cluster with a status, Healthy.

    What is shown of the `late` cluster is from before the apply.
    """
    async with store.transaction() as tx:
        dirty = await works.list_page(tx, after=0, limit=100)
        await works.write_results(
            tx,
            [
                WorkResult(
                    id=work.id,
                    generation=1,
                    state=unit_model.WorkState.APPLIED,
                    applied_digest=work.desired_digest,
                    member_uid="u",
                )
                for work in dirty
            ],
        )
        await works.write_observations(
            tx,
            [
                WorkObservation(
                    id=work.id,
                    member_uid="u",
                    health="Healthy",
                    health_reason="",
                    health_message="",
                    status=statuses[work.cluster.replace("-", "")],
                    desired_replicas=None,
                    ready_replicas=None,
                    applied_digest=b"before" if work.cluster == late else work.desired_digest,
                )
                for work in dirty
                if work.cluster.replace("-", "") in statuses
            ],
        )


async def test_works_of_clusters_that_are_not_heard_are_in_trouble(api: Any, partly_silent: None, store: Store) -> None:
    await settle(store, eu1={}, eu2={}, us1={}, us2={})

    asked = resource_service_pb2.ListWorksRequest(only_trouble=True)
    assert {work.cluster for work in (await api.resources.ListWorks(asked)).works} == {"us-1", "us-2"}


@pytest.mark.parametrize(
    ("statuses", "late", "observed"),
    [
        ({"eu1": (7, 7), "us1": (2, 2)}, "", 1),
        ({"eu1": (7, 7), "us1": (2, 1)}, "", None),
        ({"eu1": (7, 7)}, "", None),
        ({"eu1": (7, 7), "us1": (2, 2)}, "us-1", None),
    ],
    ids=["all have observed", "one has not", "one has said nothing", "one has said nothing since the apply"],
)
async def test_the_generation_over_clusters_is_observed_once_every_cluster_has_observed_its_own(
    api: Any, store: Store, statuses: dict[str, tuple[int, int]], late: str, observed: int | None
) -> None:
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
    stateful_set = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    for name in ("eu-1", "us-1"):
        await api.join(name)
    await api.apply("shop", stateful_set)
    await place(store, "shop", "eu-1", "us-1")
    async with store.transaction() as tx:
        unit = await units.get(tx, "shop", "shop")
        await units.set_decided(tx, [units.DecidedUnit(unit=unit, decision=unit.uid, reconsider_at=None)])
    told = {name: {"generation": of, "observedGeneration": seen} for name, (of, seen) in statuses.items()}
    await settle(store, late=late, **told)

    (listed,) = (await api.resources.ListResources(resource_service_pb2.ListResourcesRequest())).resources
    status = json.loads(listed.aggregated_status_json)
    assert (status["generation"], status.get("observedGeneration")) == (1, observed)

    await observe(store, "us-1", "Reachable")
    (listed,) = (await api.resources.ListResources(resource_service_pb2.ListResourcesRequest())).resources
    assert "observedGeneration" not in json.loads(listed.aggregated_status_json)


async def test_works_of_a_unit_that_is_not_there_are_not_found(api: Any, helpers: Any) -> None:
    refusal = await helpers.refused(
        api.resources.ListWorks(resource_service_pb2.ListWorksRequest(parent="namespaces/shop/units/none"))
    )

    assert refusal.reason == "NOT_FOUND"


async def test_events_are_listed_newest_first(api: Any, store: Store) -> None:
    for index in range(5):
        async with store.transaction() as tx:
            subject = "namespaces/shop/units/a" if index % 2 else "clusters/eu-1"
            event = events.NewEvent(subject=subject, type=events.NORMAL, reason="Tested", message=str(index))
            await events.add_many(tx, [event])

    async def messages(**fields: Any) -> list[str]:
        response = await api.events.ListEvents(event_service_pb2.ListEventsRequest(**fields))
        return [event.message for event in response.events]

    assert await messages() == ["4", "3", "2", "1", "0"]
    assert await messages(subject="clusters/eu-1") == ["4", "2", "0"]
    assert await messages(namespace="shop") == ["3", "1"]
    first = await api.events.ListEvents(event_service_pb2.ListEventsRequest(page_size=3))
    assert await messages(page_size=3, page_token=first.next_page_token) == ["1", "0"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"subject": "shop"}, "subject", id="subject"),
        pytest.param({"namespace": "A"}, "namespace", id="namespace"),
        pytest.param({"page_size": -1}, "page_size", id="page size"),
    ],
)
async def test_wrong_filters_of_events_are_refused(api: Any, helpers: Any, fields: dict[str, Any], path: str) -> None:
    refusal = await helpers.refused(api.events.ListEvents(event_service_pb2.ListEventsRequest(**fields)))

    assert [field for field, _ in refusal.fields] == [path]


async def test_the_server_tells_of_itself_and_its_limits(api: Any) -> None:
    info = await api.server.GetServerInfo(server_service_pb2.GetServerInfoRequest())

    assert (info.version, info.caller, info.leader) == ("1.2.3", "tester", True)
    assert (info.max_manifest_bytes, info.max_unit_bytes, info.max_unit_resources) == (2**20, 2**24, 5000)
    assert int(info.database_version.split(".")[0]) >= 14
    assert info.schema_revision


async def test_health_is_told_without_a_token(edge: tuple[Edge, int]) -> None:
    async with aio.insecure_channel(f"127.0.0.1:{edge[1]}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICES):
            response = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert response.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_follows_the_drain(edge: tuple[Edge, int]) -> None:
    async with aio.insecure_channel(f"127.0.0.1:{edge[1]}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING

        await edge[0].stop(0.2)

        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_tells_every_service_and_its_messages(api: Any) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(api.channel)
    call = stub.ServerReflectionInfo(metadata=(("authorization", f"Bearer {api.token}"),))
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await call.read()
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="fedsvc.v1.UnitService"))
    described = await call.read()
    await call.done_writing()

    names = {service.name for service in listed.list_services_response.service}
    assert set(SERVICES) <= names
    assert "grpc.health.v1.Health" in names
    assert described.file_descriptor_response.file_descriptor_proto


async def test_digests_name_the_canonical_form(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map(b="1", a="2"))
    manifest = {**helpers.config_map(a="2", b="1"), "metadata": {"name": "web", "namespace": "shop"}}

    listed = await api.resources.ListResources(resource_service_pb2.ListResourcesRequest())

    assert listed.resources[0].manifest.digest == digest(canonical_json(manifest)).hex()
    assert ObjectKey(group="", version="v1", kind="ConfigMap", namespace="shop", name="web").api_version == "v1"
