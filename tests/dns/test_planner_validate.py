from datetime import timedelta
from typing import Any

import pytest

from fedsvc_dns.planner.facts import Cluster
from fedsvc_dns.planner.memory import HealthPolicy
from fedsvc_dns.planner.validate import validate_cluster, validate_health, validate_settings, validate_zone
from fedsvc_dns.planner.zone import Budget, DnsSettings, MinHealthy, OnAllDown, ServiceBinding, Strategy, Tier, Zone

ZONE = Zone(name="prod", domain="example.com")


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        pytest.param({"zone": "test"}, "dns.zone", "there is no zone 'test'; there are: prod", id="no-zone"),
        pytest.param({"hosts": ("a.example.org",)}, "dns.hosts[0]", "not within the zone prod", id="host-outside"),
        pytest.param({"hosts": ("notexample.com",)}, "dns.hosts[0]", "not within", id="host-by-suffix-only"),
        pytest.param({"hosts": ("a..example.com",)}, "dns.hosts[0]", "is no name", id="host-with-empty-label"),
        pytest.param({"hosts": ("a.*.example.com",)}, "dns.hosts[0]", "whole of the first label", id="star-inside"),
        pytest.param({"hosts": ("☃-.example.com",)}, "dns.hosts[0]", "has no A-label", id="host-of-no-letters"),
        pytest.param({"ttl_seconds": 0}, "dns.ttl", "between 1 and", id="ttl-of-zero"),
        pytest.param({"ttl_seconds": 2**31}, "dns.ttl", "between 1 and", id="ttl-of-32-bits"),
        pytest.param({"min_healthy": MinHealthy(share=1.5)}, "dns.minHealthy.share", "0.0 to 1.0", id="share"),
        pytest.param({"min_healthy": MinHealthy(count=-1)}, "dns.minHealthy.count", "between 0", id="count"),
        pytest.param({"on_all_down": OnAllDown.SORRY}, "dns.sorry", "at least one address", id="sorry-without"),
        pytest.param({"sorry": ("192.0.2.1",)}, "dns.sorry", "only used with onAllDown", id="sorry-unused"),
        pytest.param(
            {"on_all_down": OnAllDown.SORRY, "sorry": ("sorry.example.com",)}, "dns.sorry[0]", "no IP", id="sorry-host"
        ),
        pytest.param({"weights": {"east": -1}}, "dns.weights[east]", "between 0 and 65535", id="weight"),
        pytest.param({"strategy": Strategy.FAILOVER}, "dns.tiers", "at least one tier", id="failover-without-tiers"),
        pytest.param({"tiers": (Tier(clusters=("a",)),)}, "dns.tiers", "only used with", id="tiers-without-failover"),
        pytest.param({"spill": True}, "dns.spill", "only used with", id="spill-without-failover"),
        pytest.param(
            {"strategy": Strategy.FAILOVER, "tiers": (Tier(),)}, "dns.tiers[0]", "names clusters", id="empty-tier"
        ),
        pytest.param({"prefix": "a b"}, "dns.prefix", "no label", id="prefix"),
        pytest.param({"external_name": "a.b"}, "dns.externalName", "no label", id="external-name"),
        pytest.param({"bindings": (ServiceBinding(scheme="X!"),)}, "dns.bindings[0].scheme", "no scheme", id="scheme"),
        pytest.param({"bindings": (ServiceBinding(port=0),)}, "dns.bindings[0].port", "between 1", id="port"),
        pytest.param(
            {"bindings": (ServiceBinding(alpn=("a,b",)),)}, "dns.bindings[0].alpn[0]", "no protocol", id="alpn"
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused_with_their_path(written: dict[str, Any], path: str, words: str) -> None:
    problems = validate_settings(DnsSettings(**{"zone": "prod", **written}), [ZONE])

    assert path in [problem.path for problem in problems]
    assert words in " ".join(problem.message for problem in problems)


def test_good_settings_have_no_problems() -> None:
    settings = DnsSettings(
        zone="prod",
        hosts=("example.com", "*.example.com", "bücher.example.com", "A.Example.com."),
        strategy=Strategy.FAILOVER,
        ttl_seconds=15,
        min_healthy=MinHealthy(count=2, share=0.5),
        on_all_down=OnAllDown.SORRY,
        weights={"east": 0, "west": 65535},
        tiers=(Tier(clusters=("east",)), Tier(regions=("eu",)), Tier(labels=(("tier", "b"),))),
        spill=True,
        prefix="www.shop",
        external_name="front",
        sorry=("192.0.2.1", "2001:db8::1"),
        bindings=(ServiceBinding(), ServiceBinding(scheme="dns", port=853, alpn=("dot",))),
    )

    assert validate_settings(settings, [ZONE]) == []


@pytest.mark.parametrize(
    ("zone", "path"),
    [
        (Zone(name="Prod.x", domain="example.com"), "zone.name"),
        (Zone(name="prod", domain="example..com"), "zone.domain"),
        (Zone(name="prod", domain="*.example.com"), "zone.domain"),
        (Zone(name="prod", domain="example.com", ttl_seconds=0), "zone.ttl"),
        (Zone(name="prod", domain="example.com", max_answers=0), "zone.maxAnswers"),
        (Zone(name="prod", domain="example.com", budget=Budget(share=2.0)), "zone.budget.share"),
        (Zone(name="prod", domain="example.com", budget=Budget(names=-1)), "zone.budget.names"),
        (Zone(name="prod", domain="example.com", budget=Budget(names_a_minute=0)), "zone.budget.namesAMinute"),
    ],
)
def test_zones_that_mean_nothing_are_refused_with_their_path(zone: Zone, path: str) -> None:
    assert [problem.path for problem in validate_zone(zone)] == [path]


@pytest.mark.parametrize(
    ("cluster", "path"),
    [
        (Cluster(name="c1", region="us_east"), "c.region"),
        (Cluster(name="c1", region="us", zones=("a", "b.c")), "c.zones[1]"),
        (Cluster(name="c1", zones=("a",)), "c.region"),
        (Cluster(name="c1", weight_percent=101), "c.weight"),
    ],
)
def test_clusters_whose_places_are_no_labels_are_told(cluster: Cluster, path: str) -> None:
    assert [problem.path for problem in validate_cluster(cluster, "c")] == [path]


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (HealthPolicy(fall=0), "health.fall"),
        (HealthPolicy(rise=101), "health.rise"),
        (HealthPolicy(min_down=timedelta(seconds=-1)), "health.minDown"),
        (HealthPolicy(flap_half_life=timedelta(0)), "health.flapHalfLife"),
        (HealthPolicy(flap_reuse=0), "health.flapReuse"),
        (HealthPolicy(flap_suppress=500), "health.flapReuse"),
        (HealthPolicy(flap_penalty=-1), "health.flapPenalty"),
    ],
)
def test_numbers_of_health_that_mean_nothing_are_refused_with_their_path(policy: HealthPolicy, path: str) -> None:
    assert [problem.path for problem in validate_health(policy)] == [path]
    assert validate_health(HealthPolicy()) == []
