"""What can go wrong with a call, as types; each carries what the server said, not only its text.

FedsvcError
  InvalidArgumentError     fields of the request are wrong: `fields` lists every one
  NotFoundError            there is no such object
  AlreadyExistsError       the object is there already
  ConflictError            the object changed since it was read: `etag` is the stored one
  PreconditionError        the state of the system forbids it; `reason` tells which rule
  UnauthenticatedError     no token, or one the server does not know
  PermissionDeniedError    the token may not do this
  ResourceExhaustedError   a stated limit is passed, or a watch was read too slowly
  ResumeTokenExpiredError  a watch cannot go on from there: list again
  UnavailableError         the server cannot be reached, or says to try again
  DeadlineError            no answer in time
  UnsupportedError         the server does not know this call: it is older than the client, or no fedsvc at all
  InternalError            a defect of the server; its log has more under `request_id`
  ConfigurationError       the client's own configuration is missing or wrong; nothing was sent
  WaitTimeoutError         a wait ended before what it waited for
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One field that is wrong."""

    path: str  # of the field in the request: "unit.spec.resources[3].json"
    message: str  # what is wrong and what would be right


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server sent along with a failed call; empty where the call never reached it."""

    code: str = ""  # of gRPC, for example "NOT_FOUND"
    reason: str = ""  # of fedsvc, for example "NOT_FOUND"; see error_reason.proto
    metadata: Mapping[str, str] = field(default_factory=dict)  # variable parts of the message
    fields: tuple[FieldProblem, ...] = ()
    retry_after_seconds: float | None = None
    request_id: str = ""  # under which the server's log has more


class FedsvcError(Exception):
    """The root; its text is fit to be shown to people."""

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.answer = answer or Answer()

    @property
    def reason(self) -> str:
        """Reason of error_reason.proto without its prefix, or empty."""
        return self.answer.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """Variable parts of the message, by name."""
        return self.answer.metadata


class InvalidArgumentError(FedsvcError):
    """Fields of the request are wrong: mend all of `fields` and call again."""

    @property
    def fields(self) -> tuple[FieldProblem, ...]:
        """Every field that is wrong, in the order of the request."""
        return self.answer.fields


class NotFoundError(FedsvcError):
    """There is no object of that name; `name` says which."""

    @property
    def name(self) -> str:
        """Resource name of the missing object, or empty."""
        return self.metadata.get("name", "")


class AlreadyExistsError(FedsvcError):
    """An object of that name is there already."""


class ConflictError(FedsvcError):
    """The object changed since it was read: read it again, redo the change."""

    @property
    def etag(self) -> str:
        """Etag of the stored object, or empty."""
        return self.metadata.get("etag", "")


class PreconditionError(FedsvcError):
    """The state of the system forbids the call; `reason` tells the rule: OBJECT_OWNED, IN_USE, DELETING."""


class UnauthenticatedError(FedsvcError):
    """The call brought no token, or one that the server does not know or that has ended."""


class PermissionDeniedError(FedsvcError):
    """The token is known and may not do this."""


class ResourceExhaustedError(FedsvcError):
    """A stated limit is passed: `metadata` has its name and value."""


class ResumeTokenExpiredError(FedsvcError):
    """Changes since that token are no longer kept: list again, then watch from the list's token."""


class UnavailableError(FedsvcError):
    """The server cannot be reached, is stopping, or has no database: later may help."""


class DeadlineError(FedsvcError):
    """No answer came within the deadline; whether the call took effect is not known."""


class UnsupportedError(FedsvcError):
    """The server does not know this call."""


class InternalError(FedsvcError):
    """A defect of the server."""

    @property
    def request_id(self) -> str:
        """Id under which the server's log has more, or empty."""
        return self.answer.request_id


class ConfigurationError(FedsvcError):
    """The client's configuration is missing or makes no sense; nothing was sent."""


class WaitTimeoutError(FedsvcError):
    """What was waited for did not come in time."""
