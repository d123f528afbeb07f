"""Outages by the second, on a clock of the test's own: how soon what is lost is out, and how calm the names stay."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from fedsvc_dns.planner.facts import (
    Cluster,
    Instance,
    Kind,
    Observations,
    Outcome,
    Probe,
    Service,
    Topology,
    Verdict,
    counted,
)
from fedsvc_dns.planner.memory import Memory, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.zone import DnsSettings, Zone

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
CLUSTERS = {"asia1": "asia", "eu1": "eu", "eu2": "eu", "us1": "us"}
PROBE_SECONDS = 5
SERVICE = Service(key="web", kind=Kind.SERVICE, namespace="shop", name="web", settings=DnsSettings(zone="prod"))
Story = Callable[[int], bool]


def never(_second: int) -> bool:
    return False


def between(start: int, end: int) -> Story:
    return lambda second: start <= second < end


@dataclass
class World:
    """A fleet with one service, probed from three vantages every five seconds.

    The fields say of a second what is wrong then: of a cluster its data plane, its link to us or its endpoints; of a
    vantage that it sees nothing.
    """

    dead: dict[str, Story] = field(default_factory=dict)
    cut: dict[str, Story] = field(default_factory=dict)
    unready: dict[str, Story] = field(default_factory=dict)
    blind: dict[str, Story] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    probes: dict[tuple[str, str], Probe] = field(default_factory=dict)

    def run(self, seconds: int) -> list[set[str]]:
        """Which clusters answer, second by second; planned each second, and when the plan asks for it."""
        answering = []
        for second in range(seconds):
            now = START + timedelta(seconds=second)
            if second % PROBE_SECONDS == 0:
                self._probe(second, now)
            made = self._plan(second, now)
            if made.due is not None and made.due < now + timedelta(seconds=1):
                made = self._plan(second, made.due)
            answering.append(set(made.decisions["web.shop.prod.svc.example.com."].choice.clusters))
        return answering

    def _probe(self, second: int, now: datetime) -> None:
        for vantage in ("v1", "v2", "v3"):
            for cluster in CLUSTERS:
                fails = self.dead.get(cluster, never)(second) or self.blind.get(vantage, never)(second)
                found = Probe(vantage=vantage, outcome=Outcome.DOWN if fails else Outcome.UP, streak=1, at=now)
                self.probes[vantage, cluster] = counted(self.probes.get((vantage, cluster)), found)

    def _plan(self, second: int, now: datetime) -> Plan:
        clusters = tuple(
            Cluster(
                name=name,
                region=region,
                verdict=Verdict.UNREACHABLE if self.cut.get(name, never)(second) else Verdict.HEALTHY,
                verdict_since=now,
            )
            for name, region in CLUSTERS.items()
        )
        seen = Observations(
            instances=tuple(
                Instance(
                    service="web",
                    cluster=name,
                    addresses=(f"10.0.0.{number}",),
                    ready=0 if self.unready.get(name, never)(second) else 2,
                    probes=tuple(self.probes[vantage, name] for vantage in ("v1", "v2", "v3")),
                )
                for number, name in enumerate(CLUSTERS, 1)
            )
        )
        topology = Topology(zones=(Zone(name="prod", domain="example.com"),), clusters=clusters)
        made = plan([SERVICE], topology, seen, Policy(), memory=self.memory, now=now)
        self.memory = made.memory
        return made


ALL = set(CLUSTERS)


def out(answering: list[set[str]], cluster: str) -> list[int]:
    """The seconds in which a cluster does not answer."""
    return [second for second, clusters in enumerate(answering) if cluster not in clusters]


def spells(seconds: list[int]) -> list[tuple[int, int]]:
    """Spans of seconds: the first and the last of each."""
    found: list[tuple[int, int]] = []
    for second in seconds:
        if found and found[-1][1] == second - 1:
            found[-1] = (found[-1][0], second)
        else:
            found.append((second, second))
    return found


def test_a_cluster_without_ready_endpoints_is_out_within_a_second_and_back_after_the_least_time() -> None:
    answering = World(unready={"us1": between(20, 25)}).run(80)

    assert spells(out(answering, "us1")) == [(20, 49)]
    assert all(clusters >= ALL - {"us1"} for clusters in answering)


def test_an_endpoint_that_is_gone_for_less_than_the_damping_changes_nothing() -> None:
    world = World()
    world.run(10)
    before = world.memory
    at = START + timedelta(seconds=10)
    world.unready = {"us1": between(10, 11)}
    falling = world._plan(10, at)
    world.unready = {}
    back = world._plan(11, at + timedelta(milliseconds=200))

    assert falling.due == at + timedelta(milliseconds=300)
    assert falling.zones == back.zones
    assert back.memory.published == before.published


@pytest.mark.parametrize("is_cut", [False, True], ids=["its cluster is heard", "its cluster is not heard"])
def test_a_dead_data_plane_is_out_after_three_probes(is_cut: bool) -> None:  # noqa: FBT001
    dead = {"us1": between(21, 60)}
    answering = World(dead=dead, cut=dead if is_cut else {}).run(120)

    assert spells(out(answering, "us1")) == [(35, 69)]


def test_the_loss_of_control_alone_changes_nothing() -> None:
    assert World(cut=dict.fromkeys(CLUSTERS, between(10, 500))).run(120) == [ALL] * 120


@pytest.mark.parametrize("vantages", [("v1",), ("v1", "v2"), ("v1", "v2", "v3")])
def test_vantages_that_see_nothing_any_more_change_nothing(vantages: tuple[str, ...]) -> None:
    assert World(blind=dict.fromkeys(vantages, between(10, 60))).run(120) == [ALL] * 120


def test_a_target_that_flaps_is_kept_out_after_a_few_changes() -> None:
    answering = World(unready={"us1": lambda second: second % 60 < 10 and second < 900}).run(2400)
    changes = sum((a < b) or (b < a) for a, b in pairwise(answering))

    assert changes <= 8
    assert answering[-1] == ALL
    assert all(answering)


def test_of_two_dead_regions_at_once_both_are_out_where_most_vantages_say_so() -> None:
    world = World(dead=dict.fromkeys(("us1", "asia1"), between(21, 300)))

    assert world.run(60)[-1] == {"eu1", "eu2"}


def test_when_most_of_the_fleet_fails_at_once_it_is_rather_us_who_see_nothing() -> None:
    assert World(dead=dict.fromkeys(("us1", "asia1", "eu1"), between(21, 300))).run(60)[-1] == ALL
