"""One simulated cluster: its objects, kinds, rights, faults and controllers put together. No HTTP here."""

import datetime as dt
import secrets
from typing import Any

from fedsvc.simulator.access import Authority
from fedsvc.simulator.admission import Allocator, escalation_guard
from fedsvc.simulator.bootstrap import node_conditions, seeds
from fedsvc.simulator.controllers.common import condition_is
from fedsvc.simulator.controllers.runner import Controllers
from fedsvc.simulator.faults import FaultGate, Faults
from fedsvc.simulator.kinds import BUILTIN, Kind, KindKey, custom_kind
from fedsvc.simulator.logs import ContainerLogs
from fedsvc.simulator.registry import CONTROLLER_MANAGER, Registry, Write
from fedsvc.simulator.spec import Options, SimulatedClusterSpec
from fedsvc.simulator.store import Event, Store

DEFINITIONS: KindKey = ("apiextensions.k8s.io", "customresourcedefinitions")
_BUILTIN = {kind.key: kind for kind in BUILTIN}


class SimulatedCluster:
    """One simulated cluster; made by :class:`fedsvc.simulator.Simulator`."""

    def __init__(
        self,
        spec: SimulatedClusterSpec,
        options: Options,
        *,
        snapshot: dict[str, Any] | None = None,
        authority_pem: str = "",
    ) -> None:
        self.spec = spec
        self.authority_pem = authority_pem  # of the serving certificate; empty over plain HTTP
        self.options = options
        self.gate = FaultGate()
        self.kinds: dict[KindKey, Kind] = dict(_BUILTIN)
        self.kinds_revision = 0  # changes whenever discovery does
        self.logs = ContainerLogs()
        self.store = Store(history=options.history_limit)
        self.registry = Registry(self.store, self.kinds.get, self.now)
        saved = snapshot or {}
        self.authority = Authority(
            store=self.store,
            kind=self.kinds.get,
            now=self.now,
            admin_token=saved.get("admin_token") or secrets.token_urlsafe(24),
            signing_key=bytes.fromhex(saved.get("signing_key") or secrets.token_hex(32)),
        )
        self.authority.generation = saved.get("token_generation", 0)
        self.registry.admission.append(Allocator(self.store).admit)
        self.registry.admission.append(escalation_guard(self.authority.check_escalation))
        self.controllers = Controllers(self)
        self.store.listeners.append(self._definition_changed)
        if snapshot is None:
            self._bootstrap()
        else:
            self._restore(snapshot)

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.spec.name

    @property
    def admin_token(self) -> str:
        """The administrator's bearer token."""
        return self.authority.admin_token

    @property
    def faults(self) -> Faults:
        """What is wrong with the cluster now."""
        return self.gate.faults

    def inject(self, faults: Faults) -> None:
        """Make these faults take effect; ``Faults()`` heals. A changed outage or revocation drops open watches."""
        before = self.gate.faults
        self.gate.change(faults)
        if (faults.outage, faults.credentials_revoked) != (before.outage, before.credentials_revoked):
            self.store.close_watchers()

    def drop_watches(self) -> None:
        """End all open watches once."""
        self.store.close_watchers()

    def forget_history(self) -> None:
        """Make every watch from an earlier revision get 410, as after a compaction."""
        self.store.forget_history()
        self.store.close_watchers()

    def revoke_tokens(self) -> None:
        """Make all service-account tokens given so far invalid; new ones are good."""
        self.authority.revoke()
        self.store.close_watchers()

    def say(self, namespace: str, pod: str, text: str, *, container: str = "") -> None:
        """Let a container of a pod (the first, unless named) write a line to its log.

        Raises:
            ApiError: 404 where there is no such pod.
        """
        found = self.registry.read(self.kind(("", "pods")), namespace, pod)
        self.logs.say(found.uid, container or found.spec["containers"][0]["name"], text, self.now())

    def now(self) -> dt.datetime:
        """The time by this cluster's clock."""
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.gate.faults.clock_skew_seconds)

    def kind(self, key: KindKey) -> Kind:
        """A kind that is certainly served."""
        return self.kinds[key]

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on later, as JSON."""
        return {
            "format": 1,
            "name": self.name,
            "revision": self.store.revision,
            "admin_token": self.authority.admin_token,
            "signing_key": self.authority.signing_key.hex(),
            "token_generation": self.authority.generation,
            "objects": [
                {"group": stored.kind.group, "plural": stored.kind.plural, "body": stored.body}
                for stored in self.store.everything()
            ],
        }

    def _bootstrap(self) -> None:
        for key, namespace, document in seeds(self.spec):
            kind = self.kinds[key]
            stored = self.registry.create(kind, kind.versions[0], namespace, document, Write(manager="kube-apiserver"))
            if key == ("", "nodes"):
                status = {**document["status"], "conditions": node_conditions(self.registry.timestamp())}
                self.registry.write_status(stored, status, "kubelet")

    def _restore(self, snapshot: dict[str, Any]) -> None:
        objects = snapshot["objects"]
        definitions = [item for item in objects if (item["group"], item["plural"]) == DEFINITIONS]
        for item in definitions:  # first: their kinds hold the rest
            kind = custom_kind(item["body"])
            self.kinds[kind.key] = kind
        for item in objects:
            self.store.restore(self.kinds[item["group"], item["plural"]], item["body"])
        self.store.revision = snapshot["revision"]
        self.store.forget_history()
        self.controllers.enqueue_everything()

    def _definition_changed(self, event: Event) -> None:
        if event.kind.key != DEFINITIONS:
            return
        spec = event.stored.spec
        key = (spec["group"], spec["names"]["plural"])
        if event.after is None:
            gone = self.kinds.pop(key, None)
            if gone is not None:
                self.store.close_watchers(gone)
        elif condition_is(event.after, "Established"):
            if event.before is not None and event.before.spec == spec and key in self.kinds:
                return
            self.kinds[key] = custom_kind(event.after.body)
        else:
            return
        self.kinds_revision += 1

    def controller_write(self) -> Write:
        """How the simulated controllers write."""
        return Write(manager=CONTROLLER_MANAGER)
