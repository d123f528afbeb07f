"""What keeps a connection to PostgreSQL from being made, in words that tell what to do about it."""

import errno
import socket
from typing import Any, Final

from asyncpg.exceptions import (
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    InvalidPasswordError,
    TargetServerAttributeNotMatched,
)

_ADVICE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (InvalidCatalogNameError, "make it (createdb --owner USER NAME), or mend the name in --database-url"),
    (InvalidPasswordError, "mend the user or the password in --database-url"),
    (InvalidAuthorizationSpecificationError, "mend the user in --database-url, or let it in (pg_hba.conf)"),
)


def why(error: BaseException) -> str:
    """The reason as the driver tells it, and the way out where one is known (SQLSTATE: PostgreSQL, Appendix A)."""
    said = str(error).strip()
    if isinstance(error, TargetServerAttributeNotMatched):
        return "it is a standby, or takes no writes"
    if isinstance(error, socket.gaierror):
        return "the host name is not known: mend the host in --database-url"
    if _is_refused(error):
        return "connection refused: nothing listens there; start PostgreSQL, or mend host and port in --database-url"
    if isinstance(error, TimeoutError) and not said:
        return "no answer in time"
    advice = next((advice for kind, advice in _ADVICE if isinstance(error, kind)), "")
    return ": ".join(filter(None, (said or type(error).__name__, advice)))


def _is_refused(error: BaseException) -> bool:
    # Where a name has several addresses, asyncio tells their errors in one text only.
    told: Any = getattr(error, "errno", None)
    return told == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)
