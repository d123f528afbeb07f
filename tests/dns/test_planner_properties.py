"""Whatever happens to a fleet in whatever order: what names may never do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from fedsvc_dns.planner.changes import Published, applied, difference
from fedsvc_dns.planner.choosing import Basis
from fedsvc_dns.planner.facts import (
    Cluster,
    Endpoint,
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
from fedsvc_dns.planner.memory import HealthPolicy, Memory, OnStale, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.targets import Standing
from fedsvc_dns.planner.zone import (
    Budget,
    DnsSettings,
    Layout,
    MinHealthy,
    OnAllDown,
    ServiceBinding,
    Strategy,
    Tier,
    Zone,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
REGIONS = ("asia", "eu", "us")
NAMES = tuple(f"c{number}" for number in range(5))
SERVICES = ("api", "web")


@dataclass(frozen=True)
class Moment:
    """What is seen at one time."""

    topology: Topology
    observations: Observations
    policy: Policy
    now: datetime

    def plan(self, services: tuple[Service, ...], memory: Memory, previous: Plan | None = None) -> Plan:
        return plan(
            services, self.topology, self.observations, self.policy, memory=memory, now=self.now, previous=previous
        )


def some_settings(chance: Random, prefix: str) -> DnsSettings:
    strategy, on_all_down = (
        chance.choice(list(Strategy)),
        chance.choice([OnAllDown.ALL, OnAllDown.LAST, OnAllDown.SORRY]),
    )
    fails_over = strategy is Strategy.FAILOVER
    return DnsSettings(
        zone="prod",
        strategy=strategy,
        min_healthy=chance.choice([None, MinHealthy(count=2), MinHealthy(share=1.0), MinHealthy(count=0, share=0.3)]),
        on_all_down=on_all_down,
        sorry=("192.0.2.1", "2001:db8::f") if on_all_down is OnAllDown.SORRY else (),
        weights={name: chance.choice([0, 1, 100, 200]) for name in NAMES if chance.random() < 0.5},
        tiers=(Tier(regions=("us",)), Tier(clusters=("c1", "c3"))) if fails_over else (),
        spill=fails_over and chance.random() < 0.5,
        prefix=prefix,
        bindings=chance.choice([(), (ServiceBinding(), ServiceBinding(port=8443))]),
    )


def some_services(chance: Random) -> tuple[Service, ...]:
    return tuple(
        Service(
            key=name,
            kind=chance.choice(list(Kind)),
            namespace="shop",
            name=name,
            settings=some_settings(chance, prefix),
            hosts=(f"{name}.example.com", f"*.{name}.example.com"),
        )
        for name, prefix in zip(SERVICES, ("", "app"), strict=True)
    )


def some_clusters(chance: Random) -> tuple[Cluster, ...]:
    return tuple(
        Cluster(
            name=name,
            region=chance.choice(REGIONS),
            zones=chance.choice([(), ("z1",), ("z1", "z2")]),
            weight_percent=chance.choice([100, 100, 50, 0]),
            is_drained=chance.random() < 0.2,
            verdict=chance.choice([Verdict.HEALTHY, Verdict.HEALTHY, *Verdict]),
            verdict_since=NOW,
        )
        for name in NAMES
        if chance.random() < 0.9
    )


def some_instance(chance: Random, service: str, cluster: str, now: datetime, *, both: bool) -> Instance:
    service_place, place = 1 + SERVICES.index(service), 1 + NAMES.index(cluster)
    v4, v6 = f"10.{service_place}.0.{place}", f"2001:db8::{service_place}{place}"
    addresses = (v4, v6) if both else chance.choice([(v4,), (v4, v6), (v6,), (), (f"lb-{place}.test",)])
    return Instance(
        service=service,
        cluster=cluster,
        presence=chance.choice([Presence.PRESENT] * 8 + [Presence.ABSENT, Presence.UNKNOWN]),
        addresses=addresses,
        ready=chance.choice([None, 0, 1, 3]),
        ports=chance.choice([(), (Port(name="http", port=80),)]),
        endpoints=chance.choice([(), (Endpoint(id="e", addresses=addresses, hostname="h"),)]),
        probes=tuple(
            Probe(vantage=f"v{index}", outcome=chance.choice(list(Outcome)), streak=chance.choice([1, 3]), at=now)
            for index in range(chance.randint(0, 3))
        ),
    )


def some_story(chance: Random, *, both: bool = False) -> list[Moment]:
    """What is seen of a fleet from time to time."""
    zone = Zone(
        name="prod", domain="example.com", layout=chance.choice(list(Layout)), max_answers=chance.choice([2, 8])
    )
    now, story = NOW, []
    for _ in range(chance.randint(2, 6)):
        now += chance.choice([timedelta(0), timedelta(seconds=1), timedelta(seconds=40), timedelta(minutes=12)])
        found = [
            some_instance(chance, service, cluster, now, both=both)
            for service in SERVICES
            for cluster in NAMES
            if chance.random() < 0.9
        ]
        topology = Topology(
            zones=(zone,), clusters=some_clusters(chance), distances_ms={("asia", "eu"): 90.0, ("eu", "us"): 70.0}
        )
        resolved = chance.choice([{}, {f"lb-{place}.test": (f"10.9.0.{place}",) for place in range(6)}])
        policy = Policy(is_held=chance.random() < 0.3, health=HealthPolicy(on_stale=chance.choice(list(OnStale))))
        observations = Observations(instances=tuple(found), resolved=resolved)
        story.append(Moment(topology=topology, observations=observations, policy=policy, now=now))
    return story


def tale(seed: int, *, both: bool = False) -> tuple[list[Moment], tuple[Service, ...]]:
    """A story and the objects that it is of."""
    chance = Random(seed)  # noqa: S311  it tells stories, and the same one for the same seed
    return some_story(chance, both=both), some_services(chance)


def told(story: list[Moment], objects: tuple[Service, ...]) -> Iterator[tuple[Moment, Plan, Memory]]:
    """Each moment with its plan and the memory that it was made on."""
    memory = Memory()
    for moment in story:
        made = moment.plan(objects, memory)
        yield moment, made, memory
        memory = made.memory


# A story has a thousand parts: drawn one by one they cost a hundred times what a seed does.
many = settings(max_examples=100, deadline=None)
seeds = st.integers(0, 2**48)


@many
@given(seeds)
def test_a_name_that_was_published_is_never_empty(seed: int) -> None:
    story, objects = tale(seed)
    for _, made, before in told(story, objects):
        answering = {name for (name, type_) in made.zones["example.com."] if type_ in {"A", "AAAA", "CNAME"}}
        answered = {name for name, sets in before.published.items() if any(one.type in {"A", "AAAA"} for one in sets)}
        for name in answered & set(made.decisions):
            assert name in answering, made.decisions[name]
        wholes = {f"{service}.shop.prod.svc.example.com." for service in SERVICES}
        assert answered & wholes <= answering


@many
@given(seeds)
def test_nothing_that_is_down_answers_while_enough_are_fit(seed: int) -> None:
    story, objects = tale(seed)
    for _, made, _ in told(story, objects):
        for decision in made.decisions.values():
            standings = {
                target.cluster: target.standing
                for target in made.targets.values()
                if target.service == decision.service
            }
            answering = {standings[cluster] for cluster in decision.choice.clusters if cluster in standings}
            assert not answering & {Standing.DRAINED, Standing.GONE}
            if decision.choice.fit >= decision.choice.needed:
                assert answering <= {Standing.FIT}, decision
                assert answering
            if decision.choice.basis in (Basis.STANDBY, Basis.RESTING):
                assert Standing.DOWN not in answering


@many
@given(seeds)
def test_sets_are_sound(seed: int) -> None:
    story, objects = tale(seed)
    for moment, made, _ in told(story, objects):
        sets = made.zones["example.com."]
        for (name, type_), found in sets.items():
            assert found.key == (name, type_)
            assert found.ttl_seconds == 30
            assert found.values
            assert list(found.values) == sorted(set(found.values))
            if type_ == "CNAME":
                assert [other for owner, other in sets if owner == name] == ["CNAME"]
                assert moment.topology.zones[0].layout is Layout.CNAME


@many
@given(seeds)
def test_both_families_and_the_hints_are_of_the_same_targets(seed: int) -> None:
    story, objects = tale(seed, both=True)
    for _, made, _ in told(story, objects):
        sets = made.zones["example.com."]
        for (name, type_), found in sets.items():
            if type_ == "A" and not any(value.startswith("192.0.2.") for value in found.values):
                four = {"2001:db8::{1}{3}".format(*value.split(".")) for value in found.values}
                assert four == set(sets[name, "AAAA"].values), name
            if type_ == "HTTPS" and name in made.decisions:
                four_hint = ",".join(sets[name, "A"].values)
                assert f'ipv4hint="{four_hint}"' in found.values[0]


@many
@given(seeds)
def test_the_same_input_gives_the_same_bytes_in_whatever_order(seed: int) -> None:
    story, objects = tale(seed)
    for moment, made, before in told(story, objects):
        shuffled = Moment(
            topology=replace(moment.topology, clusters=tuple(reversed(moment.topology.clusters))),
            observations=replace(moment.observations, instances=tuple(reversed(moment.observations.instances))),
            policy=moment.policy,
            now=moment.now,
        )
        assert repr(shuffled.plan(tuple(reversed(objects)), before)) == repr(made)


@many
@given(seeds, st.sampled_from(NAMES))
def test_what_happens_to_one_target_touches_only_the_names_of_its_object(seed: int, cluster: str) -> None:
    story, objects = tale(seed)
    *_, (moment, made, before) = told(story, objects)
    changed = tuple(
        replace(one, ready=0, addresses=("10.8.8.8",), endpoints=())
        if (one.service, one.cluster) == ("web", cluster)
        else replace(one, probes=())
        for one in moment.observations.instances
    )
    unchanged = tuple(
        one if (one.service, one.cluster) == ("web", cluster) else replace(one, probes=())
        for one in moment.observations.instances
    )
    plans = [
        replace(moment, observations=replace(moment.observations, instances=seen)).plan(objects, before)
        for seen in (changed, unchanged)
    ]
    touched = {name for name in plans[0].memory.published if name.split(".")[0] != "app"}
    for name in touched:
        if plans[0].memory.owners[name] == "api":
            assert plans[0].memory.published[name] == plans[1].memory.published.get(name)
    assert made.zones.keys() == plans[0].zones.keys()


@many
@given(seeds)
def test_while_automation_is_held_it_withdraws_nothing(seed: int) -> None:
    story, objects = tale(seed)
    for moment, made, before in told(story, objects):
        if moment.policy.is_held:
            newly = {
                key
                for key, target in made.memory.targets.items()
                if target.is_withdrawn and key in before.targets and not before.targets[key].is_withdrawn
            }
            assert {made.targets[key].standing for key in newly} <= {Standing.DRAINED, Standing.GONE}


@many
@given(seeds)
def test_without_news_nothing_changes_but_what_time_alone_brings(seed: int) -> None:
    story, objects = tale(seed)
    *_, (moment, made, _) = told(story, objects)
    steps = 0
    while made.due is not None and steps < 40:
        assert made.due > moment.now
        moment = replace(moment, now=made.due)
        made = moment.plan(objects, made.memory)
        steps += 1
    assert steps < 40, "a plan that never comes to rest"
    again = moment.plan(objects, made.memory)
    assert again.zones == made.zones
    assert again.memory == made.memory


@many
@given(seeds)
def test_changes_lead_from_each_plan_to_the_next(seed: int) -> None:
    story, objects = tale(seed)
    everything = Budget(names=10**6, share=1.0, names_a_minute=10**6)
    published = Published(generation=0, sets={})
    for _, made, _ in told(story, objects):
        desired = made.zones["example.com."]
        change = difference(desired, published, everything)
        if desired or not published.sets:
            published = applied(published, change)
            assert dict(published.sets) == dict(desired)
        else:
            assert change.held


@many
@given(seeds)
def test_what_is_taken_over_from_an_earlier_plan_changes_nothing(seed: int) -> None:
    story, objects = tale(seed)
    for moment in story[1:]:
        # A fleet that stays, so that there is much to take over.
        steady = [replace(one, topology=story[0].topology) for one in (story[0], moment)]
        first = steady[0].plan(objects, Memory())
        assert repr(steady[1].plan(objects, first.memory, first)) == repr(steady[1].plan(objects, first.memory))
        one = replace(steady[0].observations.instances[0], ready=0, addresses=("10.8.8.8",), endpoints=())
        seen = replace(steady[0].observations, instances=(one, *steady[0].observations.instances[1:]))
        little = replace(steady[0], observations=seen)
        assert repr(little.plan(objects, first.memory, first)) == repr(little.plan(objects, first.memory))
