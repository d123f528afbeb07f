"""A connection to PostgreSQL as our statements use it.

The driver is used as it is: what lies above it for naming and caching statements took more time than PostgreSQL itself for
the short ones that a change is made of. It keeps statements prepared; PostgreSQL plans them once.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from fedsvc.rendering.canonical import load_json
from fedsvc.store.sql import Row, Rows, Statement

PREPARED_STATEMENTS: Final = 500
"""More than there are: one that is prepared anew costs an exchange more."""

_JSON_TYPES: Final = {"json": b"", "jsonb": b"\x01"}  # and the version that goes before the text of each value


class Connection(asyncpg.Connection):  # type: ignore[misc] # the driver tells nothing of its types
    """One that knows when it was last used."""

    used_at: float = 0.0  # on time.monotonic()

    def note_use(self) -> None:
        """It answered just now."""
        self.used_at = time.monotonic()

    def silent_seconds(self) -> float:
        """For how long it has said nothing."""
        return time.monotonic() - self.used_at


async def connect(**arguments: Any) -> Any:
    """Connect as `asyncpg.connect` does; rows have attributes, JSON comes as what it stands for and goes as its text."""
    connection = await asyncpg.connect(
        **arguments,
        connection_class=Connection,
        record_class=Row,
        statement_cache_size=PREPARED_STATEMENTS,
        max_cached_statement_lifetime=0,
    )
    try:
        for name, version in _JSON_TYPES.items():
            await connection.set_type_codec(
                name,
                schema="pg_catalog",
                format="binary",
                encoder=partial(_json_data, version),
                decoder=partial(_json_value, len(version)),
            )
    except BaseException:
        connection.terminate()
        raise
    connection.note_use()
    return connection


def _json_data(version: bytes, text: str) -> bytes:
    return version + text.encode()


def _json_value(version_bytes: int, data: bytes) -> Any:
    return load_json(data[version_bytes:])  # keeps integers beyond 64 bit


async def run(connection: Any, statement: Statement, parameters: Mapping[str, Any] | None = None) -> Rows:
    """Run a statement and give its rows."""
    return Rows(await connection.fetch(statement.sql, *statement.arguments(parameters or {})))


async def run_each(connection: Any, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement for each of the parameters, in one batch."""
    await connection.executemany(statement.sql, [statement.arguments(each) for each in parameters])


async def change(connection: Any, statement: Statement, parameters: Mapping[str, Any] | None = None) -> int:
    """Run a statement and tell how many rows it wrote or took away."""
    tag: str = await connection.execute(statement.sql, *statement.arguments(parameters or {}))
    return int(tag.rpartition(" ")[2])  # such as "INSERT 0 3"
