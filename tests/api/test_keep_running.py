"""The watchdog of the embedded PostgreSQL, with a server that does as it is told and a clock that does not tick."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fedsvc.errors import StoreUnavailableError
from fedsvc.server import keep_running

FULL, WORSE = "no space left on device", "the data folder is gone"


class Postgres:
    """Ended; each restart fails with the next of these words, and works once there are none."""

    log = Path("postgres.log")

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.running = False

    async def restart(self) -> None:
        if self.words:
            raise StoreUnavailableError(self.words.pop(0))
        self.running = True


async def watched(postgres: Postgres, sleeps: int) -> tuple[list[float], list[dict[str, Any]]]:
    """The waits of the watchdog up to that many, and what it logged."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        if len(waits) == sleeps:
            raise asyncio.CancelledError
        waits.append(seconds)

    given: Any = postgres
    with capture_logs() as logged, pytest.raises(asyncio.CancelledError):
        await keep_running(given, sleep=sleep)
    return waits, [dict(entry) for entry in logged]


async def test_a_server_that_does_not_start_is_tried_ever_later_up_to_a_bound() -> None:
    waits, _ = await watched(Postgres(*[FULL] * 50), sleeps=40)
    assert waits[0] == 0.5
    assert all(later > earlier for earlier, later in itertools.pairwise(waits[1:6]))
    assert 5.0 < min(waits[10:]) <= max(waits) < 13.0


async def test_what_keeps_it_from_starting_is_told_once_and_again_when_it_changes() -> None:
    _, logged = await watched(Postgres(*[FULL] * 10, *[WORSE] * 10), sleeps=21)
    assert [(entry["event"], entry.get("message")) for entry in logged] == [
        ("embedded_postgres_ended", None),
        ("embedded_postgres_does_not_start", FULL),
        ("embedded_postgres_does_not_start", WORSE),
        ("embedded_postgres_restarted", None),
    ]


async def test_after_it_was_started_it_is_watched_as_closely_as_before() -> None:
    postgres = Postgres(FULL, FULL, FULL)
    waits, _ = await watched(postgres, sleeps=6)
    assert postgres.running
    assert waits[-2:] == [0.5, 0.5]
