"""What can go wrong with a member cluster.

MemberError
  MemberSettingsError       the connection's settings cannot work: nothing was sent
  MemberUnreachableError    no answer: refused, timed out, TLS, DNS, reset
  MemberGarbageError        an answer that is not what an API server says
  MemberStatusError         the API server answered with an error, in its own words
  KindNotServedError        the member's API server does not serve that kind
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fedsvc.errors import FedsvcError

_TRANSIENT_CODES: Final = frozenset({401, 408, 425, 429})
_MEMBER_WIDE_CODES: Final = frozenset({401, 429, 502, 503, 504})


class UnreachableKind(StrEnum):
    """Why no answer came."""

    REFUSED = "refused"  # nobody listens there
    TIMEOUT = "timeout"  # nothing came in time
    TLS = "tls"  # the server could not prove who it is
    DNS = "dns"  # the name of the host has no address
    RESET = "reset"  # the connection broke
    NETWORK = "network"  # no route to the host
    PROXY = "proxy"  # the proxy did not let us through


class MemberError(FedsvcError):
    """Something went wrong with a member; the text is fit for people.

    Attributes:
        transient: whether the same request may succeed later with nothing changed by the user.
        member_wide: whether the trouble is the member's as a whole and not that of the one object asked for.
    """

    transient: bool = False
    member_wide: bool = False


class MemberSettingsError(MemberError):
    """The connection's settings cannot work, whatever the member does: mend them by joining again."""

    member_wide = True


class MemberUnreachableError(MemberError):
    """The member gave no answer. Whether the request had an effect there is not known."""

    transient = True
    member_wide = True

    def __init__(self, kind: UnreachableKind, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(detail)


class MemberGarbageError(MemberError):
    """The answer is not what an API server says: not JSON, cut off, or larger than any honest one."""

    transient = True
    member_wide = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCause:
    """One cause of a refusal, as in ``Status.details.causes``."""

    reason: str  # for example FieldManagerConflict, FieldValueInvalid
    message: str
    field: str  # its path in the object


class MemberStatusError(MemberError):
    """The API server answered with an error.

    Attributes:
        code: the HTTP status.
        reason: Kubernetes' word for it ("Forbidden", "Invalid"); empty where the answer was no Status object.
        message: the member's own words.
        causes: single causes, in the order given.
        retry_after_seconds: how long the member asked to be left alone; None where it did not say.
        method: of the request.
        path: of the request, without its query.
        object_name: the object the member says it is about; empty where the path itself is not served.
    """

    def __init__(
        self,
        *,
        code: int,
        reason: str,
        message: str,
        causes: tuple[StatusCause, ...] = (),
        retry_after_seconds: float | None = None,
        method: str = "",
        path: str = "",
        object_name: str = "",
    ) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after_seconds = retry_after_seconds
        self.method = method
        self.path = path
        self.object_name = object_name
        super().__init__(f"{message} (HTTP {code})")

    @property
    def transient(self) -> bool:  # type: ignore[override] # computed here, constant in the other errors
        """Overload, trouble inside the server, a credential that is being renewed, a lost race for an object."""
        if self.code == 409:
            return self.reason != "AlreadyExists" and not self.field_conflicts
        return self.code in _TRANSIENT_CODES or self.code >= 500

    @property
    def member_wide(self) -> bool:  # type: ignore[override] # computed here, constant in the other errors
        """The member refuses us or is overloaded, whatever object is asked for."""
        return self.code in _MEMBER_WIDE_CODES

    @property
    def field_conflicts(self) -> tuple[StatusCause, ...]:
        """The fields that other managers own, after a server-side apply without force."""
        return tuple(cause for cause in self.causes if cause.reason == "FieldManagerConflict")

    @property
    def kind_absent(self) -> bool:
        """404 because the path is not served: the kind is not (or no longer) there."""
        return self.code == 404 and not self.object_name


class KindNotServedError(MemberError):
    """The member does not serve that kind in that version (yet): a CRD may be missing.

    Attributes:
        group, version, kind: what was asked for.
        served_versions: the versions of the group in which the member does serve the kind.
        note: why what it serves could not be read, where that is why the kind is not known; empty: it is not served.
    """

    def __init__(
        self, *, group: str, version: str, kind: str, served_versions: tuple[str, ...] = (), note: str = ""
    ) -> None:
        self.group = group
        self.version = version
        self.kind = kind
        self.served_versions = served_versions
        self.note = note
        api_version = f"{group}/{version}" if group else version
        text = f"the cluster does not serve {kind} in {api_version}"
        if served_versions:
            text += f"; it serves it in {', '.join(f'{group}/{v}' if group else v for v in served_versions)}"
        if note:
            text += f" ({note})"
        super().__init__(text)
