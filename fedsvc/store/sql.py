"""Statements with named parameters, and the rows that they give: what lies between our SQL and the driver."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

# A name after one colon: two are a cast. Quotes are not looked at, so no literal of ours has a colon before a word.
_PARAMETER: Final = re.compile(r"(?<![:\w]):(\w+)", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One SQL statement."""

    text: str  # as it was written, to make others of
    sql: str  # its parameters as PostgreSQL numbers them: $1, $2
    names: tuple[str, ...]  # of the parameters, in the order of their numbers

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The parameters in the order of their numbers; those that it does not name are left out.

        Raises:
            KeyError: one that it names is not given.
        """
        return [parameters[name] for name in self.names]


def text(written: str) -> Statement:
    """A statement, its parameters written as `:name`, each as often as it is needed."""
    names: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${names.setdefault(found[1], len(names) + 1)}"

    sql = _PARAMETER.sub(numbered, written)
    return Statement(written, sql, tuple(names))


class Row(asyncpg.Record):  # type: ignore[misc] # the driver tells nothing of its types
    """A row of an answer: a sequence, whose columns are attributes, too."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        """A column.

        Raises:
            AttributeError: the statement gave none of that name.
        """
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(f"the row has no column {name}") from error


class NotOneRowError(LookupError):
    """A statement that gives one row by its nature gave none, or several."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a statement."""

    rows: Sequence[Any]

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""
        return iter(self.rows)

    def all(self) -> Sequence[Any]:
        """All rows."""
        return self.rows

    def first(self) -> Any:
        """The first row, or None."""
        return self.rows[0] if self.rows else None

    def one(self) -> Any:
        """The only row.

        Raises:
            NotOneRowError: there is none, or more than one.
        """
        if len(self.rows) != 1:
            raise NotOneRowError(f"one row was to come, and {len(self.rows)} came")
        return self.rows[0]

    def one_or_none(self) -> Any:
        """The only row, or None.

        Raises:
            NotOneRowError: there is more than one.
        """
        return self.one() if self.rows else None

    def scalar_one(self) -> Any:
        """The first column of the only row.

        Raises:
            NotOneRowError: there is none, or more than one.
        """
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """The first column of the only row, or None.

        Raises:
            NotOneRowError: there is more than one.
        """
        return self.one()[0] if self.rows else None

    def scalars(self) -> Iterator[Any]:
        """The first column of each row."""
        return (row[0] for row in self.rows)
