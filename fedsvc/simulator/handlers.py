"""The verbs of the API on resources: from a request to the registry, and its answer back as bytes."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from fedsvc.simulator import errors, subresources
from fedsvc.simulator.admission import system_namespaces_stay
from fedsvc.simulator.bodies import answer, read_document, read_patch, text
from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.discovery import serves
from fedsvc.simulator.filters import read_filter
from fedsvc.simulator.kinds import REVIEWS, Kind
from fedsvc.simulator.lists import encode_list, list_objects
from fedsvc.simulator.logs import serve_log
from fedsvc.simulator.patches import (
    APPLY_PATCH,
    JSON_PATCH,
    STRATEGIC_PATCH,
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_patch,
)
from fedsvc.simulator.paths import Target
from fedsvc.simulator.rbac import Access, User
from fedsvc.simulator.registry import Deletion, Write
from fedsvc.simulator.reviews import review
from fedsvc.simulator.store import Stored
from fedsvc.simulator.tables import encode_table, wants_table
from fedsvc.simulator.watch import serve_watch

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_REVIEWS = {(group, plural): kind for group, plural, kind, _ in REVIEWS}
# DELETE of these answers with the object that went, as the API server does.
_RETURN_DELETED = frozenset(
    {"persistentvolumeclaims", "persistentvolumes", "pods", "resourcequotas", "serviceaccounts", "services"}
)


class Call:
    """One request for a resource of one cluster."""

    __slots__ = ("cluster", "kind", "query", "request", "target", "user")

    def __init__(
        self, cluster: SimulatedCluster, request: web.BaseRequest, target: Target, kind: Kind, user: User
    ) -> None:
        self.cluster = cluster
        self.request = request
        self.target = target
        self.kind = kind
        self.user = user
        self.query: Mapping[str, str] = request.query

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be kept.

        Raises:
            ApiError: 400 for a value other than All.
        """
        value = self.query.get("dryRun", "")
        if value not in {"", "All"}:
            message = (
                f'WriteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "{value}": supported values: "All"'
            )
            raise errors.bad_request(message)
        return bool(value)

    def write(self, *, patch: str = "") -> Write:
        """How this request writes."""
        manager = self.query.get("fieldManager", "")
        if patch == APPLY_PATCH and not manager:
            cause = errors.required("fieldManager", "is required for apply patch")
            raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
        agent = self.request.headers.get("User-Agent", "unknown")
        force = self.query.get("force", "").lower() in {"true", "1"}
        return Write(
            manager=manager or agent.partition("/")[0],
            user=self.user,
            dry_run=self.dry_run,
            force=force,
            strict=self.query.get("fieldValidation") == "Strict",
        )

    def stored(self) -> Stored:
        """The object the path names."""
        return self.cluster.registry.read(self.kind, self.target.namespace, self.target.name)

    def object(self, stored: Stored, status: int = 200) -> web.Response:
        """An answer with an object."""
        return answer(stored.document(self.target.version), status)


async def serve_resource(
    cluster: SimulatedCluster, request: web.BaseRequest, target: Target, user: User
) -> web.StreamResponse:
    """Answer a request for a resource.

    Raises:
        ApiError: everything that is refused.
    """
    verb = _verb(request, target)
    _authorize(cluster, target, verb, user)
    if (target.group, target.plural) in _REVIEWS:
        return await _serve_review(cluster, request, target, user)
    kind = cluster.kinds.get((target.group, target.plural))
    if kind is None or target.version not in kind.versions:
        if not serves(cluster, target.group, target.version):
            return text("404 page not found\n", 404)
        raise errors.no_such_resource()
    call = Call(cluster, request, target, kind, user)
    if verb in {"create", "update", "patch", "delete", "deletecollection"} and cluster.faults.reject_writes:
        raise errors.forbidden(kind.plural, kind.group, target.name, cluster.faults.reject_writes)
    if target.subresource:
        return await _serve_subresource(call)
    if verb == "watch":
        return await serve_watch(cluster, request, kind, target.version, target.namespace, _watch_query(call))
    return await _SERVE[verb](call)


def _verb(request: web.BaseRequest, target: Target) -> str:
    method = request.method
    if method in {"GET", "HEAD"}:
        if request.query.get("watch", "").lower() in {"true", "1"} and not target.subresource:
            return "watch"
        return "get" if target.name else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verb = _VERBS.get(method)
    to_collection = verb == "create" and not target.subresource
    if verb is None or to_collection is bool(target.name):
        raise errors.method_not_allowed()
    return verb


def _authorize(cluster: SimulatedCluster, target: Target, verb: str, user: User) -> None:
    if user.almighty:
        return
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    namespace = target.namespace
    if target.plural == "namespaces" and not target.group:
        namespace = target.name
    access = Access(verb=verb, group=target.group, resource=resource, namespace=namespace, name=target.name)
    cluster.authority.check(user, access)


def _watch_query(call: Call) -> Mapping[str, str]:
    """A watch of one object by its path is a watch by its name."""
    if not call.target.name:
        return call.query
    return {**call.query, "fieldSelector": f"metadata.name={call.target.name}"}


async def _get(call: Call) -> web.StreamResponse:
    stored = call.stored()
    if wants_table(call.request):
        return answer(encode_table(call.kind, [stored], {"resourceVersion": str(stored.revision)}))
    return call.object(stored)


async def _list(call: Call) -> web.StreamResponse:
    store = call.cluster.store
    if wants_table(call.request):
        selection = read_filter(call.kind, call.target.namespace, call.query)
        chosen = [stored for stored in store.all(call.kind, call.target.namespace) if selection.matches(stored)]
        metadata = {"resourceVersion": str(store.revision)}
        return answer(encode_table(call.kind, chosen, metadata))
    return answer(list_objects(store, call.kind, call.target.version, call.target.namespace, call.query))


async def _create(call: Call) -> web.StreamResponse:
    if call.kind.namespaced and not call.target.namespace:
        raise errors.method_not_allowed()
    document = await read_document(call.request)
    target = call.target
    write = call.write()
    return call.object(call.cluster.registry.create(call.kind, target.version, target.namespace, document, write), 201)


async def _update(call: Call) -> web.StreamResponse:
    document = await read_document(call.request)
    return call.object(_put(call, document))


def _put(call: Call, document: Any) -> Stored:
    target = call.target
    registry = call.cluster.registry
    return registry.update(
        call.kind, target.version, target.namespace, target.name, document, call.write(), target.subresource
    )


async def _patch(call: Call) -> web.StreamResponse:
    patch, content_type = await read_patch(call.request)
    target = call.target
    registry = call.cluster.registry
    write = call.write(patch=content_type)
    if content_type == APPLY_PATCH:
        _check_type(call, patch)
        stored, created = registry.apply(
            call.kind, target.version, target.namespace, target.name, patch, write, target.subresource
        )
        return call.object(stored, 201 if created else 200)
    live = call.stored()
    document = {
        "apiVersion": call.kind.api_version(target.version),
        "kind": call.kind.kind,
        **live.body,
    }
    if content_type == JSON_PATCH:
        patched = apply_json_patch(document, patch)
    elif content_type == STRATEGIC_PATCH:
        if call.kind.custom:
            raise errors.unsupported_media_type("application/json-patch+json, application/merge-patch+json")
        patched = apply_strategic_patch(document, patch, call.kind.shape(target.version))
    else:
        patched = apply_merge_patch(document, patch)
    stored = registry.update(
        call.kind, target.version, target.namespace, target.name, patched, write, target.subresource
    )
    return call.object(stored)


def _check_type(call: Call, patch: Any) -> None:
    """An applied configuration says what it is."""
    if not isinstance(patch, dict):
        raise errors.bad_request("error decoding YAML: an object was expected")
    expected = call.kind.api_version(call.target.version)
    sent = patch.get("apiVersion") or ""
    if sent != expected:
        message = f"Incorrect version specified in apply patch. Specified patch version: {sent}, expected: {expected}"
        raise errors.bad_request(message)
    if patch.get("kind") != call.kind.kind:
        message = f"Incorrect kind specified in apply patch: {patch.get('kind') or ''}, expected: {call.kind.kind}"
        raise errors.bad_request(message)


async def _delete(call: Call) -> web.StreamResponse:
    system_namespaces_stay(call.kind, call.target.name)
    target = call.target
    deletion = await _read_deletion(call)
    stored, gone = call.cluster.registry.delete(call.kind, target.namespace, target.name, deletion)
    if not gone or (not call.kind.custom and not call.kind.group and call.kind.plural in _RETURN_DELETED):
        return call.object(stored)
    details = {"name": stored.name, "group": call.kind.group, "kind": call.kind.plural, "uid": stored.uid}
    return answer(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {name: value for name, value in details.items() if value},
        }
    )


async def _delete_collection(call: Call) -> web.StreamResponse:
    if call.kind.namespaced and not call.target.namespace:
        raise errors.method_not_allowed()
    deletion = await _read_deletion(call)
    selection = read_filter(call.kind, call.target.namespace, call.query)
    store = call.cluster.store
    chosen = [stored for stored in store.all(call.kind, call.target.namespace) if selection.matches(stored)]
    for stored in chosen:
        if store.by_uid(stored.uid) is not None:  # one deletion may have taken another with it
            call.cluster.registry.delete(call.kind, stored.namespace, stored.name, deletion)
    return answer(encode_list(call.kind, call.target.version, chosen, {"resourceVersion": str(store.revision)}))


async def _read_deletion(call: Call) -> Deletion:
    document = await read_document(call.request, default={})
    if not isinstance(document, dict):
        raise errors.bad_request("DeleteOptions: an object was expected")
    preconditions = document.get("preconditions") or {}
    propagation = document.get("propagationPolicy") or call.query.get("propagationPolicy", "")
    if not propagation and (document.get("orphanDependents") or call.query.get("orphanDependents") == "true"):
        propagation = "Orphan"
    if propagation not in {"", "Orphan", "Background", "Foreground"}:
        cause = {
            "reason": "FieldValueNotSupported",
            "message": f'Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"',
            "field": "propagationPolicy",
        }
        raise errors.invalid("DeleteOptions", "meta.k8s.io", "", [cause])
    return Deletion(
        propagation=propagation,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=call.dry_run or document.get("dryRun") == ["All"],
    )


_SERVE = {
    "get": _get,
    "list": _list,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _delete_collection,
}


async def _serve_review(
    cluster: SimulatedCluster, request: web.BaseRequest, target: Target, user: User
) -> web.StreamResponse:
    if request.method != "POST":
        raise errors.method_not_allowed()
    document = await read_document(request)
    kind = _REVIEWS[target.group, target.plural]
    return answer(review(cluster.authority, user, kind, target.namespace, document), 201)


async def _serve_subresource(call: Call) -> web.StreamResponse:
    name = call.target.subresource
    if name not in call.kind.subresources:
        raise errors.no_such_resource()
    method = call.request.method
    if name == "status":
        if method == "GET":
            return call.object(call.stored())
        if method == "PUT":
            return await _update(call)
        if method == "PATCH":
            return await _patch(call)
    if name == "scale":
        return await _serve_scale(call)
    stored = call.stored()
    if name == "log" and method == "GET":
        store, uid = call.cluster.store, stored.uid
        return await serve_log(
            call.cluster.logs, call.request, stored, lambda: store.by_uid(uid) is not None, call.cluster.now()
        )
    if name == "token" and method == "POST":
        return answer(subresources.request_token(call.cluster, stored, await read_document(call.request)), 201)
    if name == "eviction" and method == "POST":
        await read_document(call.request, default={})
        return answer(subresources.evict(call.cluster, stored, dry_run=call.dry_run), 201)
    if name == "finalize" and method == "PUT":
        document = await read_document(call.request)
        return call.object(subresources.finalize_namespace(call.cluster, call.kind, stored, document))
    raise errors.method_not_allowed()


async def _serve_scale(call: Call) -> web.StreamResponse:
    stored = call.stored()
    version = call.target.version
    if call.request.method == "GET":
        return answer(subresources.scale_document(stored))
    if call.request.method == "PUT":
        document = await read_document(call.request)
        return answer(subresources.write_scale(call.cluster, stored, version, document, call.write()))
    if call.request.method != "PATCH":
        raise errors.method_not_allowed()
    patch, content_type = await read_patch(call.request)
    if content_type == APPLY_PATCH:
        raise errors.unsupported_media_type("application/json-patch+json, application/merge-patch+json")
    return answer(subresources.patch_scale(call.cluster, stored, version, patch, call.write()))
