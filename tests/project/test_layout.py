"""House rules that no linter knows (docs/design.md, "The tree")."""

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("fedsvc", "placement", "dns", "clients", "bench", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "/v1/" not in path.as_posix()
)


def test_dnspython_is_not_shadowed_by_a_folder_of_ours() -> None:
    dns = importlib.import_module("dns")
    assert dns.__file__ is not None
    assert "site-packages" in dns.__file__


@pytest.mark.parametrize("folder", ["dns", "placement", "clients", "clients/python", "clients/fedctl"])
def test_folders_that_hold_packages_are_none_themselves(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_package_below_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_stay_readable(path: Path) -> None:
    text = path.read_text()
    limit = 800 if path.is_relative_to(ROOT / "tests") else 500
    assert text.count("\n") <= limit, f"{path} has more than {limit} lines: split it"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text) or path.name == "test_layout.py"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.is_relative_to(ROOT / "fedsvc")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_no_task_without_an_owner(path: Path) -> None:
    """A bare `asyncio.create_task` has no owner: its exception is lost and nothing ends it."""
    bare = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) in {"asyncio.create_task", "asyncio.ensure_future"}
    ]
    assert not bare, f"{path}:{bare}"


def test_nothing_committed_names_a_package_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = re.compile(r"://[a-z0-9.-]*(pypi|pythonhosted|npmjs|debian)\.[a-z]+")
    found = [
        name for name in tracked if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert not found
