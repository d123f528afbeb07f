"""One session a registered cluster: its index, its propagator, its collector; they come and go with the cluster."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from fedsvc.controllers.collector import Collector
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.group_writing import GroupWriter
from fedsvc.controllers.holding import Holds
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.index import Entry
from fedsvc.controllers.looking import Asked, Looking
from fedsvc.controllers.propagator import Propagator
from fedsvc.controllers.session import MemberSession
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.supervising import supervise
from fedsvc.controllers.telling import Telling
from fedsvc.controllers.wakeups import Signal
from fedsvc.members.registry import Members
from fedsvc.model.cluster import Cluster
from fedsvc.model.hold import Hold
from fedsvc.model.unit import WorkState
from fedsvc.rendering.status.rules import Rules
from fedsvc.store import clusters, policies, work_index, works
from fedsvc.store.changes import Change
from fedsvc.store.store import Store
from fedsvc.store.work_index import IndexedWork

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Running:
    """A cluster's task; `session` is that of its current run."""

    cluster: Cluster
    task: asyncio.Task[None]
    session: MemberSession | None = None
    looking: Looking | None = None
    telling: Telling | None = None

    def ask(self, asked: Asked) -> None:
        """Pass on what the member is asked for and told."""
        if self.looking is not None and self.telling is not None:
            self.looking.want(asked.lookouts)
            self.telling.tell(asked.statuses)


class Fleet:
    """Runs what belongs to each member; one member's trouble ends nothing but its own run.

    `served_changed` is called with each cluster that serves other kinds than before by definitions of ours.
    """

    def __init__(
        self,
        store: Store,
        members: Members,
        *,
        settings: ControllerSettings,
        events: EventRecorder,
        holds: Holds,
        writer: GroupWriter,
        served_changed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._writer = writer
        self._members = members
        self._settings = settings
        self._events = events
        self._holds = holds
        holds.tell(self._holds_changed)
        self._served_changed = served_changed
        self._signal = Signal()
        self._running: dict[str, _Running] = {}
        self._rules: Rules = {}
        self._asked: dict[str, Asked] = {}

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._rescan)

    def wake(self, cluster: str) -> None:
        """There may be something to propagate to a cluster."""
        running = self._running.get(cluster)
        if running is not None and running.session is not None:
            running.session.wake()

    def reread(self, cluster: str, read: Callable[[], None]) -> bool:
        """List all objects of a cluster anew and then call `read`; False where there is nothing to list."""
        running = self._running.get(cluster)
        return running is not None and running.session is not None and running.session.reread(read)

    def ask(self, asked: dict[str, Asked]) -> None:
        """Members are asked for these, and told these, from now on."""
        self._asked = asked
        for name, running in self._running.items():
            if name in asked:
                running.ask(asked[name])

    async def run(self) -> None:
        """Follow the fleet until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        self._running.clear()
        fleet: dict[str, clusters.Followed] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                async with self._store.reader() as tx:
                    fleet = await clusters.follow(tx, fleet)
                    self._judge_by(await policies.status_rules(tx))
                for name in [name for name in self._running if name not in fleet]:
                    self._running.pop(name).task.cancel()
                    self._members.forget(name)
                for followed in fleet.values():
                    await self._follow(group, followed.cluster)
                await self._signal.wait()

    def _changed(self, change: Change) -> None:
        if change.kind in ("cluster", "status_policy"):
            self._signal.set()
        elif change.kind == "removal":
            self.wake(change.name.removeprefix("clusters/"))

    def _holds_changed(self, before: tuple[Hold, ...], after: tuple[Hold, ...]) -> None:
        """What was held may go; a look that finds nothing costs a query."""
        del before, after
        self._wake_all()

    def _rescan(self) -> None:
        self._signal.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for running in self._running.values():
            if running.session is not None:
                running.session.wake()

    def _judge_by(self, rules: Rules) -> None:
        if rules == self._rules:
            return
        self._rules = rules
        for running in self._running.values():
            if running.session is not None:
                running.session.judge_by(rules)

    async def _follow(self, group: asyncio.TaskGroup, cluster: Cluster) -> None:
        """Start what is new, and pass on what changed."""
        running = self._running.get(cluster.name)
        if running is not None and running.cluster.uid != cluster.uid:  # left and came back under the same name
            self._running.pop(cluster.name).task.cancel()
            running = None
        if running is None:
            task = group.create_task(self._supervise(cluster.name), name=f"member-{cluster.name}")
            self._running[cluster.name] = _Running(cluster=cluster, task=task)
            return
        before, running.cluster = running.cluster, cluster
        if running.session is None:
            return
        running.session.renew(self._members.member(cluster))
        if before.generation != cluster.generation or before.connection != cluster.connection:
            # Rights or address may be mended: what failed for want of them is tried at once.
            running.session.mended()
            async with self._store.transaction() as tx:
                await works.wake_cluster(tx, cluster.name)
            running.session.retry.set()
            running.session.wake()

    async def _supervise(self, name: str) -> None:
        await supervise(f"member {name}", lambda: self._run_member(name), settings=self._settings)

    async def _run_member(self, name: str) -> None:
        running = self._running.get(name)
        if running is None:
            return
        member = self._members.member(running.cluster)
        session = MemberSession(
            running.cluster,
            member,
            settings=self._settings,
            events=self._events,
            holds=self._holds,
            served_changed=partial(self._served_changed, name),
        )
        async with self._store.reader() as tx:
            for work in await work_index.of_cluster(tx, name):
                session.index.put(entry_of(work))
        collector = Collector(self._store, session, self._writer)
        propagator = Propagator(
            self._store, session, self._writer, settled=collector.settled, stored=collector.result_stored
        )
        collector.tell_gone(propagator.object_gone)
        looking, telling = Looking(self._store, session), Telling(session)
        running.session, running.looking, running.telling = session, looking, telling
        session.judge_by(self._rules)
        if name in self._asked:
            running.ask(self._asked[name])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(propagator.run(), name=f"propagator-{name}")
                group.create_task(collector.run(), name=f"collector-{name}")
                group.create_task(looking.run(), name=f"looking-{name}")
                group.create_task(telling.run(), name=f"telling-{name}")
        finally:
            running.session = running.looking = running.telling = None
            session.end()


def entry_of(work: IndexedWork) -> Entry:
    """What the index keeps of a stored work."""
    return Entry(
        id=work.id,
        unit_uid=work.unit_uid,
        unit_name=work.unit_name,
        key=work.key,
        drift=work.drift,
        handling=work.handling,
        state=work.state,
        removal=work.removal,
        member_uid=work.member_uid,
        ownership_digest=work.ownership_digest,
        applied_digest=work.applied_digest,
        reported=work.state is WorkState.DRIFTED,
        drift_rows=work.drift_report,
    )
