"""The border at which the driver's errors become ours."""

import contextlib
from collections.abc import Iterator
from typing import Final

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, TargetServerAttributeNotMatched

from fedsvc.errors import InvalidInputError, Problem, StoreUnavailableError
from fedsvc.store.advice import why

# SQLSTATE classes and codes that mean "not now" (PostgreSQL, Appendix A).
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57P", "58")
# The driver calls its own state an internal error where a connection breaks between a request and its answer.
NOT_ANSWERING: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TargetServerAttributeNotMatched,
)
_READ_ONLY: Final = "25006"  # a standby that was the primary before
_DISK_FULL: Final = "53100"
_BAD_TEXT: Final = ("22021", "22P05")
_BROKEN_OFF: Final = ("40001", "40P01")  # serialization failure, deadlock
_TOO_SLOW: Final = ("57014", "55P03")  # a statement, or its wait for a lock, was broken off by a deadline or by hand


@contextlib.contextmanager
def translated(shown: str) -> Iterator[None]:
    """Turn the driver's "not now" into StoreUnavailableError; other errors pass."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if is_unavailable(error):
            raise unavailable(shown, error) from error
        if error.sqlstate in _BAD_TEXT:
            message = "holds the character U+0000, which cannot be stored"
            raise InvalidInputError(Problem(path="request", message=message)) from error
        raise
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, ValueError):  # what we gave does not fit the statement: a mistake of ours
            raise
        raise unavailable(shown, error) from error


@contextlib.contextmanager
def talking(shown: str) -> Iterator[None]:
    """Where nothing but PostgreSQL is talked to, a plain OSError or TimeoutError is its own; elsewhere it may be anybody's."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        raise unavailable(shown, error) from error


def is_unavailable(error: BaseException) -> bool:
    """Whether it says "not now"."""
    if isinstance(error, (*NOT_ANSWERING, InvalidCachedStatementError)):
        return True
    code = getattr(error, "sqlstate", None) or ""
    return code in (_READ_ONLY, *_BROKEN_OFF, *_TOO_SLOW) or code.startswith(_UNAVAILABLE_CLASSES)


def unavailable(shown: str, error: BaseException) -> StoreUnavailableError:
    """What is told of an error that says "not now"."""
    code = getattr(error, "sqlstate", None)
    if code in _BROKEN_OFF:
        return StoreUnavailableError("the change met another one at the same rows, and nothing was written: try again")
    if code in _TOO_SLOW:
        return StoreUnavailableError(
            f"PostgreSQL at {shown} was too slow, and nothing was written: {why(error)}; try again, and look at its load"
        )
    if isinstance(error, InvalidCachedStatementError):
        return StoreUnavailableError("the tables were migrated at this moment, and nothing was written: try again")
    if code == _DISK_FULL:
        return StoreUnavailableError(
            f"the disk of PostgreSQL at {shown} is full: nothing is lost, but nothing can be written until space is made"
        )
    return StoreUnavailableError(f"PostgreSQL at {shown} does not answer: {why(error)}")
