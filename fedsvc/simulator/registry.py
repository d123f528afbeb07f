"""Every read and write of objects as the API server does them: names, preconditions, defaults, ownership, finalizers.

Synchronous and in memory; callers are the HTTP handlers and the controllers. Errors are :class:`ApiError`.
"""

import datetime as dt
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fedsvc.simulator import errors, managed
from fedsvc.simulator.defaults import blank
from fedsvc.simulator.incoming import applied_part, check_config, defaulted, known_fields, read_body, without_status
from fedsvc.simulator.kinds import WITHOUT_GENERATION, Kind, KindKey
from fedsvc.simulator.rbac import MASTERS, User
from fedsvc.simulator.schema import SchemaError
from fedsvc.simulator.store import Body, Store, Stored
from fedsvc.simulator.typed import same
from fedsvc.simulator.validation import validate, validate_update

SYSTEM = User(name="system:admin", groups=(MASTERS,))
NAMESPACES: KindKey = ("", "namespaces")
CONTROLLER_MANAGER = "kube-controller-manager"
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SERVER_METADATA = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Who writes and how."""

    manager: str = CONTROLLER_MANAGER
    user: User = SYSTEM
    dry_run: bool = False
    force: bool = False  # server-side apply: take over what others own
    strict: bool = False  # refuse unknown fields instead of dropping them (not server-side apply, which always does)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """How something is deleted."""

    propagation: str = ""  # Orphan, Background, Foreground; empty: the kind's default
    uid: str = ""  # precondition
    resource_version: str = ""  # precondition
    dry_run: bool = False


class Registry:
    """The objects of one cluster behind the rules of the API."""

    def __init__(self, store: Store, kinds: Callable[[KindKey], Kind | None], now: Callable[[], dt.datetime]) -> None:
        self.store = store
        self._kind = kinds
        self._now = now
        # Admission: called with (kind, old or None, new, write); returns the object to store or raises ApiError.
        self.admission: list[Callable[[Kind, Stored | None, Body, Write], Body]] = []

    def timestamp(self) -> str:
        """Now, by this cluster's clock, as RFC 3339."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def read(self, kind: Kind, namespace: str, name: str) -> Stored:
        """One object.

        Raises:
            ApiError: 404.
        """
        stored = self.store.get(kind, namespace, name)
        if stored is None:
            raise errors.not_found(kind, name)
        return stored

    def create(self, kind: Kind, version: str, namespace: str, document: Any, write: Write) -> Stored:
        """POST.

        Raises:
            ApiError: 400, 403, 404, 409 or 422.
        """
        body = read_body(kind, version, namespace, document)
        body = known_fields(kind, version, body, strict=write.strict)
        metadata = body["metadata"]
        if metadata.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
            metadata["name"] = metadata["generateName"] + suffix
        kept = {name: value for name, value in metadata.items() if name not in {*_SERVER_METADATA, "resourceVersion"}}
        metadata = {name: value for name, value in kept.items() if value is not None}
        body = defaulted(kind, version, {**without_status(kind, body), "metadata": metadata})
        self._check_namespace(kind, namespace, metadata.get("name", ""))
        validate(kind, body, version)
        if self.store.get(kind, namespace, metadata["name"]) is not None:
            raise errors.already_exists(kind, metadata["name"])
        manager = managed.Manager(name=write.manager, operation=managed.UPDATE, api_version=kind.api_version(version))
        tracked = self._schematic(
            lambda: managed.update(
                None,
                without_status(kind, body),
                schema=kind.shape(version),
                manager=manager,
                now=self.timestamp(),
                blank=blank(kind),
            )
        )
        return self._insert(kind, {**body, **tracked}, write)

    def update(
        self, kind: Kind, version: str, namespace: str, name: str, document: Any, write: Write, subresource: str = ""
    ) -> Stored:
        """PUT, and the end of every classic patch.

        Raises:
            ApiError: 400, 404, 409 or 422.
        """
        live = self.read(kind, namespace, name)
        body = read_body(kind, version, namespace, document)
        body = known_fields(kind, version, body, strict=write.strict)
        metadata = body["metadata"]
        if metadata.setdefault("name", name) != name:
            raise errors.bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        self._check_version(live, metadata)
        body = defaulted(kind, version, body)
        body = self._keep(live, body, subresource)
        manager = managed.Manager(
            name=write.manager,
            operation=managed.UPDATE,
            api_version=kind.api_version(version),
            subresource=subresource,
        )
        tracked = self._schematic(
            lambda: managed.update(
                live.body,
                body,
                schema=kind.shape(version),
                manager=manager,
                now=self.timestamp(),
                blank={},
            )
        )
        return self._replace(live, tracked, version, write)

    def apply(
        self, kind: Kind, version: str, namespace: str, name: str, document: Any, write: Write, subresource: str = ""
    ) -> tuple[Stored, bool]:
        """Server-side apply: the object, and whether it was created.

        A ``metadata.resourceVersion`` in the configuration is checked only where the object exists; a ``metadata.uid`` is
        that of an object which exists.

        Raises:
            ApiError: 400, 403, 404, 409 or 422.
        """
        config = read_body(kind, version, namespace, document)
        metadata = config["metadata"]
        if metadata.setdefault("name", name) != name:
            raise errors.bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        if metadata.get("managedFields") is not None:
            raise errors.bad_request("metadata.managedFields must be nil")
        live = self.store.get(kind, namespace, name)
        if live is None and subresource:
            raise errors.not_found(kind, name)
        check_config(kind, version, config)
        wanted = applied_part(kind, config, subresource)
        manager = managed.Manager(
            name=write.manager,
            operation=managed.APPLY,
            api_version=kind.api_version(version),
            subresource=subresource,
        )
        merged = self._schematic(
            lambda: managed.apply(
                live.body if live is not None else None,
                wanted,
                schema=kind.shape(version),
                manager=manager,
                force=write.force,
                now=self.timestamp(),
            )
        )
        if live is None:
            if uid := metadata.get("uid"):
                raise errors.absent_uid(kind, name, uid)
            self._check_namespace(kind, namespace, name)
            body = defaulted(kind, version, {**merged, "metadata": {**merged["metadata"]}})
            validate(kind, body, version)
            return self._insert(kind, body, write), True
        self._check_version(live, {**metadata, "uid": None})
        if (uid := metadata.get("uid")) and uid != live.uid:
            cause = errors.invalid_value("metadata.uid", f'"{uid}"', "field is immutable")
            raise errors.invalid(kind.kind, kind.group, name, [cause])
        body = self._keep(live, defaulted(kind, version, merged), subresource)
        return self._replace(live, body, version, write), False

    def write_status(self, stored: Stored, status: Body, manager: str = CONTROLLER_MANAGER) -> Stored:
        """A controller's write of a status; the same status again is nothing at all."""
        if stored.body.get("status") == status:
            return stored
        kind = stored.kind
        return self.update(
            kind,
            kind.versions[0],
            stored.namespace,
            stored.name,
            {"metadata": stored.metadata, "status": status},
            Write(manager=manager),
            "status",
        )

    def delete(self, kind: Kind, namespace: str, name: str, deletion: Deletion) -> tuple[Stored, bool]:
        """DELETE: the object, and whether it is gone already (False: it waits for finalizers).

        Raises:
            ApiError: 404, or 409 where a precondition does not hold.
        """
        stored = self.read(kind, namespace, name)
        _check_preconditions(stored, deletion)
        finalizers = list(stored.metadata.get("finalizers") or ())
        wanted = _propagation_finalizer(kind, deletion.propagation)
        finalizers = [item for item in finalizers if item not in {FOREGROUND, ORPHAN} or item == wanted]
        if wanted and wanted not in finalizers:
            finalizers.append(wanted)
        waits = bool(finalizers) or bool(kind.key == NAMESPACES and stored.spec.get("finalizers"))
        if deletion.dry_run:
            return stored, not waits
        if not waits:
            self.store.remove(stored)
            return stored, True
        metadata = dict(stored.metadata)
        if finalizers:
            metadata["finalizers"] = finalizers
        if not stored.terminating:
            metadata["deletionTimestamp"] = self.timestamp()
            metadata["deletionGracePeriodSeconds"] = 0
            if "generation" in metadata:
                metadata["generation"] += 1
        body = {**stored.body, "metadata": metadata}
        if kind.key == NAMESPACES:
            body["status"] = {**stored.status, "phase": "Terminating"}
        if body == stored.body:
            return stored, False
        return self.store.put(kind, body), False

    def _schematic(self, step: Callable[[], Body]) -> Body:
        try:
            return step()
        except SchemaError as error:
            raise errors.untyped(str(error)) from error
        except managed.ConflictError as error:
            causes = [
                {"reason": "FieldManagerConflict", "message": f"conflict with {item.manager}", "field": item.field}
                for item in error.conflicts
            ]
            raise errors.apply_conflict(str(error), causes) from error

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        namespaces = self._kind(NAMESPACES)
        assert namespaces is not None
        found = self.store.get(namespaces, "", namespace)
        if found is None:
            raise errors.not_found(namespaces, namespace)
        if found.terminating:
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = errors.forbidden(kind.plural, kind.group, name, message)
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            error.details = {**(error.details or {}), "causes": [cause]}
            raise error

    def _check_version(self, live: Stored, metadata: Body) -> None:
        sent = metadata.get("resourceVersion")
        if sent and sent != live.metadata["resourceVersion"]:
            raise errors.modified(live.kind, live.name)
        uid = metadata.get("uid")
        if uid and uid != live.uid:
            raise errors.precondition(
                live.kind, live.name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live.uid}"
            )

    def _keep(self, live: Stored, body: Body, subresource: str) -> Body:
        """What this write cannot change stays as it is: the server's metadata, and the other side of the status."""
        metadata = {**body["metadata"]}
        for name in (*_SERVER_METADATA, "resourceVersion"):
            if name in live.metadata:
                metadata[name] = live.metadata[name]
            else:
                metadata.pop(name, None)
        if subresource == "status":
            kept = {**live.metadata}
            if "managedFields" in metadata:
                kept["managedFields"] = metadata["managedFields"]
            return _with_status({**live.body, "metadata": kept}, body)
        out = {**body, "metadata": metadata}
        if live.kind.has_status:
            out = _with_status(out, live.body)
        if live.kind.key == NAMESPACES:
            out["spec"] = live.body.get("spec")
        return out

    def _insert(self, kind: Kind, body: Body, write: Write) -> Stored:
        metadata = dict(body["metadata"])
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.timestamp()
        if kind.key not in WITHOUT_GENERATION:
            metadata["generation"] = 1
        body = {**body, "metadata": metadata}
        for admit in self.admission:
            body = admit(kind, None, body, write)
        if write.dry_run:
            return Stored(kind, body, 0)
        return self.store.put(kind, body)

    def _replace(self, live: Stored, body: Body, version: str, write: Write) -> Stored:
        kind = live.kind
        validate_update(kind, live.body, body, version)
        if "generation" in live.metadata and not same(_content(body), _content(live.body)):
            body["metadata"]["generation"] = live.metadata["generation"] + 1
        for admit in self.admission:
            body = admit(kind, live, body, write)
        if body == live.body and same(body, live.body):
            return live
        if write.dry_run:
            return Stored(kind, body, live.revision)
        if live.terminating and not body["metadata"].get("finalizers") and kind.key != NAMESPACES:
            gone = Stored(kind, body, live.revision)
            self.store.remove(live)
            return gone
        return self.store.put(kind, body)


def _with_status(body: Body, source: Body) -> Body:
    out = {name: value for name, value in body.items() if name != "status"}
    if source.get("status") is not None:
        out["status"] = source["status"]
    return out


def _content(body: Body) -> Body:
    """What counts for the generation."""
    return {name: value for name, value in body.items() if name not in {"metadata", "status"}}


def _check_preconditions(stored: Stored, deletion: Deletion) -> None:
    if deletion.uid and deletion.uid != stored.uid:
        message = (
            f"the UID in the precondition ({deletion.uid}) does not match the UID in record ({stored.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise errors.precondition(stored.kind, stored.name, message)
    current = stored.metadata["resourceVersion"]
    if deletion.resource_version and deletion.resource_version != current:
        message = (
            f"the ResourceVersion in the precondition ({deletion.resource_version}) does not match the "
            f"ResourceVersion in record ({current}). The object might have been modified"
        )
        raise errors.precondition(stored.kind, stored.name, message)


def _propagation_finalizer(kind: Kind, propagation: str) -> str:
    if not propagation and kind.key in {("batch", "jobs"), ("", "replicationcontrollers")}:
        propagation = "Orphan"  # the API's default for these kinds, for the sake of old clients
    return {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(propagation, "")
