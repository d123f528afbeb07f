"""The API server's refusals as values: an exception that carries a ``Status`` object, with the texts real servers use."""

from typing import Any

from fedsvc.simulator.kinds import Kind

Causes = list[dict[str, str]]


class ApiError(Exception):
    """A request is answered by a ``Status`` of failure."""

    def __init__(
        self, code: int, reason: str, message: str, *, details: dict[str, Any] | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after_seconds = retry_after

    def status(self) -> dict[str, Any]:
        """The ``Status`` document."""
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            out["reason"] = self.reason
        if self.details is not None:
            out["details"] = self.details
        out["code"] = self.code
        return out


def bad_request(message: str) -> ApiError:
    """400: the request itself is wrong."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: no or wrong credentials."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(kind_name: str, group: str, name: str, message: str) -> ApiError:
    """403: the caller may not, or the state forbids it."""
    details = _details(name=name, group=group, kind=kind_name)
    qualified = f"{kind_name}.{group}" if group else kind_name
    subject = f'{qualified} "{name}"' if name else qualified
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {message}", details=details)


def not_found(kind: Kind, name: str) -> ApiError:
    """404: no such object."""
    return ApiError(404, "NotFound", f'{kind.qualified_plural} "{name}" not found', details=_of(kind, name))


def no_such_resource() -> ApiError:
    """404: no such kind in a group version that is served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> ApiError:
    """405: the resource has no such verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def already_exists(kind: Kind, name: str) -> ApiError:
    """409: create of an object that is there."""
    return ApiError(409, "AlreadyExists", f'{kind.qualified_plural} "{name}" already exists', details=_of(kind, name))


def modified(kind: Kind, name: str) -> ApiError:
    """409: the resourceVersion sent is not the current one."""
    message = (
        f'Operation cannot be fulfilled on {kind.qualified_plural} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, details=_of(kind, name))


def absent_uid(kind: Kind, name: str, uid: str) -> ApiError:
    """409: an apply to an object by its uid found none."""
    message = (
        f'Operation cannot be fulfilled on {kind.qualified_plural} "{name}": uid mismatch: the provided object '
        f"specified uid {uid}, and no existing object was found"
    )
    return ApiError(409, "Conflict", message, details=_of(kind, name))


def precondition(kind: Kind, name: str, message: str) -> ApiError:
    """409: a precondition of a deletion does not hold."""
    text = f'Operation cannot be fulfilled on {kind.qualified_kind} "{name}": {message}'
    return ApiError(409, "Conflict", text, details=_details(name=name, group=kind.group, kind=kind.kind))


def apply_conflict(message: str, causes: Causes) -> ApiError:
    """409: server-side apply found fields of other managers."""
    return ApiError(409, "Conflict", message, details={"causes": causes})


def untyped(message: str) -> ApiError:
    """500: an applied configuration does not fit its kind (real servers answer so)."""
    return ApiError(500, "", f"failed to create typed patch object: {message}")


def expired(message: str) -> ApiError:
    """410: a resourceVersion or continue token older than the history that is kept."""
    return ApiError(410, "Expired", message)


def unsupported_media_type(supported: str) -> ApiError:
    """415: the body's type is none we read."""
    message = f"the body of the request was in an unknown format - accepted media types include: {supported}"
    return ApiError(415, "UnsupportedMediaType", message, details={})


def too_large() -> ApiError:
    """413: more than the limit of a request."""
    message = "Request entity too large: limit is 3145728"
    return ApiError(413, "RequestEntityTooLarge", message)


def invalid(kind_name: str, group: str, name: str, causes: Causes) -> ApiError:
    """422: the object is not valid; ``causes`` have reason, message and field."""
    qualified = f"{kind_name}.{group}" if group else kind_name
    texts = [f"{cause['field']}: {cause['message']}" for cause in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = {**_details(name=name, group=group, kind=kind_name), "causes": causes}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details=details)


def required(field: str, message: str = "") -> dict[str, str]:
    """A cause: a field is missing."""
    text = f"Required value: {message}" if message else "Required value"
    return {"reason": "FieldValueRequired", "message": text, "field": field}


def invalid_value(field: str, shown: str, message: str) -> dict[str, str]:
    """A cause: a field has a value it must not have; ``shown`` is the value as JSON."""
    return {"reason": "FieldValueInvalid", "message": f"Invalid value: {shown}: {message}", "field": field}


def _of(kind: Kind, name: str) -> dict[str, Any]:
    return _details(name=name, group=kind.group, kind=kind.plural)


def _details(*, name: str, group: str, kind: str) -> dict[str, Any]:
    out = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in out.items() if value}
