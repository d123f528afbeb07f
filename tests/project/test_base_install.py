"""Without the extra `[server]` the service says what is missing; the client and fedctl need nothing of it."""

import subprocess
import sys
from pathlib import Path

import pytest

SERVER_ONLY = ("aiohttp", "alembic", "asyncpg", "cryptography", "pydantic", "sqlalchemy", "structlog", "uvloop")


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a console script in an interpreter that has none of the server's packages."""
    probe = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({SERVER_ONLY!r}))\n"
        f"sys.argv = [{program!r}, *{words!r}]\n"
        f"from {program}.main import main\n"
        "main()\n"
    )
    return subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [("serve",), ("migrate",), ("token", "list")], ids=" ".join)
def test_the_service_says_what_to_install(words: tuple[str, ...]) -> None:
    done = run("fedsvc", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fedsvc: a part of the server is not installed (")
    assert done.stderr.endswith("): pip install 'fedsvc[server]'\n")
    assert done.stderr.count("\n") == 1


def test_the_demo_says_what_to_install_and_makes_nothing(tmp_path: Path) -> None:
    done = run("fedctl", "demo", "--dir", str(tmp_path / "demo"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the demo runs the server, whose parts are not installed (aiohttp, ")
    assert done.stderr.endswith("Install them with:  pip install 'fedsvc[server]'\n")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("program", ["fedsvc", "fedctl"])
def test_help_needs_no_server(program: str) -> None:
    done = run(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: {program}")
