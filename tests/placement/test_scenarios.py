"""Scenarios in text files: what is asked, a line, and the explanation expected word for word.

Above the line stands YAML: `unit`, `fleet`, `previous`, `memory`, `trigger` and `now`, in the fields of the model.
Shorter forms: clusters, units and datasets are mappings by name; labels to match are a mapping; `room: 5` is a cluster
of one node that takes 5 more pods; `distances_ms` has keys like `eu us`. `pytest --rewrite-scenarios` writes what is
answered below the line; read the difference before committing it.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import pytest
import yaml

from fedsvc_placement import (
    Fleet,
    LabelSelector,
    Memory,
    PreviousBinding,
    Trigger,
    UnitInput,
    decide,
    explain_lines,
    validate,
)

T = TypeVar("T")

FOLDER = Path(__file__).parent / "scenarios"
LINE = "----\n"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def build(kind: type[T], data: Mapping[str, Any]) -> T:
    hints = get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    assert not unknown, f"{kind.__name__} has no {', '.join(unknown)}"
    return kind(**{name: value_of(hints[name], value, kind) for name, value in data.items()})


def value_of(hint: Any, value: Any, owner: type | None = None) -> Any:
    if value is None:
        return None
    if isinstance(hint, UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if owner is LabelSelector and isinstance(value, Mapping):
        return tuple(value.items())
    if is_dataclass(hint):
        return build(hint, value)  # type: ignore[arg-type]  # a hint is a class, never an instance
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        each = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(value_of(kind, part) for kind, part in zip(each, value, strict=True))
    if get_origin(hint) is frozenset:
        return frozenset(value_of(get_args(hint)[0], part) for part in value)
    return value


def fleet_of(data: Mapping[str, Any]) -> Fleet:
    found: dict[str, Any] = dict(data)
    found["clusters"] = [_cluster(name, fields or {}) for name, fields in data.get("clusters", {}).items()]
    found["units"] = [{"key": key, **fields} for key, fields in data.get("units", {}).items()]
    found["datasets"] = [{"name": name, **fields} for name, fields in data.get("datasets", {}).items()]
    distances = {tuple(pair.split()): ms for pair, ms in data.get("distances_ms", {}).items()}
    return build(Fleet, {**found, "distances_ms": distances})


def _cluster(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    found = {"name": name, **fields}
    room = found.pop("room", None)
    if room is not None:
        nodes = [{"count": 1, "allocatable": {"pods": 100, "cpu": 100_000}, "free": {"pods": room, "cpu": 100_000}}]
        found["capacity"] = {"nodes": nodes}
    return found


def answer(question: str) -> str:
    data = yaml.safe_load(question)
    unit = build(UnitInput, {"key": "shop/web", **data["unit"]})
    assert validate(unit.placement) == []
    decision = decide(
        unit,
        fleet_of(data["fleet"]),
        [build(PreviousBinding, entry) for entry in data.get("previous", ())],
        data.get("now", NOW),
        memory=build(Memory, data.get("memory", {})),
        trigger=data.get("trigger", Trigger.OTHER),
    )
    return "".join(f"{line}\n" for line in explain_lines(decision))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_scenario(path: Path, request: pytest.FixtureRequest) -> None:
    question, line, expected = path.read_text(encoding="utf-8").partition(LINE)
    assert line, f"{path.name} has no line {LINE.strip()}"
    found = answer(question)
    if request.config.getoption("--rewrite-scenarios"):
        path.write_text(question + LINE + found, encoding="utf-8")
        return
    assert found == expected


def test_there_are_scenarios() -> None:
    assert len(list(FOLDER.glob("*.txt"))) >= 15
