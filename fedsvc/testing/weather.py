"""Pure: what goes wrong in a simulated fleet, drawn from a seed: the same seed, the same weather.

A `Spell` is one trouble of some members for some time. Members live on in most of them: fedsvc does not see that.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fedsvc.health import EvidenceKind


class Trouble(StrEnum):
    """What is wrong with members, as a probe finds it."""

    REFUSED = "Refused"  # the API server is gone
    BLACK_HOLE = "BlackHole"  # nobody answers: frozen, or cut off
    FLAPPING = "Flapping"  # there and away by turns, a few seconds each
    SLOW = "Slow"  # one probe in three takes too long
    REVOKED = "Revoked"  # our credential is refused
    OVERLOADED = "Overloaded"
    WRONG_CERTIFICATE = "WrongCertificate"


_FOUND: Final[Mapping[Trouble, EvidenceKind]] = {
    Trouble.REFUSED: EvidenceKind.REFUSED,
    Trouble.BLACK_HOLE: EvidenceKind.TIMED_OUT,
    Trouble.REVOKED: EvidenceKind.CREDENTIALS_REFUSED,
    Trouble.OVERLOADED: EvidenceKind.OVERLOADED,
    Trouble.WRONG_CERTIFICATE: EvidenceKind.TLS_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """One trouble."""

    begin_seconds: float
    end_seconds: float
    members: frozenset[str]
    trouble: Trouble
    hides_witness: bool = False  # it is us who are cut off: what is beside all members is not reached either


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """All troubles of a run."""

    spells: tuple[Spell, ...]
    seed: int

    @property
    def end_seconds(self) -> float:
        """From then on all is well."""
        return max((spell.end_seconds for spell in self.spells), default=0.0)

    def found(self, member: str, seconds: float) -> EvidenceKind:
        """What a probe that is sent at that time finds."""
        for spell in self.spells:
            if spell.begin_seconds <= seconds < spell.end_seconds and member in spell.members:
                found = self._found(spell, member, seconds)
                if found is not EvidenceKind.WELL:
                    return found
        return EvidenceKind.WELL

    def hides_witness(self, seconds: float) -> bool:
        """Whether the witness is not reached at that time."""
        return any(one.hides_witness and one.begin_seconds <= seconds < one.end_seconds for one in self.spells)

    def is_cut_off(self, members: Sequence[str], begin_seconds: float, end_seconds: float) -> bool:
        """Whether not one of the members could be reached at any time between the two."""
        return all(self._is_gone(member, begin_seconds, end_seconds) for member in members)

    def _is_gone(self, member: str, begin_seconds: float, end_seconds: float) -> bool:
        met = [
            spell
            for spell in self.spells
            if member in spell.members and spell.begin_seconds <= end_seconds and begin_seconds < spell.end_seconds
        ]
        if any(spell.trouble not in (Trouble.REFUSED, Trouble.BLACK_HOLE) for spell in met):
            return False  # which of two troubles a probe meets is not asked here
        at = begin_seconds
        for spell in sorted(met, key=lambda one: one.begin_seconds):
            if spell.begin_seconds > at:
                return False
            at = max(at, spell.end_seconds)
        return at > end_seconds

    def _found(self, spell: Spell, member: str, seconds: float) -> EvidenceKind:
        if spell.trouble in _FOUND:
            return _FOUND[spell.trouble]
        step = 7.0 if spell.trouble is Trouble.FLAPPING else 0.5
        picks = random.Random(f"{self.seed}/{member}/{spell.begin_seconds}/{seconds // step}")  # noqa: S311 - a choice of examples
        if spell.trouble is Trouble.FLAPPING:
            return picks.choice([EvidenceKind.WELL, EvidenceKind.REFUSED, EvidenceKind.TIMED_OUT])
        return EvidenceKind.TIMED_OUT if picks.random() < 1 / 3 else EvidenceKind.WELL


def draw(seed: int, regions: Mapping[str, Sequence[str]], *, last_seconds: float) -> Weather:
    """The weather of a seed.

    Args:
        seed: what it is drawn from.
        regions: members by region.
        last_seconds: troubles begin before; the longest of them ends five minutes later.
    """
    picks = random.Random(seed)  # noqa: S311 - a choice of examples
    members = [member for of_one in regions.values() for member in of_one]
    spells = []
    for _ in range(picks.randint(1, 4)):
        one, region = [picks.choice(members)], list(picks.choice(list(regions.values())))
        some = picks.sample(members, picks.randint(1, len(members)))
        struck = picks.choice([one, one, region, region, some])
        begin = picks.uniform(0.0, last_seconds)
        lasts = picks.choice([picks.uniform(1.0, 20.0), picks.uniform(20.0, 120.0), picks.uniform(120.0, 300.0)])
        cut_off = picks.random() < 1 / 8
        spells.append(
            Spell(
                begin_seconds=begin,
                end_seconds=begin + lasts,
                members=frozenset(members if cut_off else struck),
                trouble=Trouble.BLACK_HOLE
                if cut_off
                else picks.choice([*Trouble, Trouble.REFUSED, Trouble.BLACK_HOLE, Trouble.BLACK_HOLE]),
                hides_witness=cut_off,
            )
        )
    return Weather(spells=tuple(spells), seed=seed)
