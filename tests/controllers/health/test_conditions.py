"""The conditions of a member: they come with joining, and go and come with trouble."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from fedsvc.health import EvidenceKind, Verdict
from fedsvc.model.cluster import Cluster, Condition, Connection
from fedsvc.simulator import Faults, Outage
from fedsvc.simulator.certificates import make_authority
from fedsvc.store import clusters, served_kinds
from fedsvc.testing.certificates import dated
from fedsvc.testing.scripted import ScriptedServer, serving


async def test_a_member_that_joins_shows_conditions_version_and_nodes(ward: Any) -> None:
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
        assert ("", "v1", "ConfigMap", "configmaps", True) in (await served_kinds.api_resources(tx))["a"]


async def test_a_member_whose_nodes_are_all_lost_cannot_be_worked_with_until_one_is_ready(ward: Any) -> None:
    ward.start()
    client = ward.world.client("a")

    async def has_nodes(*, ready: bool) -> None:
        condition = {"type": "Ready", "status": "True" if ready else "Unknown", "reason": "x", "message": "x"}
        for node in (await client.get("/api/v1/nodes"))["items"]:
            path = f"/api/v1/nodes/{node['metadata']['name']}/status"
            await client.patch(path, orjson.dumps({"status": {"conditions": [condition]}}))

    async def is_seen(verdict: Verdict, kind: EvidenceKind) -> bool:
        health = (await ward.cluster()).health
        return (health.verdict, health.kind) == (verdict, kind)

    await ward.world.until(lambda: is_seen(Verdict.HEALTHY, EvidenceKind.WELL))
    await has_nodes(ready=False)
    await ward.world.until(lambda: is_seen(Verdict.DEGRADED, EvidenceKind.NODES_NOT_READY))
    found = await ward.cluster()
    assert found.health.message == "none of its 3 nodes is ready"
    assert not found.health.may_be_removed_from
    await has_nodes(ready=True)
    await ward.world.until(lambda: is_seen(Verdict.HEALTHY, EvidenceKind.WELL))


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
    ward: Any, faults: Faults, condition: str, status: str, reason: str, words: str
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


async def test_a_verdict_after_joining_again_is_of_the_new_connection(ward: Any) -> None:
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


async def test_a_server_certificate_that_has_expired_is_told_until_it_is_renewed(ward: Any, tmp_path: Path) -> None:
    authority, day = make_authority("member"), timedelta(days=1)
    good = (await ward.cluster()).connection

    async def reached_at(connection: Connection) -> None:
        async with ward.world.store.transaction() as tx:
            await clusters.update(tx, replace(await clusters.lock(tx, "a"), connection=connection))

    ward.start()
    async with serving(ScriptedServer(), dated(authority, start=-9 * day, end=-day), tmp_path) as server:
        await reached_at(replace(good, endpoint=server.endpoint, ca_pem=authority.certificate_pem))
        condition = await ward.until("Reachable", "False", "TLSFailed")
        assert "has expired: renew it" in condition.message
        assert (await ward.cluster()).condition("CredentialsValid").status.value == "Unknown"
        assert server.requests == 0  # and nobody has seen the token
    await reached_at(good)
    await ward.until("Reachable", "True", "Answering")


async def test_an_ended_credential_says_when_it_ended(ward: Any) -> None:
    await ward.give(await ward.token(600), account="")
    ward.start()
    await ward.until("CredentialsValid", "True", "Ending")
    ward.ahead = timedelta(hours=1)
    ward.world.member("a").inject(Faults(clock_skew_seconds=3_600.0))
    ward.world.member("a").authority._users.clear()
    condition = await ward.until("CredentialsValid", "False", "Expired")
    assert "fedctl join a" in condition.message
    assert (await ward.cluster()).condition("Ready").status.value == "Unknown"
    assert (await ward.cluster()).condition("Reachable").status.value == "True"
