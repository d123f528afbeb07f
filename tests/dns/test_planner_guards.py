from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_dns.planner.changes import Change, Published, StaleChangeError, after, applied, difference
from fedsvc_dns.planner.facts import Cluster, Instance, Kind, Observations, Outcome, Probe, Service, Topology, Verdict
from fedsvc_dns.planner.memory import HealthPolicy, Memory, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.withdrawing import Standpoint, held_back
from fedsvc_dns.planner.zone import Budget, DnsSettings, Zone
from fedsvc_dns.records import RecordSet, record_set

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLUSTERS = tuple(
    Cluster(name=f"{region}-{index}", region=region) for region in ("asia", "eu", "us") for index in (1, 2)
)
SERVICES = tuple(
    Service(key=key, kind=Kind.SERVICE, namespace="shop", name=key, settings=DnsSettings(zone="prod"))
    for key in ("api", "web")
)


def seen(failing: dict[str, int], unready: tuple[str, ...] = ()) -> Observations:
    """Every service in every cluster; `failing`: in clusters or regions so many of three vantages fail."""
    return Observations(
        instances=tuple(
            Instance(
                service=service.key,
                cluster=cluster.name,
                addresses=(f"10.{place}.{number}.1",),
                ready=0 if cluster.name in unready else 1,
                probes=tuple(
                    Probe(
                        vantage=f"v{vantage}",
                        outcome=Outcome.DOWN
                        if vantage < failing.get(cluster.name, failing.get(cluster.region, 0))
                        else Outcome.UP,
                        streak=9,
                        at=NOW,
                    )
                    for vantage in range(3)
                ),
            )
            for number, service in enumerate(SERVICES)
            for place, cluster in enumerate(CLUSTERS)
        )
    )


def planned(observations: Observations, memory: Memory, policy: Policy | None = None, **changed: Cluster) -> Plan:
    clusters = tuple(changed.get(cluster.name.replace("-", "_"), cluster) for cluster in CLUSTERS)
    topology = Topology(zones=(Zone(name="prod", domain="example.com"),), clusters=clusters)
    return plan(SERVICES, topology, observations, policy or Policy(), memory=memory, now=NOW)


def answering(made: Plan) -> set[str]:
    return set(made.decisions["web.shop.prod.svc.example.com."].choice.clusters)


ALL = {cluster.name for cluster in CLUSTERS}


def test_a_region_that_most_vantages_see_fail_is_withdrawn() -> None:
    first = planned(seen({}), Memory())

    assert answering(first) == ALL
    assert answering(planned(seen({"us": 2}), first.memory)) == ALL - {"us-1", "us-2"}


def test_while_automation_is_held_nothing_is_withdrawn_and_what_is_out_stays_out_till_it_is_back() -> None:
    first = planned(seen({"us-1": 3}), planned(seen({}), Memory()).memory)
    held = Policy(is_held=True, hold_reason="3 of 6 members are lost")

    kept = planned(seen({"us-1": 3, "eu": 3}, unready=("asia-1",)), first.memory, held)
    back = planned(seen({"eu": 3}), kept.memory, held)

    assert answering(kept) == ALL - {"us-1"}
    assert kept.targets["web", "eu-1"].held == "automation is held: 3 of 6 members are lost"
    assert answering(back) == ALL - {"us-1"}  # it has to stay down for the least time first
    assert answering(planned(seen({"us-1": 3, "eu": 3}), kept.memory)) == ALL - {"us-1", "eu-1", "eu-2"}


def test_a_policy_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"policy\.health\.fall: 0 is not between 1 and 100"):
        planned(seen({}), Memory(), Policy(health=HealthPolicy(fall=0)))


def test_people_drain_also_while_automation_is_held() -> None:
    first = planned(seen({}), Memory())
    drained = Cluster(name="us-1", region="us", is_drained=True)

    assert answering(planned(seen({}), first.memory, Policy(is_held=True), us_1=drained)) == ALL - {"us-1"}


@pytest.mark.parametrize("verdict", [Verdict.MAINTENANCE, Verdict.HIBERNATED])
def test_a_cluster_that_people_took_out_answers_nothing(verdict: Verdict) -> None:
    first = planned(seen({}), Memory())
    away = Cluster(name="us-1", region="us", verdict=verdict)

    assert answering(planned(seen({}), first.memory, us_1=away)) == ALL - {"us-1"}


def standpoint(region: str, number: int, kind: str) -> Standpoint:
    """A target that is in (`i`), out (`o`), out by its own word (`c`), or goes: with (`Q`), without (`q`) a quorum, by its own word (`C`)."""
    return Standpoint(
        key=("s", f"{region}{number}"),
        region=region,
        is_out=kind in "oc",
        wants_out=kind != "i",
        is_certain=kind in "cC",
        has_quorum=kind == "Q",
        since=NOW,
    )


@pytest.mark.parametrize(
    ("regions", "held"),
    [
        pytest.param({"a": "qqq", "b": "iii"}, set(), id="one region goes"),
        pytest.param({"a": "ooo", "b": "qqq"}, {"b"}, id="a second does not"),
        pytest.param({"a": "ooo", "b": "QQQ"}, set(), id="a second goes with a quorum"),
        pytest.param({"a": "qqq", "b": "qqq"}, {"b"}, id="of two at once the first"),
        pytest.param({"a": "qqq", "b": "QQQ"}, {"a"}, id="of two at once the sure one"),
        pytest.param({"a": "ooo", "b": "qii"}, set(), id="a part of a second"),
        pytest.param({"a": "oii", "b": "qqq"}, set(), id="a part of the first"),
        pytest.param({"a": "ccc", "b": "qqq"}, set(), id="the first said so itself"),
        pytest.param({"a": "ooo", "b": "CCC"}, set(), id="the second says so itself"),
        pytest.param({"a": "ooo", "b": "oqi"}, {"b"}, id="what would take most of a second"),
    ],
)
def test_at_most_one_region_is_withdrawn_without_a_quorum(regions: dict[str, str], held: set[str]) -> None:
    targets = [
        standpoint(region, number, kind) for region, kinds in regions.items() for number, kind in enumerate(kinds)
    ]

    assert {key[1][0] for key in held_back(targets, Policy())} == held


@given(st.dictionaries(st.sampled_from("abcd"), st.text("ioqQcC", min_size=1, max_size=6)), st.integers(0, 2))
def test_doubt_never_takes_more_regions_than_may_go_at_once(regions: dict[str, str], at_once: int) -> None:
    targets = [
        standpoint(region, number, kind) for region, kinds in regions.items() for number, kind in enumerate(kinds)
    ]
    held = held_back(targets, Policy(regions_at_once=at_once))
    out = {
        region: "".join(
            kind for number, kind in enumerate(kinds) if kind in "oqQ" and ("s", f"{region}{number}") not in held
        )
        for region, kinds in regions.items()
    }
    surely = {region for region, kinds in regions.items() if sum(map(kinds.count, "oQ")) * 2 > len(kinds)}
    lost = {region for region, kinds in regions.items() if len(out[region]) * 2 > len(kinds)}

    assert surely <= lost
    assert len(lost - surely) <= max(0, at_once - len(surely))
    assert {regions[name[0]][int(name[1:])] for _, name in held} <= {"q"}


def a(name: str, value: str = "10.0.0.1", type_: str = "A") -> RecordSet:
    return record_set(name, type_, [value], ttl_seconds=30)


def sets(*made: RecordSet) -> dict[tuple[str, str], RecordSet]:
    return {one.key: one for one in made}


def numbered(*numbers: int) -> dict[tuple[str, str], RecordSet]:
    return sets(*(a(f"n{number}.example.com") for number in numbers))


def test_a_difference_is_by_record_set_with_its_ttl_and_what_goes_comes_first() -> None:
    published = Published(
        generation=7, sets=sets(a("a.example.com"), a("b.example.com"), a("c.example.com"), a("d.example.com"))
    )
    desired = sets(
        a("a.example.com"),
        record_set("b.example.com", "A", ["10.0.0.1"], ttl_seconds=60),
        a("c.example.com", "a.example.com.", "CNAME"),
        a("e.example.com"),
    )
    change = difference(desired, published, Budget())

    assert [(one.key, one.before is not None, one.after is not None) for one in change.replacements] == [
        (("b.example.com.", "A"), True, True),
        (("c.example.com.", "A"), True, False),
        (("c.example.com.", "CNAME"), False, True),
        (("d.example.com.", "A"), True, False),
        (("e.example.com.", "A"), False, True),
    ]
    assert applied(published, change) == Published(generation=8, sets=desired)
    assert difference(desired, applied(published, change), Budget()).is_empty


@pytest.mark.parametrize(
    ("before", "stays", "budget", "last_minute", "why"),
    [
        pytest.param(20, 10, Budget(), 0, "", id="ten names"),
        pytest.param(20, 9, Budget(), 0, "11 of 20 names would go, 10 may", id="eleven"),
        pytest.param(100, 80, Budget(), 0, "", id="a fifth"),
        pytest.param(100, 79, Budget(), 0, "21 of 100 names would go, 20 may", id="more than a fifth"),
        pytest.param(3, 0, Budget(), 0, "the zone would be empty: 3 names would go", id="all"),
        pytest.param(
            20, 19, Budget(), 50, "1 name would go after 50 in the last minute, 50 may in a minute", id="fast"
        ),
        pytest.param(20, 19, Budget(names=0, share=0.0), 0, "1 of 20 names would go, 0 may", id="none may"),
    ],
)
def test_names_above_the_budget_are_held(before: int, stays: int, budget: Budget, last_minute: int, why: str) -> None:
    published = Published(generation=1, sets=numbered(*range(before)))
    desired = numbered(*range(stays))
    change = difference(desired, published, budget, removed_last_minute=last_minute)

    assert change.why_held == why
    assert len(change.held) == (before - stays if why else 0)


def test_values_change_whatever_the_budget_and_a_held_name_stays_whole() -> None:
    before = sets(a("a.example.com"), a("a.example.com", "2001:db8::1", "AAAA"), a("b.example.com"))
    desired = sets(a("a.example.com", "2001:db8::2", "AAAA"), a("b.example.com", "10.0.0.2"))
    change = difference(desired, Published(generation=1, sets=before), Budget(names=0, share=0.0))

    assert [one.key for one in change.replacements] == [("b.example.com.", "A")]
    assert [one.key for one in change.held] == [("a.example.com.", "A"), ("a.example.com.", "AAAA")]


def test_what_is_confirmed_goes_and_nothing_else() -> None:
    published = Published(generation=1, sets=numbered(*range(20)))
    held = difference(numbered(0), published, Budget())

    assert difference(numbered(0), published, Budget(), approved=held.approval).replacements == held.held
    assert difference(numbered(1), published, Budget(), approved=held.approval).held != ()


def test_nothing_of_a_frozen_zone_changes_and_what_would_is_told() -> None:
    published = Published(generation=1, sets=numbered(1))
    change = difference(numbered(1, 2), published, Budget(), is_frozen=True)

    assert (change.is_empty, len(change.held), change.why_held) == (True, 1, "the zone is frozen")
    assert applied(published, change) == published
    assert difference(numbered(1), published, Budget(), is_frozen=True) == Change(expects=1)


def test_a_late_change_never_overwrites_a_newer_one() -> None:
    published = Published(generation=4, sets={})
    early, late = (difference(numbered(number), published, Budget()) for number in (1, 2))
    newer = applied(published, early)

    with pytest.raises(StaleChangeError, match="made on generation 4, the zone is at 5"):
        applied(newer, late)


def test_memory_after_a_change_has_what_the_zone_holds() -> None:
    first = planned(seen({}), Memory())
    published = applied(
        Published(generation=0, sets={}),
        difference(first.zones["example.com."], Published(generation=0, sets={}), Budget()),
    )
    second = plan(
        SERVICES[:1],
        Topology(zones=(Zone(name="prod", domain="example.com"),), clusters=CLUSTERS),
        seen({}),
        Policy(),
        memory=after(first, [published]),
        now=NOW,
    )
    change = difference(second.zones["example.com."], published, Budget(names=0, share=0.1))
    memory = after(second, [applied(published, change)])

    assert change.why_held == "4 of 8 names would go, 0 may"
    assert {name for name in memory.published if name.startswith("web")} == set()
    assert set(memory.published) == {name for name, _ in second.zones["example.com."]}


def test_a_vantage_that_goes_blind_brings_nothing_back_that_it_saw_die() -> None:
    first = planned(seen({}), Memory())
    one_lost = planned(seen({"us-1": 3}), first.memory)
    most_fail = seen(dict.fromkeys(("us-1", "us-2", "eu-1", "eu-2"), 3))
    blind = planned(most_fail, one_lost.memory)

    assert answering(one_lost) == ALL - {"us-1"}
    assert answering(blind) == ALL - {"us-1"}
