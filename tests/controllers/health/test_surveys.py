"""What surveys find, rights and room above all; how often they look, what they write and when they end."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.controllers import health
from fedsvc.controllers.surveying import Survey, room_pause_seconds, survey, survey_pause_seconds
from fedsvc.members import inspect
from fedsvc.members.api_table import ApiTable
from fedsvc.members.errors import MemberGarbageError
from fedsvc.members.refusals import Right
from fedsvc.members.registry import Members
from fedsvc.members.room import READING_SECONDS, RoomReading, read_room
from fedsvc.model.room import ROOM_LASTS, Room, still_counts
from fedsvc.simulator import Faults, Outage
from fedsvc.store import clusters, served_kinds

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def test_a_right_that_was_refused_is_missing_until_a_survey_finds_it_granted(ward: Any) -> None:
    ward.start()
    await ward.until("RightsSufficient", "True", "Sufficient")
    member = ward.members.get("a")
    assert member is not None
    right = Right(group="apps", resource="deployments", verb="patch", namespace="shop")
    member.refusals._rights[right] = "refused"
    condition = await ward.until("RightsSufficient", "False", "Missing")
    assert "patch deployments.apps in namespace shop" in condition.message

    await ward.stop()  # another process takes over, which knows of it by the condition only
    await ward.members.close()
    ward.members = Members()
    ward.start()
    await asyncio.sleep(0)
    assert (await ward.cluster()).condition("RightsSufficient") == condition
    await ward.grant({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]})
    await ward.until("RightsSufficient", "True", "Sufficient")


async def test_a_part_of_a_survey_that_fails_keeps_no_other_from_being_looked_at(
    ward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise MemberGarbageError("nodes make no sense")

    monkeypatch.setattr(health, "read_room", broken)
    ward.start()
    await ward.until("RightsSufficient", "True", "Sufficient")
    observation = (await ward.cluster()).observation
    assert (observation.kubernetes_version, observation.node_count) == ("v1.31.4", 0)


async def test_a_member_that_leaves_is_followed_no_more(ward: Any) -> None:
    ward.start()
    await ward.until("Ready", "True", "ApiServerReady")

    def followed() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks() if task.get_name() in {"probe-a", "survey-a"}}

    assert followed() == {"probe-a", "survey-a"}
    async with ward.world.store.transaction() as tx:
        await clusters.forget(tx, "a")

    async def left() -> bool:
        return not followed()

    await ward.world.until(left)


async def test_nothing_is_written_while_nothing_changes(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.start()
    await ward.until("RightsSufficient", "True", "Sufficient")

    async def surveyed() -> bool:  # kinds first, nodes last
        async with ward.world.store.reader() as tx:
            has_kinds = all((await served_kinds.api_resources(tx)).values())
        return has_kinds and (await ward.cluster()).observation.node_count == 3

    await ward.world.until(surveyed)
    written = await _changes(ward.world)
    probes: list[object] = []
    look = inspect.probe

    async def counted(*words: Any, **more: Any) -> inspect.Readiness:
        probes.append(words)
        return await look(*words, **more)

    monkeypatch.setattr(inspect, "probe", counted)

    async def probed() -> bool:
        return len(probes) >= 8

    await ward.world.until(probed)
    assert await _changes(ward.world) == written


async def _changes(world: Any) -> int:
    """How often the cluster was written."""
    async with world.store.database.begin(read_only=True) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM change WHERE kind = 'cluster'"))


async def room_where(ward: Any, is_so: Callable[[Room], bool]) -> Room:
    """Wait for a room."""

    async def has_room() -> Room | None:
        room = (await ward.cluster()).room
        return room if room is not None and is_so(room) else None

    found = await ward.world.until(has_room)
    assert isinstance(found, Room)
    return found


READS = {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get", "list"]}


async def test_the_room_of_a_member_follows_its_nodes_and_pods(ward: Any, make_deployment: Any) -> None:
    await ward.grant(READS)
    ward.start()
    empty = await room_where(ward, lambda room: bool(room.nodes))
    assert (empty.free("cpu"), empty.free("pods")) == (24_000, 330)

    shop = ward.world.client("a")
    await shop.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    web = make_deployment(replicas=4)
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "5"}}
    await shop.post("/apis/apps/v1/namespaces/shop/deployments", web)

    # Of four pods one finds no node: each node has 8 cores, and takes one.
    taken = await room_where(ward, lambda room: bool(room.waiting))
    assert (taken.free("cpu"), taken.free("pods")) == (24_000 - 3 * 5_000, 330 - 3)
    assert [(grant.requests["cpu"], grant.replicas) for grant in taken.waiting] == [(5_000, 1)]
    assert taken.read_time > empty.read_time
    await shop.delete("/apis/apps/v1/namespaces/shop/deployments/web")
    await room_where(ward, lambda room: room.free("cpu") == 24_000)


async def test_without_the_right_to_list_pods_the_nodes_are_counted_and_the_room_is_unknown(ward: Any) -> None:
    ward.start()

    async def counted() -> bool:
        return (await ward.cluster()).observation.node_count == 3

    await ward.world.until(counted)
    await ward.until("RightsSufficient", "True", "Sufficient")
    assert (await ward.cluster()).room is None


async def test_a_room_that_cannot_be_read_any_more_counts_for_a_while_and_is_then_unknown(ward: Any) -> None:
    await ward.grant(READS)
    ward.start()
    await room_where(ward, lambda room: bool(room.nodes))

    async def counted() -> bool:
        return (await ward.cluster()).observation.node_count > 0

    await ward.world.until(counted)
    await ward.grant()

    async def not_counted() -> bool:
        return (await ward.cluster()).observation.node_count == 0

    await ward.world.until(not_counted)
    kept = await room_where(ward, lambda room: bool(room.nodes))
    ward.ahead = ROOM_LASTS - timedelta(minutes=2)
    await _probed(ward)
    assert (await ward.cluster()).room == kept

    ward.ahead = ROOM_LASTS
    before = await _changes(ward.world)

    async def unknown() -> bool:
        cluster = await ward.cluster()
        return cluster.room is None and cluster.snapshot().capacity is None

    await ward.world.until(unknown)
    assert await _changes(ward.world) > before, "placement is woken"

    async def told() -> str:
        return next((words for _, reason, words in await ward.world.events() if reason == "RoomUnknown"), "")

    assert "the rights do not cover nodes and the pods" in await ward.world.until(told)
    await ward.grant(READS)
    await room_where(ward, lambda room: room.read_time > kept.read_time)


async def _probed(ward: Any) -> None:
    """Wait until a probe is over that began after this."""
    begin = ward.now()
    ward.ahead += timedelta(seconds=61)  # a probe that is so much later is written

    async def seen() -> bool:
        last = (await ward.cluster()).observation.last_seen_time
        return last is not None and last > begin

    await ward.world.until(seen)


async def test_a_room_from_before_a_restart_is_unknown_once_it_is_too_old(ward: Any) -> None:
    old = Room(nodes=(), read_time=ward.now() - ROOM_LASTS)
    async with ward.world.store.transaction() as tx:
        await clusters.set_room(tx, "a", old)
    ward.world.member("a").inject(Faults(outage=Outage.REFUSED))
    ward.start()

    async def unknown() -> bool:
        return (await ward.cluster()).room is None

    await ward.world.until(unknown)


@pytest.mark.parametrize(
    ("age", "counts"),
    [
        (timedelta(minutes=-1), True),  # a clock was set back
        (timedelta(), True),
        (timedelta(minutes=14, seconds=59), True),
        (timedelta(minutes=15), False),
        (timedelta(days=1), False),
    ],
)
def test_a_room_counts_for_a_quarter_of_an_hour(age: timedelta, *, counts: bool) -> None:
    assert still_counts(Room(read_time=NOW - age), now=NOW) is counts


@pytest.mark.parametrize(
    ("taken", "pause"),
    [(0.0, 60.0), (1.0, 59.0), (6.0, 54.0), (7.0, 63.0), (20.0, 180.0), (READING_SECONDS, 540.0)],
)
def test_a_member_with_very_many_pods_is_read_less_often(taken: float, pause: float) -> None:
    found = room_pause_seconds(taken, 60.0)
    assert found == pytest.approx(pause)
    assert taken / (taken + found) <= 0.1 + 1e-9
    assert taken + found < ROOM_LASTS.total_seconds(), "the next reading begins while this one counts"


async def test_surveys_in_quick_succession_read_the_room_once_its_pause_is_over(
    ward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[float] = []
    surveys: list[object] = []
    read, look = read_room, survey

    async def counted_survey(*words: Any) -> Survey:
        surveys.append(words)
        return await look(*words)

    async def counted_reading(*words: Any, **more: Any) -> RoomReading:
        readings.append(asyncio.get_running_loop().time())
        return await read(*words, **more)

    monkeypatch.setattr(health, "read_room", counted_reading)
    monkeypatch.setattr(health, "survey", counted_survey)
    monkeypatch.setattr(health, "room_pause_seconds", lambda *_: 3_600.0)
    ward.start()

    async def surveyed_often() -> bool:
        return len(surveys) >= 5

    await ward.world.until(surveyed_often)
    assert len(readings) == 1


def test_a_survey_that_was_incomplete_is_made_again_soon_and_less_and_less_often() -> None:
    pauses = [survey_pause_seconds("a", incomplete, 60.0) for incomplete in range(8)]
    assert pauses[0] == 60.0
    assert 3.0 <= pauses[1] <= 5.0
    assert pauses[1:5] == sorted(pauses[1:5])
    assert all(45.0 <= pause <= 75.0 for pause in pauses[5:])
    assert survey_pause_seconds("a", 1, 0.1) < 0.2


@pytest.mark.parametrize(
    ("failed", "problems", "complete"),
    [({}, [], True), ({("metrics.k8s.io", "v1beta1"): "it does not answer"}, [], False), ({}, ["no rights"], False)],
)
def test_a_survey_is_complete_when_every_group_of_kinds_was_read(
    failed: dict[tuple[str, str], str], problems: list[str], *, complete: bool
) -> None:
    assert Survey(table=ApiTable(resources={}, failed=failed), problems=problems).is_complete is complete
