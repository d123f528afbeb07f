"""What a simulator keeps between runs, and the program around it."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from fedsvc.simulator import Faults, Options, Outage, SimulatedClusterSpec, Simulator
from fedsvc.testing.members import Member
from fedsvc.testing.processes import Child

SPECS = (SimulatedClusterSpec(name="a"), SimulatedClusterSpec(name="b"))
MAPS = "/api/v1/namespaces/default/configmaps"
MakeMember = Callable[[Simulator, str], Member]
DEFINITION = {
    "metadata": {"name": "gadgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "kind": "Gadget"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


async def test_a_second_run_goes_on_where_the_first_ended(tmp_path: Path, member_of: MakeMember) -> None:
    async with Simulator(SPECS, tls=True, state_dir=tmp_path) as first, member_of(first, "a") as member:
        made = (await member.post(MAPS, {"metadata": {"name": "kept"}, "data": {"x": "1"}})).expect(201)
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        (await member.post(definitions, DEFINITION)).expect(201)
        gadgets = "/apis/example.com/v1/namespaces/default/gadgets"
        await member.until(gadgets, lambda reply: reply.status == 200, what="gadgets are served")
        (await member.post(gadgets, {"metadata": {"name": "g"}})).expect(201)
        path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        token = (await member.post(path, {"spec": {}})).expect(201)["status"]["token"]
        port, authority, revision = first.port, first.ca_pem, first.cluster("a").store.revision
    async with Simulator(SPECS, tls=True, state_dir=tmp_path) as second, member_of(second, "a") as member:
        assert (second.port, second.ca_pem) == (port, authority)
        assert (await member.get(f"{MAPS}/kept")).expect(200) == made
        (await member.get(f"{gadgets}/g")).expect(200)
        (await member.as_user(token).get("/api")).expect(200)
        assert second.cluster("a").store.revision > revision
        async with member.watch(MAPS, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
            assert (await watch.next())[0] == "ERROR"


async def test_changes_are_written_while_running(tmp_path: Path, member_of: MakeMember) -> None:
    options = Options(save_delay_seconds=0.01)
    async with Simulator(SPECS, state_dir=tmp_path, options=options) as running, member_of(running, "a") as member:
        (await member.post(MAPS, {"metadata": {"name": "kept"}})).expect(201)
        path = tmp_path / "a.cluster.json"
        async with asyncio.timeout(5):
            while not path.exists() or b'"kept"' not in path.read_bytes():
                await asyncio.sleep(0.01)


async def test_a_cluster_can_join_later(member_of: MakeMember) -> None:
    async with Simulator(SPECS) as running:
        running.add(SimulatedClusterSpec(name="late"))
        async with member_of(running, "late") as member:
            (await member.get("/api/v1/namespaces/default")).expect(200)
        with pytest.raises(ValueError, match="exists"):
            running.add(SimulatedClusterSpec(name="late"))


async def test_stopping_does_not_wait_for_watches_or_black_holes(member_of: MakeMember) -> None:
    simulator = await Simulator(SPECS).start()
    simulator.cluster("b").inject(Faults(outage=Outage.BLACK_HOLE))
    revision = str(simulator.cluster("a").store.revision)
    async with (
        member_of(simulator, "a") as one,
        member_of(simulator, "b") as two,
        one.watch("/api/v1/namespaces", resourceVersion=revision),
    ):
        waiting = asyncio.ensure_future(two.get("/version"))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        async with asyncio.timeout(5):
            await simulator.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
    await simulator.stop()


async def test_the_program_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "fedsvc.simulator",
        "--cluster",
        "name=eu-1,region=eu,zones=eu-a+eu-b,provider=aws,nodes=1",
        "--kubeconfig",
        tmp_path / "kubeconfig",
        "--state-dir",
        tmp_path / "state",
        "--ready-file",
        ready,
    ]
    child = Child("simulator", argv, log=tmp_path / "log")
    try:
        async with asyncio.timeout(30):
            while not ready.exists():
                assert child.running(), child.tail()
                await asyncio.sleep(0.02)
        assert json.loads(ready.read_text())["pid"] == child.pid
        assert "eu-1" in (tmp_path / "kubeconfig").read_text()
        child.send(signal.SIGTERM)
        async with asyncio.timeout(10):
            while child.running():
                await asyncio.sleep(0.02)
    finally:
        await child.stop(kill=True)
    assert (tmp_path / "state" / "eu-1.cluster.json").exists()
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events == ["listening", "stopping"]


async def test_the_program_tells_what_is_wrong_with_a_cluster(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "fedsvc.simulator", "--cluster", "name=Bad"]
    child = Child("simulator", argv, log=tmp_path / "log")
    try:
        async with asyncio.timeout(30):
            while child.running():
                await asyncio.sleep(0.02)
    finally:
        await child.stop(kill=True)
    assert "name 'Bad' must be lower case letters" in child.tail()
