"""Zones by the API: stored, listed, refused where they cannot work; and what units say of their names."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc import aio

from fedsvc.model.zone import ZoneReport
from fedsvc.model.zone_provider import Publication
from fedsvc.store import policies, publications, zones
from fedsvc.store.store import Store
from fedsvc.store.zones import ZoneWrite
from fedsvc.v1 import common_pb2, dns_pb2, placement_pb2, unit_pb2, unit_service_pb2, watch_service_pb2, zone_pb2
from fedsvc.v1 import zone_service_pb2 as pb
from fedsvc_dns.planner.changes import Change

MANIFEST = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop"}}'


def zone(name: str = "main", *, labels: dict[str, str] | None = None, etag: str = "", **spec: Any) -> zone_pb2.Zone:
    return zone_pb2.Zone(
        name=f"zones/{name}", labels=labels, etag=etag, spec=zone_pb2.ZoneSpec(**{"domain": "example.org", **spec})
    )


async def apply(service: Any, made: zone_pb2.Zone, **rest: Any) -> pb.ApplyZoneResponse:
    response: pb.ApplyZoneResponse = await service.ApplyZone(pb.ApplyZoneRequest(zone=made, **rest))
    return response


def unit(**dns: Any) -> unit_service_pb2.ApplyUnitRequest:
    settings = dns_pb2.DnsSettings(**{"zone": "main", **dns})
    spec = unit_pb2.UnitSpec(
        placement=placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector()),
        resources=[common_pb2.Manifest(json=MANIFEST)],
        dns=settings,
    )
    return unit_service_pb2.ApplyUnitRequest(unit=unit_pb2.Unit(name="namespaces/shop/units/web", spec=spec))


async def test_a_zone_is_stored_with_its_defaults_and_guarded_by_its_etag(api: Any, helpers: Any) -> None:
    answer = await apply(api.zones, zone(labels={"team": "edge"}))
    made = answer.zone
    assert (made.spec.ttl_seconds, made.spec.max_answers, made.spec.frozen) == (30, 8, False)
    assert made.spec.layout == zone_pb2.ZONE_LAYOUT_FLAT
    assert (made.spec.removals.names, made.spec.removals.percent, made.spec.removals.names_a_minute) == (10, 20, 50)
    assert made.status == zone_pb2.ZoneStatus()
    assert not made.spec.HasField("min_healthy")
    assert made.spec.on_all_down == dns_pb2.ON_ALL_DOWN_UNSPECIFIED
    assert (await apply(api.zones, made)).zone == made
    assert list((await api.zones.ListZones(pb.ListZonesRequest())).zones) == [made]
    assert (await api.zones.GetZone(pb.GetZoneRequest(name="zones/main"))).zone == made

    changed = (await apply(api.zones, zone(etag=made.etag, frozen=True))).zone
    assert changed.spec.frozen
    refusal = await helpers.refused(apply(api.zones, zone(etag=made.etag)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    await apply(api.zones, zone("other", domain="example.net"), validate_only=True)
    assert len((await api.zones.ListZones(pb.ListZonesRequest())).zones) == 1

    await api.zones.DeleteZone(pb.DeleteZoneRequest(name="zones/main"))
    refusal = await helpers.refused(api.zones.DeleteZone(pb.DeleteZoneRequest(name="zones/main")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    await api.zones.DeleteZone(pb.DeleteZoneRequest(name="zones/main", allow_missing=True))


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"domain": ""}, "zone.spec.domain"),
        ({"domain": "*.example.org"}, "zone.spec.domain"),
        ({"domain": "a..b"}, "zone.spec.domain"),
        ({"domain": "taken.org"}, "zone.spec.domain"),
        ({"ttl_seconds": 0}, "zone.spec.ttl_seconds"),
        ({"max_answers": 101}, "zone.spec.max_answers"),
        ({"layout": 9}, "zone.spec.layout"),
        ({"on_all_down": dns_pb2.ON_ALL_DOWN_SORRY}, "zone.spec.on_all_down"),
        ({"min_healthy": dns_pb2.DnsMinHealthy(percent=101)}, "zone.spec.min_healthy.percent"),
        ({"min_healthy": dns_pb2.DnsMinHealthy(count=1001)}, "zone.spec.min_healthy.count"),
        ({"removals": zone_pb2.NameBudget(percent=101)}, "zone.spec.removals.percent"),
        ({"removals": zone_pb2.NameBudget(names_a_minute=0)}, "zone.spec.removals.names_a_minute"),
        ({"name_servers": [zone_pb2.NameServer(host="example.org")]}, "zone.spec.name_servers[0].host"),
        (
            {"name_servers": [zone_pb2.NameServer(host="ns.example.org", addresses=["x"])]},
            "zone.spec.name_servers[0].addresses[0]",
        ),
        (
            {"name_servers": [zone_pb2.NameServer(host="ns.example.net", addresses=["192.0.2.1"])]},
            "zone.spec.name_servers[0].addresses",
        ),
    ],
)
async def test_a_zone_that_cannot_work_is_refused_with_the_field(
    api: Any, helpers: Any, spec: dict[str, Any], path: str
) -> None:
    await apply(api.zones, zone("other", domain="taken.org"))
    refusal = await helpers.refused(apply(api.zones, zone(**spec)))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {field for field, _ in refusal.fields} == {path}


def foreign(**different: Any) -> zone_pb2.ForeignObjects:
    return zone_pb2.ForeignObjects(**{"kind": "Service", "label_selector": "expose=dns", **different})


async def test_objects_of_others_come_back_as_they_were_sent_in_the_zone_that_names_them(api: Any) -> None:
    settings = dns_pb2.DnsSettings(strategy=dns_pb2.DNS_STRATEGY_LOCALITY, ttl_seconds=20)
    made = (await apply(api.zones, zone(foreign=[foreign(clusters=["a"], namespace="shop", dns=settings)]))).zone
    (shown,) = made.spec.foreign
    assert (shown.kind, shown.label_selector, shown.namespace, list(shown.clusters)) == (
        "Service",
        "expose=dns",
        "shop",
        ["a"],
    )
    assert (shown.dns.zone, shown.dns.strategy, shown.dns.ttl_seconds) == ("main", settings.strategy, 20)
    assert (await apply(api.zones, made)).zone == made


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        ([foreign(kind="Pod")], "[0].kind"),
        ([foreign(label_selector="")], "[0].label_selector"),
        ([foreign(label_selector="a in (")], "[0].label_selector"),
        ([foreign(namespace="A")], "[0].namespace"),
        ([foreign(clusters=["a", "B!"])], "[0].clusters[1]"),
        ([foreign(), foreign(namespace="shop")], "[1].namespace"),
        ([foreign(namespace="shop"), foreign(namespace="shop")], "[1].namespace"),
        ([foreign(dns=dns_pb2.DnsSettings(zone="other"))], "[0].dns.zone"),
        ([foreign(dns=dns_pb2.DnsSettings(ttl_seconds=0))], "[0].dns.ttl_seconds"),
        ([foreign(kind=kind) for kind in ["Service"]] * 21, ""),
    ],
)
async def test_objects_of_others_that_cannot_be_looked_for_are_refused(
    api: Any, helpers: Any, entries: list[zone_pb2.ForeignObjects], path: str
) -> None:
    refusal = await helpers.refused(apply(api.zones, zone(foreign=entries)))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {field for field, _ in refusal.fields} == {f"zone.spec.foreign{path}"}


SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="
HERE = zone_pb2.NameServerEndpoint(host="192.0.2.1")


def key(name: str = "k", **rest: Any) -> zone_pb2.TsigKey:
    return zone_pb2.TsigKey(**{"name": name, "secret": SECRET, **rest})


def updated(**different: Any) -> dict[str, Any]:
    return {"rfc2136": zone_pb2.Rfc2136Provider(**{"server": HERE, "key": key(), **different})}


def bridged(**different: Any) -> dict[str, Any]:
    return {"octodns": zone_pb2.OctodnsProvider(**{"account": "aws", **different})}


def objects(**different: Any) -> dict[str, Any]:
    return {"dns_endpoints": zone_pb2.DnsEndpointProvider(**{"cluster": "a", **different})}


def transferred(*keys: zone_pb2.TsigKey) -> dict[str, Any]:
    secondaries = [
        zone_pb2.ZoneSecondary(server=zone_pb2.NameServerEndpoint(host=f"192.0.2.{number}"), key=one)
        for number, one in enumerate(keys, start=1)
    ]
    return {"hidden_primary": zone_pb2.HiddenPrimaryProvider(secondaries=secondaries)}


async def test_a_secret_is_sealed_never_shown_kept_where_none_is_given_and_replaced(api: Any, helpers: Any) -> None:
    made = (await apply(api.zones, zone(**updated()))).zone
    assert made.spec.rfc2136.key == zone_pb2.TsigKey(name="k", algorithm="hmac-sha256")
    assert made.spec.rfc2136.server.port == 53
    assert made.spec.rfc2136.mode == zone_pb2.ZONE_MODE_WRITE
    again = await apply(api.zones, made)
    assert (again.zone, again.outcome) == (made, unit_service_pb2.APPLY_OUTCOME_UNCHANGED)
    same = await apply(api.zones, zone(**updated()))
    assert same.outcome == unit_service_pb2.APPLY_OUTCOME_UNCHANGED
    other = await apply(api.zones, zone(**updated(key=key(secret="b3RoZXIgb3RoZXIgb3RoZXI="))))
    assert other.outcome == unit_service_pb2.APPLY_OUTCOME_CONFIGURED
    assert other.zone.etag != made.etag
    refusal = await helpers.refused(apply(api.zones, zone(**updated(key=key("new", secret="")))))
    assert {field for field, _ in refusal.fields} == {"zone.spec.rfc2136.key.secret"}
    listed = str(await api.zones.ListZones(pb.ListZonesRequest()))
    assert SECRET not in listed
    assert "b3Ro" not in listed


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (updated(server=zone_pb2.NameServerEndpoint()), "rfc2136.server.host"),
        (updated(server=zone_pb2.NameServerEndpoint(host="a b")), "rfc2136.server.host"),
        (updated(server=zone_pb2.NameServerEndpoint(host="ns", port=70_000)), "rfc2136.server.port"),
        (updated(key=key("")), "rfc2136.key.name"),
        (updated(key=key(algorithm="hmac-md5")), "rfc2136.key.algorithm"),
        (updated(key=key(secret="no base64!")), "rfc2136.key.secret"),
        (updated(owner="Not So"), "rfc2136.owner"),
        (updated(take_over=["ok", "Not So"]), "rfc2136.take_over[1]"),
        (updated(authorities=[HERE, zone_pb2.NameServerEndpoint(host="*.x")]), "rfc2136.authorities[1].host"),
        (updated(mode=9), "rfc2136.mode"),
        (bridged(account=""), "octodns.account"),
        (bridged(account="x" * 101), "octodns.account"),
        (bridged(owner="Not So"), "octodns.owner"),
        (bridged(authorities=[zone_pb2.NameServerEndpoint(host="*.x")]), "octodns.authorities[0].host"),
        (bridged(ownership=9), "octodns.ownership"),
        (objects(cluster=""), "dns_endpoints.cluster"),
        (objects(cluster="nowhere"), "dns_endpoints.cluster"),
        (objects(namespace="Not So"), "dns_endpoints.namespace"),
        (objects(mode=zone_pb2.ZONE_MODE_ADOPT), "dns_endpoints.mode"),
        (objects(labels={"a b": "c"}), "dns_endpoints.labels[a b]"),
        (objects(labels={"dns.fedsvc.io/zone": "x"}), "dns_endpoints.labels[dns.fedsvc.io/zone]"),
        (objects(owner="Not So"), "dns_endpoints.owner"),
        (transferred(), "hidden_primary.secondaries"),
        (transferred(key(), key(secret="b3RoZXI=")), "hidden_primary.secondaries[1].key.secret"),
        (transferred(key(secret="b3RoZXI="), key("elsewhere")), "hidden_primary.secondaries[1].key.secret"),
        (transferred(key(), key("gone", secret="")), "hidden_primary.secondaries[1].key.secret"),
    ],
)
async def test_a_provider_that_cannot_work_is_refused_with_the_field(
    api: Any, helpers: Any, spec: dict[str, Any], path: str
) -> None:
    await apply(api.zones, zone("other", domain="taken.org", **transferred(key("elsewhere", secret="YW5vdGhlcg=="))))
    refusal = await helpers.refused(apply(api.zones, zone(**spec)))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {field for field, _ in refusal.fields} == {f"zone.spec.{path}"}


async def test_a_zone_of_an_account_comes_back_as_it_was_given(api: Any) -> None:
    given: dict[str, Any] = {
        "mode": zone_pb2.ZONE_MODE_ADOPT,
        "ownership": zone_pb2.ZONE_OWNERSHIP_RECORDS,
        "owner": "blue",
        "take_over": ["green"],
        "authorities": [HERE],
        "external_dns": zone_pb2.ExternalDnsMarks(prefix="x-"),
    }
    made = await apply(api.zones, zone(**bridged(**given)))
    wanted = zone_pb2.OctodnsProvider(account="aws", **given)
    wanted.authorities[0].port = 53
    assert made.zone.spec.octodns == wanted
    moved = await apply(api.zones, zone(**bridged(account="other")))
    assert "what was written to the account aws of octoDNS stays there as it is" in moved.warnings[0]


async def test_what_becomes_of_the_records_of_a_provider_that_is_left_is_told(api: Any) -> None:
    await apply(api.zones, zone(**updated()))
    moved = await apply(api.zones, zone(**transferred(key())))
    assert "what was written to 192.0.2.1 port 53 stays there as it is" in moved.warnings[0]
    left = await apply(api.zones, zone())
    assert "192.0.2.1 port 53 can transfer the zone no more" in left.warnings[0]
    assert not left.zone.spec.WhichOneof("provider")
    assert list((await apply(api.zones, zone(**updated()))).warnings) == []
    deletion = pb.DeleteZoneRequest(name="zones/main", validate_only=True)
    assert "stays there as it is" in (await api.zones.DeleteZone(deletion)).warnings[0]
    assert list((await apply(api.zones, zone(**updated(mode=zone_pb2.ZONE_MODE_ADOPT)))).warnings) == []


async def test_the_domain_of_a_zone_stays(api: Any, helpers: Any) -> None:
    await apply(api.zones, zone())
    refusal = await helpers.refused(apply(api.zones, zone(domain="example.net")))
    assert {field for field, _ in refusal.fields} == {"zone.spec.domain"}


async def test_settings_of_a_unit_come_back_as_they_were_given(api: Any, helpers: Any) -> None:
    await apply(api.zones, zone())
    given: dict[str, Any] = {
        "hosts": ["shop.example.org"],
        "strategy": dns_pb2.DNS_STRATEGY_FAILOVER,
        "ttl_seconds": 5,
        "min_healthy": dns_pb2.DnsMinHealthy(count=2, percent=50),
        "on_all_down": dns_pb2.ON_ALL_DOWN_SORRY,
        "sorry": ["192.0.2.1"],
        "weights": {"a": 0},
        "tiers": [dns_pb2.DnsTier(regions=["eu"], labels={"tier": "gold"})],
        "spill": True,
        "prefix": "www",
        "external_name": "store",
        "probe": dns_pb2.DnsProbe(
            protocol=dns_pb2.DNS_PROBE_PROTOCOL_HTTP,
            port=8080,
            path="/health",
            host="shop.example.org",
            interval_seconds=3,
            timeout_seconds=1,
        ),
    }
    grpc_probe = dns_pb2.DnsProbe(
        protocol=dns_pb2.DNS_PROBE_PROTOCOL_GRPC,
        port=9000,
        service="shop.v1.Cart",
        interval_seconds=5,
        timeout_seconds=2,
    )
    for probe in (given["probe"], grpc_probe):
        request = unit(**given | {"probe": probe})
        assert (await api.units.ApplyUnit(request)).unit.spec.dns == request.unit.spec.dns
    assert (await api.zones.GetZone(pb.GetZoneRequest(name="zones/main"))).zone.unit_count == 1
    refusal = await helpers.refused(api.zones.DeleteZone(pb.DeleteZoneRequest(name="zones/main")))
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"probe": dns_pb2.DnsProbe(port=0)}, "unit.spec.dns.probe.port"),
        ({"probe": dns_pb2.DnsProbe(path="/x")}, "unit.spec.dns.probe.path"),
        ({"probe": dns_pb2.DnsProbe(host="x.example.org")}, "unit.spec.dns.probe.host"),
        ({"probe": dns_pb2.DnsProbe(service="shop.v1.Cart")}, "unit.spec.dns.probe.service"),
        (
            {"probe": dns_pb2.DnsProbe(protocol=dns_pb2.DNS_PROBE_PROTOCOL_GRPC, path="/x")},
            "unit.spec.dns.probe.path",
        ),
        (
            {"probe": dns_pb2.DnsProbe(protocol=dns_pb2.DNS_PROBE_PROTOCOL_GRPC, service="a b")},
            "unit.spec.dns.probe.service",
        ),
        ({"probe": dns_pb2.DnsProbe(protocol=dns_pb2.DNS_PROBE_PROTOCOL_HTTP, path="x")}, "unit.spec.dns.probe.path"),
        (
            {"probe": dns_pb2.DnsProbe(protocol=dns_pb2.DNS_PROBE_PROTOCOL_HTTP, host="a..b")},
            "unit.spec.dns.probe.host",
        ),
        ({"probe": dns_pb2.DnsProbe(interval_seconds=21)}, "unit.spec.dns.probe.interval_seconds"),
        ({"probe": dns_pb2.DnsProbe(interval_seconds=2, timeout_seconds=3)}, "unit.spec.dns.probe.timeout_seconds"),
        ({"zone": ""}, "unit.spec.dns.zone"),
        ({"zone": "nothing"}, "unit.spec.dns.zone"),
        ({"hosts": ["shop.example.net"]}, "unit.spec.dns.hosts[0]"),
        ({"hosts": ["x.example.org"] * 101}, "unit.spec.dns.hosts"),
        ({"ttl_seconds": 0}, "unit.spec.dns.ttl_seconds"),
        ({"strategy": 9}, "unit.spec.dns.strategy"),
        ({"strategy": dns_pb2.DNS_STRATEGY_FAILOVER}, "unit.spec.dns.tiers"),
        ({"spill": True}, "unit.spec.dns.spill"),
        ({"on_all_down": dns_pb2.ON_ALL_DOWN_SORRY}, "unit.spec.dns.sorry"),
        ({"weights": {"a": 70_000}}, 'unit.spec.dns.weights["a"]'),
        ({"min_healthy": dns_pb2.DnsMinHealthy(percent=101)}, "unit.spec.dns.min_healthy.percent"),
        ({"external_name": "a.b"}, "unit.spec.dns.external_name"),
    ],
)
async def test_settings_that_mean_nothing_are_refused_with_the_field(
    api: Any, helpers: Any, settings: dict[str, Any], path: str
) -> None:
    await apply(api.zones, zone())
    refusal = await helpers.refused(api.units.ApplyUnit(unit(**settings)))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {field for field, _ in refusal.fields} == {path}


async def test_what_nobody_planned_is_told_as_missing(api: Any, helpers: Any) -> None:
    await apply(api.zones, zone())
    assert not (await api.zones.ListRecordSets(pb.ListRecordSetsRequest(zone="zones/main"))).record_sets
    refusal = await helpers.refused(api.zones.ListRecordSets(pb.ListRecordSetsRequest(zone="zones/no")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    refusal = await helpers.refused(api.zones.ExplainName(pb.ExplainNameRequest(name="www.example.org")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    refusal = await helpers.refused(api.zones.ExplainName(pb.ExplainNameRequest(name="a..b")))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    refusal = await helpers.refused(api.zones.ConfirmZone(pb.ConfirmZoneRequest(name="zones/main", approval="x")))
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({}, "servers"),
        ({"names": ["a..b"], "servers": [HERE]}, "names[0]"),
        ({"names": ["shop.example.org", "example.net"], "servers": [HERE]}, "names[1]"),
        ({"servers": [zone_pb2.NameServerEndpoint(host="192.0.2.1", port=70_000)]}, "servers[0].port"),
        ({"names": ["x.example.org"] * 101, "servers": [HERE]}, "names"),
    ],
)
async def test_what_cannot_be_verified_is_refused_with_the_field(
    api: Any, helpers: Any, asked: dict[str, Any], path: str
) -> None:
    await apply(api.zones, zone())
    refusal = await helpers.refused(api.zones.VerifyZone(pb.VerifyZoneRequest(name="zones/main", **asked)))
    assert {field for field, _ in refusal.fields} == {path}
    refusal = await helpers.refused(api.zones.VerifyZone(pb.VerifyZoneRequest(name="zones/none")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


async def test_a_plan_is_of_a_zone_that_is_there_or_of_one_that_can_be(api: Any, helpers: Any) -> None:
    assert await api.zones.PlanZone(pb.PlanZoneRequest(zone=zone())) == pb.PlanZoneResponse(zone="zones/main")
    assert list((await api.zones.ListZones(pb.ListZonesRequest())).zones) == []
    refusal = await helpers.refused(api.zones.PlanZone(pb.PlanZoneRequest(name="zones/main")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    refusal = await helpers.refused(api.zones.PlanZone(pb.PlanZoneRequest(zone=zone(domain="a..b"))))
    assert {field for field, _ in refusal.fields} == {"zone.spec.domain"}
    for neither in (pb.PlanZoneRequest(), pb.PlanZoneRequest(name="zones/main", zone=zone())):
        refusal = await helpers.refused(api.zones.PlanZone(neither))
        assert {field for field, _ in refusal.fields} == {"name"}


async def test_zones_are_watched_with_how_they_stand_on_name_servers(api: Any, store: Store) -> None:
    made = (await apply(api.zones, zone())).zone
    listed = await api.zones.ListZones(pb.ListZonesRequest())
    kinds = [watch_service_pb2.WATCH_KIND_ZONE]
    request = watch_service_pb2.WatchRequest(kinds=kinds, name="zones/main", resume_token=listed.resume_token)
    stream = api.watch.Watch(request)

    async def seen(wanted: Callable[[zone_pb2.Zone], bool]) -> zone_pb2.Zone:
        async with asyncio.timeout(20):
            while True:
                for change in (await stream.read()).changes:
                    if wanted(change.zone):
                        return change.zone

    changed = (await apply(api.zones, zone(ttl_seconds=7))).zone
    assert await seen(lambda one: one.spec.ttl_seconds == 7) == changed
    async with store.transaction() as tx:
        stored = await policies.get(tx, policies.ZONE, "main")
        done = ZoneWrite(
            zone=stored,
            is_new=True,
            change=Change(expects=0),
            serial=9,
            served=b"[]",
            report=ZoneReport(),
            removals=(),
            is_renumbered=True,
        )
        await zones.write(tx, done)
    await seen(lambda one: one.status.serial == 9)
    async with store.transaction() as tx:
        await publications.put(tx, stored.uid, "main", Publication(trouble="it is away"))
    await seen(lambda one: one.status.publication.trouble == "it is away")
    await api.zones.DeleteZone(pb.DeleteZoneRequest(name="zones/main"))
    async with asyncio.timeout(20):
        while not any(one.type == watch_service_pb2.CHANGE_TYPE_DELETED for one in (await stream.read()).changes):
            pass
    stream.cancel()
    with pytest.raises((asyncio.CancelledError, aio.AioRpcError)):
        await stream.read()
    assert made.name == "zones/main"
