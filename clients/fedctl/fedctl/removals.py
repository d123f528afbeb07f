"""Removals that need a confirmation: what would go is said, and its name typed or given by --confirm-removal."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from fedctl.failures import Exit, Failure, UsageFailure
from fedsvc_client import PreconditionError
from fedsvc_client.names import last_part

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_UNCONFIRMED = "REMOVAL_UNCONFIRMED"
_FLAG = "--confirm-removal"


def confirm_removal_option(function: F) -> F:
    """--confirm-removal NAME."""
    return click.option(
        _FLAG,
        "confirmed",
        multiple=True,
        metavar="NAME",
        help="Remove also more than goes without being asked, of what has this name; can be repeated",
    )(function)


class UnconfirmedFailure(Failure):
    """Nothing was changed, since too much would be removed; `name` in the API is to be confirmed."""

    def __init__(self, error: PreconditionError, *, title: str = "") -> None:
        self.name = error.metadata.get("name", "")
        # The server says how programs confirm it.
        said = error.message.partition(": confirm it by naming ")[0]
        super().__init__(
            f"{title}: {said}" if title else said,
            code=Exit.CONFLICT,
            hint=f"To remove it all the same:  {_FLAG} {last_part(self.name)}",
        )


def is_unconfirmed(error: PreconditionError) -> bool:
    """Tell whether a confirmation is all that is missing."""
    return error.reason == _UNCONFIRMED


def with_confirmation(act: Callable[[Sequence[str]], T], *, may_ask: bool) -> T:
    """Run `act` with no name; where it needs a confirmation, ask for the name at a terminal and run it with that.

    Raises:
        UnconfirmedFailure: There is nobody to ask.
        Failure: Another name was typed.
    """
    try:
        return act(())
    except UnconfirmedFailure as failure:
        if not may_ask or not sys.stdin.isatty():
            raise
        click.echo(failure.message, err=True)
        wanted = last_part(failure.name)
        if click.prompt(f"Type {wanted} to remove it all the same", err=True) != wanted:
            raise Failure("that is another name; nothing was changed") from failure
        return act((failure.name,))


def check_confirmed(confirmed: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names that nothing of this command has: a mistake would go unnoticed.

    Args:
        confirmed: What was given.
        known: Names in the API of what the command changes.

    Raises:
        UsageFailure: A name is of nothing here.
    """
    for name in confirmed:
        if not any(is_meant(name, one) for one in known):
            shown = ", ".join(sorted({last_part(one) for one in known})) or "nothing that could be confirmed"
            raise UsageFailure(f"{_FLAG} {name}: this is about {shown}")


def is_meant(given: str, name: str) -> bool:
    """Tell whether web, shop/web or cluster/eu-1 mean an object by its name in the API."""
    parts = name.split("/")
    short = (parts[-1], f"{parts[1]}/{parts[-1]}" if len(parts) == 4 else f"cluster/{parts[-1]}")
    return given in (name, *short)
