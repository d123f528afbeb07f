"""Collecting all that is wrong with a request, so that a caller mends it in one go."""

import re
from collections.abc import Iterable
from typing import Final, Protocol

from fedsvc.errors import InvalidInputError, Problem

MAX_PROBLEMS: Final = 50
"""More are counted, not listed: a message of thousands helps nobody and may not fit the trailers of HTTP/2."""

_MAX_MESSAGE: Final = 400
_QUOTED: Final = re.compile(r'(\["[^"]*"\]|\[[^\]]*\])')
_HUMP: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")


class FoundProblem(Protocol):
    """What the checks of placement and rendering find; both have their own type."""

    @property
    def path(self) -> str:
        """Where."""

    @property
    def message(self) -> str:
        """What, and what would be right."""


class Problems:
    """Gathers problems of one request; `refuse` raises when there are any."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: str, message: str) -> None:
        """Note a problem of the field at `path`, which is written with the names of the proto."""
        self._found.append(Problem(path=path, message=_shortened(message)))

    def extend(self, found: Iterable[FoundProblem]) -> None:
        """Note problems whose paths are written as documents spell them (camelCase)."""
        for problem in found:
            self.add(proto_path(problem.path), problem.message)

    def refuse(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            InvalidInputError: with all of them.
        """
        if self._found:
            raise self.error()

    def error(self) -> InvalidInputError:
        """The error that tells what was found: all problems, the first `MAX_PROBLEMS` in full."""
        shown = self._found[:MAX_PROBLEMS]
        if (left := len(self._found) - len(shown)) > 0:
            shown.append(Problem(path=shown[-1].path, message=f"{left} more problems are not listed"))
        return InvalidInputError(*shown)


def proto_path(path: str) -> str:
    """A path in the names of the proto: ``clusterSelector.operator`` is ``cluster_selector.operator``.

    What stands in brackets (indexes, label keys) stays as it is.
    """
    parts = _QUOTED.split(path)
    return "".join(part if part.startswith("[") else _HUMP.sub(lambda m: f"_{m[1].lower()}", part) for part in parts)


def _shortened(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 3] + "..."
