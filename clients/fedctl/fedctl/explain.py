"""From an error of the client library to a message that says what to do, with the exit code."""

import click

from fedctl.failures import Exit, Failure
from fedsvc_client import (
    AlreadyExistsError,
    ConfigurationError,
    ConflictError,
    DeadlineError,
    FedsvcError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    WaitTimeoutError,
)

_CODES: tuple[tuple[type[FedsvcError], Exit], ...] = (
    (NotFoundError, Exit.NOT_FOUND),
    (ConflictError, Exit.CONFLICT),
    (AlreadyExistsError, Exit.CONFLICT),
    (PreconditionError, Exit.CONFLICT),
    (WaitTimeoutError, Exit.TIMED_OUT),
    (DeadlineError, Exit.TIMED_OUT),
    (UnavailableError, Exit.UNREACHABLE),
    (ConfigurationError, Exit.USAGE),
)

_START = """\
Is it running? Start one with:     fedsvc serve --data-dir D      (then: fedctl --config D/fedctl.yaml ...)
Or try the demonstration with:     fedctl demo"""
_WRONG_CREDENTIALS = """\
The token comes from --token, FEDCTL_TOKEN or the configuration file (--config, FEDCTL_CONFIG, else
~/.config/fedctl/config.yaml). `fedsvc serve` writes the right one into fedctl.yaml of its data folder: copy that file,
or use --config D/fedctl.yaml."""


def explain(error: Exception) -> click.ClickException | None:
    """Return what to tell the user, or None for an error that is a defect of fedctl."""
    if isinstance(error, FedsvcError):
        return failure_of(error)
    if isinstance(error, OSError) and error.filename:
        return Failure(f"{error.filename}: {error.strerror}")
    return None


def failure_of(error: FedsvcError) -> Failure:
    """Return what to tell the user of an error of the client library."""
    return Failure(message_of(error), code=code_of(error), hint=_hint(error))


def code_of(error: FedsvcError) -> Exit:
    """Return the exit code for an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)


def message_of(error: FedsvcError) -> str:
    """Return what went wrong; every field that is wrong on a line of its own."""
    if isinstance(error, InvalidArgumentError) and error.fields:
        lines = [f"{problem.path}: {problem.message}" if problem.path else problem.message for problem in error.fields]
        return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} problems:", *lines])
    return error.message


def _hint(error: FedsvcError) -> str:
    if isinstance(error, UnavailableError):
        return _START if not error.reason else ""
    if isinstance(error, UnauthenticatedError | PermissionDeniedError):
        return _WRONG_CREDENTIALS
    if isinstance(error, UnsupportedError):
        return "Compare the versions with: fedctl version"
    return ""
