from datetime import UTC, datetime, timedelta

import pytest

from fedsvc_dns.planner.explaining import explain, explain_lines
from fedsvc_dns.planner.facts import (
    Cluster,
    Instance,
    Kind,
    Observations,
    Outcome,
    Port,
    Presence,
    Probe,
    Service,
    Topology,
    Verdict,
)
from fedsvc_dns.planner.memory import HealthPolicy, Memory, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.zone import DnsSettings, Layout, MinHealthy, OnAllDown, Strategy, Tier, Zone

NOW = datetime(2026, 11, 26, 12, 1, 7, tzinfo=UTC)
GLOBAL = "web.shop.prod.svc.example.com"


def web(cluster: str, *addresses: str, ready: int | None = 1, down: int = 0, up: int = 0) -> Instance:
    probes = tuple(
        Probe(
            vantage=f"v{index}",
            outcome=Outcome.DOWN if index < down else Outcome.UP,
            streak=3,
            at=NOW,
            detail="TCP 443 timed out" if index < down else "",
        )
        for index in range(down + up)
    )
    return Instance(
        service="shop/web",
        cluster=cluster,
        addresses=addresses,
        ready=ready,
        probes=probes,
        ports=(Port(name="http", port=80),),
    )


def planned(
    *instances: Instance,
    clusters: tuple[Cluster, ...],
    settings: DnsSettings | None = None,
    memory: Memory | None = None,
    policy: Policy | None = None,
    layout: Layout = Layout.FLAT,
    now: datetime = NOW,
) -> Plan:
    service = Service(
        key="shop/web", kind=Kind.SERVICE, namespace="shop", name="web", settings=settings or DnsSettings(zone="prod")
    )
    zone = Zone(name="prod", domain="example.com", layout=layout, max_answers=4)
    return plan(
        [service],
        Topology(zones=(zone,), clusters=clusters),
        Observations(instances=instances),
        policy or Policy(),
        memory=memory or Memory(),
        now=now,
    )


def lines(made: Plan, name: str = GLOBAL) -> list[str]:
    found = explain(made, name, HealthPolicy())
    assert found is not None
    return explain_lines(found)


US, EU = Cluster(name="us-east", region="us"), Cluster(name="eu", region="eu", zones=("eu1",))


def test_a_name_tells_of_each_target_whether_it_is_in_and_why() -> None:
    before = planned(web("us-east", "10.0.0.1"), web("eu", "10.0.0.2"), clusters=(US, EU))
    made = planned(web("us-east", "10.0.0.1", down=3), web("eu", "10.0.0.2"), clusters=(US, EU), memory=before.memory)

    assert lines(made) == [
        "web.shop.prod.svc.example.com. stands for all clusters of shop/web",
        "it answers with what is fit",
        "in  eu       up since 2026-11-26 12:01:07 UTC: it has ready endpoints",
        "out us-east  down since 2026-11-26 12:01:07 UTC: 3 of 3 vantages fail: TCP 443 timed out",
    ]
    assert lines(made, "web.shop.prod.svc.us.example.com")[1:3] == [
        "it answers with what web.shop.prod.svc.example.com. answers, since nothing of its own is fit",
        "in  eu       up since 2026-11-26 12:01:07 UTC: it has ready endpoints",
    ]
    assert lines(made, "web.shop.prod.svc.eu1.eu.example.com")[0] == (
        "web.shop.prod.svc.eu1.eu.example.com. stands for zone eu1.eu of shop/web"
    )


CASES = [
    pytest.param(
        Cluster(name="us-east", region="us", is_drained=True),
        web("us-east", "10.0.0.1"),
        "out us-east  its cluster is drained",
        id="drained",
    ),
    pytest.param(
        Cluster(name="us-east", region="us", verdict=Verdict.MAINTENANCE),
        web("us-east", "10.0.0.1"),
        "out us-east  its cluster is under maintenance",
        id="maintenance",
    ),
    pytest.param(
        Cluster(name="us-east", region="us", verdict=Verdict.HIBERNATED),
        web("us-east", "10.0.0.1"),
        "out us-east  its cluster is hibernated",
        id="hibernated",
    ),
    pytest.param(US, web("us-east"), "out us-east  it has no address", id="no address"),
    pytest.param(
        US,
        web("us-east", "lb.test"),
        "out us-east  the host name of its load balancer has never been resolved",
        id="not resolved",
    ),
    pytest.param(
        US,
        Instance(service="shop/web", cluster="us-east", presence=Presence.ABSENT),
        "out us-east  the object is not in this cluster",
        id="absent",
    ),
    pytest.param(
        US,
        web("us-east", "10.0.0.1", ready=0),
        "out us-east  down since 2026-11-26 12:01:07 UTC: it has no ready endpoints",
        id="not ready",
    ),
    pytest.param(
        Cluster(name="us-east", region="us", verdict=Verdict.UNREACHABLE, verdict_since=NOW),
        web("us-east", "10.0.0.1"),
        "in  us-east  suspect since 2026-11-26 12:01:07 UTC: its cluster is not heard, and nobody probes it: what is"
        " not known removes nothing",
        id="not heard",
    ),
    pytest.param(
        Cluster(name="us-east", region="us", verdict=Verdict.UNREACHABLE, verdict_since=NOW),
        web("us-east", "10.0.0.1", up=2),
        "in  us-east  up since 2026-11-26 12:01:07 UTC: its cluster is not heard, 2 of 2 vantages reach it",
        id="not heard, probed",
    ),
    pytest.param(
        US,
        web("us-east", "10.0.0.1", ready=None),
        "in  us-east  up since 2026-11-26 12:01:07 UTC: its cluster is heard",
        id="nothing but heard",
    ),
]


@pytest.mark.parametrize(("cluster", "instance", "expected"), CASES)
def test_where_a_target_stands_is_told_in_words(cluster: Cluster, instance: Instance, expected: str) -> None:
    made = planned(instance, web("eu", "10.0.0.2"), clusters=(cluster, EU))

    assert lines(made)[-1] == expected


def test_a_cluster_that_left_is_told_of_once() -> None:
    before = planned(web("us-east", "10.0.0.1"), web("eu", "10.0.0.2"), clusters=(US, EU))
    made = planned(web("eu", "10.0.0.2"), clusters=(EU,), memory=before.memory)

    assert lines(made)[-1] == "out us-east  the cluster has left the fleet"
    assert not any("us-east" in line for line in lines(planned(clusters=(EU,), memory=made.memory)))


def test_what_a_hold_keeps_is_told() -> None:
    before = planned(web("us-east", "10.0.0.1"), web("eu", "10.0.0.2"), clusters=(US, EU))
    made = planned(
        web("us-east", "10.0.0.1", down=1),
        web("eu", "10.0.0.2"),
        clusters=(US, EU),
        memory=before.memory,
        policy=Policy(is_held=True),
    )

    assert lines(made)[-1].endswith("1 of 1 vantage fail: TCP 443 timed out; kept in: automation is held")


def test_a_target_that_flapped_is_told_until_when_it_is_kept_out() -> None:
    memory, now = Memory(), NOW
    for ready in (1, 0, 0, 1, 1, 0, 0, 1, 1):
        made = planned(
            web("us-east", "10.0.0.1", ready=ready), web("eu", "10.0.0.2"), clusters=(US, EU), memory=memory, now=now
        )
        memory, now = made.memory, now + timedelta(seconds=20)

    assert lines(made)[-1].startswith("out us-east  it is up, but flapped: kept out until 2026-11-26 12:1")
    assert made.due is not None


BASES = [
    (OnAllDown.ALL, "all that nobody drained, since no target is fit"),
    (OnAllDown.SORRY, "the address to say sorry from, since no target is fit"),
    (OnAllDown.NXDOMAIN, "nothing, as its settings ask for, since no target is fit"),
]


@pytest.mark.parametrize(("on_all_down", "words"), BASES)
def test_what_answers_when_all_are_down_is_told(on_all_down: OnAllDown, words: str) -> None:
    sorry = ("192.0.2.1",) if on_all_down is OnAllDown.SORRY else ()
    settings = DnsSettings(zone="prod", on_all_down=on_all_down, sorry=sorry)

    assert lines(planned(web("us-east", "10.0.0.1", ready=0), clusters=(US,), settings=settings))[1] == (
        f"it answers with {words}"
    )


def test_too_few_fit_targets_are_told_with_how_many_are_needed() -> None:
    settings = DnsSettings(zone="prod", min_healthy=MinHealthy(count=2))
    made = planned(web("us-east", "10.0.0.1", ready=0), web("eu", "10.0.0.2"), clusters=(US, EU), settings=settings)

    assert lines(made)[1] == "it answers with all that nobody drained, since only 1 target is fit, of 2 needed"


def test_targets_that_are_fit_and_not_chosen_tell_why() -> None:
    settings = DnsSettings(
        zone="prod", strategy=Strategy.FAILOVER, tiers=(Tier(regions=("us",)), Tier(clusters=("eu",))), weights={"b": 0}
    )
    made = planned(
        web("us-east", "10.0.0.1"),
        web("eu", "10.0.0.2"),
        web("b", "10.0.0.3"),
        clusters=(US, EU, Cluster(name="b")),
        settings=settings,
    )

    assert [line.rpartition("; ")[2] for line in lines(made)[2:4]] == ["not needed", "it is of tier 2"]
    assert lines(made, "web.shop.prod.svc.us.example.com")[3].endswith("; it is in region eu")


def test_of_more_than_may_answer_those_left_out_tell_how_many_were_drawn() -> None:
    clusters = tuple(Cluster(name=f"c{number}") for number in range(6))
    made = planned(*(web(one.name, f"10.0.0.{index}") for index, one in enumerate(clusters)), clusters=clusters)

    assert [line.endswith("; 4 others were drawn") for line in lines(made)[2:]].count(True) == 2


def test_names_beside_a_name_are_explained_and_others_are_none() -> None:
    made = planned(web("us-east", "10.0.0.1"), web("eu", "10.0.0.2"), clusters=(US, EU), layout=Layout.CNAME)

    assert lines(made, f"_http._tcp.{GLOBAL}")[1] == "it answers with what is fit"
    assert lines(made, f"eu.{GLOBAL}") == [
        "eu.web.shop.prod.svc.example.com. stands for what SRV records point to of shop/web",
        "it answers with its addresses as long as it has any, whatever its health",
        "in  eu  up since 2026-11-26 12:01:07 UTC: it has ready endpoints",
    ]
    assert explain(made, "other.example.com", HealthPolicy()) is None
    with pytest.raises(ValueError, match="is no name"):
        explain(made, "a..b", HealthPolicy())
