"""What a write gets after validation and before storage: allotted addresses and ports, and limits that depend on others."""

from collections.abc import Callable
from typing import Any

from fedsvc.simulator import errors
from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.registry import Write
from fedsvc.simulator.store import Body, Store, Stored

FIRST_NODE_PORT = 30000
LAST_NODE_PORT = 32767
SERVICE_NETWORK = 10 * 256**3 + 96 * 256**2  # 10.96.0.0/16
_SERVICES = ("", "services")
_STORAGE_CLASS = "standard"


class Allocator:
    """Addresses and node ports of services in one cluster, found free by looking at the services there are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_address = 10
        self._next_port = FIRST_NODE_PORT

    def admit(self, kind: Kind, old: Stored | None, body: Body, _write: Write) -> Body:
        """Complete a service or a claim."""
        if kind.key == ("", "persistentvolumeclaims") and old is None:
            spec = {"storageClassName": _STORAGE_CLASS, **body.get("spec", {})}
            return {**body, "spec": spec}
        if kind.key != _SERVICES:
            return body
        spec = dict(body.get("spec") or {})
        before = old.spec if old is not None else {}
        if spec.get("type") == "ExternalName":
            return body
        self._address(kind, spec, before)
        if spec.get("type") in {"NodePort", "LoadBalancer"}:
            spec["ports"] = self._ports(kind, spec.get("ports") or [], before.get("ports") or [])
        return body if spec == body.get("spec") else {**body, "spec": spec}

    def _address(self, kind: Kind, spec: Body, before: Body) -> None:
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        if not spec.get("clusterIP"):
            taken = {stored.spec.get("clusterIP") for stored in self._store.all(kind)}
            spec["clusterIP"] = _first_free(self._addresses(), taken)
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _addresses(self) -> Any:
        while True:
            self._next_address = (self._next_address + 1) % 65000 or 10
            number = SERVICE_NETWORK + self._next_address
            yield ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))

    def _ports(self, kind: Kind, ports: list[Body], before: list[Body]) -> list[Body]:
        known = {(port.get("port"), port.get("protocol")): port.get("nodePort") for port in before}
        taken = {port.get("nodePort") for stored in self._store.all(kind) for port in stored.spec.get("ports") or ()}
        out = []
        for port in ports:
            number = port.get("nodePort") or known.get((port.get("port"), port.get("protocol")))
            if number is None:
                number = _first_free(self._numbers(), taken)
                taken.add(number)
            out.append({**port, "nodePort": number})
        return out

    def _numbers(self) -> Any:
        while True:
            self._next_port = FIRST_NODE_PORT if self._next_port >= LAST_NODE_PORT else self._next_port + 1
            yield self._next_port


def _first_free(candidates: Any, taken: set[Any]) -> Any:
    return next(candidate for candidate in candidates if candidate not in taken)


def escalation_guard(check: Callable[[Kind, Stored | None, Body, Any], None]) -> Callable[..., Body]:
    """The admission step that refuses grants beyond the writer's own rights."""

    def admit(kind: Kind, old: Stored | None, body: Body, write: Write) -> Body:
        check(kind, old, body, write.user)
        return body

    return admit


def system_namespaces_stay(kind: Kind, name: str) -> None:
    """Refuse to delete the namespaces a cluster cannot be without.

    Raises:
        ApiError: 403.
    """
    if kind.key == ("", "namespaces") and name in {"default", "kube-system", "kube-public"}:
        raise errors.forbidden(kind.plural, kind.group, name, "this namespace may not be deleted")
