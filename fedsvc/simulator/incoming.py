"""Bodies as they come in: what holds of every object is checked, unknown fields go, types are as declared. Pure."""

from typing import Any

from fedsvc.simulator import errors
from fedsvc.simulator.declared import DeclaredTypeError, check_applied, without_unknown
from fedsvc.simulator.defaults import with_defaults
from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.schema import SchemaError
from fedsvc.simulator.structural import check_declared
from fedsvc.simulator.validation import wrong_type

Body = dict[str, Any]

# What an applier may say in metadata; the rest is the server's.
_APPLIED_METADATA = frozenset({"name", "namespace", "labels", "annotations", "finalizers", "ownerReferences"})


def read_body(kind: Kind, version: str, namespace: str, document: Any) -> Body:
    """A body as sent, without apiVersion and kind, with the namespace of its path; a copy of its outer parts.

    Raises:
        ApiError: 400 where it is no object of this kind, version and namespace.
    """
    wrong = wrong_type(kind, document)
    if wrong is not None:
        raise wrong
    expected = kind.api_version(version)
    sent = document.get("apiVersion", expected)
    if sent != expected:
        message = f"the API version in the data ({sent}) does not match the expected API version ({expected})"
        raise errors.bad_request(message)
    if document.get("kind", kind.kind) != kind.kind:
        raise errors.bad_request(_cannot_handle(kind, version, f"it is a {document['kind']}"))
    body = {name: value for name, value in document.items() if name not in {"apiVersion", "kind"}}
    metadata = dict(body.get("metadata") or {})
    if not kind.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        if metadata["namespace"]:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = namespace
    body["metadata"] = metadata
    return body


def known_fields(kind: Kind, version: str, body: Body, *, strict: bool) -> Body:
    """A copy without fields that a built-in kind does not have.

    Raises:
        ApiError: 400 for a value of a wrong type, and with ``strict`` for unknown fields too.
    """
    if kind.custom:
        return body
    try:
        known, unknown = without_unknown(kind, version, body)
    except DeclaredTypeError as error:
        raise errors.bad_request(_cannot_handle(kind, version, str(error))) from error
    if unknown and strict:
        listed = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise errors.bad_request(_cannot_handle(kind, version, f"strict decoding error: {listed}"))
    out: Body = known
    return out


def check_config(kind: Kind, version: str, config: Body) -> None:
    """Refuse an applied configuration with fields that are not declared or have wrong types.

    Raises:
        ApiError: 500, as real servers do.
    """
    try:
        if kind.structural is None:
            check_applied(kind, version, config)
        else:
            check_declared(config, kind.structural.get(version) or {})
    except SchemaError as error:
        raise errors.untyped(str(error)) from error


def applied_part(kind: Kind, config: Body, subresource: str) -> Body:
    """What of a configuration an applier can own through this path: the status or all else."""
    metadata = {name: value for name, value in config["metadata"].items() if name in _APPLIED_METADATA}
    if subresource == "status":
        named = {name: value for name, value in metadata.items() if name in {"name", "namespace"}}
        return {"metadata": named, "status": config.get("status") or {}}
    return without_status(kind, {**config, "metadata": metadata})


def without_status(kind: Kind, body: Body) -> Body:
    """The object without its status, where that has a path of its own."""
    return {name: value for name, value in body.items() if name != "status"} if kind.has_status else body


def defaulted(kind: Kind, version: str, body: Body) -> Body:
    """The object with defaults; ``body`` must not be used afterwards.

    Raises:
        ApiError: 400 where its structure is such that defaults cannot be filled in.
    """
    try:
        return with_defaults(kind, version, body)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        # Defaults walk where the kind's structure says there are objects and lists; other types are the sender's.
        raise errors.bad_request(_cannot_handle(kind, version, str(error))) from error


def _cannot_handle(kind: Kind, version: str, reason: str) -> str:
    return f'{kind.kind} in version "{version}" cannot be handled as a {kind.kind}: {reason}'
