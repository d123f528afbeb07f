"""From what is seen of a fleet to what real name servers answer."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dns.asyncquery
import dns.edns
import dns.message
import dns.rdatatype
import pytest

from fedsvc_dns.bridging import change_set, zone_data
from fedsvc_dns.planner.changes import Published, after, applied, difference
from fedsvc_dns.planner.facts import Cluster, Instance, Kind, Observations, Port, Service, Topology
from fedsvc_dns.planner.memory import Memory, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.zone import Budget, DnsSettings, Layout, ServiceBinding, Strategy, Zone
from fedsvc_dns.records import record_set
from fedsvc_dns.server.name_server import NameServer
from fedsvc_dns.server.zone_data import Network

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
CLUSTERS = (Cluster(name="us1", region="us", zones=("a",)), Cluster(name="eu1", region="eu", zones=("b",)))
DYNAMIC = [Strategy.WEIGHTED, Strategy.LOCALITY]


def planned(
    domain: str, ready: dict[str, int], before: Memory, settings: DnsSettings, layout: Layout, *, later: int = 0
) -> Plan:
    return plan(
        [Service(key="shop/web", kind=Kind.SERVICE, namespace="shop", name="web", settings=settings)],
        Topology(zones=(Zone(name="prod", domain=domain, layout=layout),), clusters=CLUSTERS),
        Observations(
            instances=tuple(
                Instance(
                    service="shop/web",
                    cluster=cluster,
                    addresses=(f"10.0.0.{number}", f"2001:db8::{number}"),
                    ready=ready[cluster],
                    ports=(Port(name="http", port=80),),
                )
                for number, cluster in enumerate(("us1", "eu1"), 1)
            )
        ),
        Policy(),
        memory=before,
        now=NOW + timedelta(seconds=later),
    )


@pytest.mark.parametrize("layout", Layout)
async def test_every_server_holds_what_is_planned_also_when_addresses_become_aliases_and_back(
    place: Any, layout: Layout
) -> None:
    bindings = () if "HTTPS" in place.lacks else (ServiceBinding(),)
    settings = DnsSettings(zone="prod", prefix="app", hosts=(place.origin, f"*.w.{place.origin}"), bindings=bindings)
    provider, memory, published = place.provider(), Memory(), Published(generation=0, sets={})
    counts = []
    for later, ready in enumerate(
        ({"us1": 2, "eu1": 2}, {"us1": 0, "eu1": 2}, {"us1": 0, "eu1": 2}, {"us1": 2, "eu1": 2}, {"us1": 2, "eu1": 2})
    ):
        made = planned(place.origin, ready, memory, settings, layout, later=later * 40)
        change = difference(made.zones[place.origin], published, Budget())
        outcome = await provider.apply(change_set(change, epoch=1))

        assert outcome.refused == ()
        published = applied(published, change)
        memory = after(made, [published])
        counts.append(len(published.sets))
        assert await place.served() == {
            key: (found.ttl_seconds, frozenset(found.values)) for key, found in made.zones[place.origin].items()
        }

    assert counts[0] == counts[-1]
    assert (counts[2] < counts[0]) is (layout is Layout.CNAME)


async def asked(server: tuple[str, int], name: str, type_: str, subnet: str = "") -> list[str]:
    options = [dns.edns.ECSOption.from_text(subnet)] if subnet else []
    query = dns.message.make_query(name, type_, use_edns=0, options=options)
    reply = await dns.asyncquery.udp(query, server[0], port=server[1], timeout=5)
    return [rdata.to_text() for found in reply.answer for rdata in found]


@pytest.mark.parametrize("strategy", DYNAMIC)
async def test_the_embedded_server_answers_by_weight_and_by_place_and_follows_a_failover(strategy: Strategy) -> None:
    name, apex = "web.shop.prod.svc.example.com.", "example.com."
    settings = DnsSettings(zone="prod", strategy=strategy, weights={"us1": 300, "eu1": 100})
    server = NameServer()
    address = await server.listen("127.0.0.1", 0)
    try:
        memory, ready = Memory(), {"us1": 1, "eu1": 1}
        for serial in (1, 2):
            made = planned("example.com", ready, memory, settings, Layout.FLAT, later=serial)
            authority = [
                record_set(apex, "SOA", [f"ns.{apex} host.{apex} {serial} 60 10 3600 15"], ttl_seconds=15),
                record_set(apex, "NS", [f"ns.{apex}"], ttl_seconds=3600),
            ]
            networks = [Network(prefix="192.0.2.0/24", place="us"), Network(prefix="198.51.100.0/24", place="eu")]
            held = made.zones[apex].values()
            await server.serve([zone_data(made, apex, held, authority, networks)])
            if serial == 1:
                answers = [await asked(address, name, "A") for _ in range(100)]
                if strategy is Strategy.WEIGHTED:
                    drawn = Counter(value for answer in answers for value in answer)
                    assert {len(answer) for answer in answers} == {1}
                    assert drawn["10.0.0.1"] > drawn["10.0.0.2"] > 0
                else:
                    assert await asked(address, name, "A", "192.0.2.0/24") == ["10.0.0.1"]
                    assert await asked(address, name, "AAAA", "198.51.100.0/24") == ["2001:db8::2"]
                    assert {value for answer in answers for value in answer} == {"10.0.0.1", "10.0.0.2"}
                memory = planned("example.com", {"us1": 0, "eu1": 1}, made.memory, settings, Layout.FLAT).memory
                ready = {"us1": 0, "eu1": 1}
            else:
                assert await asked(address, name, "A") == ["10.0.0.2"]
                assert await asked(address, name, "A", "192.0.2.0/24") == ["10.0.0.2"]
                assert await asked(address, "web.shop.prod.svc.a.us.example.com.", "AAAA") == ["2001:db8::2"]
    finally:
        await server.stop()
