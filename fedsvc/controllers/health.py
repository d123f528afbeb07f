"""Keeps the observation of every member: a probe every few seconds, a survey every minute, tokens renewed in time.

Each member has tasks and timing of its own; one that does not answer delays no other. What is written is written only
where it differs. The parts: `probing` judges, `surveying` looks at what changes slowly, `renewing` renews tokens.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from fedsvc.controllers import breaking, metrics, probing
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.evidence import evidence_of, expected_of
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.probing import CredentialView, Finding, Streaks
from fedsvc.controllers.renewing import Renewal, after_failure, is_due, renew
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.supervising import supervise
from fedsvc.controllers.surveying import (
    counted,
    rights_told,
    room_pause_seconds,
    survey,
    survey_pause_seconds,
    surveyed,
)
from fedsvc.controllers.wakeups import Signal
from fedsvc.detection import DEFAULT_DETECT_SECONDS
from fedsvc.health import BreakerState, Health, Limits, Streak, Verdict, detection, judge
from fedsvc.members import discovery, inspect
from fedsvc.members.api_table import ApiTable
from fedsvc.members.errors import MemberError
from fedsvc.members.inspect import Readiness
from fedsvc.members.refusals import Right
from fedsvc.members.registry import Member, Members
from fedsvc.members.room import read_room
from fedsvc.model.audit import AuditKind, NewRecord, health_evidence, said
from fedsvc.model.cluster import Cluster, ClusterObservation, Condition, ConditionStatus
from fedsvc.model.room import Room, still_counts
from fedsvc.store import audit, automation, clusters, served_kinds
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_EARLIEST: Final = 0.5
"""Of the time between surveys: one that comes a little early still reads the room, several in a row read it once."""

CONCERNS: Final = frozenset({Verdict.SUSPECT, Verdict.UNREACHABLE, Verdict.DEGRADED})
SETTLED: Final = frozenset({Verdict.UNREACHABLE, Verdict.DEGRADED, Verdict.MAINTENANCE, Verdict.HIBERNATED})
"""Verdicts that more bad findings only confirm; all others are looked into quickly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """How often members are looked at."""

    probe_seconds: float = 5.0
    probe_again_seconds: float = 2.0  # while a member that was well did not answer well, but not often enough to tell
    probe_timeout_seconds: float = 3.0
    survey_seconds: float = 60.0  # version, rights, kinds, renewal, room
    seen_seconds: float = 60.0  # that nothing changed is written no more often
    renewal_retry_seconds: float = 30.0  # doubled after each failure, up to an hour
    limits: Limits = field(default_factory=Limits)  # of verdicts


def health_settings(detect_seconds: float) -> HealthSettings:
    """Those by which a lost member is found to be so within so many seconds."""
    if detect_seconds == DEFAULT_DETECT_SECONDS:
        return HealthSettings()
    found = detection(detect_seconds)
    return HealthSettings(
        probe_seconds=found.probe_seconds,
        probe_again_seconds=found.probe_again_seconds,
        probe_timeout_seconds=found.probe_timeout_seconds,
        limits=found.limits,
    )


@dataclass(slots=True, kw_only=True)
class _State:
    """What is known of one member; its probe and its survey share it."""

    cluster: Cluster
    observation: ClusterObservation
    streaks: Streaks = field(default_factory=Streaks)
    streak: Streak = field(default_factory=Streak)  # of evidence for the verdict
    readiness: Readiness | None = None  # of the last probe
    missing_rights: tuple[Right, ...] | None = None  # of the last survey
    room: Room | None = None  # as it is stored
    room_problem: str = ""  # why it could not be read the last time
    room_not_before: float = 0.0  # when nodes and pods may be read again, by the loop's clock
    renewal: Renewal = field(default_factory=Renewal)
    written: ClusterObservation | None = None
    probe: Signal = field(default_factory=Signal)
    survey: Signal = field(default_factory=Signal)
    kinds: Signal = field(default_factory=Signal)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, kw_only=True)
class _Running:
    state: _State
    task: asyncio.Task[None]


class HealthController:
    """Follows the fleet and keeps one pair of tasks for each member."""

    def __init__(
        self,
        store: Store,
        members: Members,
        *,
        settings: ControllerSettings,
        events: EventRecorder,
        health: HealthSettings | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._members = members
        self._settings = settings
        self._events = events
        self._health = health or health_settings(settings.detect_seconds)
        self._clock = clock
        self._signal = Signal()
        self._running: dict[str, _Running] = {}

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._signal.set)

    async def run(self) -> None:
        """Follow the fleet until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        self._running.clear()
        try:
            await self._follow_fleet()
        finally:
            metrics.MEMBER_VERDICT.clear()  # another replica may lead from now on, and know better

    async def _follow_fleet(self) -> None:
        fleet: dict[str, clusters.Followed] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                async with self._store.reader() as tx:
                    fleet = await clusters.follow(tx, fleet)
                uids = {name: followed.cluster.uid for name, followed in fleet.items()}
                for name in [name for name, each in self._running.items() if each.state.cluster.uid != uids.get(name)]:
                    self._running.pop(name).task.cancel()
                    _forget_metrics(name)
                for followed in fleet.values():
                    self._follow(group, followed.cluster)
                await self._signal.wait()

    def served_changed(self, cluster: str) -> None:
        """A member serves other kinds than before: what is stored of them is read anew, before the next survey."""
        running = self._running.get(cluster)
        if running is not None:
            running.state.kinds.set()

    def _changed(self, change: Change) -> None:
        if change.kind == "cluster":
            self._signal.set()

    def _follow(self, group: asyncio.TaskGroup, cluster: Cluster) -> None:
        running = self._running.get(cluster.name)
        if running is None:
            state = _State(
                cluster=cluster, observation=cluster.observation, written=cluster.observation, room=cluster.room
            )
            run = supervise(f"health {cluster.name}", lambda: self._keep(state), settings=self._settings)
            task = group.create_task(run, name=f"health-{cluster.name}")
            self._running[cluster.name] = _Running(state=state, task=task)
            metrics.FAILOVERS.labels(cluster.name)  # there from 0 on, else the first one is no increase
            return
        state = running.state
        before, state.cluster = state.cluster, cluster
        if before.connection != cluster.connection:
            state.renewal, state.streaks, state.room_not_before = Renewal(), Streaks(), 0.0
            if before.connection.way != cluster.connection.way:  # nothing that is known is of the new one
                state.observation = state.written = cluster.observation
                state.streak = Streak()
                state.room, state.readiness = cluster.room, None
            state.probe.set()
            state.survey.set()

    async def _keep(self, state: _State) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_regularly(state), name=f"probe-{state.cluster.name}")
            group.create_task(self._survey_regularly(state), name=f"survey-{state.cluster.name}")
            group.create_task(self._follow_kinds(state), name=f"kinds-{state.cluster.name}")

    async def _probe_regularly(self, state: _State) -> None:
        share = spread(state.cluster.name)
        if (
            state.cluster.observation.conditions
        ):  # after a start not all members at once; one that joins now is waited for
            await state.probe.wait(timeout_seconds=share * self._health.probe_seconds)
        while True:
            await self._probe(state)
            again = state.streaks.undecided or (state.streak.is_bad and state.observation.health.verdict not in SETTLED)
            pause = self._health.probe_again_seconds if again else self._health.probe_seconds * (0.9 + 0.2 * share)
            await state.probe.wait(timeout_seconds=pause)

    async def _survey_regularly(self, state: _State) -> None:
        incomplete, name = 0, state.cluster.name
        while True:
            pause = survey_pause_seconds(name, incomplete, self._health.survey_seconds, share=spread(name))
            await state.survey.wait(timeout_seconds=pause)
            if state.readiness is not None and state.readiness.refusal is None:
                incomplete = 0 if await self._survey(state) else incomplete + 1

    async def _probe(self, state: _State) -> None:
        """One probe and what follows from it."""
        way = state.cluster.connection.way
        member = self._members.member(state.cluster)
        readiness, error = None, None
        try:
            readiness = await inspect.probe(member.client, timeout_seconds=self._health.probe_timeout_seconds)
        except MemberError as raised:
            error = raised
        if state.cluster.connection.way != way:
            return  # of where the member was before; where it is now is asked next
        was_answering = state.readiness is not None and state.readiness.refusal is None
        state.readiness = readiness
        await self._conclude(state, error)
        if readiness is not None and readiness.refusal is None and not was_answering:
            state.survey.set()  # a member that joins or comes back shall show its version and nodes at once

    async def _conclude(self, state: _State, error: MemberError | None) -> None:
        """Judge what is known now and write it."""
        now = self._clock()
        member = self._members.member(state.cluster)
        credential = state.cluster.connection.credential
        view = CredentialView(
            expire_time=credential.token_expire_time,
            renewable=bool(state.cluster.connection.service_account),
            renewal_error=state.renewal.error,
        )
        finding = Finding(
            cluster=state.cluster.name,
            readiness=state.readiness,
            error=error,
            credential=view,
            missing_rights=self._missing_rights(state, member),
        )
        previous = {condition.type: condition for condition in state.observation.conditions}
        conditions, state.streaks = probing.judge(previous, state.streaks, finding, now=now)
        seen = now if state.readiness is not None else state.observation.last_seen_time
        before = state.observation.health
        health, state.streak = judge(
            before,
            state.streak,
            evidence_of(
                state.readiness,
                error,
                nodes=state.observation.node_count,
                ready_nodes=state.observation.ready_node_count,
            ),
            now=now,
            expected=expected_of(state.cluster),
            limits=self._health.limits,
        )
        state.observation = dataclasses.replace(
            state.observation, conditions=conditions, last_seen_time=seen, health=health
        )
        self._tell(state.cluster, previous, conditions)
        self._tell_verdict(state.cluster, before, health)
        for verdict in Verdict:
            metrics.MEMBER_VERDICT.labels(state.cluster.name, verdict).set(verdict is health.verdict)
        await self._write(state)
        await self._forget_room(state, now)

    def _missing_rights(self, state: _State, member: Member) -> tuple[Right, ...] | None:
        """What propagation was refused counts at once; what was found earlier, until a survey finds it granted."""
        if state.missing_rights is None:
            return tuple(member.refusals.missing()) or None
        return tuple(sorted({*state.missing_rights, *member.refusals.missing()}))

    def _tell(self, cluster: Cluster, previous: dict[str, Condition], conditions: tuple[Condition, ...]) -> None:
        for condition in conditions:
            before = previous.get(condition.type)
            if before is not None and before.status is condition.status:
                if condition.reason != before.reason and condition.reason in probing.CONCERNS:
                    subject, words = cluster.resource_name, condition.message
                    self._events.warning(subject, f"Credentials{condition.reason}", words, cluster=cluster.name)
                continue
            if condition.status is ConditionStatus.FALSE:
                reason = f"{condition.type}{condition.reason}"
                self._events.warning(cluster.resource_name, reason, condition.message, cluster=cluster.name)
            elif condition.status is ConditionStatus.TRUE and before is not None:
                self._events.normal(cluster.resource_name, condition.type, condition.message, cluster=cluster.name)

    def _tell_verdict(self, cluster: Cluster, before: Health, health: Health) -> None:
        if health.verdict is before.verdict or before.verdict is Verdict.UNKNOWN:
            return
        message = _verdict_words(before, health)
        tell = self._events.warning if health.verdict in CONCERNS else self._events.normal
        tell(cluster.resource_name, str(health.verdict), message, cluster=cluster.name)

    async def _write(self, state: _State) -> None:
        async with state.writing:
            observation, written, connection = state.observation, state.written, state.cluster.connection
            if written is not None and not self._differs(observation, written):
                return
            found: BreakerState | None = None
            async with self._store.transaction() as tx:
                stored = await clusters.observe(tx, state.cluster.name, observation, connection=connection)
                if stored and (written is None or observation.health != written.health):
                    # Nobody finds a member lost before the breaker has judged that.
                    found = await automation.look(tx)
                    await audit.count(tx, _verdict_told(state, written))
            if found is not None:
                breaking.show(found)
            state.written = observation

    def _differs(self, observation: ClusterObservation, written: ClusterObservation) -> bool:
        if dataclasses.replace(observation, last_seen_time=None) != dataclasses.replace(written, last_seen_time=None):
            return True
        if observation.last_seen_time is None or written.last_seen_time is None:
            return observation.last_seen_time != written.last_seen_time
        return observation.last_seen_time - written.last_seen_time >= timedelta(seconds=self._health.seen_seconds)

    async def _survey(self, state: _State) -> bool:
        """Look at what changes slowly; the next probe judges and writes what was found. Tells whether all was found."""
        member = self._members.member(state.cluster)
        if is_due(state.cluster, state.renewal, now=self._clock()):
            await self._renew(state, member)
        known = state.missing_rights
        found = await survey(member, rights_told(state.observation) if known is None else known)
        if found.problems:
            _log.info("survey_incomplete", cluster=state.cluster.name, problems=found.problems)
        state.observation = surveyed(state.observation, found)
        if found.missing_rights is not None:
            state.missing_rights = found.missing_rights
        if found.table is not None:
            await self._write_kinds(state, found.table)
        if not found.unreachable and asyncio.get_running_loop().time() >= state.room_not_before:
            await self._read_room(state, member)
        state.probe.set()
        return found.is_complete

    async def _read_room(self, state: _State, member: Member) -> None:
        """What cannot be read stays as it was; `_forget_room` ends that."""
        loop = asyncio.get_running_loop()
        skew = state.readiness.skew_seconds if state.readiness is not None else None
        begin = loop.time()
        try:
            reading = await read_room(member.client, now=self._clock(), skew_seconds=skew or 0.0)
        except MemberError as error:
            state.room_problem = str(error)
            _log.info("room_not_read", cluster=state.cluster.name, problem=state.room_problem)
            return
        finally:
            now = loop.time()
            state.room_not_before = now + room_pause_seconds(now - begin, self._health.survey_seconds * _EARLIEST)
        state.observation = counted(state.observation, reading)
        if reading.room is None:
            state.room_problem = "the rights do not cover nodes and the pods of all namespaces"
            return
        state.room_problem = ""
        async with state.writing:
            async with self._store.transaction() as tx:
                await clusters.set_room(tx, state.cluster.name, reading.room)
            state.room = reading.room

    async def _forget_room(self, state: _State, now: datetime) -> None:
        """What was read too long ago is no knowledge: from now on the room is unknown, which placement is told."""
        async with state.writing:
            if state.room is None or still_counts(state.room, now=now):
                return
            async with self._store.transaction() as tx:
                await clusters.set_room(tx, state.cluster.name, None)
            state.room = None
        words = "what is free is not known any more: nodes and pods could not be read"
        message = f"{words}: {state.room_problem}" if state.room_problem else words
        self._events.warning(state.cluster.resource_name, "RoomUnknown", message, cluster=state.cluster.name)

    async def _follow_kinds(self, state: _State) -> None:
        """Store what the member serves when that changed, and in the beginning, since it may have changed before."""
        while True:
            # Discovery is asked no more often than that, and definitions come in bursts.
            await asyncio.sleep(discovery.MIN_INTERVAL_SECONDS * (1 + spread(state.cluster.name)))
            try:
                table = await self._members.member(state.cluster).discovery.table()
            except MemberError as error:  # the next survey makes up for it
                _log.info("kinds_unread", cluster=state.cluster.name, error=str(error))
            else:
                await self._write_kinds(state, table)
            await state.kinds.wait()

    async def _write_kinds(self, state: _State, table: ApiTable) -> None:
        async with self._store.transaction() as tx:
            await served_kinds.set_api_resources(tx, state.cluster.name, table.rows())

    async def _renew(self, state: _State, member: Member) -> None:
        cluster, now = state.cluster, self._clock()
        skew = state.readiness.skew_seconds if state.readiness is not None else None
        try:
            state.renewal, renewed = await renew(
                self._store, member, cluster, renewal=state.renewal, now=now, skew_seconds=skew or 0.0
            )
        except MemberError as error:
            end = cluster.connection.credential.token_expire_time
            retry = self._health.renewal_retry_seconds
            state.renewal = after_failure(state.renewal, str(error), now=now, end=end, retry_seconds=retry)
            _log.warning("renewal_failed", cluster=cluster.name, error=str(error), failures=state.renewal.failures)
            return
        if renewed is not None and state.cluster is cluster:
            connection = dataclasses.replace(cluster.connection, credential=renewed)
            state.cluster = dataclasses.replace(cluster, connection=connection)
            self._members.member(state.cluster)  # its client takes the new token


def spread(name: str) -> float:
    """A number from 0 to 1, by the name: members are not asked all at the same moment, and always at their own."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _verdict_told(state: _State, written: ClusterObservation | None) -> list[NewRecord]:
    """What is kept of a verdict that is another one than the one that is stored."""
    before, health = Health() if written is None else written.health, state.observation.health
    if health.verdict is before.verdict or before.verdict is Verdict.UNKNOWN:
        return []
    evidence = {
        "before": health_evidence(before),
        "after": health_evidence(health),
        "inARow": said(
            dead=state.streak.dead, silent=state.streak.silent, impaired=state.streak.impaired, well=state.streak.well
        ),
    }
    return [
        NewRecord(
            kind=AuditKind.VERDICT,
            reason=str(health.verdict),
            message=_verdict_words(before, health),
            cluster=state.cluster.name,
            evidence=evidence,
        )
    ]


def _verdict_words(before: Health, health: Health) -> str:
    return f"it is {health.verdict}, was {before.verdict}{f': {health.message}' if health.message else ''}"


def _forget_metrics(name: str) -> None:
    """Nobody is to be told of a member that left."""
    for verdict in Verdict:
        with contextlib.suppress(KeyError):
            metrics.MEMBER_VERDICT.remove(name, verdict)
