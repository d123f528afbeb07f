"""DNS as a whole: units on simulated members get names, and the name server answers as they fare."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from fedsvc.controllers import health, resolving
from fedsvc.controllers.answering import KEPT, Answering
from fedsvc.errors import InUseError, NothingToConfirmError
from fedsvc.health import Limits
from fedsvc.model.failover import Failover, FailoverMode, FailoverPolicy
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.model.unit import UnitSpec
from fedsvc.model.zone import NameServer, ZoneSpec, ZoneState
from fedsvc.rendering.overrides import Override, ResourceMatcher
from fedsvc.rendering.patch import PatchOp, PatchOperation
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.store import failovers, holds, policies, zones
from fedsvc.store.policies import ZONE
from fedsvc_dns.planner.zone import DnsSettings, ProbeSettings
from fedsvc_placement import ClusterMatcher, Placement

GLOBAL = "web.shop.main.svc.example.org."
IN_A = "web.shop.main.svc.region-a.example.org."
HOST = "shop.example.org."
SERVICE = "/api/v1/namespaces/shop/services/web"
SPEC = UnitSpec(placement=Placement(clusters=("a", "b")), dns=DnsSettings(zone="main", hosts=("shop.example.org",)))
ZONE_SPEC = ZoneSpec(
    domain="example.org", name_servers=(NameServer(host="ns1.example.org", addresses=("192.0.2.53",)),)
)

Manifest = dict[str, Any]


def service() -> Manifest:
    """A Service of the Deployment "web", with a load balancer."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
    }


def stopped_on(*clusters: str) -> tuple[Override, ...]:
    """Overrides that leave the Deployment on some clusters without pods."""
    return (
        Override(
            clusters=ClusterMatcher(names=clusters),
            target=ResourceMatcher(kind="Deployment"),
            patch=(PatchOperation(op=PatchOp.REPLACE, path="/spec/replicas", value=0),),
        ),
    )


@pytest.fixture
async def answering(world: Any, tmp_path: Path) -> AsyncIterator[Answering]:
    """The name server, following what is planned."""
    async with following(world, tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def following(world: Any, tmp_path: Path) -> AsyncIterator[Answering]:
    """A name server that follows what is planned."""
    made = Answering(world.store, data_dir=tmp_path)
    await made.start("127.0.0.1", 0)
    task = asyncio.get_running_loop().create_task(made.run(), name="answering")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.server.stop()


async def apply_zone(world: Any, spec: ZoneSpec = ZONE_SPEC) -> None:
    async with world.store.transaction() as tx:
        await policies.apply(tx, ZONE, name="main", labels={}, spec=spec)


async def ask(answering: Answering, name: str, type_: str = "A") -> tuple[str, set[str]]:
    """Code and data of the answer."""
    host, port = answering.server.addresses[0]
    reply = await dns.asyncquery.udp(dns.message.make_query(name, type_), host, port=port, timeout=5)
    return dns.rcode.to_text(reply.rcode()), {str(record) for found in reply.answer for record in found}


async def until_answer(world: Any, answering: Answering, name: str, wanted: set[str], type_: str = "A") -> None:
    async def answers_so() -> bool:
        return (await ask(answering, name, type_))[1] == wanted

    await world.until(answers_so)


async def addresses(world: Any) -> dict[str, str]:
    """The address of the Service's load balancer on each of its clusters, once all have one."""

    async def all_balanced() -> dict[str, str]:
        found = {}
        for work in await world.works("web"):
            ingress = ((work.observed_status or {}).get("loadBalancer") or {}).get("ingress")
            if work.key.kind == "Service" and ingress:
                found[work.cluster] = ingress[0]["ip"]
        return found if len(found) == 2 else {}

    found: dict[str, str] = await world.until(all_balanced)
    return found


async def state(world: Any) -> ZoneState | None:
    async with world.store.reader() as tx:
        return (await zones.states(tx, ["main"])).get("main")


async def until_held(world: Any) -> ZoneState:
    async def something_waits() -> ZoneState | None:
        found = await state(world)
        return found if found is not None and found.report.held_count else None

    found: ZoneState = await world.until(something_waits)
    return found


async def lines_of(world: Any, name: str) -> list[str]:
    async with world.store.reader() as tx:
        return list((await zones.explained(tx, name)).lines)


async def test_names_answer_with_what_is_ready_and_never_with_nothing(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest]
) -> None:
    await apply_zone(world)
    await world.apply("web", make_deployment(), service(), spec=SPEC)
    found = await addresses(world)
    both = set(found.values())
    assert len(both) == 2

    await until_answer(world, answering, GLOBAL, both)
    await until_answer(world, answering, HOST, both)
    await until_answer(world, answering, IN_A, {found["a"]})
    assert (await ask(answering, "nothing.example.org."))[0] == "NXDOMAIN"
    assert await ask(answering, "example.org.", "NS") == ("NOERROR", {"ns1.example.org."})
    assert await ask(answering, "ns1.example.org.") == ("NOERROR", {"192.0.2.53"})
    srv = await ask(answering, f"_http._tcp.{GLOBAL}", "SRV")
    assert srv[1] == {f"0 100 80 {cluster}.{GLOBAL}" for cluster in found}

    await world.apply("web", make_deployment(), service(), spec=replace(SPEC, overrides=stopped_on("a")))
    await until_answer(world, answering, GLOBAL, {found["b"]})
    await until_answer(world, answering, IN_A, {found["b"]})
    told = await lines_of(world, GLOBAL)
    assert any(line.startswith("out a ") for line in told)
    assert any(line.startswith("in  b ") for line in told)

    await world.apply("web", make_deployment(), service(), spec=replace(SPEC, overrides=stopped_on("a", "b")))
    await until_answer(world, answering, GLOBAL, both)
    await until_answer(world, answering, HOST, both)


async def test_a_unit_that_leaves_a_cluster_leaves_its_names_at_once(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest]
) -> None:
    await apply_zone(world)
    await world.apply("web", make_deployment(), service(), spec=SPEC)
    found = await addresses(world)
    await until_answer(world, answering, GLOBAL, set(found.values()))
    only_b = replace(SPEC, placement=Placement(clusters=("b",)))
    await world.apply("web", make_deployment(), service(), spec=only_b)
    await until_answer(world, answering, GLOBAL, {found["b"]})


async def test_while_automation_is_held_nothing_is_withdrawn(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest]
) -> None:
    await apply_zone(world)
    await world.apply("web", make_deployment(), service(), spec=SPEC)
    found = await addresses(world)
    both = set(found.values())
    await until_answer(world, answering, GLOBAL, both)
    async with world.store.transaction() as tx:
        await holds.put(
            tx, subject=FLEET_SUBJECT, scope=HoldScope.AUTOMATION, reason="storm", end_time=None, author="ada"
        )
    await world.apply("web", make_deployment(), service(), spec=replace(SPEC, overrides=stopped_on("a")))

    async def told_as_held() -> bool:
        return any("storm" in line for line in await lines_of(world, GLOBAL))

    await world.until(told_as_held)
    assert (await ask(answering, GLOBAL))[1] == both
    async with world.store.transaction() as tx:
        await holds.end(tx, subject=FLEET_SUBJECT, scope=HoldScope.AUTOMATION)
    await until_answer(world, answering, GLOBAL, {found["b"]})


async def test_a_frozen_zone_does_not_change_until_it_is_thawed(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest]
) -> None:
    await apply_zone(world)
    await world.apply("web", make_deployment(), service(), spec=SPEC)
    found = await addresses(world)
    await until_answer(world, answering, GLOBAL, set(found.values()))
    await apply_zone(world, replace(ZONE_SPEC, frozen=True))
    await world.apply("web", make_deployment(), service(), spec=replace(SPEC, overrides=stopped_on("a")))
    waiting = await until_held(world)
    assert waiting.report.held_reason == "the zone is frozen"
    assert waiting.report.approval == ""
    assert (await ask(answering, GLOBAL))[1] == set(found.values())
    await apply_zone(world)
    await until_answer(world, answering, GLOBAL, {found["b"]})


async def test_a_zone_is_not_emptied_before_exactly_that_is_confirmed(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest]
) -> None:
    await apply_zone(world)
    await world.apply("web", make_deployment(), service(), spec=SPEC)
    found = await addresses(world)
    both = set(found.values())
    await until_answer(world, answering, GLOBAL, both)
    async with world.store.transaction() as tx:
        with pytest.raises(InUseError):
            await policies.delete(tx, ZONE, "main")
    await world.delete("web")
    waiting = await until_held(world)
    assert (await ask(answering, GLOBAL))[1] == both
    async with world.store.transaction() as tx:
        with pytest.raises(NothingToConfirmError):
            await zones.approve(tx, "main", "another")
    async with world.store.transaction() as tx:
        await zones.approve(tx, "main", waiting.report.approval)
    await until_answer(world, answering, GLOBAL, set())
    after = await state(world)
    assert after is not None
    assert (after.record_set_count, after.report.held_count) == (0, 0)
    assert after.serial > waiting.serial
    await world.until_gone("web")
    async with world.store.transaction() as tx:
        await policies.delete(tx, ZONE, "main")

    async def refused() -> bool:
        return (await ask(answering, GLOBAL))[0] == "REFUSED"

    await world.until(refused)


async def test_what_is_planned_survives_restarts_and_another_start_changes_nothing(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest], tmp_path: Path
) -> None:
    await apply_zone(world)
    await world.apply("web", make_deployment(), service(), spec=SPEC)
    found = await addresses(world)
    await until_answer(world, answering, GLOBAL, set(found.values()))
    await world.until_state("web", "Ready")

    async def kept() -> bool:
        return (tmp_path / KEPT).exists()

    await world.until(kept)
    before = await state(world)
    await world.stop()
    world.start()
    await world.apply("other", make_deployment("other"), spec=UnitSpec(placement=SPEC.placement))
    await world.until_state("other", "Ready")
    assert await state(world) == before

    # One that reaches no database answers from its file.
    alone = Answering(world.store, data_dir=tmp_path)
    await alone.start("127.0.0.1", 0)
    try:
        assert (await ask(alone, GLOBAL))[1] == set(found.values())
    finally:
        await alone.server.stop()


async def test_host_names_of_load_balancers_are_resolved_and_keep_their_last_addresses(
    world: Any, answering: Answering, make_deployment: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"lb.a.example.com": ("192.0.2.1", "2001:db8::1")}

    async def look_up(host: str) -> tuple[str, ...]:
        if host not in known:
            raise OSError("nobody answers")
        return known[host]

    monkeypatch.setattr(resolving, "look_up", look_up)
    await apply_zone(world)
    only_a = replace(SPEC, placement=Placement(clusters=("a",)))
    await world.apply("web", make_deployment(), service(), spec=only_a)
    await world.until_work("a", "Applied")

    async def is_balanced() -> bool:
        found = await world.get("a", SERVICE)
        return bool(found and found["status"].get("loadBalancer", {}).get("ingress"))

    await world.until(is_balanced)
    body = b'{"status":{"loadBalancer":{"ingress":[{"hostname":"lb.a.example.com"}]}}}'
    await world.client("a").patch(f"{SERVICE}/status", body, field_manager="cloud")
    await until_answer(world, answering, GLOBAL, {"192.0.2.1"})
    await until_answer(world, answering, GLOBAL, {"2001:db8::1"}, "AAAA")

    known.clear()
    await world.stop()
    world.start()
    await world.apply("other", make_deployment("other"), spec=UnitSpec(placement=SPEC.placement))
    await world.until_state("other", "Ready")
    assert (await ask(answering, GLOBAL))[1] == {"192.0.2.1"}


async def test_names_of_a_lost_cluster_go_when_its_unit_has_left_it_and_not_before(
    quiet_world: Any, tmp_path: Path, make_deployment: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = partial(
        health.HealthSettings,
        probe_seconds=0.1,
        probe_again_seconds=0.05,
        probe_timeout_seconds=0.3,
        limits=Limits(unreachable_seconds=0.2, stable_seconds=0.5),
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    world = quiet_world
    for name in ("a", "b", "c"):
        await world.register(name, labels={"name": name}, region=f"region-{name}")
    world.start()
    async with following(world, tmp_path) as answering:
        await apply_zone(world)
        manual = replace(SPEC, failover=FailoverPolicy(mode=FailoverMode.MANUAL))
        await world.apply("web", make_deployment(), service(), spec=manual)
        found = await addresses(world)
        both = set(found.values())
        await until_answer(world, answering, GLOBAL, both)

        world.member("a").inject(Faults(outage=Outage.REFUSED))

        async def is_not_heard() -> bool:
            return any("is not heard" in line for line in await lines_of(world, GLOBAL))

        await world.until(is_not_heard)
        assert (await ask(answering, GLOBAL))[1] == both
        at_once = FailoverPolicy(toleration_seconds=0)
        await world.apply("web", make_deployment(), service(), spec=replace(SPEC, failover=at_once))
        await until_answer(world, answering, GLOBAL, {found["b"]})

        async def traffic_is_over() -> Failover | None:
            async with world.store.reader() as tx:
                (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
            return entry if entry.traffic_time is not None else None

        entry: Failover = await world.until(traffic_is_over)
        assert (entry.cluster, entry.is_named) == ("a", True)
        assert entry.traffic_time is not None
        assert entry.traffic_time >= entry.decide_time


def gateway_kind(plural: str, kind: str) -> Manifest:
    """The definition of a kind of the Gateway API, as far as it is needed here."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.gateway.networking.k8s.io"},
        "spec": {
            "group": "gateway.networking.k8s.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


def of_gateway_api(kind: str, **spec: Any) -> Manifest:
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


async def test_routes_answer_with_the_addresses_of_gateways_that_accepted_them(
    world: Any, answering: Answering
) -> None:
    await apply_zone(world)
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.org"}
    edge = of_gateway_api("Gateway", gatewayClassName="any", listeners=[listener])
    route = of_gateway_api("HTTPRoute", hostnames=["www.example.org"], parentRefs=[{"name": "web"}])
    both = Placement(clusters=("a", "b"))
    kinds = gateway_kind("gateways", "Gateway"), gateway_kind("httproutes", "HTTPRoute")
    await world.apply("edge", *kinds, edge, placement=both)
    await world.apply("web", route, spec=UnitSpec(placement=both, dns=DnsSettings(zone="main")))
    conditions = [{"type": "Accepted", "status": "True"}]
    parents = [{"parentRef": {"name": "web"}, "conditions": conditions}]
    for cluster, address in (("a", "192.0.2.1"), ("b", "192.0.2.2")):
        await until_status(world, cluster, "gateways", addresses=[{"type": "IPAddress", "value": address}])
        await until_status(world, cluster, "httproutes", parents=parents)
    await until_answer(world, answering, "www.example.org.", {"192.0.2.1", "192.0.2.2"})
    told = await lines_of(world, "www.example.org.")
    assert any("HTTPRoute shop/web of unit shop/web" in line for line in told)

    # Without a route with names it is the Gateway that has them, where its unit wants any.
    await world.apply("edge", *kinds, edge, spec=UnitSpec(placement=both, dns=DnsSettings(zone="main")))
    await world.apply("web", route, spec=UnitSpec(placement=both))
    await until_answer(world, answering, "any.example.org.", {"192.0.2.1", "192.0.2.2"})


async def until_status(world: Any, cluster: str, plural: str, **status: Any) -> None:
    """Say of an object what its controller would, once it is there."""
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/shop/{plural}/web"

    async def there() -> bool:
        return await world.get(cluster, path) is not None

    await world.until(there)
    member = world.member(cluster)
    stored = member.registry.read(member.kind(("gateway.networking.k8s.io", plural)), "shop", "web")
    member.registry.write_status(stored, status, "gateway-controller")


async def test_a_cluster_that_cannot_be_reached_from_here_is_taken_out_of_answers(
    world: Any, answering: Answering
) -> None:
    await apply_zone(world)
    manifest = service()
    manifest["spec"] = {"externalIPs": ["127.0.0.2"], "ports": [{"name": "http", "port": 80}]}
    elsewhere = Override(
        clusters=ClusterMatcher(names=("b",)),
        patch=(PatchOperation(op=PatchOp.REPLACE, path="/spec/externalIPs/0", value="127.0.0.3"),),
    )
    first = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.2", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.3", port)
    probe = ProbeSettings(port=port, interval_seconds=1, timeout_seconds=1)
    placement = Placement(clusters=("a", "b"))
    spec = UnitSpec(placement=placement, dns=DnsSettings(zone="main", probe=probe), overrides=(elsewhere,))
    await world.apply("web", manifest, spec=spec)
    await until_answer(world, answering, GLOBAL, {"127.0.0.2", "127.0.0.3"})

    first.close()
    await first.wait_closed()
    await until_answer(world, answering, GLOBAL, {"127.0.0.3"})
    told = await lines_of(world, GLOBAL)
    assert any(line.startswith("out a ") and f"TCP 127.0.0.2 port {port}" in line for line in told), told
    second.close()
    await second.wait_closed()
