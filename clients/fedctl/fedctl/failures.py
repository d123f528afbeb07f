"""How fedctl ends: the exit codes, and the one exception that carries a message for people with its code."""

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """The exit codes of fedctl; documented in `fedctl --help`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    TIMED_OUT = 5
    UNREACHABLE = 6
    INCOMPLETE = 7  # some clusters did not answer
    INTERRUPTED = 130  # by Ctrl-C: 128 and the number of SIGINT, as shells have it


class Failure(click.ClickException):
    """What went wrong, in words that say what to do; shown on stderr, then fedctl ends with `code`."""

    def __init__(self, message: str, *, code: Exit = Exit.FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc] # click reads it from the instance
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message, and below it what to do about it."""
        click.echo(click.style("error: ", fg="red", bold=True) + self.message, file=file, err=file is None)
        if self.hint:
            click.echo(self.hint, file=file, err=file is None)


class UsageFailure(Failure):
    """The command line asks for something that makes no sense."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code=Exit.USAGE, hint=hint)
