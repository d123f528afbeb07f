import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio

from fedsvc.api.edge import Edge, EdgeSettings
from fedsvc.model.cluster import ClusterObservation, Condition, ConditionStatus, ObjectDeletion
from fedsvc.model.work import Binding, DesiredWork
from fedsvc.store import clusters, events, retention, units, works
from fedsvc.store.changes import ResumeToken
from fedsvc.store.store import Store
from fedsvc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    fleet_pb2,
    placement_service_pb2,
    resource_service_pb2,
    unit_service_pb2,
)
from fedsvc.v1 import watch_service_pb2 as pb

CLUSTER, UNIT, WORK, EVENT = (
    pb.WATCH_KIND_CLUSTER,
    pb.WATCH_KIND_UNIT,
    pb.WATCH_KIND_WORK,
    pb.WATCH_KIND_EVENT,
)
SECONDS = 10
SINCE = datetime(2026, 1, 2, tzinfo=UTC)


async def bind(store: Store, unit_name: str, *names: str) -> None:
    """What the placement controller would do: a work of every resource on every cluster."""
    async with store.transaction() as tx:
        unit = await units.get(tx, "shop", unit_name)
        keys = [resource.key for resource in await units.resources_of(tx, unit.uid)]
        plan = works.UnitSync(
            unit=unit,
            bindings=[
                Binding(unit_uid=unit.uid, cluster=name, replicas={}, render_key=b"x", decision=unit.uid)
                for name in names
            ],
            desired={name: [DesiredWork(cluster=name, key=key, wave=2, digest=None) for key in keys] for name in names},
            removal=ObjectDeletion.BACKGROUND,
        )
        await works.sync_units(tx, [plan])


class Watching:
    """A watch whose messages are read with a deadline."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.token = ""

    async def message(self) -> pb.WatchResponse:
        async with asyncio.timeout(SECONDS):
            response = await self.call.read()
        assert isinstance(response, pb.WatchResponse), f"the stream ended: {await self.call.code()}"
        self.token = response.resume_token or self.token
        return response

    async def changes(self) -> list[tuple[str, str]]:
        """The next changes that are not a bookmark, as (what, name)."""
        while True:
            response = await self.message()
            if response.changes:
                return [
                    ("gone" if change.type == pb.CHANGE_TYPE_DELETED else "there", change.name)
                    for change in response.changes
                ]

    async def until(self, name: str) -> list[tuple[str, str]]:
        """All changes up to one of `name`."""
        found: list[tuple[str, str]] = []
        while not found or found[-1][1] != name:
            found += await self.changes()
        return found

    async def sees(self, what: str, name: str) -> list[tuple[str, str]]:
        """All changes up to this one: changes may be sent twice, so others may come before it."""
        found: list[tuple[str, str]] = []
        while (what, name) not in found:
            found += await self.changes()
        return found

    async def end(self) -> aio.AioRpcError:
        with pytest.raises(aio.AioRpcError) as caught:
            await asyncio.wait_for(self._read_all(), SECONDS)
        return caught.value

    async def _read_all(self) -> None:
        while await self.call.read() is not aio.EOF:
            pass


@asynccontextmanager
async def watching(api: Any, *kinds: pb.WatchKind.ValueType, **fields: Any) -> AsyncIterator[Watching]:
    call = api.watch.Watch(pb.WatchRequest(kinds=kinds, **fields))
    try:
        yield Watching(call)
    finally:
        call.cancel()


async def relabel(api: Any, name: str, **labels: str) -> None:
    await api.clusters.UpdateCluster(
        cluster_service_pb2.UpdateClusterRequest(
            cluster=cluster_pb2.Cluster(name=f"clusters/{name}", labels=labels),
            update_mask=FieldMask(paths=["labels"]),
        )
    )


async def forget(api: Any, name: str) -> None:
    await api.clusters.DeleteCluster(cluster_service_pb2.DeleteClusterRequest(name=f"clusters/{name}", force=True))


async def test_what_is_there_comes_first_then_every_change(api: Any, helpers: Any) -> None:
    for name in ("b", "a"):
        await api.join(name)
    await api.apply("shop", helpers.config_map())
    async with watching(api, CLUSTER, UNIT, send_initial_state=True) as watch:
        first = await watch.changes()
        second = await watch.changes()
        complete = await watch.message()
        await api.join("c")
        await watch.sees("there", "clusters/c")
        await forget(api, "a")
        await watch.sees("gone", "clusters/a")

    assert first == [("there", "clusters/a"), ("there", "clusters/b")]
    assert second == [("there", "namespaces/shop/units/shop")]
    assert complete.initial_state_complete
    assert complete.resume_token


async def test_objects_come_whole_but_for_manifests(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map())
    async with watching(api, UNIT, send_initial_state=True) as watch:
        change = (await watch.message()).changes[0]

    assert change.kind == UNIT
    assert change.unit.etag
    assert not change.unit.spec.resources


async def test_idle_streams_get_bookmarks(api: Any) -> None:
    async with watching(api, CLUSTER) as watch:
        opened = await watch.message()
        bookmark = await watch.message()

    assert opened.resume_token
    assert not opened.initial_state_complete
    assert not bookmark.changes
    assert bookmark.resume_token


async def test_bookmarks_also_come_while_only_others_change(api: Any, helpers: Any) -> None:
    async with watching(api, CLUSTER) as watch:
        await watch.message()
        before = watch.token

        async def busy() -> None:
            for index in range(200):
                await api.apply("shop", helpers.config_map(n=str(index)))
                await asyncio.sleep(0.01)

        task = asyncio.get_running_loop().create_task(busy())
        try:
            while watch.token == before:
                assert not (await watch.message()).changes
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_changes_of_what_cannot_be_watched_are_passed_over(api: Any) -> None:
    settings = fleet_pb2.FleetSettings(spec=fleet_pb2.FleetSettingsSpec(datasets=[fleet_pb2.Dataset(name="a")]))
    async with watching(api, CLUSTER) as watch:
        await watch.message()
        request = placement_service_pb2.UpdateFleetSettingsRequest(fleet_settings=settings)
        assert (await api.placement.UpdateFleetSettings(request)).changed
        await api.join("a")

        assert set(await watch.until("clusters/a")) == {("there", "clusters/a")}


async def test_a_watch_goes_on_where_another_ended(api: Any) -> None:
    async with watching(api, CLUSTER) as watch:
        await watch.message()
        await api.join("a")
        await watch.changes()
        token = watch.token
    await api.join("b")
    await api.join("c")
    async with watching(api, CLUSTER, resume_token=token) as again:
        found = await again.until("clusters/c")

    assert ("there", "clusters/b") in found


async def test_a_list_and_a_watch_from_its_token_miss_nothing(api: Any) -> None:
    await api.join("a")
    listed = await api.clusters.ListClusters(cluster_service_pb2.ListClustersRequest())
    await api.join("b")

    async with watching(api, CLUSTER, resume_token=listed.resume_token) as watch:
        assert ("there", "clusters/b") in await watch.until("clusters/b")


async def test_an_object_that_changed_often_is_sent_once_in_a_batch(api: Any) -> None:
    await api.join("a")
    listed = await api.clusters.ListClusters(cluster_service_pb2.ListClustersRequest())
    for index in range(5):
        await relabel(api, "a", n=str(index))

    async with watching(api, CLUSTER, resume_token=listed.resume_token) as watch:
        await watch.message()
        response = await watch.message()

    assert [change.cluster.labels["n"] for change in response.changes] == ["4"]


async def test_only_the_namespace_asked_for_is_sent(api: Any, helpers: Any) -> None:
    async with watching(api, UNIT, namespace="shop") as watch:
        await watch.message()
        request = helpers.apply_request("x", helpers.config_map("x"))
        request.unit.name = "namespaces/other/units/x"
        await api.units.ApplyUnit(request)
        await api.apply("shop", helpers.config_map())

        assert await watch.changes() == [("there", "namespaces/shop/units/shop")]


async def test_only_the_object_asked_for_is_sent(api: Any) -> None:
    for name in ("a", "b"):
        await api.join(name)
    async with watching(api, CLUSTER, name="clusters/b", send_initial_state=True) as watch:
        first = await watch.changes()
        await watch.message()
        await relabel(api, "a", x="y")
        await relabel(api, "b", x="y")

        assert first == [("there", "clusters/b")]
        assert await watch.changes() == [("there", "clusters/b")]


async def test_an_object_that_stops_to_match_is_gone_for_the_watcher(api: Any) -> None:
    await api.join("a", labels={"tier": "prod"})
    await api.join("b", labels={"tier": "test"})
    async with watching(api, CLUSTER, label_selector="tier=prod", send_initial_state=True) as watch:
        assert await watch.changes() == [("there", "clusters/a")]
        await watch.message()
        await relabel(api, "b", tier="other")
        await relabel(api, "a", tier="test")
        seen = await watch.sees("gone", "clusters/a")
        await relabel(api, "a", tier="prod")
        seen += await watch.sees("there", "clusters/a")
        await forget(api, "b")
        await forget(api, "a")
        seen += await watch.sees("gone", "clusters/a")

    assert {name for _, name in seen} == {"clusters/a"}


async def test_after_resuming_an_object_that_does_not_match_is_told_as_gone_once(api: Any) -> None:
    await api.join("a", labels={"tier": "prod"})
    listed = await api.clusters.ListClusters(cluster_service_pb2.ListClustersRequest())
    await relabel(api, "a", tier="test")
    async with watching(api, CLUSTER, label_selector="tier=prod", resume_token=listed.resume_token) as watch:
        seen = await watch.sees("gone", "clusters/a")
        await relabel(api, "a", tier="other")
        await api.join("b", labels={"tier": "prod"})
        seen += await watch.sees("there", "clusters/b")

    assert seen.count(("gone", "clusters/a")) == 1


async def test_events_are_those_of_the_object_asked_for(api: Any, store: Store) -> None:
    async with watching(api, EVENT, name="clusters/eu-1", send_initial_state=True) as watch:
        assert (await watch.message()).initial_state_complete
        async with store.transaction() as tx:
            await events.add_many(
                tx,
                [
                    events.NewEvent(subject="clusters/eu-2", type="Normal", reason="A", message="other"),
                    events.NewEvent(subject="clusters/eu-1", type="Normal", reason="B", message="own"),
                    events.NewEvent(
                        subject="namespaces/a/units/u", cluster="eu-1", type="Normal", reason="C", message="there"
                    ),
                ],
            )
        response = await watch.message()
        while not response.changes:
            response = await watch.message()

    assert sorted(change.event.message for change in response.changes) == ["own", "there"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({}, "kinds", id="no kinds"),
        pytest.param({"kinds": [pb.WATCH_KIND_UNSPECIFIED]}, "kinds[0]", id="kind not set"),
        pytest.param({"kinds": [99]}, "kinds[0]", id="unknown kind"),
        pytest.param({"kinds": [CLUSTER], "name": "a"}, "name", id="name"),
        pytest.param({"kinds": [CLUSTER], "name": "clusters/A"}, "name", id="name with capitals"),
        pytest.param({"kinds": [CLUSTER], "namespace": "A"}, "namespace", id="namespace"),
        pytest.param({"kinds": [CLUSTER], "label_selector": "a="}, "", id="fine"),
        pytest.param({"kinds": [CLUSTER], "label_selector": "=a"}, "label_selector", id="selector"),
        pytest.param({"kinds": [WORK], "label_selector": "a=b"}, "label_selector", id="selector of works"),
        pytest.param({"kinds": [CLUSTER], "resume_token": "?"}, "resume_token", id="broken token"),
        pytest.param(
            {"kinds": [CLUSTER], "resume_token": ResumeToken(1, 1).encode(), "send_initial_state": True},
            "send_initial_state",
            id="initial state of a resumed watch",
        ),
    ],
)
async def test_a_wrong_request_is_refused_with_its_path(
    api: Any, helpers: Any, fields: dict[str, Any], path: str
) -> None:
    call = api.watch.Watch(pb.WatchRequest(**fields))
    if not path:
        await Watching(call).message()
        call.cancel()
        return

    refusal = helpers.decode(await Watching(call).end())

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert [field for field, _ in refusal.fields] == [path]


async def test_a_token_that_is_too_old_says_to_list_again(api: Any, helpers: Any, store: Store) -> None:
    await api.join("a")
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE change SET create_time = now() - interval '2 hours'")
        await retention.trim(tx)
    call = api.watch.Watch(pb.WatchRequest(kinds=[CLUSTER], resume_token=ResumeToken(1, 1).encode()))

    refusal = helpers.decode(await Watching(call).end())

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED")


async def test_draining_ends_streams_and_says_so(api: Any, helpers: Any, edge: tuple[Edge, int]) -> None:
    async with watching(api, CLUSTER) as watch:
        await watch.message()

        await edge[0].stop(2)

        refusal = helpers.decode(await watch.end())
    assert (refusal.code, refusal.reason, refusal.detail) == (grpc.StatusCode.UNAVAILABLE, "DRAINING", "RetryInfo")


async def test_draining_ends_streams_that_send_at_that_moment(api: Any, helpers: Any, edge: tuple[Edge, int]) -> None:
    calls = [api.watch.Watch(pb.WatchRequest(kinds=[CLUSTER])) for _ in range(16)]
    # The first message has come, while the server may not have heard yet that it has left.
    await asyncio.gather(*(call.read() for call in calls))

    async def end(call: Any) -> None:
        while True:
            assert await call.read() is not aio.EOF  # a bookmark, where this is slow

    ended, _ = await asyncio.gather(
        asyncio.gather(*(end(call) for call in calls), return_exceptions=True), edge[0].stop(5)
    )

    assert {helpers.decode(error).reason for error in ended} == {"DRAINING"}


class TestSlowReader:
    @pytest.fixture
    def edge_settings(self, edge_settings: EdgeSettings) -> EdgeSettings:
        return replace(edge_settings, max_pending_changes=10)

    async def test_a_reader_that_does_not_keep_up_loses_its_place(self, api: Any, helpers: Any, store: Store) -> None:
        call = api.watch.Watch(pb.WatchRequest(kinds=[EVENT]))
        watch = Watching(call)
        await watch.message()

        ended = asyncio.create_task(watch.end())
        while not ended.done():  # one that is still catching up is told of a commit however large it is
            # One commit of more changes than may wait.
            async with store.transaction() as tx:
                new = [
                    events.NewEvent(subject="clusters/a", type="Normal", reason="R", message=str(index))
                    for index in range(50)
                ]
                await events.add_many(tx, new)
            await asyncio.wait([ended], timeout=0.5)

        refusal = helpers.decode(await ended)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCH_TOO_SLOW")

    async def test_it_resumes_however_far_it_is_behind(self, api: Any, store: Store) -> None:
        async with store.reader() as tx:
            token = (await tx.resume_token()).encode()
        async with store.transaction() as tx:
            new = [
                events.NewEvent(subject="clusters/a", type="Normal", reason="R", message=str(index))
                for index in range(1_200)
            ]
            await events.add_many(tx, new)
        found: set[str] = set()
        async with watching(api, EVENT, resume_token=token) as watch:
            while len(found) < 1_200:
                found |= {name for _, name in await watch.changes()}


async def test_a_cancelled_watch_leaves_no_subscription(api: Any, store: Store) -> None:
    async with watching(api, CLUSTER) as watch:
        await watch.message()
        await watch.message()
        assert len(store.feed._subscriptions) == 1

    async with asyncio.timeout(SECONDS):
        while store.feed._subscriptions:
            await asyncio.sleep(0.01)


async def test_a_deleted_unit_is_told_until_it_is_gone(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map())
    async with watching(api, UNIT) as watch:
        await watch.message()
        await api.units.DeleteUnit(unit_service_pb2.DeleteUnitRequest(name="namespaces/shop/units/shop"))

        assert await watch.changes() == [("there", "namespaces/shop/units/shop")]


async def test_works_are_told_anew_when_their_cluster_falls_silent_and_when_it_is_heard_again(
    api: Any, helpers: Any, store: Store
) -> None:
    for name in ("eu-1", "us-1"):
        await api.join(name)
    await api.apply("shop", helpers.config_map("a"))
    await api.apply("other", helpers.config_map("b"))
    for unit in ("shop", "other"):
        await bind(store, unit, "eu-1", "us-1")
    listed = await api.resources.ListWorks(resource_service_pb2.ListWorksRequest(parent="namespaces/shop/units/shop"))

    async def observe(*, reachable: bool) -> None:
        word = ConditionStatus.TRUE if reachable else ConditionStatus.FALSE
        condition = Condition(type="Reachable", status=word, reason="Why", message="", last_transition_time=SINCE)
        async with store.transaction() as tx:
            connection = (await clusters.get(tx, "us-1")).connection
            found = ClusterObservation(conditions=(condition,), last_seen_time=SINCE)
            await clusters.observe(tx, "us-1", found, connection=connection)

    name = "namespaces/shop/units/shop"

    async def until_told(stream: Watching, reason: str) -> None:
        """What was listed may be told once more, where the server that all tests share has older transactions open."""
        found: list[str] = []
        while reason not in found:
            works = [item.work for item in (await stream.message()).changes]
            assert {work.unit for work in works} <= {name}
            assert {work.silence_reason for work in works if work.cluster == "eu-1"} <= {""}
            found = [work.silence_reason for work in works if work.cluster == "us-1"]

    async with watching(api, WORK, name=name, resume_token=listed.resume_token) as stream:
        await stream.message()  # the beginning
        await observe(reachable=False)
        await until_told(stream, "MemberUnreachable")
        await observe(reachable=True)
        await until_told(stream, "")
