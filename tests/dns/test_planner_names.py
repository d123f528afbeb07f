from datetime import UTC, datetime, timedelta

import dns.rdata
import pytest

from fedsvc_dns.planner.facts import Cluster, Endpoint, Instance, Kind, Observations, Port, Presence, Service, Topology
from fedsvc_dns.planner.memory import Memory, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.zone import DnsSettings, Layout, OnAllDown, ServiceBinding, Strategy, Tier, Zone

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
C1 = Cluster(name="c1", region="us", zones=("us1",))
C2 = Cluster(name="c2", region="eu", zones=("eu1",))
GLOBAL = "web.shop.prod.svc.example.com."
US, US1 = "web.shop.prod.svc.us.example.com.", "web.shop.prod.svc.us1.us.example.com."
EU, EU1 = "web.shop.prod.svc.eu.example.com.", "web.shop.prod.svc.eu1.eu.example.com."


def web(cluster: str, *addresses: str, ready: int | None = 1, ports: tuple[Port, ...] = ()) -> Instance:
    return Instance(service="shop/web", cluster=cluster, addresses=addresses, ready=ready, ports=ports)


def planned(
    *instances: Instance,
    settings: DnsSettings | None = None,
    clusters: tuple[Cluster, ...] = (C1, C2),
    layout: Layout = Layout.FLAT,
    kind: Kind = Kind.SERVICE,
    hosts: tuple[str, ...] = (),
    resolved: dict[str, tuple[str, ...]] | None = None,
    memory: Memory | None = None,
    now: datetime = NOW,
    distances_ms: dict[tuple[str, str], float] | None = None,
) -> Plan:
    service = Service(
        key="shop/web",
        kind=kind,
        namespace="shop",
        name="web",
        settings=settings or DnsSettings(zone="prod"),
        hosts=hosts,
    )
    zone = Zone(name="prod", domain="example.com", layout=layout)
    return plan(
        [service],
        Topology(zones=(zone,), clusters=clusters, distances_ms=distances_ms or {}),
        Observations(instances=instances, resolved=resolved or {}),
        Policy(),
        memory=memory or Memory(),
        now=now,
    )


def records(made: Plan, *types: str) -> dict[str, str]:
    """Name -> values, of these types, or of all with the type before them."""
    return {
        (name if len(types) == 1 else f"{name} {type_}"): " ".join(found.values)
        for (name, type_), found in made.zones["example.com."].items()
        if not types or type_ in types
    }


GOLDEN = [
    pytest.param((), (), {}, id="no clusters"),
    pytest.param(
        (C1, C2),
        (web("c1", "10.0.0.1"),),
        {
            f"{GLOBAL} A": "10.0.0.1",
            f"{US} A": "10.0.0.1",
            f"{US1} A": "10.0.0.1",
            f"{EU} CNAME": GLOBAL,
            f"{EU1} CNAME": EU,
        },
        id="a load balancer in one cluster",
    ),
    pytest.param(
        (C1, C2),
        (web("c1", "10.0.0.1"), web("c2", "10.0.0.2")),
        {
            f"{GLOBAL} A": "10.0.0.1 10.0.0.2",
            f"{US} A": "10.0.0.1",
            f"{US1} A": "10.0.0.1",
            f"{EU} A": "10.0.0.2",
            f"{EU1} A": "10.0.0.2",
        },
        id="a load balancer in each",
    ),
    pytest.param(
        (C1, C2),
        (web("c1"), web("c2")),
        {f"{US} CNAME": GLOBAL, f"{US1} CNAME": US, f"{EU} CNAME": GLOBAL, f"{EU1} CNAME": EU},
        id="none",
    ),
    pytest.param(
        (C1, C2),
        (web("c1", "10.0.0.1", "10.0.0.3"),),
        {
            f"{GLOBAL} A": "10.0.0.1 10.0.0.3",
            f"{US} A": "10.0.0.1 10.0.0.3",
            f"{US1} A": "10.0.0.1 10.0.0.3",
            f"{EU} CNAME": GLOBAL,
            f"{EU1} CNAME": EU,
        },
        id="two load balancers in one",
    ),
    pytest.param(
        (Cluster(name="c1", region="us", zones=("us1", "us2")),),
        (web("c1", "10.0.0.1"),),
        {
            f"{GLOBAL} A": "10.0.0.1",
            f"{US} A": "10.0.0.1",
            f"{US1} A": "10.0.0.1",
            "web.shop.prod.svc.us2.us.example.com. A": "10.0.0.1",
        },
        id="a cluster in two zones",
    ),
]


@pytest.mark.parametrize(("clusters", "instances", "expected"), GOLDEN)
def test_names_in_the_layout_of_aliases_are_those_of_kubefed(
    clusters: tuple[Cluster, ...], instances: tuple[Instance, ...], expected: dict[str, str]
) -> None:
    assert records(planned(*instances, clusters=clusters, layout=Layout.CNAME)) == expected


def test_in_the_flat_layout_a_level_without_targets_has_the_addresses_of_the_next() -> None:
    made = planned(web("c1", "10.0.0.1"))

    assert records(made, "A") == dict.fromkeys((GLOBAL, US, US1, EU, EU1), "10.0.0.1")
    assert records(made, "CNAME") == {}


@pytest.mark.parametrize(
    ("layout", "expected"), [(Layout.FLAT, "app.example.com. A"), (Layout.CNAME, "app.example.com. CNAME")]
)
def test_a_prefix_is_one_more_name_for_all_clusters(layout: Layout, expected: str) -> None:
    made = planned(web("c1", "10.0.0.1"), settings=DnsSettings(zone="prod", prefix="app"), layout=layout)

    assert records(made)[expected] == ("10.0.0.1" if layout is Layout.FLAT else GLOBAL)


def test_an_external_name_takes_the_place_of_the_services() -> None:
    made = planned(web("c1", "10.0.0.1"), settings=DnsSettings(zone="prod", external_name="front"))

    assert {name.split(".")[0] for name in records(made, "A")} == {"front"}


def test_both_families_have_the_same_targets_each_in_its_own_type() -> None:
    made = planned(web("c1", "10.0.0.1", "2001:DB8:0::1"), web("c2", "::ffff:10.0.0.2", "2001:db8::2", "0.0.0.0", "::"))  # noqa: S104  that is what a broken balancer says

    assert records(made, "A")[GLOBAL] == "10.0.0.1 10.0.0.2"
    assert records(made, "AAAA")[GLOBAL] == "2001:db8::1 2001:db8::2"
    assert records(made, "AAAA")[EU1] == "2001:db8::2"


def test_a_cluster_without_a_region_stops_nothing_and_counts_for_the_whole() -> None:
    made = planned(web("c1", "10.0.0.1"), web("c3", "10.0.0.3"), clusters=(C1, Cluster(name="c3")))

    assert records(made, "A") == {GLOBAL: "10.0.0.1 10.0.0.3", US: "10.0.0.1", US1: "10.0.0.1"}


def test_what_was_published_stays_when_all_targets_are_down() -> None:
    before = planned(web("c1", "10.0.0.1"), layout=Layout.CNAME)
    gone = planned(web("c1", ready=0), layout=Layout.CNAME, memory=before.memory, now=NOW + timedelta(hours=1))

    assert records(gone, "A")[GLOBAL] == "10.0.0.1"


def test_hosts_of_ingresses_are_names_as_given_and_those_of_other_zones_are_told() -> None:
    made = planned(
        web("c1", "10.0.0.1", ready=None),
        web("c2", "10.0.0.2", ready=None),
        kind=Kind.INGRESS,
        hosts=("Shop.Example.com", "example.com", "shop.other.org"),
    )

    assert records(made) == {"example.com. A": "10.0.0.1 10.0.0.2", "shop.example.com. A": "10.0.0.1 10.0.0.2"}
    assert [(problem.path, problem.message) for problem in made.problems] == [
        ("services[shop/web].hosts", "'shop.other.org' is not within the zone of example.com")
    ]


def test_a_wildcard_is_a_name_and_what_it_does_not_answer_for_is_told() -> None:
    made = planned(
        web("c1", "10.0.0.1"), kind=Kind.ROUTE, hosts=("*.shop.example.com", "a.b.shop.example.com", "shop.example.com")
    )

    assert "*.shop.example.com. A" in records(made)
    assert made.warnings == (
        "*.shop.example.com. does not answer for what has records of its own: b.shop.example.com.",
    )


def test_international_names_are_stored_as_a_labels() -> None:
    made = planned(web("c1", "10.0.0.1"), kind=Kind.INGRESS, hosts=("straße.example.com", "BÜCHER。example.com"))

    assert list(records(made, "A")) == ["xn--bcher-kva.example.com.", "xn--strae-oqa.example.com."]


def test_host_names_of_load_balancers_are_their_addresses_and_the_last_known_stay() -> None:
    balancer = web("c1", "lb.cloud.test")
    first = planned(balancer, resolved={"lb.cloud.test": ("10.0.0.9", "2001:db8::9")})
    later = planned(balancer, resolved={"lb.cloud.test": ()}, memory=first.memory, now=NOW + timedelta(days=1))

    assert records(first)[f"{GLOBAL} A"] == "10.0.0.9"
    assert records(later) == records(first)
    assert records(planned(balancer)) == {}


def test_named_ports_have_srv_records_with_the_tier_as_priority() -> None:
    ports = (Port(name="http", port=80), Port(name="dns", port=53, protocol="UDP"), Port(name="", port=9))
    made = planned(
        web("c1", "10.0.0.1", ports=ports),
        web("c2", "10.0.0.2", ports=ports[:1]),
        settings=DnsSettings(
            zone="prod",
            strategy=Strategy.FAILOVER,
            tiers=(Tier(regions=("us",)), Tier(clusters=("c2",))),
            weights={"c1": 70},
        ),
    )

    assert records(made, "A")[GLOBAL] == "10.0.0.1"
    assert records(made, "A")[f"c2.{GLOBAL}"] == "10.0.0.2"
    assert made.zones["example.com."][f"_http._tcp.{GLOBAL}", "SRV"].values == (
        f"0 70 80 c1.{GLOBAL}",
        f"1 100 80 c2.{GLOBAL}",
    )
    assert records(made, "SRV")[f"_dns._udp.{GLOBAL}"] == f"0 70 53 c1.{GLOBAL}"
    assert records(made, "SRV")[f"_http._tcp.{EU1}"] == f"1 100 80 c2.{GLOBAL}"


def test_endpoints_of_headless_services_answer_each_and_have_names_of_their_own() -> None:
    ports = (Port(name="db", port=5432),)
    made = planned(
        Instance(
            service="shop/web",
            cluster="c1",
            ready=2,
            ports=ports,
            endpoints=(
                Endpoint(id="db-0", addresses=("10.1.0.1", "2001:db8::1"), hostname="db-0"),
                Endpoint(id="x", addresses=("10.1.0.2",)),
            ),
        ),
        kind=Kind.HEADLESS,
    )

    assert records(made, "A")[GLOBAL] == "10.1.0.1 10.1.0.2"
    assert records(made, "A")[f"db-0.c1.{GLOBAL}"] == "10.1.0.1"
    assert made.zones["example.com."][f"_db._tcp.{GLOBAL}", "SRV"].values == (
        f"0 100 5432 c1.{GLOBAL}",
        f"0 100 5432 db-0.c1.{GLOBAL}",
    )


def test_https_and_svcb_records_have_the_addresses_as_hints() -> None:
    made = planned(
        web("c1", "10.0.0.1", "2001:db8::1"),
        settings=DnsSettings(
            zone="prod",
            hosts=("*.w.example.com",),
            bindings=(
                ServiceBinding(),
                ServiceBinding(port=8443, alpn=("h3",)),
                ServiceBinding(scheme="dns", alpn=("dot",)),
            ),
        ),
    )

    hints = 'ipv4hint="10.0.0.1" ipv6hint="2001:db8::1"'
    assert records(made, "HTTPS")[GLOBAL] == f'1 . alpn="h2,http/1.1" {hints}'
    assert records(made, "HTTPS")[f"_8443._https.{GLOBAL}"] == f'1 {GLOBAL} alpn="h3" port="8443" {hints}'
    assert records(made, "SVCB")[f"_dns.{GLOBAL}"] == f'1 {GLOBAL} alpn="dot" {hints}'
    assert {name for name in records(made, "HTTPS", "SVCB") if "*" in name} == {"*.w.example.com. HTTPS"}


def test_an_alias_has_no_https_record_beside_it() -> None:
    made = planned(
        web("c1", "10.0.0.1"),
        settings=DnsSettings(zone="prod", bindings=(ServiceBinding(), ServiceBinding(port=8443))),
        layout=Layout.CNAME,
    )

    assert (EU, "HTTPS") not in made.zones["example.com."]
    assert (f"_8443._https.{EU}", "HTTPS") in made.zones["example.com."]


def test_all_data_is_written_as_name_servers_write_it() -> None:
    made = planned(
        web("c1", "10.0.0.1", "2001:db8:0:0::1", ports=(Port(name="http", port=80),)),
        settings=DnsSettings(zone="prod", prefix="app", bindings=(ServiceBinding(), ServiceBinding(port=8443))),
        layout=Layout.CNAME,
    )

    for found in made.zones["example.com."].values():
        assert [dns.rdata.from_text("IN", found.type, value).to_text() for value in found.values] == list(found.values)
    assert {found.type for found in made.zones["example.com."].values()} == {"A", "AAAA", "CNAME", "SRV", "HTTPS"}


def test_of_two_objects_that_want_a_name_the_one_that_has_it_keeps_it() -> None:
    topology = Topology(zones=(Zone(name="prod", domain="example.com"),), clusters=(C1,))
    first, second = (
        Service(
            key=key,
            kind=Kind.INGRESS,
            namespace="shop",
            name=key,
            settings=DnsSettings(zone="prod"),
            hosts=("w.example.com", f"{key}.example.com"),
        )
        for key in ("a", "b")
    )
    seen = Observations(
        instances=(
            Instance(service="a", cluster="c1", addresses=("10.0.0.1",)),
            Instance(service="b", cluster="c1", addresses=("10.0.0.2",)),
        )
    )

    alone = plan([second], topology, seen, Policy(), memory=Memory(), now=NOW)
    both = plan([first, second], topology, seen, Policy(), memory=alone.memory, now=NOW)
    fresh = plan([second, first], topology, seen, Policy(), memory=Memory(), now=NOW)

    assert records(both) == {
        "a.example.com. A": "10.0.0.1",
        "b.example.com. A": "10.0.0.2",
        "w.example.com. A": "10.0.0.2",
    }
    assert [(one.path, one.message) for one in both.problems] == [
        ("services[a].dns", "w.example.com. belongs to b; give one of them another name")
    ]
    assert records(fresh)["w.example.com. A"] == "10.0.0.1"
    assert [one.path for one in fresh.problems] == ["services[b].dns"]


def test_a_name_is_in_the_closest_zone() -> None:
    made = plan(
        [
            Service(
                key="a",
                kind=Kind.INGRESS,
                namespace="shop",
                name="a",
                settings=DnsSettings(zone="prod"),
                hosts=("x.sub.example.com", "sub.example.com", "subexample.com", "y.example.com"),
            )
        ],
        Topology(
            zones=(Zone(name="prod", domain="example.com"), Zone(name="sub", domain="sub.example.com")), clusters=(C1,)
        ),
        Observations(instances=(Instance(service="a", cluster="c1", addresses=("10.0.0.1",)),)),
        Policy(),
        memory=Memory(),
        now=NOW,
    )

    assert {apex: [name for name, _ in sets] for apex, sets in made.zones.items()} == {
        "example.com.": ["y.example.com."],
        "sub.example.com.": ["sub.example.com.", "x.sub.example.com."],
    }


def test_the_names_of_an_object_that_is_wrong_by_now_stay_as_they_are() -> None:
    before = planned(web("c1", "10.0.0.1"))
    wrong = planned(
        web("c1", "10.0.0.2"), settings=DnsSettings(zone="prod", on_all_down=OnAllDown.SORRY), memory=before.memory
    )

    assert wrong.zones == before.zones
    assert [problem.path for problem in wrong.problems] == ["services[shop/web].dns.sorry"]


def test_an_object_that_is_known_to_be_absent_answers_no_more_and_one_that_is_not_seen_does() -> None:
    before = planned(web("c1", "10.0.0.1"), web("c2", "10.0.0.2"))
    absent = planned(
        Instance(service="shop/web", cluster="c1", presence=Presence.ABSENT), memory=before.memory, now=NOW
    )

    assert records(absent, "A")[GLOBAL] == "10.0.0.2"


def test_names_that_are_too_long_are_a_problem_of_their_object_alone() -> None:
    made = planned(web("c1", "10.0.0.1"), settings=DnsSettings(zone="prod", hosts=(f"{'a.' * 125}example.com",)))

    assert records(made) == {}
    assert "octets, of at most 255" in made.problems[0].message


def test_with_locality_a_region_without_targets_has_those_of_the_nearest() -> None:
    clusters = (C1, C2, Cluster(name="c3", region="asia"))
    made = planned(
        web("c1", "10.0.0.1"),
        web("c2", "10.0.0.2"),
        settings=DnsSettings(zone="prod", strategy=Strategy.LOCALITY),
        clusters=clusters,
        distances_ms={("asia", "us"): 120.0, ("eu", "asia"): 90.0},
    )

    assert records(made, "A")["web.shop.prod.svc.asia.example.com."] == "10.0.0.2"
