"""Runs of `failover_model`: a fleet, units, weather, people and accidents, all drawn from one seed."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from fedsvc.model.ailing import UnhealthyPolicy
from fedsvc.model.failback import FailbackMode, FailbackPolicy
from fedsvc.model.failover import FailoverMode, FailoverPolicy
from fedsvc.model.floor import Floor
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.model.removal import RemovalBudget
from fedsvc.testing.failover_model import Model
from fedsvc.testing.failover_oracle import PROMPT_SECONDS, Oracle
from fedsvc.testing.failover_parts import REAL, Illness, Member, Rules, Unit
from fedsvc.testing.weather import draw
from fedsvc_placement import LabelSelector, Placement, SpreadConstraint, Topology

TROUBLE_SECONDS: Final = 400.0
"""Troubles begin before."""

CALM_SECONDS: Final = 900.0
"""What was quarantined is trusted again within it, and all that is left over goes."""
CONFIRM_SECONDS: Final = 130.0
"""So long after all troubles somebody confirms what waits for that: the breaker has closed by then."""

_LAWS: Final[Mapping[str, str]] = {"eu-1": "EU", "eu-2": "EU", "us-1": "US", "us-2": "US"}


def run(seed: int, rules: Rules = REAL) -> Oracle:
    """One run to its end, the calm after all troubles included.

    Raises:
        ViolationError: something was wrong; its message names the seed.
    """
    picks = random.Random(seed)  # noqa: S311 - a choice of examples
    regions = {name: [f"{name}-{letter}" for letter in "ab"[: picks.randint(1, 2)]] for name in _LAWS}
    for name in picks.sample(sorted(regions), picks.randint(0, 1)):
        del regions[name]
    members = [
        Member(name=name, region=region, jurisdiction=_LAWS[region], phase=picks.random())
        for region, of_one in regions.items()
        for name in of_one
    ]
    units = [
        _unit(f"unit-{number}", picks, sorted(one.name for one in members)) for number in range(picks.randint(2, 4))
    ]
    weather = draw(seed, regions, last_seconds=TROUBLE_SECONDS)
    oracle = Oracle()
    tight = RemovalBudget(objects_per_change=1, percent_per_change=0, objects_per_hour=2, percent_per_hour=0)
    model = Model(
        seed=seed,
        members=members,
        units=units,
        weather=weather,
        watcher=oracle,
        rules=rules,
        budget=picks.choice([RemovalBudget(), RemovalBudget(), tight]),
        has_witness=picks.random() < 1 / 2,
        ills=_ills(seed, units, members),
    )
    calm = max(weather.end_seconds, TROUBLE_SECONDS + 300.0)
    _people(model, oracle, picks)
    _accidents(model, picks)
    model.at(calm + CONFIRM_SECONDS, model.confirm)
    end = calm + CONFIRM_SECONDS + PROMPT_SECONDS
    model.run(end)
    while model.seconds < calm + CALM_SECONDS and oracle.why_not_settled(model):
        end += PROMPT_SECONDS
        model.run(end)
        model.confirm()
    oracle.ended(model)
    return oracle


def _unit(name: str, picks: random.Random, members: list[str]) -> Unit:
    most = picks.choice([1, 1, 2, None])
    spread = () if most is None else (SpreadConstraint(by=Topology.CLUSTER, max_groups=most),)
    placement = picks.choice(
        [
            Placement(cluster_selector=LabelSelector(), spread=spread),
            Placement(cluster_selector=LabelSelector(), spread=spread, jurisdictions=(picks.choice(["EU", "US"]),)),
            Placement(clusters=tuple(sorted(picks.sample(members, 2))), spread=spread),
        ]
    )
    own = random.Random(f"{name}/{placement}")  # noqa: S311 - a choice of examples
    policy = FailoverPolicy(
        mode=picks.choice([*[FailoverMode.AUTO] * 4, FailoverMode.MANUAL, FailoverMode.NEVER]),
        toleration_seconds=picks.choice([0, 5, 30, 30, 120]),
        floor=own.choice([None, None, Floor(replicas=1), Floor(percent=100)]),
        unhealthy=own.choice([None, UnhealthyPolicy(after_seconds=20, forget_seconds=own.choice([60, 600]))]),
        failback=FailbackPolicy(
            mode=picks.choice([FailbackMode.AFTER, FailbackMode.AFTER, FailbackMode.MANUAL, FailbackMode.NEVER]),
            stable_seconds=picks.choice([0, 30, 90]),
        ),
    )
    return Unit(name=name, placement=placement, policy=policy)


def _ills(seed: int, units: Sequence[Unit], members: Sequence[Member]) -> list[Illness]:
    """Units that do not run on some clusters for some time, one of them on all at once."""
    picks = random.Random(f"ills/{seed}")  # noqa: S311 - a choice of examples
    found: list[Illness] = []
    for unit in units:
        begin, length = picks.uniform(0.0, TROUBLE_SECONDS), picks.uniform(30.0, 300.0)
        places = picks.choice([[], picks.sample(members, 1), picks.sample(members, 2), list(members)])
        found += [
            Illness(unit=unit.name, member=place.name, begin_seconds=begin, end_seconds=begin + length)
            for place in places
        ]
    return found


def _people(model: Model, oracle: Oracle, picks: random.Random) -> None:
    subjects = [FLEET_SUBJECT, f"clusters/{min(model.members)}", f"namespaces/shop/units/{min(model.units)}"]
    for subject in picks.sample(subjects, picks.randint(0, 2)):
        begin = picks.uniform(0.0, TROUBLE_SECONDS)
        scope = picks.choice([HoldScope.AUTOMATION, HoldScope.AUTOMATION, HoldScope.REMOVALS])
        model.at(begin, partial(model.hold, subject, scope))
        model.at(begin + picks.uniform(5.0, 200.0), partial(model.hold, subject, None))
    if picks.random() < 1 / 4:

        def release() -> None:
            oracle.released(model)
            model.release()

        model.at(picks.uniform(60.0, TROUBLE_SECONDS), release)
    if picks.random() < 1 / 3:
        begin, member = picks.uniform(0.0, TROUBLE_SECONDS), picks.choice(sorted(model.members))
        model.at(begin, partial(model.empty, member))
        model.at(begin + picks.uniform(30.0, 200.0), partial(model.empty, member, is_over=True))
    if picks.random() < 1 / 2:
        model.at(picks.uniform(30.0, TROUBLE_SECONDS), partial(model.delete, min(model.units)))
    if picks.random() < 1 / 2:
        late = _unit("late", picks, sorted(model.members))
        model.at(picks.uniform(30.0, TROUBLE_SECONDS), partial(model.apply, late))


def _accidents(model: Model, picks: random.Random) -> None:
    """The process is killed and another begins later, or it is deposed and does not know it."""
    for _ in range(picks.choice([0, 0, 1, 2])):
        begin = picks.uniform(5.0, TROUBLE_SECONDS)
        if picks.random() < 1 / 2:
            model.at(begin, model.kill)
            begin += picks.uniform(1.0, 60.0)
        model.at(begin, model.take_over)
