"""The smaller nouns: clusters, policies, manifests, requests, tokens, events, retention."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from fedsvc.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InUseError,
    NotFoundError,
    RequestIdReusedError,
)
from fedsvc.model.cluster import (
    ClusterObservation,
    Condition,
    ConditionStatus,
    Connection,
    Credential,
    ObjectDeletion,
)
from fedsvc.model.fleet import FleetSpec, RegionDistance
from fedsvc.model.room import Room, StuckWorkload
from fedsvc.model.unit import UnitSpec
from fedsvc.rendering.canonical import digest
from fedsvc.store import clusters, events, fleet, manifests, policies, requests, retention, tokens, units
from fedsvc.store.changes import Change
from fedsvc.store.events import NORMAL, WARNING, NewEvent
from fedsvc.store.outcome import ApplyOutcome
from fedsvc.store.policies import OVERRIDE, PLACEMENT
from fedsvc.store.sql import text
from fedsvc.store.store import Store
from fedsvc_placement.model import Capacity, DataCopy, Dataset, Grant, Headroom, NodeShape, Placement

pytestmark = pytest.mark.postgres

Manifest = Callable[..., dict[str, Any]]
NOW = datetime(2026, 1, 2, tzinfo=UTC)


# --- clusters -------------------------------------------------------------------------------------------------------


async def test_a_cluster_comes_back_as_it_was_made(world: Any) -> None:
    credential = Credential(token="t", token_expire_time=NOW, client_certificate_pem=b"C", client_key_pem=b"K")
    connection = Connection(endpoint="https://h:6443/x", ca_pem=b"CA", credential=credential)
    made = await world.cluster("a", labels={"tier": "prod"}, zones=("a", "b"), connection=connection)
    assert made == await world.run(clusters.get, "a")
    assert (made.connection, made.zones, made.generation) == (connection, ("a", "b"), 1)
    with pytest.raises(AlreadyExistsError):
        await world.cluster("a")
    with pytest.raises(NotFoundError):
        await world.run(clusters.get, "b")


async def test_the_credential_cannot_be_read_in_the_table(world: Any) -> None:
    await world.cluster("a")
    async with world.store.reader() as tx:
        [row] = (await tx.execute(text("SELECT CAST(cluster AS text) FROM cluster"))).scalars()
    assert "hunter2" not in row
    assert b"hunter2".hex() not in row


async def test_room_is_kept_and_only_a_difference_is_told(world: Any) -> None:
    offered = {"cpu": 4_000, "memory": 8 << 30, "pods": 110}
    shape = NodeShape(count=2, allocatable=offered, free={**offered, "cpu": 1_500})
    stuck = StuckWorkload(group="apps", kind="Deployment", namespace="shop", name="web", replicas=2)
    waiting = (Grant(requests={"cpu": 500}, replicas=3),)
    room = Room(nodes=(shape,), waiting=waiting, stuck=(stuck,), read_time=NOW)
    await world.cluster("a")

    assert await world.run(clusters.set_room, "a", room)
    assert not await world.run(clusters.set_room, "a", replace(room, read_time=NOW + timedelta(minutes=1)))
    assert await world.run(clusters.set_room, "a", replace(room, waiting=()))
    assert not await world.run(clusters.set_room, "gone", room)

    (stored,) = await world.run(clusters.list_all)
    assert stored.room == replace(room, waiting=())
    assert stored.snapshot().capacity == Capacity(nodes=(shape,))

    assert await world.run(clusters.set_room, "a", None)
    assert not await world.run(clusters.set_room, "a", None)
    unknown = await world.run(clusters.get, "a")
    assert (unknown.room, unknown.snapshot().capacity) == (None, None)


async def test_a_follower_reads_a_cluster_anew_when_its_intent_or_credential_changed(world: Any) -> None:
    for name in ("a", "b"):
        await world.cluster(name)
    first = await world.run(clusters.follow, {})
    assert {name: each.cluster for name, each in first.items()} == {
        cluster.name: cluster for cluster in await world.run(clusters.list_all)
    }

    await world.run(clusters.set_room, "a", Room(read_time=NOW))
    observed = await world.run(clusters.follow, first)
    assert all(observed[name] is first[name] for name in ("a", "b")), "what is observed is not followed"

    await world.run(clusters.rotate_credential, "a", Credential(token="new"))
    rotated = await world.run(clusters.follow, observed)
    assert (rotated["a"].cluster.connection.credential.token, rotated["b"]) == ("new", first["b"])

    await world.run(clusters.update, replace(rotated["b"].cluster, labels={"tier": "prod"}))
    labelled = await world.run(clusters.follow, rotated)
    assert (labelled["a"], labelled["b"].cluster.labels) == (rotated["a"], {"tier": "prod"})

    await world.run(clusters.mark_deleted, "b", ObjectDeletion.ORPHAN)
    leaving = await world.run(clusters.follow, labelled)
    assert leaving["b"].cluster.delete_time is not None

    await world.run(clusters.forget, "a")
    await world.cluster("a")
    back = await world.run(clusters.follow, leaving)
    assert back["a"].cluster.uid != first["a"].cluster.uid
    await world.run(clusters.forget, "b")
    assert list(await world.run(clusters.follow, back)) == ["a"]


async def test_fleet_settings_have_defaults_and_change_with_their_etag(world: Any) -> None:
    spec = FleetSpec(
        distances=(RegionDistance(region="eu", other="us", milliseconds=90),),
        datasets=(Dataset(name="orders", primary="a", copies=(DataCopy(cluster="b", lag_seconds=5),)),),
        headroom=Headroom(by="region"),
    )
    before = await world.run(fleet.get)

    stored, changed = await world.run(fleet.update, spec, etag=before.etag)
    _, again = await world.run(fleet.update, spec)

    assert (before.spec, before.generation) == (FleetSpec(), 0)
    assert (stored.spec, stored.generation, changed, again) == (spec, 1, True, False)
    assert await world.run(fleet.get) == stored
    with pytest.raises(EtagMismatchError):
        await world.run(fleet.update, FleetSpec(), etag=before.etag)


async def test_a_change_of_intent_changes_the_etag(world: Any) -> None:
    made = await world.cluster("a")
    async with world.store.transaction() as tx:
        locked = await clusters.lock(tx, "a", etag=made.etag)
        await clusters.update(tx, replace(locked, labels={"x": "y"}))
    with pytest.raises(EtagMismatchError):
        await world.run(clusters.lock, "a", etag=made.etag)


async def observe(world: Any, name: str, observation: ClusterObservation, connection: Connection) -> bool:
    return bool(await world.run(clusters.observe, name, observation, connection=connection))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        pytest.param({"endpoint": "https://elsewhere"}, False, id="address"),
        pytest.param({"ca_pem": b"another"}, False, id="authority"),
        pytest.param({"proxy_url": "http://proxy:3128"}, False, id="proxy"),
        pytest.param({"credential": Credential(token="new")}, True, id="credential"),
        pytest.param({"rights": "cluster-admin"}, True, id="rights"),
    ],
)
async def test_what_was_observed_by_another_way_says_nothing_of_the_new_one(
    world: Any, change: dict[str, Any], *, kept: bool
) -> None:
    made = await world.cluster("a")
    ready = Condition(type="Ready", status=ConditionStatus.TRUE, reason="X", message="x", last_transition_time=NOW)
    seen = ClusterObservation(conditions=(ready,), kubernetes_version="1.36", last_seen_time=NOW)
    assert await observe(world, "a", seen, made.connection)
    async with world.store.transaction() as tx:
        locked = await clusters.lock(tx, "a")
        changed = await clusters.update(tx, replace(locked, connection=replace(locked.connection, **change)))
    assert changed.observation == (seen if kept else ClusterObservation(kubernetes_version="1.36"))

    late = replace(seen, node_count=3)  # what a probe that was under way would write
    assert await observe(world, "a", late, made.connection) == kept
    assert await observe(world, "a", replace(seen, node_count=4), changed.connection)


async def test_a_heartbeat_alone_is_no_change(world: Any) -> None:
    connection = (await world.cluster("a")).connection
    first = ClusterObservation(kubernetes_version="1.36", last_seen_time=NOW)
    assert await observe(world, "a", first, connection)
    seen: list[Change] = []
    world.store.on_commit(seen.extend)
    soon = replace(first, last_seen_time=NOW + timedelta(seconds=10))
    assert not await observe(world, "a", soon, connection)
    later = replace(first, last_seen_time=NOW + timedelta(seconds=61))
    assert await observe(world, "a", later, connection)
    assert seen == []
    assert await observe(world, "a", replace(later, node_count=3), connection)
    assert [change.name for change in seen] == ["clusters/a"]
    assert not await observe(world, "gone", first, connection)


async def test_a_leaving_cluster_goes_when_it_holds_nothing(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    await world.cluster("b")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    for name in ("a", "b"):
        await world.run(clusters.mark_deleted, name, ObjectDeletion.ORPHAN)
    assert await world.run(clusters.remove_finished) == ["b"]


# --- policies -------------------------------------------------------------------------------------------------------


async def test_a_policy_is_created_changed_and_left_alone(world: Any) -> None:
    spec = Placement(clusters=("a",))
    made, first = await world.run(policies.apply, PLACEMENT, name="p", labels={}, spec=spec)
    assert (first, made.spec, made.unit_count) == (ApplyOutcome.CREATED, spec, 0)
    same, second = await world.run(policies.apply, PLACEMENT, name="p", labels={}, spec=spec)
    assert (second, same) == (ApplyOutcome.UNCHANGED, made)
    _, third = await world.run(policies.apply, PLACEMENT, name="p", labels={"x": "y"}, spec=spec, etag=made.etag)
    assert third is ApplyOutcome.CONFIGURED
    with pytest.raises(EtagMismatchError):
        await world.run(policies.apply, PLACEMENT, name="p", labels={}, spec=Placement(), etag=made.etag)
    assert await world.run(policies.get_many, OVERRIDE, ["p"]) == {}


async def test_a_policy_in_use_is_not_removed(world: Any, manifest: Manifest) -> None:
    await world.run(policies.apply, PLACEMENT, name="p", labels={}, spec=Placement())
    await world.run(policies.apply, OVERRIDE, name="o", labels={}, spec=())
    await world.apply(manifest("a"), spec=UnitSpec(placement_policy="p", override_policies=("o",)))
    for kind, name in ((PLACEMENT, "p"), (OVERRIDE, "o")):
        assert (await world.run(policies.get, kind, name)).unit_count == 1
        with pytest.raises(InUseError, match="namespaces/shop/units/web"):
            await world.run(policies.delete, kind, name)
    await world.apply(manifest("a"))
    await world.run(policies.delete, PLACEMENT, "p")
    with pytest.raises(NotFoundError):
        await world.run(policies.delete, PLACEMENT, "p")


# --- manifests and retention ----------------------------------------------------------------------------------------


async def test_manifests_are_opened_as_they_were_put(store: Store) -> None:
    async with store.transaction() as tx:
        await manifests.put_many(tx, [(b"plain", b"1", False), (b"sealed", b"2", True), (b"plain", b"1", False)])
        assert dict(await manifests.open_many(tx, [b"plain", b"sealed", b"absent"])) == {
            b"plain": b"1",
            b"sealed": b"2",
        }


async def age(store: Store, table: str, column: str, interval: str) -> None:
    async with store.transaction() as tx:
        await tx.execute(text(f"UPDATE {table} SET {column} = now() - interval '{interval}'"))  # noqa: S608 - ours


async def test_only_manifests_that_nothing_refers_to_are_trimmed(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    await world.unit(manifest("x", "of an old revision"))
    unit = await world.unit(manifest("x", "template"))
    await world.place(unit, {"a": [manifest("x", "rendered")]})
    async with world.store.transaction() as tx:
        await manifests.put_many(tx, [(b"loose", b"1", False)])
    await age(world.store, "manifest", "create_time", "2 hours")
    await world.run(retention.trim)
    async with world.store.reader() as tx:
        kept = (await tx.execute(text("SELECT body FROM manifest"))).scalars()
    assert sorted(body.decode().partition('"v":"')[2].partition('"')[0] for body in kept) == [
        "of an old revision",
        "rendered",
        "template",
    ]


async def test_a_manifest_that_is_wanted_again_while_it_is_trimmed_stays(world: Any, manifest: Manifest) -> None:
    resource = world.resource(manifest("x"))
    async with world.store.transaction() as tx:
        await manifests.put_many(tx, [(resource.digest, resource.body, False)])
    await age(world.store, "manifest", "create_time", "2 hours")
    await world.cluster("a")
    unit = await world.unit()
    putting = world.store.transaction()
    tx = await putting.__aenter__()
    await manifests.put_many(tx, [(resource.digest, resource.body, False)])
    trim = asyncio.ensure_future(world.run(retention.trim))
    await asyncio.wait([trim], timeout=0.5)
    await putting.__aexit__(None, None, None)
    await trim
    async with world.store.reader() as reading:
        assert resource.digest in await manifests.open_many(reading, [resource.digest])
    assert unit.resource_count == 0


async def test_what_is_old_is_trimmed_and_what_is_young_stays(world: Any) -> None:
    store = world.store
    request = {"caller": "c", "request_id": str(uuid4()), "method": "m", "digest": b"d"}
    await world.run(requests.remember, response=b"r", **request)
    await world.run(events.add_many, [NewEvent(subject="clusters/a", type=NORMAL, reason="R", message="m")])
    await world.run(retention.trim)
    assert await world.run(requests.find, **request) == b"r"
    assert len(await world.run(events.list_page, limit=10)) == 1
    await age(store, "request", "create_time", "25 hours")
    await age(store, "event", "update_time", "8 days")
    await world.run(retention.trim)
    assert await world.run(requests.find, **request) is None
    assert await world.run(events.list_page, limit=10) == []


# --- requests, tokens, events ---------------------------------------------------------------------------------------


async def test_a_repeated_request_is_answered_as_before_and_another_one_is_refused(world: Any) -> None:
    same = {"caller": "c", "request_id": str(uuid4())}
    assert await world.run(requests.find, method="Apply", digest=b"1", **same) is None
    await world.run(requests.remember, method="Apply", digest=b"1", response=b"answer", **same)
    assert await world.run(requests.find, method="Apply", digest=b"1", **same) == b"answer"
    for method, other in (("Delete", b"1"), ("Apply", b"2")):
        with pytest.raises(RequestIdReusedError):
            await world.run(requests.find, method=method, digest=other, **same)
    own = {"caller": "somebody else", "request_id": same["request_id"]}
    assert await world.run(requests.find, method="Apply", digest=b"1", **own) is None


async def test_a_twin_of_a_request_under_way_waits_and_gets_its_answer(world: Any) -> None:
    request: dict[str, Any] = {"caller": "c", "request_id": str(uuid4()), "method": "m", "digest": b"d"}
    done: list[str] = []

    async def call(name: str) -> bytes:
        async with world.store.transaction() as tx:
            found: bytes | None = await requests.find(tx, **request)
            if found is None:
                await asyncio.sleep(0)  # lets the other one in, were it not waiting
                done.append(name)
                found = name.encode()
                await requests.remember(tx, response=found, **request)
            return found

    answers = await asyncio.gather(call("one"), call("two"))
    assert len(done) == 1
    assert set(answers) == {done[0].encode()}


async def test_a_token_is_known_until_it_ends_and_is_not_kept(world: Any) -> None:
    token = await world.run(tokens.create, "admin")
    assert token.startswith("fedsvc_")
    assert await world.run(tokens.authenticate, token) == "admin"
    assert await world.run(tokens.authenticate, token + "x") is None
    async with world.store.reader() as tx:
        [row] = (await tx.execute(text("SELECT CAST(api_token AS text) FROM api_token"))).scalars()
    assert token not in row
    assert digest(token.encode()).hex() in row
    with pytest.raises(AlreadyExistsError):
        await world.run(tokens.create, "admin")
    ended = await world.run(tokens.create, "old", expire_time=NOW)
    assert await world.run(tokens.authenticate, ended) is None
    await world.run(tokens.revoke, "admin")
    assert await world.run(tokens.authenticate, token) is None


async def test_equal_events_are_counted_and_the_newest_come_first(world: Any) -> None:
    one = NewEvent(subject="namespaces/shop/units/web", type=WARNING, reason="R", message="m")
    other = NewEvent(subject="namespaces/shopping/units/web", type=WARNING, reason="R", message="m")
    await world.run(events.add_many, [one])
    await world.run(events.add_many, [other, other])
    await world.run(events.add_many, [one])
    listed = await world.run(events.list_page, limit=10)
    assert [(event.subject, event.count) for event in listed] == [(one.subject, 2), (other.subject, 1)]
    assert [event.subject for event in await world.run(events.list_page, limit=10, namespace="shop")] == [one.subject]
    [newest] = await world.run(events.list_page, limit=1)
    rest = await world.run(events.list_page, limit=10, before=(newest.update_time, newest.id))
    assert [event.subject for event in rest] == [other.subject]


async def test_a_message_of_a_member_that_postgresql_cannot_keep_is_no_obstacle_to_an_event(world: Any) -> None:
    odd = NewEvent(subject="clusters/a", type=WARNING, reason="R", message="a\x00b \ud800" + "x" * 10_000)
    await world.run(events.add_many, [odd])
    [event] = await world.run(events.list_page, limit=10)
    assert len(event.message) <= 4096


async def test_the_object_of_a_unit_that_is_gone_is_free(world: Any, manifest: Manifest) -> None:
    await world.unit(manifest("x"))
    deleted = await world.run(units.mark_deleted, "shop", "web", cascade=None)
    await world.run(units.set_decided, [units.DecidedUnit(unit=deleted)])
    await world.run(units.remove_finished)
    assert (await world.apply(manifest("x"), name="two")).outcome is ApplyOutcome.CREATED
