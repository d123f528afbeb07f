"""Probes the targets of names from here, in the background: planning takes what is known and never waits for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from fedsvc.controllers.backoff import delay_seconds
from fedsvc.controllers.reaching import Reached, reach
from fedsvc.controllers.wakeups import Signal
from fedsvc.naming.gathering import VANTAGE, not_probed_yet
from fedsvc.naming.reachable import Key, ProbeTarget
from fedsvc_dns.planner.facts import Outcome, Probe
from fedsvc_dns.planner.memory import HealthPolicy

_log = structlog.get_logger(__name__)

_MOST_TARGETS: Final = 2_000
_AT_ONCE: Final = 64
_SURE_SECONDS: Final = 1.0
"""Between probes until what changed is sure: an outage is known in three seconds, not in three intervals."""
_SPREAD: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The last result of a target."""

    outcome: Outcome
    detail: str
    streak: int
    at: float  # by the clock of this process


class Vantage:
    """What can be reached from here."""

    def __init__(
        self,
        changed: Callable[[], None],
        *,
        policy: HealthPolicy,
        reach_target: Callable[[ProbeTarget], Awaitable[Reached]] = reach,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Probe nothing yet.

        Args:
            changed: called when something else is found than before, and when that is sure.
            policy: how often in a row makes it sure.
            reach_target: one probe.
            sleep: waits for some seconds.
        """
        self._changed = changed
        self._sure = {Outcome.UP: policy.rise, Outcome.DOWN: policy.fall}
        self._reach = reach_target
        self._sleep = sleep
        self._signal = Signal()
        self._limit = asyncio.Semaphore(_AT_ONCE)
        self._wanted: frozenset[ProbeTarget] = frozenset()
        self._found: dict[ProbeTarget, _Found] = {}

    def of(self, targets: Mapping[Key, ProbeTarget], now: datetime) -> dict[Key, tuple[Probe, ...]]:
        """What is known of targets, at a time of the planner's clock; from now on these are probed, and no others."""
        distinct = list(dict.fromkeys(targets[key] for key in sorted(targets)))
        if len(distinct) > _MOST_TARGETS:
            _log.warning("dns_targets_not_probed", count=len(distinct) - _MOST_TARGETS)
        wanted = frozenset(distinct[:_MOST_TARGETS])
        if wanted != self._wanted:
            self._wanted = wanted
            self._signal.set()
        clock = time.monotonic()
        return {key: (_probe(self._found.get(target), now, clock),) for key, target in targets.items()}

    async def run(self) -> None:
        """Probe until cancelled."""
        running: dict[ProbeTarget, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._drop(running, running.keys() - self._wanted)
                for target in self._wanted - running.keys():
                    running[target] = group.create_task(self._follow(target), name="dns-probe")
                await self._signal.wait()

    def _drop(self, running: dict[ProbeTarget, asyncio.Task[None]], targets: Iterable[ProbeTarget]) -> None:
        for target in list(targets):
            running.pop(target).cancel()
            self._found.pop(target, None)

    async def _follow(self, target: ProbeTarget) -> None:
        count = 0
        while True:
            async with self._limit:
                found = await self._reach(target)
            is_sure = self._note(target, found)
            longest = float(target.interval_seconds)
            seconds = longest if is_sure else min(_SURE_SECONDS, longest)
            count += 1
            # spread, so that targets are not all asked at the same moment
            await self._sleep(delay_seconds(f"{target}", count % _SPREAD, first=seconds, maximum=seconds))

    def _note(self, target: ProbeTarget, found: Reached) -> bool:
        """Note a result; whether it is sure."""
        before = self._found.get(target)
        if found.outcome is Outcome.UNKNOWN:
            return True  # it neither adds nor breaks
        is_same = before is not None and before.outcome is found.outcome
        streak = before.streak + 1 if before is not None and is_same else 1
        self._found[target] = _Found(outcome=found.outcome, detail=found.detail, streak=streak, at=time.monotonic())
        sure = self._sure[found.outcome]
        if streak in (1, sure):
            self._changed()
        return streak >= sure


def _probe(found: _Found | None, now: datetime, clock: float) -> Probe:
    if found is None:
        return not_probed_yet()
    at = now - timedelta(seconds=clock - found.at)
    return Probe(vantage=VANTAGE, outcome=found.outcome, streak=found.streak, at=at, detail=found.detail)
