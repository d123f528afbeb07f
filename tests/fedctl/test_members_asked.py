"""`fedctl get pods`, `logs` and `events`, against a real server and simulated clusters."""

import asyncio
import json
import re
from typing import Any

import pytest

from fedsvc.api import log_streams
from fedsvc.simulator import Faults, Outage
from fedsvc.simulator.registry import Deletion
from fedsvc_client import AsyncClient

LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*method=")  # by the server, which runs in this process

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: both}
spec: {containers: [{name: one, image: i}, {name: two, image: i}]}
"""

LONE = "{apiVersion: v1, kind: ConfigMap, metadata: {name: lone}}"


def ok(result: Any) -> str:
    assert result.exit_code == 0, (result.exit_code, result.output)
    return "".join(line for line in result.stdout.splitlines(keepends=True) if not LOGGED.match(line))


@pytest.fixture
async def shop(town: Any) -> Any:
    """Unit shop, a Deployment of two replicas and a Pod of two containers, ready on clusters a and b."""
    for name in ("a", "b"):
        ok(await town.join(name))
    ok(await town.fedctl("apply", "-f", "-", "--unit", "shop", "--all-clusters", stdin=MANIFESTS))
    ok(await town.fedctl("wait", "shop", "--for", "ready", "--timeout", "30s"))
    return town


def pods_of(town: Any, name: str) -> list[str]:
    return [stored.name for stored in town.simulator.cluster(name).store.everything() if stored.kind.plural == "pods"]


async def test_pods_of_a_unit_are_shown_of_all_its_clusters(shop: Any) -> None:
    rows = [line.split() for line in ok(await shop.fedctl("get", "pods", "shop")).splitlines()]
    assert rows[0][:6] == ["CLUSTER", "POD", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [(row[0], row[1], row[2], row[3]) for row in rows[1:] if row[1] == "both"] == [
        ("a", "both", "2/2", "Running"),
        ("b", "both", "2/2", "Running"),
    ]
    assert sorted(row[1] for row in rows[1:] if row[0] == "a") == sorted(pods_of(shop, "a"))

    found = json.loads(ok(await shop.fedctl("get", "pods", "shop", "--cluster", "b", "-o", "json")))["items"]
    assert {pod["cluster"] for pod in found} == {"b"}
    assert {pod["owner"]["kind"] for pod in found} == {"Deployment", "Pod"}


async def test_pods_of_a_namespace_are_shown_with_their_unit(shop: Any) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    cluster = shop.simulator.cluster("a")
    cluster.registry.create(cluster.kind(("", "pods")), "v1", "default", document, cluster.controller_write())

    rows = [line.split() for line in ok(await shop.fedctl("get", "pods", "--all-clusters")).splitlines()]
    assert {row[1] for row in rows[1:] if row[2] == "stranger"} == {"-"}
    assert {row[1] for row in rows[1:] if row[2] == "both"} == {"default/shop"}


async def test_who_does_not_answer_in_time_is_told_and_holds_up_nobody(shop: Any) -> None:
    shop.simulator.cluster("b").inject(Faults(outage=Outage.BLACK_HOLE))

    for words in (("get", "pods", "shop"), ("events", "shop"), ("logs", "shop")):
        result = await shop.fedctl(*words, "--member-timeout", "0.3")
        assert result.exit_code == 7, result.output
        assert "no answer from b (DeadlinePassed): it did not answer within 0.3 s" in result.stderr
        assert "1 of 2 clusters did not answer" in result.stderr
        assert "a" in result.stdout


async def test_rights_that_are_missing_are_told_with_how_to_renew_them(shop: Any) -> None:
    cluster = shop.simulator.cluster("b")
    kind = cluster.kind(("rbac.authorization.k8s.io", "clusterroles"))
    role = cluster.registry.read(kind, "", "fedsvc")
    rules = [rule for rule in role.body["rules"] if "pods/log" not in rule.get("resources", ())]
    cluster.registry.update(kind, "v1", "", "fedsvc", {**role.body, "rules": rules}, cluster.controller_write())

    result = await shop.fedctl("events", "shop")
    assert result.exit_code == 7
    assert "fedsvc may not list events in namespace default there; joining again renews the rights" in result.stderr
    assert "fedctl join b" in result.stderr

    ok(await shop.join("b"))
    ok(await shop.fedctl("events", "shop"))


async def test_events_of_the_clusters_stand_beside_those_of_the_server(shop: Any) -> None:
    pending = MANIFESTS.replace("image: web}", "image: web, resources: {requests: {cpu: '999'}}}")
    ok(await shop.fedctl("apply", "-f", "-", "--unit", "shop", "--all-clusters", stdin=pending))

    async def scheduling() -> list[list[str]]:
        lines = ok(await shop.fedctl("events", "shop", "--warnings")).splitlines()
        return [line.split() for line in lines if "FailedScheduling" in line]

    async with asyncio.timeout(20):
        while {row[4] for row in await scheduling()} != {"a", "b"}:
            await asyncio.sleep(0.05)
    everything = ok(await shop.fedctl("events", "shop"))
    assert "Placed" in everything
    assert "ScalingReplicaSet" in everything
    items = json.loads(ok(await shop.fedctl("events", "shop", "-o", "json", "--cluster", "a")))["items"]
    found = next(item for item in items if item.get("reason") == "FailedScheduling")
    assert (found["kind"], found["cluster"], found["object"]["kind"]) == ("MemberEvent", "a", "Pod")
    assert found["unit"] == "namespaces/default/units/shop"


async def test_logs_of_all_containers_begin_with_whose_they_are(shop: Any) -> None:
    shop.simulator.cluster("b").say("default", "both", "second line", container="two")

    lines = ok(await shop.fedctl("logs", "shop")).splitlines()
    assert "a/both/one: one started" in lines
    assert "b/both/two: second line" in lines
    assert len(lines) == 2 * (2 + 2) + 1
    web = next(name for name in pods_of(shop, "a") if name != "both")
    assert f"a/{web}: web started" in lines

    tail = ok(await shop.fedctl("logs", "shop", "--cluster", "b", "-c", "two", "--tail", "1", "--no-prefix"))
    assert tail == "second line\n"


@pytest.mark.parametrize("words", [("get", "pods", "lone"), ("logs", "lone"), ("logs", "lone", "-f")])
async def test_of_a_unit_that_is_nowhere_it_is_said_that_no_cluster_was_asked(
    shop: Any, words: tuple[str, ...]
) -> None:
    ok(await shop.fedctl("apply", "-f", "-", "--unit", "lone", "--selector", "no=where", stdin=LONE))
    result = await shop.fedctl(*words)
    assert (result.exit_code, "No cluster holds anything of it" in result.stderr) == (0, True)


async def test_logs_are_followed_until_the_container_ends(shop: Any) -> None:
    cluster = shop.simulator.cluster("b")

    async def talk() -> None:
        # Said again until it is read: when the follower has come is known to it alone.
        while not following.done():
            cluster.say("default", "both", "later", container="one")
            await asyncio.sleep(0.05)
            if cluster.logs.after(pod.uid, "one", 40):
                cluster.registry.delete(pod.kind, "default", "both", Deletion())
                return

    pod = cluster.registry.read(cluster.kind(("", "pods")), "default", "both")
    words = ("logs", "shop", "--cluster", "b", "--pod", "both", "-c", "one", "-f", "--tail", "0")
    following = asyncio.ensure_future(shop.fedctl(*words))
    await talk()
    assert "b/both/one: later" in ok(await following)


async def test_logs_of_pods_that_come_later_are_followed_too(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_streams.stream_logs, "__kwdefaults__", {"most": 200, "look_seconds": 0.05})
    cluster = shop.simulator.cluster("b")
    before = set(pods_of(shop, "b"))

    async def read() -> list[str]:
        seen: list[str] = []
        async with AsyncClient(shop.environment["FEDCTL_SERVER"], token=shop.environment["FEDCTL_TOKEN"]) as client:
            async for response in client.members.logs("namespaces/default/units/shop", clusters=["b"], follow=True):
                seen.append(response.lines.log.pod)
                if response.lines.log.pod and response.lines.log.pod not in before:
                    break
                if set(seen) >= before:
                    pod = cluster.registry.read(cluster.kind(("", "pods")), "default", min(before - {"both"}))
                    cluster.registry.delete(pod.kind, "default", pod.name, Deletion())
        return seen

    async with asyncio.timeout(20):
        seen = await read()
    assert set(seen) - before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("logs", "nothing"), 3, "there is no unit 'nothing' in namespace 'default'"),
        (("logs", "shop", "--cluster", "c"), 3, "there is no cluster 'c'"),
        (("logs", "shop", "-c", "three"), 3, "no pod has a container 'three'; there are: one, two, web"),
        (("logs", "shop", "--pod", "gone"), 3, "the unit has no pod 'gone' there; it has: both, web-"),
        (("logs", "shop", "--max-logs", "3"), 1, "8 logs would be read at once"),
        (("logs", "shop", "-f", "-p"), 2, "-f and -p do not go together"),
        (("logs", "shop", "-p"), 0, "previous terminated container"),
        (("get", "pods", "nothing"), 3, "there is no unit 'nothing'"),
        (("get", "pods", "shop", "-w"), 2, "pods are restricted by UNIT"),
        (("get", "units", "--all-clusters"), 2, "--all-clusters is for pods"),
        (("events", "shop", "--cluster", "a", "--all-clusters"), 2, "give one of the two"),
        (("events", "shop", "--member-timeout", "60"), 2, "at most 25s"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_read_is_told(shop: Any, words: tuple[str, ...], code: int, message: str) -> None:
    result = await shop.fedctl(*words)
    assert message in result.stderr
    assert result.exit_code == code
