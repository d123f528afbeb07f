"""Pure: from the bytes of an answer to JSON, or to the error they stand for."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from fedsvc.members.errors import MemberGarbageError, MemberStatusError, StatusCause

JsonObject = dict[str, Any]

MAX_RETRY_AFTER_SECONDS: Final = 600.0
"""A member may ask for a pause; it may not ask to be forgotten."""

_MAX_TEXT: Final = 2_000  # characters of a member's message that are kept
_MAX_END: Final = 500  # of these from its end: what is wrong with a value stands behind the value, which may be long
_MAX_CAUSES: Final = 1_000


def parse_object(body: bytes, *, what: str) -> JsonObject:
    """The JSON object in `body`.

    Raises:
        MemberGarbageError: it is none; `what` says what was asked for.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MemberGarbageError(f"the answer to {what} is not JSON: {_shown(body)}") from error
    if not isinstance(value, dict):
        raise MemberGarbageError(f"the answer to {what} is not a JSON object: {_shown(body)}")
    return value


def status_error(
    code: int, body: bytes, *, retry_after: str | None, now: datetime, method: str, path: str
) -> MemberStatusError:
    """The error that an answer with status `code` stands for, with the member's own words where it has any."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status":
        error = status_of_document(document, code=code, method=method, path=path)
    else:
        error = MemberStatusError(code=code, reason="", message=_plain_message(code, body), method=method, path=path)
    if (seconds := retry_after_seconds(retry_after, now=now)) is not None:
        error.retry_after_seconds = seconds
    return error


def status_of_document(
    document: JsonObject, *, code: int | None = None, method: str = "", path: str = ""
) -> MemberStatusError:
    """The error in a Status object; `code` wins over the one it names."""
    details = document.get("details")
    details = details if isinstance(details, dict) else {}
    named = document.get("code")
    final = code if code is not None else named if isinstance(named, int) else 500
    pause = details.get("retryAfterSeconds")
    return MemberStatusError(
        code=final,
        reason=_text(document.get("reason")),
        message=_text(document.get("message")) or f"the API server answered with status {final} and no word",
        causes=_causes(details.get("causes")),
        retry_after_seconds=_clamped(float(pause)) if isinstance(pause, int) and pause > 0 else None,
        method=method,
        path=path,
        object_name=_text(details.get("name")),
    )


def retry_after_seconds(value: str | None, *, now: datetime) -> float | None:
    """The pause that a Retry-After header asks for: seconds or an HTTP date (RFC 9110 section 10.2.3)."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return _clamped(float(text[:9]))
    moment = http_date(value)
    return None if moment is None else _clamped((moment - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """The moment in a Date header (RFC 9110 section 5.6.7); None where it cannot be read."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):  # it comes from outside, and the parser is no fortress
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _causes(value: Any) -> tuple[StatusCause, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        StatusCause(
            reason=_text(item.get("reason")), message=_text(item.get("message")), field=_text(item.get("field"))
        )
        for item in value[:_MAX_CAUSES]
        if isinstance(item, dict)
    )


def _plain_message(code: int, body: bytes) -> str:
    text = _shown(body)
    return (
        f"the answer was status {code}, not of an API server: {text}"
        if text != "''"
        else f"the answer was status {code} with no word"
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return value if len(value) <= _MAX_TEXT else f"{value[: _MAX_TEXT - _MAX_END - 1]}…{value[-_MAX_END:]}"


def _shown(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return repr(text + ("…" if len(body) > 200 else ""))
