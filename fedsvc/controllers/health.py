"""Keeps the observation of every member: a probe every few seconds, a survey every minute, tokens renewed in time.

Each member has tasks and timing of its own; one that does not answer delays no other. What is written is written only
where it differs.
"""

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from fedsvc.controllers import probing
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.probing import CredentialView, Finding, Streaks
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.supervising import supervise
from fedsvc.controllers.wakeups import Signal
from fedsvc.errors import NotFoundError
from fedsvc.members import inspect, tokens
from fedsvc.members.errors import MemberError, MemberStatusError
from fedsvc.members.inspect import NodeSummary, Readiness
from fedsvc.members.refusals import Right
from fedsvc.members.registry import Member, Members
from fedsvc.model.cluster import Cluster, ClusterObservation, Condition, ConditionStatus, Credential
from fedsvc.store import clusters
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """How often members are looked at."""

    probe_seconds: float = 10.0
    probe_again_seconds: float = 2.0  # while a member that was well did not answer well, but not often enough to tell
    probe_timeout_seconds: float = 5.0
    survey_seconds: float = 60.0  # version, nodes, rights, kinds, renewal
    seen_seconds: float = 60.0  # that nothing changed is written no more often
    renewal_retry_seconds: float = 30.0  # doubled after each failure, up to an hour


@dataclass(slots=True, kw_only=True)
class _State:
    """What is known of one member; its probe and its survey share it."""

    cluster: Cluster
    observation: ClusterObservation
    streaks: Streaks = field(default_factory=Streaks)
    readiness: Readiness | None = None  # of the last probe
    missing_rights: tuple[Right, ...] | None = None
    renewal_error: str = ""
    renewal_failures: int = 0
    renew_not_before: datetime | None = None
    written: ClusterObservation | None = None
    probe: Signal = field(default_factory=Signal)
    survey: Signal = field(default_factory=Signal)
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
        self._health = health or HealthSettings()
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
        async with asyncio.TaskGroup() as group:
            while True:
                async with self._store.reader() as tx:
                    fleet = {cluster.name: cluster for cluster in await clusters.list_all(tx)}
                for name in [
                    name for name, running in self._running.items() if not _same(running.state, fleet.get(name))
                ]:
                    self._running.pop(name).task.cancel()
                for cluster in fleet.values():
                    self._follow(group, cluster)
                await self._signal.wait()

    def _changed(self, change: Change) -> None:
        if change.kind == "cluster":
            self._signal.set()

    def _follow(self, group: asyncio.TaskGroup, cluster: Cluster) -> None:
        running = self._running.get(cluster.name)
        if running is None:
            state = _State(cluster=cluster, observation=cluster.observation, written=cluster.observation)
            run = supervise(f"health {cluster.name}", lambda: self._keep(state), settings=self._settings)
            task = group.create_task(run, name=f"health-{cluster.name}")
            self._running[cluster.name] = _Running(state=state, task=task)
            return
        state = running.state
        before, state.cluster = state.cluster, cluster
        if before.connection != cluster.connection:
            state.renewal_error, state.renewal_failures, state.renew_not_before = "", 0, None
            state.streaks = Streaks()
            state.probe.set()
            state.survey.set()

    async def _keep(self, state: _State) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_regularly(state), name=f"probe-{state.cluster.name}")
            group.create_task(self._survey_regularly(state), name=f"survey-{state.cluster.name}")

    async def _probe_regularly(self, state: _State) -> None:
        share = spread(state.cluster.name)
        if (
            state.cluster.observation.conditions
        ):  # after a start not all members at once; one that joins now is waited for
            await state.probe.wait(timeout_seconds=share * self._health.probe_seconds)
        while True:
            await self._probe(state)
            again = state.streaks.undecided
            pause = self._health.probe_again_seconds if again else self._health.probe_seconds * (0.9 + 0.2 * share)
            await state.probe.wait(timeout_seconds=pause)

    async def _survey_regularly(self, state: _State) -> None:
        share = spread(state.cluster.name)
        while True:
            await state.survey.wait(timeout_seconds=self._health.survey_seconds * (0.9 + 0.2 * share))
            if state.readiness is not None and state.readiness.refusal is None:
                await self._survey(state)

    async def _probe(self, state: _State) -> None:
        """One probe and what follows from it."""
        member = self._members.member(state.cluster)
        readiness, error = None, None
        try:
            readiness = await inspect.probe(member.client, timeout_seconds=self._health.probe_timeout_seconds)
        except MemberError as raised:
            error = raised
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
            renewal_error=state.renewal_error,
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
        state.observation = dataclasses.replace(state.observation, conditions=conditions, last_seen_time=seen)
        self._tell(state.cluster, previous, conditions)
        await self._write(state)

    def _missing_rights(self, state: _State, member: Member) -> tuple[Right, ...] | None:
        """What propagation was refused counts at once; what was found earlier, until a survey finds it granted."""
        if state.missing_rights is None:
            return tuple(member.refusals.missing()) or None
        return tuple(sorted({*state.missing_rights, *member.refusals.missing()}))

    def _tell(self, cluster: Cluster, previous: dict[str, Condition], conditions: tuple[Condition, ...]) -> None:
        for condition in conditions:
            before = previous.get(condition.type)
            if before is not None and before.status is condition.status:
                continue
            if condition.status is ConditionStatus.FALSE:
                reason = f"{condition.type}{condition.reason}"
                self._events.warning(cluster.resource_name, reason, condition.message, cluster=cluster.name)
            elif condition.status is ConditionStatus.TRUE and before is not None:
                self._events.normal(cluster.resource_name, condition.type, condition.message, cluster=cluster.name)

    async def _write(self, state: _State) -> None:
        async with state.writing:
            observation, written = state.observation, state.written
            if written is not None and not self._differs(observation, written):
                return
            async with self._store.transaction() as tx:
                await clusters.observe(tx, state.cluster.name, observation)
            state.written = observation

    def _differs(self, observation: ClusterObservation, written: ClusterObservation) -> bool:
        if dataclasses.replace(observation, last_seen_time=None) != dataclasses.replace(written, last_seen_time=None):
            return True
        if observation.last_seen_time is None or written.last_seen_time is None:
            return observation.last_seen_time != written.last_seen_time
        return observation.last_seen_time - written.last_seen_time >= timedelta(seconds=self._health.seen_seconds)

    async def _survey(self, state: _State) -> None:
        """Look at what changes slowly. Each part may fail by itself; the member's next answer tells more."""
        member = self._members.member(state.cluster)
        try:
            await self._renew(state, member)
            version = await inspect.kubernetes_version(member.client)
            summary = await self._nodes(member)
            await self._check_rights(state, member)
            table = await member.discovery.table()
        except MemberError as error:
            _log.info("survey_failed", cluster=state.cluster.name, error=str(error))
            return
        state.observation = dataclasses.replace(
            state.observation,
            kubernetes_version=version,
            node_count=summary.node_count,
            ready_node_count=summary.ready_node_count,
            allocatable=summary.allocatable,
        )
        async with self._store.transaction() as tx:
            await clusters.set_api_resources(tx, state.cluster.name, table.rows())
        state.probe.set()  # which judges and writes what was found

    async def _nodes(self, member: Member) -> NodeSummary:
        try:
            return await inspect.nodes(member.client)
        except MemberStatusError as error:
            if error.code != 403:  # rights for single namespaces do not cover nodes, which is no trouble
                raise
            return NodeSummary()

    async def _check_rights(self, state: _State, member: Member) -> None:
        """Ask again for every right that was found missing, by this process or by one before it."""
        asked = set(member.refusals.missing())
        if state.missing_rights is None:
            told = next((c for c in state.observation.conditions if c.type == probing.RIGHTS_SUFFICIENT), None)
            if told is not None and told.status is ConditionStatus.FALSE:
                asked.update(probing.rights_in(told.message))
        else:
            asked.update(state.missing_rights)
        missing = set()
        for right in sorted(asked):
            if await inspect.may(member.client, right):
                member.refusals.granted(right)
            else:
                missing.add(right)
        state.missing_rights = tuple(sorted(missing))

    async def _renew(self, state: _State, member: Member) -> None:
        """Renew the token where a third of its life is left."""
        connection, now = state.cluster.connection, self._clock()
        due = probing.renewal_time(connection.credential)
        if due is None or not connection.service_account or now < due:
            return
        if state.renew_not_before is not None and now < state.renew_not_before:
            return
        skew = state.readiness.skew_seconds if state.readiness is not None else None
        try:
            issued = await tokens.request_token(
                member.client,
                namespace=connection.member_namespace,
                service_account=connection.service_account,
                lifetime_seconds=probing.lifetime_seconds(connection.credential.token) or 86_400,
                skew_seconds=skew or 0.0,
            )
            await tokens.try_token(connection, issued.token)
        except MemberError as error:
            pause = min(self._health.renewal_retry_seconds * 2**state.renewal_failures, 3_600.0)
            state.renewal_error, state.renewal_failures = str(error), state.renewal_failures + 1
            state.renew_not_before = now + timedelta(seconds=pause)
            _log.warning("renewal_failed", cluster=state.cluster.name, error=str(error), retry_seconds=pause)
            return
        renewed = Credential(token=issued.token, token_expire_time=issued.expire_time)
        if await self._store_credential(state.cluster, renewed):
            renewed_connection = dataclasses.replace(connection, credential=renewed)
            state.cluster = dataclasses.replace(state.cluster, connection=renewed_connection)
            state.renewal_error, state.renewal_failures, state.renew_not_before = "", 0, None
            _log.info("credential_renewed", cluster=state.cluster.name, expires=issued.expire_time.isoformat())

    async def _store_credential(self, cluster: Cluster, renewed: Credential) -> bool:
        """Store it, unless somebody gave the cluster another credential (or removed it) meanwhile."""
        async with self._store.transaction() as tx:
            try:
                stored = await clusters.lock(tx, cluster.name)
            except NotFoundError:
                return False
            if stored.connection != cluster.connection:
                return False
            await clusters.rotate_credential(tx, cluster.name, renewed)
            return True


def spread(name: str) -> float:
    """A number from 0 to 1, by the name: members are not asked all at the same moment, and always at their own."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _same(state: _State, cluster: Cluster | None) -> bool:
    return cluster is not None and cluster.uid == state.cluster.uid
