"""Garbage collection by owner references: background, foreground and orphaning."""

from typing import TYPE_CHECKING

from fedsvc.simulator.registry import FOREGROUND, ORPHAN, Deletion
from fedsvc.simulator.store import Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers


def collect(controllers: "Controllers", stored: Stored) -> None:
    """Delete an object whose owners are all gone; forget owners that are gone beside others that are not."""
    owners = stored.metadata.get("ownerReferences") or []
    there = [owner for owner in owners if controllers.store.by_uid(owner.get("uid", "")) is not None]
    if len(there) == len(owners) or stored.terminating:
        return
    if there:
        _write_owners(controllers, stored, there)
        return
    controllers.registry.delete(stored.kind, stored.namespace, stored.name, Deletion(propagation="Background"))


def finish_foreground(controllers: "Controllers", owner: Stored) -> None:
    """Delete what an object owns, and let the object go when nothing is left."""
    if not owner.terminating or FOREGROUND not in (owner.metadata.get("finalizers") or ()):
        return
    for dependent in controllers.store.owned_by(owner.uid):
        if not dependent.terminating:
            controllers.registry.delete(
                dependent.kind, dependent.namespace, dependent.name, Deletion(propagation="Foreground")
            )
    if not controllers.store.owned_by(owner.uid):
        _drop_finalizer(controllers, owner, FOREGROUND)


def finish_orphan(controllers: "Controllers", owner: Stored) -> None:
    """Cut an object's dependents loose, then let it go."""
    if not owner.terminating or ORPHAN not in (owner.metadata.get("finalizers") or ()):
        return
    for dependent in controllers.store.owned_by(owner.uid):
        left = [
            reference
            for reference in dependent.metadata.get("ownerReferences") or ()
            if reference.get("uid") != owner.uid
        ]
        _write_owners(controllers, dependent, left)
    _drop_finalizer(controllers, owner, ORPHAN)


def _write_owners(controllers: "Controllers", stored: Stored, owners: list[dict[str, object]]) -> None:
    metadata = {name: value for name, value in stored.metadata.items() if name != "ownerReferences"}
    if owners:
        metadata["ownerReferences"] = owners
    _update(controllers, stored, metadata)


def _drop_finalizer(controllers: "Controllers", stored: Stored, finalizer: str) -> None:
    finalizers = [item for item in stored.metadata.get("finalizers") or () if item != finalizer]
    _update(controllers, stored, {**stored.metadata, "finalizers": finalizers})


def _update(controllers: "Controllers", stored: Stored, metadata: dict[str, object]) -> None:
    kind = stored.kind
    controllers.registry.update(
        kind,
        kind.versions[0],
        stored.namespace,
        stored.name,
        {**stored.body, "metadata": metadata},
        controllers.cluster.controller_write(),
    )
