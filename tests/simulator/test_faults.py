"""Injected faults, in Python and over the control address."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from fedsvc.simulator import Faults, Outage, SimulatedCluster, Simulator
from fedsvc.simulator.server import Received
from fedsvc.testing.members import Member

VERSION = "/version"


async def test_a_refusing_cluster_closes_connections_and_others_answer(
    simulator: Simulator, member: Member, cluster: SimulatedCluster
) -> None:
    cluster.inject(Faults(outage=Outage.REFUSED))
    with pytest.raises(aiohttp.ClientConnectionError):
        await member.get(VERSION)
    other = simulator.cluster("us-1")
    async with Member(
        name="us-1", server=simulator.server_of("us-1"), token=other.admin_token, ssl_context=member.ssl_context
    ) as us:
        (await us.get(VERSION)).expect(200)
    cluster.inject(Faults())
    (await member.get(VERSION)).expect(200)


async def test_a_black_hole_never_answers_and_loses_what_was_sent(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(outage=Outage.BLACK_HOLE))
    body = {"metadata": {"name": "lost"}}
    request = asyncio.ensure_future(member.post("/api/v1/namespaces/default/configmaps", body))
    done, _ = await asyncio.wait([request], timeout=0.2)
    assert not done
    cluster.inject(Faults())
    with pytest.raises(aiohttp.ClientConnectionError):
        await request
    (await member.get("/api/v1/namespaces/default/configmaps/lost")).expect(404)


async def test_an_outage_ends_watches(member: Member, cluster: SimulatedCluster) -> None:
    async with member.watch("/api/v1/namespaces", resourceVersion=str(cluster.store.revision)) as watch:
        cluster.inject(Faults(outage=Outage.BLACK_HOLE))
        assert await watch.next() == ("", {})


async def test_latency_delays_every_answer(member: Member, cluster: SimulatedCluster) -> None:
    (await member.get(VERSION)).expect(200)
    cluster.inject(Faults(latency_seconds=0.15))
    begun = time.monotonic()
    (await member.get(VERSION)).expect(200)
    assert time.monotonic() - begun >= 0.15


@pytest.mark.parametrize("status", [401, 403, 409, 410, 422, 429, 500, 503])
async def test_injected_errors_are_statuses(member: Member, cluster: SimulatedCluster, status: int) -> None:
    cluster.inject(Faults(error_status=status, error_count=1, retry_after_seconds=7))
    reply = await member.get(VERSION)
    assert (reply.status, reply.body["kind"], reply.body["code"]) == (status, "Status", status)
    assert reply.headers["Retry-After"] == "7"
    (await member.get(VERSION)).expect(200)


async def test_a_share_of_requests_fails_evenly(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(error_status=500, error_share=0.25))
    statuses = [(await member.get(VERSION)).status for _ in range(8)]
    assert statuses == [200, 200, 200, 500] * 2


async def test_garbage_is_no_json(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(garbage=True))
    reply = await member.get("/api/v1/namespaces")
    assert reply.status == 200
    assert isinstance(reply.body, str)


async def test_a_cluster_that_is_not_ready_says_so(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(not_ready=True))
    assert (await member.get("/readyz")).status == 500
    (await member.get("/api/v1/namespaces")).expect(200)


async def test_clocks_can_be_wrong(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(clock_skew_seconds=-86400 * 400))
    made = (await member.post("/api/v1/namespaces", {"metadata": {"name": "past"}})).expect(201)
    assert made["metadata"]["creationTimestamp"].startswith("2025-")
    assert " 2025 " in (await member.get(VERSION)).headers["Date"]


async def test_revoked_credentials_are_unauthorized(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(credentials_revoked=True))
    (await member.get("/api/v1/namespaces")).expect(401)


async def test_writes_can_be_rejected_as_by_a_webhook(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(reject_writes="policy says no"))
    status = (await member.post("/api/v1/namespaces", {"metadata": {"name": "no"}})).expect(403)
    assert status["message"] == "namespaces is forbidden: policy says no"
    (await member.get("/api/v1/namespaces")).expect(200)


async def test_tokens_can_be_revoked_and_asked_for_again(member: Member, cluster: SimulatedCluster) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    first = (await member.post(path, {"spec": {}})).expect(201)["status"]["token"]
    (await member.as_user(first).get("/api")).expect(200)
    cluster.revoke_tokens()
    (await member.as_user(first).get("/api")).expect(401)
    second = (await member.post(path, {"spec": {}})).expect(201)["status"]["token"]
    (await member.as_user(second).get("/api")).expect(200)


async def test_tokens_expire(member: Member, cluster: SimulatedCluster) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    given = (await member.post(path, {"spec": {"expirationSeconds": 600}})).expect(201)["status"]["token"]
    robot = member.as_user(given)
    (await robot.get("/api")).expect(200)
    cluster.inject(Faults(clock_skew_seconds=601))
    (await robot.get("/api")).expect(401)


async def test_old_history_is_dropped(member: Member, cluster: SimulatedCluster) -> None:
    revision = str(cluster.store.revision)
    for number in range(60):  # more than the simulator of these tests keeps
        patch = {"data": {"number": str(number)}}
        if number == 0:
            (await member.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})).expect(201)
        (await member.patch("/api/v1/namespaces/default/configmaps/a", patch)).expect(200)
    async with member.watch("/api/v1/configmaps", resourceVersion=revision) as watch:
        kind, status = await watch.next()
    assert (kind, status["code"]) == ("ERROR", 410)


@pytest.fixture
async def control(simulator: Simulator) -> Any:
    async with aiohttp.ClientSession(f"{simulator.url}", connector=aiohttp.TCPConnector(ssl=False)) as session:
        yield session


async def test_faults_are_set_over_http(control: aiohttp.ClientSession, cluster: SimulatedCluster) -> None:
    async with control.patch("/_simulator/clusters/eu-1/faults", json={"outage": "refused"}) as response:
        assert response.status == 200
        assert (await response.json())["clusters"][0]["faults"]["outage"] == "refused"
    assert cluster.faults.outage is Outage.REFUSED
    async with control.delete("/_simulator/clusters/eu-1/faults") as response:
        assert response.status == 200
    assert cluster.faults == Faults()


async def test_a_region_is_broken_as_one(control: aiohttp.ClientSession, simulator: Simulator) -> None:
    async with control.put("/_simulator/regions/us/faults", json={"latency_seconds": 1}) as response:
        assert response.status == 200
    assert simulator.cluster("us-1").faults == Faults(latency_seconds=1.0)
    assert simulator.cluster("eu-1").faults == Faults()
    async with control.get("/_simulator/clusters") as response:
        names = [item["name"] for item in (await response.json())["clusters"]]
    assert names == ["eu-1", "us-1"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"colour": 1}, "faults.colour: unknown; known are broken_group, clock_skew_seconds"),
        ({"outage": "gone"}, "faults.outage: must be one of black-hole, none, refused"),
        ({"garbage": "yes"}, "faults.garbage: must be a bool"),
        ({"error_status": True}, "faults.error_status: must be a int"),
    ],
)
async def test_wrong_faults_are_told(control: aiohttp.ClientSession, document: Any, message: str) -> None:
    async with control.patch("/_simulator/clusters/eu-1/faults", json=document) as response:
        assert response.status == 400
        assert message in (await response.json())["message"]


async def test_unknown_clusters_and_actions_are_not_found(control: aiohttp.ClientSession) -> None:
    for path in ("/_simulator/clusters/none/faults", "/_simulator/clusters/eu-1/explode", "/_simulator/x", "/x"):
        async with control.post(path) as response:
            assert response.status == 404


async def test_a_lost_answer_is_of_a_write_that_was_done(member: Member, cluster: SimulatedCluster) -> None:
    cluster.inject(Faults(lost_share=0.5))
    path = "/api/v1/namespaces/default/configmaps"
    (await member.post(path, {"metadata": {"name": "told"}})).expect(201)
    with pytest.raises(aiohttp.ClientConnectionError):
        await member.post(path, {"metadata": {"name": "untold"}})
    (await member.get(f"{path}/untold")).expect(200)


async def test_a_late_write_is_done_also_for_a_caller_who_is_gone(
    simulator: Simulator, member: Member, cluster: SimulatedCluster
) -> None:
    done = asyncio.Event()
    simulator.listeners.append(lambda _: done.set())
    cluster.inject(Faults(late_write_seconds=0.2))
    path = "/api/v1/namespaces/default/configmaps"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await member.post(path, {"metadata": {"name": "late"}})
    (await member.get(f"{path}/late")).expect(404)
    await asyncio.wait_for(done.wait(), 5)
    (await member.get(f"{path}/late")).expect(200)


async def test_watches_repeat_and_reverse_what_comes_at_once(member: Member, cluster: SimulatedCluster) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    start = str(cluster.store.revision)
    for name in ("one", "two"):
        (await member.post(path, {"metadata": {"name": name}})).expect(201)
    cluster.inject(Faults(repeat_events=True, reverse_events=True))
    async with member.watch(path, resourceVersion=start) as watch:
        assert await watch.take(4) == [("ADDED", "two"), ("ADDED", "one")] * 2


async def test_a_listener_is_told_of_every_write_and_how_it_ended(
    simulator: Simulator, member: Member, cluster: SimulatedCluster
) -> None:
    seen: list[Received] = []
    simulator.listeners.append(seen.append)
    path = "/api/v1/namespaces/default/configmaps"
    (await member.post(path, {"metadata": {"name": "one"}})).expect(201)
    (await member.get(path)).expect(200)
    (await member.post(path, {"metadata": {"name": "one"}})).expect(409)
    found = [(write.cluster, write.method, write.path, write.status, b"one" in write.body) for write in seen]
    assert found == [(cluster.name, "POST", path, 201, True), (cluster.name, "POST", path, 409, True)]
