"""Which unit an object in a member belongs to that fedsvc did not make: by its owners, up to an object that it did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fedsvc.rendering.keys import ObjectKey

_MAX_STEPS: Final = 8
"""Owners above owners; real chains have three at most (CronJob, Job, Pod), and a cycle has to end."""

_WITHOUT_PODS: Final = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "autoscaling",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "gateway.networking.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
_CORE_WITH_PODS: Final = frozenset({"Pod", "ReplicationController"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An object that a unit has in one cluster."""

    unit: str  # "namespaces/{namespace}/units/{unit}"
    key: ObjectKey
    uid: str  # in the cluster; empty: not made there yet


@dataclass(slots=True, kw_only=True)
class Belongings:
    """The objects of units in one cluster, and what is seen to be owned by them."""

    _by_uid: dict[str, Holding] = field(default_factory=dict)
    _by_place: dict[tuple[str, str, str], Holding] = field(default_factory=dict)
    _owners: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, holdings: Iterable[Holding]) -> "Belongings":
        """Those of the works that a cluster holds."""
        made = cls()
        for holding in holdings:
            if holding.uid:
                made._by_uid[holding.uid] = holding
            key = holding.key
            made._by_place[key.kind, key.namespace, key.name] = holding
        return made

    def saw(self, live: Mapping[str, Any]) -> None:
        """Take note of who owns an object."""
        uid, owners = _uid(live), owner_uids(live)
        if uid and owners:
            self._owners[uid] = owners

    def root_of(self, uid: str) -> Holding | None:
        """The object of a unit that owns the one of `uid`, or is it; None where none is known to."""
        waiting, seen = [uid], set[str]()
        for _ in range(_MAX_STEPS):
            for one in waiting:
                if (found := self._by_uid.get(one)) is not None:
                    return found
            seen.update(waiting)
            waiting = [owner for one in waiting for owner in self._owners.get(one, ()) if owner not in seen]
        return None

    def of_place(self, kind: str, namespace: str, name: str) -> Holding | None:
        """The object of a unit that has this kind and name."""
        return self._by_place.get((kind, namespace, name))

    def is_known(self, uid: str) -> bool:
        """Whether an object is one of a unit's, or its owners were seen."""
        return uid in self._by_uid or uid in self._owners


def owner_uids(live: Mapping[str, Any]) -> tuple[str, ...]:
    """The uids of an object's owners."""
    return tuple(uid for owner in _owners(live) if isinstance(uid := owner.get("uid"), str))


def owner_kinds(live: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(apiVersion, kind) of an object's owners."""
    return {(str(owner.get("apiVersion", "")), str(owner.get("kind", ""))) for owner in _owners(live)}


def may_have_pods(key: ObjectKey) -> bool:
    """Whether objects of the kind may run pods: those of Kubernetes that cannot are known, all others may."""
    return key.kind in _CORE_WITH_PODS if not key.group else key.group not in _WITHOUT_PODS


def _owners(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    metadata = live.get("metadata")
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    return [owner for owner in owners if isinstance(owner, dict)] if isinstance(owners, list) else []


def _uid(live: Mapping[str, Any]) -> str:
    metadata = live.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    return uid if isinstance(uid, str) else ""
