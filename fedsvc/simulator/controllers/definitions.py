"""CustomResourceDefinitions: accept names, declare established, and remove all objects of a kind that goes."""

from typing import TYPE_CHECKING

from fedsvc.simulator.controllers.common import condition_is, with_condition
from fedsvc.simulator.registry import Deletion
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def reconcile(controllers: "Controllers", definition: Stored) -> None:
    """Establish a definition, or empty its kind."""
    spec = definition.spec
    if definition.terminating:
        _empty(controllers, definition)
        return
    finalizers = definition.metadata.get("finalizers") or []
    if CLEANUP not in finalizers:
        _write_finalizers(controllers, definition, [*finalizers, CLEANUP])
        return  # that write brings us here again
    clash = _clash(controllers, definition)
    now = controllers.registry.timestamp()
    conditions = list(definition.status.get("conditions") or ())
    accepted = {
        "type": "NamesAccepted",
        "status": "False" if clash else "True",
        "reason": "NotAccepted" if clash else "NoConflicts",
        "message": clash or "no conflicts found",
    }
    established = {
        "type": "Established",
        "status": "False" if clash else "True",
        "reason": "NotAccepted" if clash else "InitialNamesAccepted",
        "message": "not all names are accepted" if clash else "the initial names have been accepted",
    }
    for condition in (accepted, established):
        conditions = with_condition(conditions, condition, now)
    status: Body = {
        "conditions": conditions,
        "acceptedNames": spec["names"],
        "storedVersions": [version["name"] for version in spec["versions"] if version.get("storage")],
    }
    controllers.registry.write_status(definition, status)


def _clash(controllers: "Controllers", definition: Stored) -> str:
    names = definition.spec["names"]
    for other in controllers.store.all(definition.kind):
        theirs = other.spec["names"]
        if other.uid == definition.uid or other.spec["group"] != definition.spec["group"]:
            continue
        if theirs["kind"] == names["kind"] and condition_is(other, "Established"):
            return f'"{names["kind"]}" is already in use'
    return ""


def _empty(controllers: "Controllers", definition: Stored) -> None:
    kind = controllers.cluster.kinds.get((definition.spec["group"], definition.spec["names"]["plural"]))
    for stored in controllers.store.all(kind) if kind is not None else ():
        if not stored.terminating:
            controllers.registry.delete(stored.kind, stored.namespace, stored.name, Deletion())
    if kind is not None and controllers.store.count(kind):
        controllers.after(0.2, "definition", definition.uid)  # they wait for finalizers; so do we
        return
    finalizers = [item for item in definition.metadata.get("finalizers") or () if item != CLEANUP]
    _write_finalizers(controllers, definition, finalizers)


def _write_finalizers(controllers: "Controllers", definition: Stored, finalizers: list[str]) -> None:
    document = {**definition.body, "metadata": {**definition.metadata, "finalizers": finalizers}}
    write = controllers.cluster.controller_write()
    controllers.registry.update(definition.kind, "v1", "", definition.name, document, write)
