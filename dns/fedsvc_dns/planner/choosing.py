"""Pure: which targets answer for a name: the strategy's, and where too few are fit, others before nobody."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fedsvc_dns.planner.addresses import Answer, answers_of
from fedsvc_dns.planner.targets import Standing, TargetDecision
from fedsvc_dns.planner.zone import DnsSettings, OnAllDown, Strategy

SORRY_CLUSTER = ""
"""Stands for the address to say sorry from where answers name their cluster."""


class Basis(StrEnum):
    """What a choice rests on, from the usual to the last resort.

    `FIT`: what is fit. `TIER`: what is fit of one tier. `SPILL`: of several tiers. `STANDBY`: with targets of weight 0.
    `RESTING`: with those that recover or flapped. `ALL`: all that nobody took out, for too few are fit. `LAST`: what
    was published last. `SORRY`: the address to say sorry from. `NXDOMAIN`: nothing, as is wished. `NOTHING`: nothing
    is known, nor was anything published. `LEVEL_UP`: what the next level up chose.
    """

    FIT = "fit"
    TIER = "tier"
    SPILL = "spill"
    STANDBY = "standby"
    RESTING = "resting"
    ALL = "all"
    LAST = "last"
    SORRY = "sorry"
    NXDOMAIN = "nxdomain"
    NOTHING = "nothing"
    LEVEL_UP = "levelUp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who answers.

    Attributes:
        basis: see there.
        answers: that answer, sorted; of at most as many endpoints as the zone allows.
        reserves: of further tiers, which SRV records name with a lower priority.
        tier: of basis `TIER`.
        fit: how many targets are fit.
        needed: how many had to be.
    """

    basis: Basis
    answers: tuple[Answer, ...] = ()
    reserves: tuple[Answer, ...] = ()
    tier: int = 0
    fit: int = 0
    needed: int = 0

    @property
    def clusters(self) -> frozenset[str]:
        """Where the answers are."""
        return frozenset(answer.cluster for answer in self.answers)


def choose(targets: Sequence[TargetDecision], settings: DnsSettings, max_answers: int, seed: str) -> Choice:
    """Choose for the names that stand for the whole fleet.

    Too few are fit when there are fewer than asked for. Then targets of weight 0 help, then those that recover or
    flapped, then what the settings say; nothing at all is only the answer where that was asked for, or where nothing is
    known of old.

    Args:
        targets: all of one object, by cluster.
        settings: of its unit.
        max_answers: at most so many endpoints.
        seed: from which the subset of too many is drawn, such as the global name.
    """
    fit = [target for target in targets if target.standing is Standing.FIT]
    could = [target for target in targets if target.standing in (Standing.FIT, Standing.RESTING, Standing.DOWN)]
    if settings.strategy is Strategy.FAILOVER:
        chosen = _by_tier(fit, could, settings, max_answers, seed)
        if chosen is not None:
            return chosen
    needed = settings.needed.of(len(could))
    helped = fit
    for basis, standing in (
        (Basis.FIT, None),
        (Basis.STANDBY, Standing.STANDBY),
        (Basis.RESTING, Standing.RESTING),
    ):
        more = [target for target in targets if target.standing is standing]
        helped = sorted([*helped, *more], key=lambda target: target.cluster) if more else helped
        if len(helped) >= needed and (more or basis is Basis.FIT):
            spilt = basis is Basis.FIT and settings.strategy is Strategy.FAILOVER
            answers = subset(helped, max_answers, seed)
            return Choice(basis=Basis.SPILL if spilt else basis, answers=answers, fit=len(fit), needed=needed)
    return _last_resort(targets, settings, max_answers, seed, Choice(basis=Basis.NOTHING, fit=len(fit), needed=needed))


def subset(targets: Sequence[TargetDecision], max_answers: int, seed: str) -> tuple[Answer, ...]:
    """Return what answers of these, at most so many: those whose hash with the seed is the smallest.

    Each has its own hash, so that one that comes or goes moves at most one other (rendezvous hashing).
    """
    answers = [answer for target in targets for answer in target.answers]
    if len(answers) > max_answers:
        answers = sorted(answers, key=lambda answer: _rank(seed, answer))[:max_answers]
        answers.sort(key=lambda answer: (answer.cluster, answer.id))
    return tuple(answers)


def _rank(seed: str, answer: Answer) -> bytes:
    return hashlib.blake2b(f"{seed}\n{answer.cluster}\n{answer.id}".encode(), digest_size=8).digest()


def _by_tier(
    fit: Sequence[TargetDecision],
    could: Sequence[TargetDecision],
    settings: DnsSettings,
    max_answers: int,
    seed: str,
) -> Choice | None:
    pool: list[TargetDecision] = []
    needed = 0
    for index in sorted({target.tier for target in could}):
        of_tier = [target for target in fit if target.tier == index]
        size = sum(target.tier == index for target in could)
        pool = sorted([*pool, *of_tier], key=lambda target: target.cluster) if settings.spill else of_tier
        # With spill the first tier says what is enough: the others help it out.
        needed = needed if settings.spill and needed else settings.needed.of(size)
        if len(pool) >= needed:
            return Choice(
                basis=Basis.TIER if {target.tier for target in pool} == {index} else Basis.SPILL,
                answers=subset(pool, max_answers, seed),
                reserves=tuple(answer for target in fit if target.tier > index for answer in target.answers),
                tier=index,
                fit=len(fit),
                needed=needed,
            )
    return None


def _last_resort(
    targets: Sequence[TargetDecision], settings: DnsSettings, max_answers: int, seed: str, nothing: Choice
) -> Choice:
    open_to_all = [target for target in targets if target.standing not in (Standing.DRAINED, Standing.GONE)]
    everything = Choice(
        basis=Basis.ALL, answers=subset(open_to_all, max_answers, seed), fit=nothing.fit, needed=nothing.needed
    )
    if settings.on_all_down is OnAllDown.NXDOMAIN:
        return replace(nothing, basis=Basis.NXDOMAIN)
    if settings.on_all_down is OnAllDown.SORRY:
        return replace(nothing, basis=Basis.SORRY, answers=answers_of(SORRY_CLUSTER, settings.sorry, (), {}))
    if settings.on_all_down is OnAllDown.LAST:
        return replace(everything, basis=Basis.LAST)
    return everything if everything.answers else replace(nothing, basis=Basis.LAST)


def choose_level(
    targets: Sequence[TargetDecision], above: Choice, settings: DnsSettings, max_answers: int, seed: str
) -> Choice:
    """Choose for a region or a zone: those of its own that are fit, else what the next level up chose.

    Args:
        targets: those that are there.
        above: the next level's choice.
        settings: of the unit.
        max_answers: at most so many endpoints.
        seed: from which the subset of too many is drawn.
    """
    fit = [target for target in targets if target.standing is Standing.FIT]
    if not fit:
        return above if above.basis is Basis.LEVEL_UP else replace(above, basis=Basis.LEVEL_UP)
    if settings.strategy is Strategy.FAILOVER:
        best = min(target.tier for target in fit)
        fit = [target for target in fit if target.tier == best]
    return Choice(basis=Basis.FIT, answers=subset(fit, max_answers, seed), fit=len(fit), needed=1)


def nearest(region: str, regions: Sequence[str], distances_ms: Mapping[tuple[str, str], float]) -> str | None:
    """Return the nearest of the regions whose distance is known; of equally near ones the first by name."""
    known = []
    for other in regions:
        distance = distances_ms.get((region, other), distances_ms.get((other, region)))
        if distance is not None and other != region:
            known.append((distance, other))
    return min(known)[1] if known else None
