"""The health controller alone, against a simulated member, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from fedsvc.controllers import health
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.health import HealthController, HealthSettings
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.renewing import Renewal, after_failure, is_due, renew
from fedsvc.controllers.surveying import Survey, room_pause_seconds, survey
from fedsvc.members import inspect, tokens
from fedsvc.members.errors import MemberGarbageError
from fedsvc.members.lifetimes import TOKEN_LIFETIME_SECONDS
from fedsvc.members.refusals import Right
from fedsvc.members.registry import Members
from fedsvc.members.room import READING_SECONDS, RoomReading, read_room
from fedsvc.model.cluster import Cluster, Condition, Credential
from fedsvc.model.room import ROOM_LASTS, Room, still_counts
from fedsvc.simulator import Faults, Outage
from fedsvc.store import clusters

HEALTH = HealthSettings(
    probe_seconds=0.05,
    probe_again_seconds=0.02,
    probe_timeout_seconds=0.3,
    survey_seconds=0.1,
    renewal_retry_seconds=30.0,
)
RBAC = "/apis/rbac.authorization.k8s.io/v1"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass
class Ward:
    """One member "a" with a service account, watched over by the health controller."""

    world: Any
    members: Members = field(default_factory=Members)
    ahead: timedelta = timedelta()  # of our clock, before the member's
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def start(self) -> None:
        settings, store = self.world.settings, self.world.store
        events, hub = EventRecorder(store, settings), Hub(store, rescan_seconds=60)
        controller = HealthController(
            store, self.members, settings=settings, events=events, health=HEALTH, clock=self.now
        )
        controller.listen(hub)
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(run()) for run in (hub.run, events.run, controller.run)]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def cluster(self) -> Cluster:
        async with self.world.store.reader() as tx:
            return await clusters.get(tx, "a")

    async def until(self, condition: str, status: str, reason: str) -> Condition:
        """Wait for a condition."""

        async def is_so() -> Condition | None:
            found = (await self.cluster()).condition(condition)
            return found if found is not None and (found.status.value, found.reason) == (status, reason) else None

        found = await self.world.until(is_so)
        assert isinstance(found, Condition)
        return found

    async def token(self, seconds: int) -> Credential:
        """A new token of the service account."""
        path = "/api/v1/namespaces/fed/serviceaccounts/fedsvc/token"
        answer = await self.world.client("a").post(path, {"spec": {"expirationSeconds": seconds}})
        end = datetime.fromisoformat(answer["status"]["expirationTimestamp"])
        return Credential(token=answer["status"]["token"], token_expire_time=end)

    async def give(self, credential: Credential, *, account: str = "fedsvc") -> None:
        """As joining again does."""
        async with self.world.store.transaction() as tx:
            cluster = await clusters.lock(tx, "a")
            connection = replace(
                cluster.connection, credential=credential, member_namespace="fed", service_account=account
            )
            await clusters.update(tx, replace(cluster, connection=connection))

    async def grant(self, *rules: dict[str, Any]) -> None:
        own = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "fedsvc"}}
        body = orjson.dumps({**role, "rules": [own, *rules]})
        await self.world.client("a").apply(f"{RBAC}/clusterroles/fedsvc", body, force=True)


@pytest.fixture
async def ward(quiet_world: Any) -> AsyncIterator[Ward]:
    client = quiet_world.client("a")
    await client.post("/api/v1/namespaces", {"metadata": {"name": "fed"}})
    await client.post("/api/v1/namespaces/fed/serviceaccounts", {"metadata": {"name": "fedsvc"}})
    made = Ward(world=quiet_world)
    await made.grant({"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]})
    binding = {
        "metadata": {"name": "fedsvc"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fedsvc"},
        "subjects": [{"kind": "ServiceAccount", "name": "fedsvc", "namespace": "fed"}],
    }
    await client.post(f"{RBAC}/clusterrolebindings", binding)
    await quiet_world.register("a")
    await made.give(await made.token(TOKEN_LIFETIME_SECONDS - 3_600))
    try:
        yield made
    finally:
        await made.stop()
        await made.members.close()


async def test_a_member_that_joins_shows_conditions_version_and_nodes(ward: Ward) -> None:
    ward.start()

    async def surveyed() -> Cluster | None:
        found = await ward.cluster()
        return found if found.observation.node_count else None

    cluster = await ward.world.until(surveyed)
    await ward.until("RightsSufficient", "True", "Sufficient")
    observation = (await ward.cluster()).observation
    assert [(item.type, item.status.value) for item in observation.conditions] == [
        ("Reachable", "True"),
        ("Ready", "True"),
        ("CredentialsValid", "True"),
        ("RightsSufficient", "True"),
    ]
    assert (observation.kubernetes_version, observation.ready_node_count) == ("v1.31.4", 3)
    assert cluster.observation.allocatable.cpu_millicores == 24_000
    assert observation.last_seen_time is not None
    async with ward.world.store.reader() as tx:
        assert ("", "v1", "ConfigMap", "configmaps", True) in (await clusters.api_resources(tx))["a"]


@pytest.mark.parametrize(
    ("faults", "condition", "status", "reason", "words"),
    [
        (Faults(outage=Outage.REFUSED), "Reachable", "False", "ConnectionReset", "broke off"),
        (Faults(outage=Outage.BLACK_HOLE), "Reachable", "False", "TimedOut", "did not answer in time"),
        (Faults(garbage=True), "Reachable", "False", "NotAnApiServer", "no API server|not JSON"),
        (Faults(not_ready=True), "Ready", "False", "ApiServerNotReady", "checks fail: etcd"),
        (Faults(error_status=503), "Ready", "False", "ApiServerNotReady", "status 503"),
        (Faults(credentials_revoked=True), "CredentialsValid", "False", "Refused", "fedctl join a"),
        (Faults(clock_skew_seconds=-120.0), "Reachable", "True", "Answering", "about 120 s behind ours"),
    ],
    ids=["closed", "black-hole", "garbage", "not-ready", "503", "revoked", "skew"],
)
async def test_conditions_come_and_go_with_the_trouble(
    ward: Ward, faults: Faults, condition: str, status: str, reason: str, words: str
) -> None:
    ward.start()
    good = {"Reachable": "Answering", "Ready": "ApiServerReady", "CredentialsValid": "Accepted"}[condition]
    await ward.until(condition, "True", good)

    ward.world.member("a").inject(faults)

    async def told() -> Condition | None:
        found = (await ward.cluster()).condition(condition)
        assert found is not None
        wanted = any(word in found.message for word in words.split("|"))
        return found if wanted and (found.status.value, found.reason) == (status, reason) else None

    found = await ward.world.until(told)
    ward.world.member("a").inject(Faults())
    again = await ward.until(condition, "True", good)
    assert (again.last_transition_time == found.last_transition_time) == (status == "True")

    async def noted() -> bool:
        reasons = [event for _, event, _ in await ward.world.events()]
        return f"{condition}{reason}" in reasons and condition in reasons

    if status == "False":
        await ward.world.until(noted)


async def test_a_verdict_after_joining_again_is_of_the_new_connection(ward: Ward) -> None:
    ward.start()
    await ward.until("Ready", "True", "ApiServerReady")
    broken = replace(ward.world.connection("a"), endpoint="http://127.0.0.1:1")
    async with ward.world.store.transaction() as tx:
        seen = [await clusters.update(tx, replace(await clusters.lock(tx, "a"), connection=broken))]

    async def told() -> bool:
        seen.append(await ward.cluster())
        found = seen[-1].condition("Reachable")
        return found is not None and found.status.value == "False"

    await ward.world.until(told)
    verdicts = {ready.status.value for cluster in seen if (ready := cluster.condition("Ready")) is not None}
    assert verdicts == {"Unknown"}


async def test_an_ended_credential_says_when_it_ended(ward: Ward) -> None:
    await ward.give(await ward.token(600), account="")
    ward.start()
    await ward.until("CredentialsValid", "True", "Ending")
    ward.ahead = timedelta(hours=1)
    ward.world.member("a").inject(Faults(clock_skew_seconds=3_600.0))
    ward.world.member("a").authority._users.clear()
    condition = await ward.until("CredentialsValid", "False", "Expired")
    assert "fedctl join a" in condition.message
    assert (await ward.cluster()).condition("Ready").status.value == "Unknown"  # type: ignore[union-attr] # it was set
    assert (await ward.cluster()).condition("Reachable").status.value == "True"  # type: ignore[union-attr] # as above


async def test_a_token_is_renewed_after_a_day_and_used_from_then_on(ward: Ward) -> None:
    before = (await ward.cluster()).connection.credential
    ward.start()
    await ward.until("CredentialsValid", "True", "Accepted")
    member = ward.members.get("a")
    ward.ahead = timedelta(days=1, minutes=1)

    async def renewed() -> Credential | None:
        found = (await ward.cluster()).connection.credential
        return found if found != before else None

    after = await ward.world.until(renewed)
    assert after.token_expire_time > before.token_expire_time
    assert after.token_expire_time - datetime.now(UTC) > timedelta(days=6, hours=23)
    assert ward.members.get("a") is member, "connections and watches live on"
    raw = await _sealed(ward.world)
    assert after.token.encode() not in raw
    # A revoked old token shows that the new one is in use.
    ward.world.member("a").authority._verify(after.token, datetime.now(UTC).timestamp())
    assert member is not None
    assert member.client._transport._authorization == {"Authorization": f"Bearer {after.token}"}


async def _sealed(world: Any) -> bytes:
    async with world.store.database.begin(read_only=True) as connection:
        row = await connection.exec_driver_sql("SELECT credential FROM cluster WHERE name = 'a'")
        return bytes(row.scalar_one())


async def test_a_renewal_that_fails_is_told_and_ends_with_the_next_that_does_not(ward: Ward) -> None:
    before = (await ward.cluster()).connection.credential
    own = {"metadata": {"name": "fedsvc"}, "rules": []}
    await ward.world.client("a").patch(f"{RBAC}/clusterroles/fedsvc", orjson.dumps(own))
    ward.start()
    await ward.until("CredentialsValid", "True", "Accepted")
    ward.ahead = timedelta(days=1, minutes=1)
    condition = await ward.until("CredentialsValid", "True", "RenewalFailing")
    assert 'cannot create resource "serviceaccounts/token"' in condition.message
    assert (await ward.cluster()).connection.credential == before

    async def warned() -> bool:
        return "CredentialsRenewalFailing" in {reason for _, reason, _ in await ward.world.events()}

    await ward.world.until(warned)
    await ward.grant()
    ward.ahead += timedelta(minutes=5)  # past the back-off
    await ward.until("CredentialsValid", "True", "Accepted")
    assert (await ward.cluster()).connection.credential != before


async def test_a_new_token_that_is_not_taken_replaces_nothing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (await ward.cluster()).connection.credential
    ask = tokens.request_token

    async def useless(*words: Any, **more: Any) -> tokens.IssuedToken:
        return replace(await ask(*words, **more), token="useless")

    monkeypatch.setattr(tokens, "request_token", useless)
    ward.ahead = timedelta(days=1, minutes=1)
    ward.start()
    condition = await ward.until("CredentialsValid", "True", "RenewalFailing")
    assert "Unauthorized" in condition.message
    assert (await ward.cluster()).connection.credential == before


async def test_a_credential_that_was_replaced_meanwhile_is_not_overwritten(ward: Ward) -> None:
    seen = await ward.cluster()
    given = await ward.token(3_600)
    await ward.give(given)
    member = ward.members.member(seen)
    kept = Renewal(error="x", failures=2)
    after, renewed = await renew(ward.world.store, member, seen, renewal=kept, now=ward.now(), skew_seconds=0.0)
    assert (after, renewed) == (kept, None)
    assert (await ward.cluster()).connection.credential == given
    async with ward.world.store.transaction() as tx:
        await clusters.forget(tx, "a")
    assert (await renew(ward.world.store, member, seen, renewal=kept, now=ward.now(), skew_seconds=0.0))[1] is None


async def test_a_renewed_token_is_looked_at_again_at_half_its_life(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    async def capped(*_: Any, **__: Any) -> tokens.IssuedToken:
        credential = await ward.token(3_600)
        assert credential.token_expire_time is not None
        return tokens.IssuedToken(token=credential.token, expire_time=credential.token_expire_time)

    monkeypatch.setattr(tokens, "request_token", capped)
    seen, now = await ward.cluster(), datetime.now(UTC)
    member = ward.members.member(seen)
    after, renewed = await renew(ward.world.store, member, seen, renewal=Renewal(), now=now, skew_seconds=0.0)
    assert renewed is not None
    assert after.not_before is not None
    assert abs(after.not_before - now - timedelta(minutes=30)) < timedelta(seconds=5)
    opaque = replace(renewed, token="opaque")
    cluster = replace(seen, connection=replace(seen.connection, credential=opaque))
    assert not is_due(cluster, after, now=now)
    assert is_due(cluster, after, now=after.not_before)
    with pytest.raises(MemberGarbageError, match="ended already"):
        await renew(ward.world.store, member, seen, renewal=after, now=now + timedelta(hours=2), skew_seconds=0.0)


@pytest.mark.parametrize(
    ("failures", "left", "pause"),
    [
        (0, timedelta(days=6), 30),
        (1, timedelta(days=6), 60),
        (5, timedelta(days=6), 960),
        (7, timedelta(days=6), 3_600),
        (10_000, timedelta(days=6), 3_600),
        (7, timedelta(minutes=40), 600),
        (7, timedelta(seconds=10), 30),
        (7, timedelta(days=-1), 30),
        (2, None, 120),
    ],
)
def test_renewals_that_fail_are_tried_less_and_less_often_but_in_time(
    failures: int, left: timedelta | None, pause: int
) -> None:
    end = None if left is None else NOW + left
    after = after_failure(Renewal(failures=failures), "no", now=NOW, end=end, retry_seconds=30.0)
    assert after == Renewal(error="no", failures=failures + 1, not_before=NOW + timedelta(seconds=pause))


async def test_a_right_that_was_refused_is_missing_until_a_survey_finds_it_granted(ward: Ward) -> None:
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
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise MemberGarbageError("nodes make no sense")

    monkeypatch.setattr(health, "read_room", broken)
    ward.start()
    await ward.until("RightsSufficient", "True", "Sufficient")
    observation = (await ward.cluster()).observation
    assert (observation.kubernetes_version, observation.node_count) == ("v1.31.4", 0)


async def test_a_member_that_leaves_is_followed_no_more(ward: Ward) -> None:
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


async def test_nothing_is_written_while_nothing_changes(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.start()
    await ward.until("RightsSufficient", "True", "Sufficient")

    async def surveyed() -> bool:
        async with ward.world.store.reader() as tx:
            return all((await clusters.api_resources(tx)).values())

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
        rows = await connection.exec_driver_sql("SELECT count(*) FROM change WHERE kind = 'cluster'")
        return int(rows.scalar_one())


async def room_where(ward: Ward, is_so: Callable[[Room], bool]) -> Room:
    """Wait for a room."""

    async def has_room() -> Room | None:
        room = (await ward.cluster()).room
        return room if room is not None and is_so(room) else None

    found = await ward.world.until(has_room)
    assert isinstance(found, Room)
    return found


READS = {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get", "list"]}


async def test_the_room_of_a_member_follows_its_nodes_and_pods(ward: Ward, make_deployment: Any) -> None:
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


async def test_without_the_right_to_list_pods_the_nodes_are_counted_and_the_room_is_unknown(ward: Ward) -> None:
    ward.start()

    async def counted() -> bool:
        return (await ward.cluster()).observation.node_count == 3

    await ward.world.until(counted)
    await ward.until("RightsSufficient", "True", "Sufficient")
    assert (await ward.cluster()).room is None


async def test_a_room_that_cannot_be_read_any_more_counts_for_a_while_and_is_then_unknown(ward: Ward) -> None:
    await ward.grant(READS)
    ward.start()
    await room_where(ward, lambda room: bool(room.nodes))
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


async def _probed(ward: Ward) -> None:
    """Wait until a probe is over that began after this."""
    begin = ward.now()
    ward.ahead += timedelta(seconds=61)  # a probe that is so much later is written

    async def seen() -> bool:
        last = (await ward.cluster()).observation.last_seen_time
        return last is not None and last > begin

    await ward.world.until(seen)


async def test_a_room_from_before_a_restart_is_unknown_once_it_is_too_old(ward: Ward) -> None:
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
    ward: Ward, monkeypatch: pytest.MonkeyPatch
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
