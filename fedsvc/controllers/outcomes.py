"""Pure: what an answer of a member means for a work: its state, a constant reason, words for people, the next try.

=====================================  ========  ===================  =========================================
answer                                 state     reason               tried again
=====================================  ========  ===================  =========================================
no answer (the member itself answers)  Retrying  NoAnswer             back-off
not an API server's answer             Retrying  BadAnswer            back-off
403: a right is missing                Failed    Forbidden            5 min, and when the cluster changes
403: quota                             Failed    QuotaExceeded        1 min
403: anything else (admission)         Failed    Denied               5 min
403, 409: namespace is going           Retrying  NamespaceTerminating back-off
404: the kind is not served            Retrying  KindNotServed        0.5 s, 1 s, 2 s ... 1 min, and when a
                                                                      definition of ours serves it
409: object is there and not ours      Failed    ObjectExists         5 min
409: fields of others (adopt)          Failed    FieldConflict        5 min
409: fields of others (drift kept)     Drifted   FieldConflict        when the drift or the template changes
409, 410: a lost race                  Retrying  Conflict             back-off
413                                    Failed    TooLarge             5 min
422: an immutable field                Failed    ImmutableField       5 min
400, 422, other 4xx                    Failed    Invalid              5 min
429                                    Retrying  TooManyRequests      as the member says, else back-off
500: a field its kind does not have    Failed    Invalid              5 min
5xx                                    Retrying  MemberError          as the member says, else back-off
=====================================  ========  ===================  =========================================

What concerns the member as a whole (no answer at all, 401) pauses it instead: see `pause_of`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fedsvc.controllers.backoff import delay_seconds
from fedsvc.members.errors import (
    KindNotServedError,
    MemberError,
    MemberGarbageError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
    StatusCause,
)
from fedsvc.members.refusals import is_want_of_rights, joining_again, right_of_request
from fedsvc.model.silence import CREDENTIALS_INVALID, MEMBER_UNREACHABLE
from fedsvc.model.unit import WorkState
from fedsvc.rendering.immutable import immutable_fields, is_immutable

FAILED_RETRY_SECONDS: Final = 300.0
QUOTA_RETRY_SECONDS: Final = 60.0
KIND_FIRST_SECONDS: Final = 0.5
KIND_MAX_SECONDS: Final = 60.0

CONNECTION_INVALID: Final = "ConnectionInvalid"
KIND_NOT_SERVED: Final = "KindNotServed"

_KIND_ADVICE: Final = "apply its CustomResourceDefinition there, in this unit or another, or leave the cluster out"
_MAX_MESSAGE: Final = 1_000  # characters of a member's words that a work keeps
_SHOWN_CAUSES: Final = 5
_IMMUTABLE_ADVICE: Final = (
    "undo the change, give the object another name, or have it made anew with propagation.immutable: recreate"
)
# How an apply is answered that does not fit the schema (structured-merge-diff): as trouble of the server's own.
_NOT_OF_SCHEMA: Final = "failed to create typed patch object"
_RELEASED_GROUPS: Final = ("networking.k8s.io", "rbac.authorization.k8s.io")  # and those without a dot, as "apps"
_TERMINATING_WORDS: Final = ("being terminated", "is terminating", "object is being deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a try ended that did not succeed."""

    state: WorkState
    reason: str  # constant CamelCase word
    message: str  # sentence for people, with the member's own words
    retry_after_seconds: float | None  # None: not until something changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why a member as a whole is left alone for a while."""

    reason: str
    message: str


def pause_of(error: MemberError) -> Pause | None:
    """The reason to leave the whole member alone; None where only the one work is concerned."""
    if isinstance(error, MemberUnreachableError):
        return Pause(reason=MEMBER_UNREACHABLE, message=f"the member does not answer: {error}")
    if isinstance(error, MemberSettingsError):
        return Pause(reason=CONNECTION_INVALID, message=str(error))
    if isinstance(error, MemberStatusError) and error.code == 401:
        message = f"the member refuses fedsvc's credentials: {error.message}; renew them with `fedctl join`"
        return Pause(reason=CREDENTIALS_INVALID, message=message)
    return None


def outcome_of(error: MemberError, *, cluster: str, key: str, attempts: int) -> Outcome:
    """What a failed request means for the work it was for.

    Args:
        error: what went wrong.
        cluster: the member, for the advice in messages.
        key: the work, for the spread of its retries.
        attempts: failures before this one.
    """
    if isinstance(error, KindNotServedError):
        return kind_not_served(f"{error}: {_KIND_ADVICE}", key=key, attempts=attempts)
    if isinstance(error, MemberStatusError):
        return _of_status(error, cluster=cluster, key=key, attempts=attempts)
    reason = "BadAnswer" if isinstance(error, MemberGarbageError) else "NoAnswer"
    return retrying(reason, str(error), key=key, attempts=attempts)


def retrying(
    reason: str, message: str, *, key: str, attempts: int, retry_after_seconds: float | None = None
) -> Outcome:
    """Trouble that may end by itself."""
    wait = delay_seconds(key, attempts)
    if retry_after_seconds is not None:
        # The member knows best when; the spread keeps its clients from coming back all at once.
        wait = retry_after_seconds + delay_seconds(key, attempts, first=0.5, maximum=0.5)
    return Outcome(state=WorkState.RETRYING, reason=reason, message=_cut(message), retry_after_seconds=wait)


def failed(reason: str, message: str, *, key: str, retry_seconds: float = FAILED_RETRY_SECONDS) -> Outcome:
    """Trouble that somebody has to mend; tried now and then all the same."""
    wait = delay_seconds(key, 0, first=retry_seconds, maximum=retry_seconds)
    return Outcome(state=WorkState.FAILED, reason=reason, message=_cut(message), retry_after_seconds=wait)


def drifted(message: str) -> Outcome:
    """Others own fields of ours, and the drift mode leaves them to it."""
    return Outcome(state=WorkState.DRIFTED, reason="FieldConflict", message=_cut(message), retry_after_seconds=None)


def kind_not_served(message: str, *, key: str, attempts: int) -> Outcome:
    """The kind is not there; its definition may be on its way, perhaps in the same unit."""
    wait = delay_seconds(key, attempts, first=KIND_FIRST_SECONDS, maximum=KIND_MAX_SECONDS)
    return Outcome(state=WorkState.RETRYING, reason=KIND_NOT_SERVED, message=_cut(message), retry_after_seconds=wait)


def conflict_text(error: MemberStatusError, causes: Sequence[StatusCause] | None = None) -> str:
    """The fields and managers of a server-side apply conflict, all or some of them, as a sentence."""
    causes = error.field_conflicts if causes is None else causes
    if not causes:
        return error.message
    shown = "; ".join(f"{cause.field}: {cause.message}" for cause in causes[:_SHOWN_CAUSES])
    return shown + (f"; and {len(causes) - _SHOWN_CAUSES} more" if len(causes) > _SHOWN_CAUSES else "")


def is_immutable_change(error: MemberError) -> bool:
    """Whether the member refused an apply since it changes what cannot be changed in an object."""
    return isinstance(error, MemberStatusError) and error.code == 422 and is_immutable(_with_causes(error))


def is_other_object(error: MemberError) -> bool:
    """Whether an apply to one very object, by its uid, was refused since that is gone or another has its name.

    Kubernetes has no reason of its own for it: an absent object is answered by 409 and these words (its patch handler),
    another one by 422 for ``metadata.uid`` (validation of an update).
    """
    if not isinstance(error, MemberStatusError):
        return False
    if error.code == 409:
        return "uid mismatch" in error.message or "UID in precondition" in error.message
    return error.code == 422 and any(cause.field == "metadata.uid" for cause in error.causes)


def immutable_text(error: MemberStatusError, advice: str = _IMMUTABLE_ADVICE) -> str:
    """Which fields cannot be changed, in the member's words where they are short, and what to do."""
    fields = immutable_fields(error.message, ((cause.field, cause.message) for cause in error.causes))
    named = f"{', '.join(fields)} cannot be changed in an object that exists" if fields else ""
    # The words hold the whole value at times, as that of a Job's template; the advice must not be cut off.
    words = error.message if len(error.message) <= _MAX_MESSAGE // 2 else ""
    return ": ".join(part for part in (named, words) if part) + f" - {advice}"


def missing_namespace(error: MemberError) -> str:
    """The namespace whose absence made the request fail; empty where that was not the reason."""
    if not isinstance(error, MemberStatusError) or error.code != 404:
        return ""
    before, found, _ = error.message.partition("namespaces ")
    if not found or before:
        return ""
    quoted = error.message.split('"')
    return quoted[1] if len(quoted) > 2 and "not found" in quoted[2] else ""


def is_taken(error: MemberError) -> bool:
    """Whether an apply that may only create was refused since the object is there.

    Such an apply carries resourceVersion "1", which no live object has: API servers answer 409 Conflict.
    """
    return isinstance(error, MemberStatusError) and error.code == 409 and not _is_terminating(error.message)


def is_version_refused(error: MemberError) -> bool:
    """Whether an apply that may only create was refused for the resourceVersion that makes it so.

    Old API servers do that for kinds with a storage of their own (Services on Kubernetes 1.20).
    """
    return isinstance(error, MemberStatusError) and "resourceVersion should not be set" in error.message


def _of_status(error: MemberStatusError, *, cluster: str, key: str, attempts: int) -> Outcome:
    text = _with_causes(error)
    if error.code == 403 and not _is_terminating(error.message):
        return _of_refusal(error, cluster=cluster, key=key)
    if error.kind_absent:
        message = f"{text}: the cluster does not serve this kind: {_KIND_ADVICE}"
        return kind_not_served(message, key=key, attempts=attempts)
    if error.field_conflicts:
        message = f"other managers own fields with other values: {conflict_text(error)}"
        return failed("FieldConflict", f"{message}; take them over with conflict: overwrite", key=key)
    if reason := _transient_reason(error):
        pause = error.retry_after_seconds
        return retrying(reason, text, key=key, attempts=attempts, retry_after_seconds=pause)
    if error.code == 422 and is_immutable(text):
        return failed("ImmutableField", immutable_text(error), key=key)
    return failed("TooLarge" if error.code == 413 else "Invalid", text, key=key)


def _transient_reason(error: MemberStatusError) -> str:
    """The reason of trouble that may end by itself; empty for trouble that does not."""
    if error.code in (403, 409) and _is_terminating(error.message):
        return "NamespaceTerminating"
    if error.code == 429:
        return "TooManyRequests"
    if error.code >= 500:
        return "" if _is_outside_schema(error) else "MemberError"
    return "Conflict" if error.transient or error.code in (404, 409, 410) else ""


def _is_outside_schema(error: MemberStatusError) -> bool:
    """Whether an apply has what the kind does not, and will not have: the schema of a custom kind may be on its way."""
    if error.code != 500 or not error.message.startswith(_NOT_OF_SCHEMA):
        return False
    root, _, rest = error.path.removeprefix("/").partition("/")
    group = rest.partition("/")[0] if root == "apis" else ""
    return "." not in group or group in _RELEASED_GROUPS


def _of_refusal(error: MemberStatusError, *, cluster: str, key: str) -> Outcome:
    if is_want_of_rights(error):
        right = right_of_request(error.method, error.path)
        again = joining_again(cluster, () if right is None else (right,))
        advice = f"run `{again}` again, which grants what its profile covers, or with wider --rights"
        return failed("Forbidden", f"{error.message} - {advice}", key=key)
    if "exceeded quota" in error.message:
        return failed("QuotaExceeded", error.message, key=key, retry_seconds=QUOTA_RETRY_SECONDS)
    return failed("Denied", error.message, key=key)


def _with_causes(error: MemberStatusError) -> str:
    # Most messages repeat their causes already; those that do not are of no use without them.
    extra = [cause for cause in error.causes if cause.message and cause.message not in error.message]
    if not extra:
        return error.message
    shown = "; ".join(f"{cause.field}: {cause.message}".removeprefix(": ") for cause in extra[:_SHOWN_CAUSES])
    return f"{error.message} ({shown})"


def _is_terminating(message: str) -> bool:
    return any(words in message for words in _TERMINATING_WORDS)


def _cut(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
