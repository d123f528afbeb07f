"""What one look at a member tells. The kind of a failure counts: most failures are no sign of a death."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class EvidenceKind(StrEnum):
    """What came of asking a member."""

    WELL = "Well"  # it answers, and says that it is ready or says nothing of it
    # It answers, so it lives.
    CREDENTIALS_REFUSED = "CredentialsRefused"  # 401 or 403: ours is revoked or ended
    OVERLOADED = "Overloaded"  # 429
    NOT_READY = "NotReady"  # 5xx, or checks of its own fail
    NODES_NOT_READY = "NodesNotReady"  # its API works, and not one of its nodes is ready
    # Nobody answered where the member is.
    REFUSED = "Refused"
    TIMED_OUT = "TimedOut"
    BROKEN_OFF = "BrokenOff"
    NO_ROUTE = "NoRoute"
    # Whoever answered, or failed to lead there, was not the member.
    TLS_FAILED = "TLSFailed"
    NAME_NOT_FOUND = "NameNotFound"
    PROXY_FAILED = "ProxyFailed"
    NOT_AN_API_SERVER = "NotAnApiServer"
    WRONG_SETTINGS = "WrongSettings"


IMPAIRED: Final = frozenset(
    {
        EvidenceKind.CREDENTIALS_REFUSED,
        EvidenceKind.OVERLOADED,
        EvidenceKind.NOT_READY,
        EvidenceKind.NODES_NOT_READY,
    }
)
"""The member lives, and cannot be worked with."""

DEAD: Final = frozenset({EvidenceKind.REFUSED, EvidenceKind.TIMED_OUT, EvidenceKind.BROKEN_OFF, EvidenceKind.NO_ROUTE})
"""Signs of a death. What is in neither set but `WELL` leaves open how the member is: doubt, and never more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The outcome of one probe."""

    kind: EvidenceKind
    message: str = ""  # for people

    @property
    def is_alive(self) -> bool | None:
        """Whether the member lives; None: that is open."""
        if self.kind in DEAD:
            return False
        return True if self.kind is EvidenceKind.WELL or self.kind in IMPAIRED else None
