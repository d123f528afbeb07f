"""The work queue of one cluster's controllers: events become keys, keys are reconciled in turns of the event loop.

There is no task: work runs in callbacks of the loop, in bounded turns, and delays are timers that :meth:`stop` cancels.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from fedsvc.simulator.controllers import claims, definitions, garbage, jobs, networking, pods, sets, workloads
from fedsvc.simulator.controllers import namespaces as namespace_controller
from fedsvc.simulator.controllers.scheduling import Nodes
from fedsvc.simulator.errors import ApiError
from fedsvc.simulator.kinds import KindKey
from fedsvc.simulator.registry import FOREGROUND, ORPHAN
from fedsvc.simulator.store import Event, Stored, owner_uids

if TYPE_CHECKING:
    from fedsvc.simulator.cluster import SimulatedCluster

_log = logging.getLogger(__name__)
_TURN = 64  # keys reconciled before requests get their turn again

PODS: KindKey = ("", "pods")
NODES: KindKey = ("", "nodes")
NAMESPACES: KindKey = ("", "namespaces")
BUDGETS: KindKey = ("policy", "poddisruptionbudgets")

# A key is (what, uid): the reconciler's name and the object it is for.
Key = tuple[str, str]
Reconciler = Callable[["Controllers", Stored], None]

_ALWAYS: dict[str, Reconciler] = {
    "garbage": garbage.collect,
    "foreground": garbage.finish_foreground,
    "orphan": garbage.finish_orphan,
    "namespace": namespace_controller.reconcile,
    "account": namespace_controller.complete_token_secret,
    "definition": definitions.reconcile,
}
_WORKLOADS: dict[str, Reconciler] = {
    "pod": pods.reconcile,
    "deployment": workloads.reconcile_deployment,
    "replica-set": workloads.reconcile_replica_set,
    "stateful-set": sets.reconcile_stateful_set,
    "daemon-set": sets.reconcile_daemon_set,
    "job": jobs.reconcile,
    "service": networking.reconcile_service,
    "ingress": networking.reconcile_ingress,
    "claim": claims.reconcile_claim,
    "budget": claims.reconcile_budget,
    "autoscaler": claims.reconcile_autoscaler,
}
_BY_KIND: dict[KindKey, str] = {
    NAMESPACES: "namespace",
    ("", "secrets"): "account",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "definition",
    PODS: "pod",
    ("apps", "deployments"): "deployment",
    ("apps", "replicasets"): "replica-set",
    ("", "replicationcontrollers"): "replica-set",
    ("apps", "statefulsets"): "stateful-set",
    ("apps", "daemonsets"): "daemon-set",
    ("batch", "jobs"): "job",
    ("", "services"): "service",
    ("networking.k8s.io", "ingresses"): "ingress",
    ("", "persistentvolumeclaims"): "claim",
    BUDGETS: "budget",
    ("autoscaling", "horizontalpodautoscalers"): "autoscaler",
}


class Controllers:
    """All controllers of one cluster."""

    def __init__(self, cluster: "SimulatedCluster") -> None:
        self.cluster = cluster
        self.store = cluster.store
        self.registry = cluster.registry
        self.options = cluster.options
        self.timing = cluster.options.timing
        self.nodes = Nodes()
        self._reconcilers = {**_ALWAYS, **(_WORKLOADS if cluster.options.controllers else {})}
        self._queue: dict[Key, None] = {}  # ordered, and a key waits only once
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: asyncio.Handle | None = None
        cluster.store.listeners.append(self.notice)

    def start(self) -> None:
        """Begin to work in the running event loop; what gathered before is done first."""
        self._loop = asyncio.get_running_loop()
        self._wake()

    def stop(self) -> None:
        """Cease to work; what is left is found again by looking at the objects."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._loop = None

    def settle(self) -> None:
        """Do all that can be done now, without waiting for timers (for tests without an event loop)."""
        while self._queue:
            self._reconcile(next(iter(self._queue)))

    def enqueue(self, what: str, uid: str) -> None:
        """Have something reconciled soon."""
        if what in self._reconcilers:
            self._queue[what, uid] = None
            self._wake()

    def withdraw(self, what: str, uid: str) -> None:
        """Take something off the queue again: a timer will bring it back."""
        self._queue.pop((what, uid), None)

    def after(self, seconds: float, what: str, uid: str) -> None:
        """Have something reconciled after a while; an earlier timer for the same stays."""
        if self._loop is None or seconds <= 0:
            self.enqueue(what, uid)
        elif (what, uid) not in self._timers:
            self._timers[what, uid] = self._loop.call_later(seconds, self._due, what, uid)

    def elapsed(self, stored: Stored, seconds: float) -> bool:
        """Whether an object is at least this old by the cluster's clock."""
        made = dt.datetime.fromisoformat(stored.metadata["creationTimestamp"])
        return (self.cluster.now() - made).total_seconds() >= seconds

    def deleted_for(self, stored: Stored, seconds: float) -> bool:
        """Whether an object's deletion was asked for at least this long ago by the cluster's clock."""
        asked = dt.datetime.fromisoformat(stored.metadata["deletionTimestamp"])
        return (self.cluster.now() - asked).total_seconds() >= seconds

    def enqueue_everything(self) -> None:
        """Look at every object again, as after a restart."""
        for stored in self.store.everything():
            self.notice(Event(stored.kind, stored.revision, None, stored))

    def notice(self, event: Event) -> None:
        """Turn one event into keys."""
        stored = event.stored
        kind = event.kind.key
        if kind in {PODS, NODES}:
            self.nodes.notice(event)
        if event.after is None:
            self._removed(stored)
        else:
            what = _BY_KIND.get(kind)
            if what is not None:
                self.enqueue(what, stored.uid)
            if stored.terminating:
                finalizers = stored.metadata.get("finalizers") or ()
                if FOREGROUND in finalizers:
                    self.enqueue("foreground", stored.uid)
                if ORPHAN in finalizers:
                    self.enqueue("orphan", stored.uid)
            if event.before is None and any(self.store.by_uid(uid) is None for uid in owner_uids(stored.body)):
                self.enqueue("garbage", stored.uid)
        for owner in stored.metadata.get("ownerReferences") or ():
            found = self.store.by_uid(owner.get("uid", ""))
            if found is not None:
                self.enqueue(_BY_KIND.get(found.kind.key, ""), found.uid)
                if event.after is None and found.terminating:
                    self.enqueue("foreground", found.uid)
        if kind == PODS:
            self._pod_changed(event)
        elif kind == NODES:
            self._wake_pending("")

    def _removed(self, stored: Stored) -> None:
        for dependent in self.store.owned_by(stored.uid):
            self.enqueue("garbage", dependent.uid)
        if stored.namespace:
            space = self.store.get(self.cluster.kind(NAMESPACES), "", stored.namespace)
            if space is not None and space.terminating:
                self.enqueue("namespace", space.uid)

    def _pod_changed(self, event: Event) -> None:
        namespace = event.stored.namespace
        for budget in self.store.all(self.cluster.kind(BUDGETS), namespace):
            self.enqueue("budget", budget.uid)
        if event.after is None:
            self._wake_pending(event.stored.uid)

    def _wake_pending(self, _cause: str) -> None:
        for uid in self.nodes.pending:
            self.enqueue("pod", uid)

    def _due(self, what: str, uid: str) -> None:
        self._timers.pop((what, uid), None)
        self.enqueue(what, uid)

    def _wake(self) -> None:
        if self._loop is not None and self._turn is None and self._queue:
            self._turn = self._loop.call_soon(self._run_turn)

    def _run_turn(self) -> None:
        self._turn = None
        for _ in range(_TURN):
            if not self._queue:
                return
            self._reconcile(next(iter(self._queue)))
        self._wake()

    def _reconcile(self, key: Key) -> None:
        self._queue.pop(key, None)
        what, uid = key
        stored = self.store.by_uid(uid)
        if stored is None:
            self.nodes.pending.pop(uid, None)
            return
        try:
            self._reconcilers[what](self, stored)
        except ApiError as error:
            # The object is such that the API refuses what follows from it (say, a template with a bad name): a real
            # controller would log, back off and try again at the next change; so do we.
            _log.warning("reconcile refused", extra={"what": what, "object": stored.name, "error": error.message})
