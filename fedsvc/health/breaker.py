"""Whether automation may act on verdicts. Where many members seem lost at once it is rather us who are cut off.

While the breaker is open, nothing is evicted and nothing removed anywhere; what people ask for is stored and applied.
It closes by itself when its cause has been gone for a stable time, or when somebody releases it: then what is lost at
that moment is taken as lost, and acted on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fedsvc.health.verdict import EXPECTED, Health, Verdict

_SHOWN: Final = 10


class Automation(StrEnum):
    """Whether failovers are made."""

    ON = "On"
    HOLDING = "Holding"  # the breaker is open
    OFF = "Off"  # the fleet is too small to tell a lost member from lost sight of it


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When the breaker opens and closes."""

    lost_percent: float = 40.0  # it opens above this
    least_members: int = 3  # a fleet of fewer needs a witness
    settled_seconds: float = 120.0  # a loss that was acted on for so long is none of this moment
    stable_seconds: float = 120.0  # the cause is gone for so long before it closes by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMember:
    """A member, as the breaker looks at it."""

    name: str
    health: Health
    region: str = ""
    # What it shares with others that would go with it: (kind, value) such as ("provider", "aws"). The region is one.
    fates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is found at one moment."""

    automation: Automation
    reason: str = ""  # CamelCase constant: TooManyLost, RegionsLost, SelfCheckFailed, FewMembers
    message: str = ""  # for people


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What outlives a restart."""

    automation: Automation = Automation.ON
    reason: str = ""
    message: str = ""
    since: datetime | None = None  # when `automation` became this
    calm_since: datetime | None = None  # while holding: since when the cause is gone without a break
    # Members whose loss is acted on, hence none of this moment, until they are well again; sorted.
    settled: tuple[str, ...] = ()


def decide(
    state: BreakerState,
    members: Sequence[FleetMember],
    *,
    now: datetime,
    self_check_error: str = "",
    has_witness: bool = False,
    released: bool = False,
    limits: BreakerLimits = BreakerLimits(),
) -> BreakerState:
    """Whether automation may act, after a look at the whole fleet.

    Args:
        state: what came out the last time.
        members: the fleet.
        now: time zone aware.
        self_check_error: why our own sight cannot be trusted; empty: it can.
        has_witness: whether something that is no member tells us that we are not cut off.
        released: somebody looked at it and lets automation act on what is lost now.
        limits: when it opens and closes.
    """
    lost = {one.name for one in members if one.health.is_lost}
    settled = {name for name in state.settled if name in lost}
    if released:
        settled |= lost
    elif state.automation is not Automation.HOLDING:
        settled |= _settling(members, now, limits)
    state = replace(state, settled=tuple(sorted(settled)))
    found = _look(members, settled, self_check_error=self_check_error, has_witness=has_witness, limits=limits)
    if state.automation is Automation.HOLDING and found.automation is not Automation.HOLDING and not released:
        calm = state.calm_since or now
        if now - calm < timedelta(seconds=limits.stable_seconds):
            return replace(state, calm_since=calm)
    same = found.automation is state.automation and state.since is not None
    return replace(
        state,
        automation=found.automation,
        reason=found.reason,
        message=found.message,
        since=state.since if same else now,
        calm_since=None,
    )


def _settling(members: Iterable[FleetMember], now: datetime, limits: BreakerLimits) -> set[str]:
    late = now - timedelta(seconds=limits.settled_seconds)
    return {
        one.name
        for one in members
        if one.health.verdict is Verdict.UNREACHABLE and one.health.since is not None and one.health.since <= late
    }


def _look(
    members: Sequence[FleetMember],
    settled: set[str],
    *,
    self_check_error: str,
    has_witness: bool,
    limits: BreakerLimits,
) -> Breaker:
    if self_check_error:
        message = f"what fedsvc sees cannot be trusted: {self_check_error}"
        return Breaker(automation=Automation.HOLDING, reason="SelfCheckFailed", message=message)
    away = {*EXPECTED, Verdict.UNKNOWN}
    counted = [one for one in members if one.health.verdict not in away]
    if len(counted) < limits.least_members and not has_witness:
        message = (
            f"of {len(counted)} members in use a lost one cannot be told from lost sight of it: join a third, or name "
            "a witness beside them (fedsvc serve --witness HOST:PORT); a lost one is left by fedctl maintenance NAME"
        )
        return Breaker(automation=Automation.OFF, reason="FewMembers", message=message)
    lost = [one for one in counted if one.health.is_lost]
    fresh = [one for one in lost if one.name not in settled]
    if not fresh:
        return Breaker(automation=Automation.ON)
    regions = _whole({one.name: _region(one) for one in counted if one.name not in settled}, fresh)
    if len(regions) > 1:
        shown = ", ".join(sorted(region for _, region in regions))
        message = f"regions {shown} are lost at once ({_names(fresh)})"
        return Breaker(automation=Automation.HOLDING, reason="RegionsLost", message=message)
    events = _events(counted, lost)
    total = len(counted) - len(lost) + events
    vouched = has_witness and len(counted) < limits.least_members and len(lost) < len(counted)
    if events * 100 > limits.lost_percent * total and not vouched:
        message = f"{len(lost)} of {len(counted)} members are lost: {_names(lost)}"
        return Breaker(automation=Automation.HOLDING, reason="TooManyLost", message=message)
    return Breaker(automation=Automation.ON)


def _names(members: Iterable[FleetMember]) -> str:
    names = sorted(one.name for one in members)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _region(member: FleetMember) -> tuple[tuple[str, str], ...]:
    return (("region", member.region),) if member.region else ()


def _whole(fates: Mapping[str, Sequence[tuple[str, str]]], lost: Sequence[FleetMember]) -> set[tuple[str, str]]:
    """The fates that all who share them are lost of."""
    everywhere = Counter(fate for of_one in fates.values() for fate in of_one)
    gone = Counter(fate for one in lost for fate in fates[one.name])
    return {fate for fate, count in gone.items() if count == everywhere[fate]}


def _events(counted: Sequence[FleetMember], lost: Sequence[FleetMember]) -> int:
    """How many losses there are: members that go together since they share a fate are one."""
    fates = {one.name: (*one.fates, *_region(one)) for one in counted}
    whole = _whole(fates, lost)
    groups: list[tuple[set[str], set[tuple[str, str]]]] = []
    for one in lost:
        names, shared = {one.name}, whole.intersection(fates[one.name])
        apart = []
        for other_names, other_shared in groups:
            if shared & other_shared:
                names |= other_names
                shared |= other_shared
            else:
                apart.append((other_names, other_shared))
        groups = [*apart, (names, shared)]
    return len(groups)
