import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from fedctl.listing import TABLES
from fedctl.main import cli
from fedctl.output import views
from fedsvc_client.testing import FakeServer

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


class Run(Protocol):
    def __call__(
        self, *words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None
    ) -> Result: ...


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path) -> Run:
    """Run fedctl with nothing configured."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None) -> Result:
        clean = dict.fromkeys(("FEDCTL_SERVER", "FEDCTL_TOKEN", "FEDCTL_CONFIG", "FEDCTL_CA_FILE", "XDG_CONFIG_HOME"))
        env = {**clean, "HOME": str(home), "COLUMNS": "80", **(environment or {})}
        return CliRunner().invoke(cli, list(words), input=stdin, env=env, prog_name="fedctl")

    return run


@pytest.fixture
def fedctl(bare: Run, server: FakeServer) -> Run:
    """Run fedctl against the fake server."""

    def run(*words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None) -> Result:
        return bare(*words, stdin=stdin, environment={"FEDCTL_SERVER": server.address, **(environment or {})})

    return run


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """Stop the clock of ages."""
    for kind, view in TABLES.items():
        monkeypatch.setitem(TABLES, kind, _stopped(view))
    for name in ("clusters", "units", "unit_clusters", "works", "placement_policies", "override_policies", "events"):
        original = getattr(views, name)
        monkeypatch.setattr(views, name, _stopped(original))
    return NOW


def _stopped(view: Callable[..., object]) -> Callable[[], object]:
    return lambda: view(lambda: NOW)
