"""Where pods fit: a ledger of what each node has and what its pods ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fedsvc.simulator.quantities import QuantityError, parse
from fedsvc.simulator.store import Event, Stored

ZERO = Decimal(0)
Amounts = dict[str, Decimal]  # resource name to quantity, "pods" among them
FINISHED = frozenset({"Succeeded", "Failed"})


def pod_request(spec: Mapping[str, Any]) -> Amounts:
    """What a pod asks for: the sum of its containers, or its largest init container where that is more."""
    total: Amounts = {"pods": Decimal(1)}
    for container in spec.get("containers") or ():
        for name, amount in _requests(container).items():
            total[name] = total.get(name, ZERO) + amount
    for container in spec.get("initContainers") or ():
        for name, amount in _requests(container).items():
            total[name] = max(total.get(name, ZERO), amount)
    return total


def _requests(container: Mapping[str, Any]) -> Amounts:
    out: Amounts = {}
    for name, text in ((container.get("resources") or {}).get("requests") or {}).items():
        try:
            out[name] = parse(str(text))
        except QuantityError:
            out[name] = ZERO
    return out


@dataclass(slots=True)
class _Node:
    stored: Stored
    free: Amounts = field(default_factory=dict)


class Nodes:
    """The nodes of one cluster with what is free on each, kept up to date by events."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._placed: dict[str, tuple[str, Amounts]] = {}  # pod uid to node and request
        self.pending: dict[str, None] = {}  # uids of pods that fit nowhere, oldest first

    def notice(self, event: Event) -> None:
        """Follow a change of a pod or a node."""
        stored = event.stored
        if event.kind.plural == "nodes":
            if event.after is None:
                self._nodes.pop(stored.name, None)
            else:
                self._nodes[stored.name] = _Node(stored)
                self._recount(stored.name)
            return
        node = str(stored.spec.get("nodeName") or "")
        active = event.after is not None and bool(node) and stored.status.get("phase") not in FINISHED
        before = self._placed.get(stored.uid)
        if active and before is None:
            request = pod_request(stored.spec)
            self._placed[stored.uid] = (node, request)
            self.pending.pop(stored.uid, None)
            self._take(node, request, 1)
        elif not active and before is not None:
            del self._placed[stored.uid]
            self._take(before[0], before[1], -1)
        if event.after is None:
            self.pending.pop(stored.uid, None)

    def names(self) -> list[str]:
        """All nodes, sorted."""
        return sorted(self._nodes)

    def get(self, name: str) -> Stored | None:
        """A node, or None."""
        node = self._nodes.get(name)
        return None if node is None else node.stored

    def find(self, spec: Mapping[str, Any]) -> tuple[str, str]:
        """The node with most room for a pod, or an empty name and why none fits."""
        request = pod_request(spec)
        best, best_free = "", (ZERO, ZERO)
        reasons: dict[str, int] = {}
        for name in self.names():
            node = self._nodes[name]
            failed = refuses(node.stored, spec) or _lacking(node.free, request)
            if failed:
                for reason in failed:
                    reasons[reason] = reasons.get(reason, 0) + 1
                continue
            free = (node.free.get("pods", ZERO), node.free.get("cpu", ZERO))
            if not best or free > best_free:
                best, best_free = name, free
        if best:
            return best, ""
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        return "", f"0/{len(self._nodes)} nodes are available: {listed or 'no nodes'}."

    def room_for(self, spec: Mapping[str, Any], limit: int) -> int:
        """How many such pods fit all nodes, at most ``limit``, were each node filled up."""
        request = pod_request(spec)
        total = 0
        for node in self._nodes.values():
            if refuses(node.stored, spec):
                continue
            fits = [int(node.free.get(name, ZERO) // amount) for name, amount in request.items() if amount > 0]
            total += max(0, min(fits, default=limit))
            if total >= limit:
                return limit
        return total

    def _recount(self, name: str) -> None:
        node = self._nodes[name]
        node.free = {
            resource: parse(str(text)) for resource, text in (node.stored.status.get("allocatable") or {}).items()
        }
        for placed, request in self._placed.values():
            if placed == name:
                self._take(name, request, 1)

    def _take(self, name: str, request: Amounts, sign: int) -> None:
        node = self._nodes.get(name)
        if node is not None:
            for resource, amount in request.items():
                node.free[resource] = node.free.get(resource, ZERO) - sign * amount


def refuses(node: Stored, spec: Mapping[str, Any]) -> list[str]:
    """Why a node takes no such pod at all, whatever room it has."""
    selector = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    if node.spec.get("unschedulable"):
        return ["node(s) were unschedulable"]
    ready = [item for item in node.status.get("conditions") or () if item.get("type") == "Ready"]
    if ready and ready[0].get("status") != "True":
        return ["node(s) were not ready"]
    for taint in node.spec.get("taints") or ():
        if taint.get("effect") in {"NoSchedule", "NoExecute"} and not _tolerated(taint, spec):
            return [f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value', '')}}}"]
    return []


def _tolerated(taint: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    for toleration in spec.get("tolerations") or ():
        if toleration.get("effect") not in {None, "", taint.get("effect")}:
            continue
        if toleration.get("operator") == "Exists":
            if toleration.get("key") in {None, "", taint.get("key")}:
                return True
        elif toleration.get("key") == taint.get("key") and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def _lacking(free: Amounts, request: Amounts) -> list[str]:
    return [
        "Too many pods" if name == "pods" else f"Insufficient {name}"
        for name, amount in sorted(request.items())
        if amount > free.get(name, ZERO)
    ]
