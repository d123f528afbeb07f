from datetime import UTC, datetime

import pytest

from fedsvc_dns.planner.addresses import Answer
from fedsvc_dns.planner.choosing import Basis, Choice, choose, choose_level, nearest, subset
from fedsvc_dns.planner.memory import State, TargetMemory
from fedsvc_dns.planner.targets import Cause, Standing, TargetDecision
from fedsvc_dns.planner.zone import DnsSettings, MinHealthy, OnAllDown, Strategy, Tier

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
STANDINGS = {
    "f": Standing.FIT,
    "s": Standing.STANDBY,
    "r": Standing.RESTING,
    "d": Standing.DOWN,
    "x": Standing.DRAINED,
    "g": Standing.GONE,
}


def targets(standings: str, tiers: str = "") -> list[TargetDecision]:
    """One target for each letter, in clusters c0, c1 and so on; those that are gone have no addresses."""
    return [
        TargetDecision(
            service="s",
            cluster=f"c{index}",
            standing=STANDINGS[letter],
            cause=Cause.EVIDENCE,
            target=TargetMemory(state=State.UP, since=NOW),
            tier=int(tiers[index]) if tiers else 0,
            answers=() if letter == "g" else (Answer(f"c{index}", v4=(f"10.0.0.{index}",)),),
        )
        for index, letter in enumerate(standings)
    ]


def settings(
    strategy: Strategy = Strategy.ROUND_ROBIN,
    *,
    needed: MinHealthy | None = None,
    spill: bool = False,
    on_all_down: OnAllDown = OnAllDown.ALL,
) -> DnsSettings:
    return DnsSettings(
        zone="prod",
        strategy=strategy,
        min_healthy=needed,
        spill=spill,
        on_all_down=on_all_down,
        tiers=(Tier(regions=("us",)),) if strategy is Strategy.FAILOVER else (),
        sorry=("192.0.2.1",) if on_all_down is OnAllDown.SORRY else (),
    )


def chosen(choice: Choice) -> tuple[str, str]:
    return choice.basis.value, "".join(sorted(cluster.removeprefix("c") for cluster in choice.clusters))


@pytest.mark.parametrize(
    ("standings", "expected"),
    [
        ("fff", ("fit", "012")),
        ("fdd", ("fit", "0")),
        ("fddd", ("all", "0123")),
        ("frrd", ("resting", "012")),
        ("fxg", ("fit", "0")),
        ("ddd", ("all", "012")),
        ("drd", ("resting", "1")),
        ("sd", ("standby", "0")),
        ("sf", ("fit", "1")),
        ("dx", ("all", "0")),
        ("xx", ("last", "")),
        ("gg", ("last", "")),
        ("", ("last", "")),
    ],
)
def test_round_robin_takes_what_is_fit_and_where_that_is_too_little_the_next_best(
    standings: str, expected: tuple[str, str]
) -> None:
    assert chosen(choose(targets(standings), settings(), 8, "n")) == expected


@pytest.mark.parametrize(
    ("standings", "tiers", "needed", "spill", "expected"),
    [
        pytest.param("ffff", "0011", None, False, ("tier", "01"), id="the first"),
        pytest.param("dfff", "0011", None, False, ("tier", "1"), id="the first as long as one is fit"),
        pytest.param("ddff", "0011", None, False, ("tier", "23"), id="the next"),
        pytest.param("fdff", "0011", MinHealthy(count=2), False, ("tier", "23"), id="the first has too few"),
        pytest.param("fdff", "0011", MinHealthy(share=1.0), True, ("spill", "023"), id="the next helps the first"),
        pytest.param("ddff", "0011", MinHealthy(share=1.0), True, ("tier", "23"), id="the next for a dead first"),
        pytest.param(
            "fdfd", "0011", MinHealthy(count=2), False, ("spill", "02"), id="none has enough, all together do"
        ),
        pytest.param("dddd", "0011", None, False, ("all", "0123"), id="none"),
        pytest.param("xxdf", "0011", None, False, ("tier", "3"), id="the first is drained"),
    ],
)
def test_failover_takes_the_first_tier_that_has_enough(
    standings: str,
    tiers: str,
    needed: MinHealthy | None,
    *,
    spill: bool,
    expected: tuple[str, str],
) -> None:
    asked = settings(Strategy.FAILOVER, needed=needed, spill=spill)

    assert chosen(choose(targets(standings, tiers), asked, 8, "n")) == expected


@pytest.mark.parametrize(
    ("on_all_down", "standings", "expected"),
    [
        (OnAllDown.ALL, "dx", ("all", "0")),
        (OnAllDown.LAST, "dx", ("last", "0")),
        (OnAllDown.SORRY, "dx", ("sorry", "")),
        (OnAllDown.NXDOMAIN, "dx", ("nxdomain", "")),
        (OnAllDown.NXDOMAIN, "fx", ("fit", "0")),
    ],
)
def test_when_all_are_down_the_settings_say_what_answers(
    on_all_down: OnAllDown, standings: str, expected: tuple[str, str]
) -> None:
    assert chosen(choose(targets(standings), settings(on_all_down=on_all_down), 8, "n")) == expected


def test_the_address_to_say_sorry_from_answers_alone() -> None:
    choice = choose(targets("dd"), settings(on_all_down=OnAllDown.SORRY), 8, "n")

    assert [answer.v4 for answer in choice.answers] == [("192.0.2.1",)]


def test_a_level_takes_its_own_that_are_fit_of_the_best_tier_else_what_is_above() -> None:
    above = choose(targets("ff"), settings(), 8, "n")
    own = targets("dff", "012")

    assert chosen(choose_level(own, above, settings(Strategy.FAILOVER), 8, "n")) == ("fit", "1")
    assert chosen(choose_level(own, above, settings(), 8, "n")) == ("fit", "12")
    assert choose_level(targets("dd"), above, settings(), 8, "n").basis is Basis.LEVEL_UP
    assert choose_level([], above, settings(), 8, "n").answers == above.answers


def test_of_too_many_a_stable_subset_answers() -> None:
    everyone = targets("f" * 30)
    full = subset(everyone, 8, "web")

    assert len(full) == 8
    assert full != subset(everyone, 8, "api")
    for gone in everyone:
        rest = subset([target for target in everyone if target is not gone], 8, "web")
        assert len(set(full) - set(rest)) <= 1
        if gone.answers[0] not in full:
            assert rest == full


@pytest.mark.parametrize(
    ("needed", "total", "count"),
    [
        (MinHealthy(), 0, 1),
        (MinHealthy(count=0), 9, 1),
        (MinHealthy(count=3), 9, 3),
        (MinHealthy(share=0.3), 3, 1),
        (MinHealthy(share=0.3), 10, 3),
        (MinHealthy(share=0.3), 11, 4),
        (MinHealthy(share=1.0), 5, 5),
    ],
)
def test_a_share_of_targets_is_rounded_up_and_is_one_at_least(needed: MinHealthy, total: int, count: int) -> None:
    assert needed.of(total) == count


def test_the_nearest_region_is_told_by_distance_then_name() -> None:
    distances = {("a", "b"): 10.0, ("c", "a"): 10.0, ("a", "d"): 5.0, ("a", "a"): 0.0}

    assert nearest("a", ["a", "b", "c", "d", "e"], distances) == "d"
    assert nearest("a", ["a", "b", "c", "e"], distances) == "b"
    assert nearest("a", ["e"], distances) is None
