"""What an apply does: documents become policies and units, plain manifests become one unit together."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, TypeAlias

from google.protobuf.message import Message

from fedctl.failures import UsageFailure
from fedctl.files.convert import Findings, read_manifest
from fedctl.files.shape import FLEET_NAME, id_problem, is_ours, read_document, sanitized
from fedctl.files.source import Document, InputFailure
from fedctl.files.yamltree import Path
from fedsvc.v1 import fleet_pb2, policy_pb2, unit_pb2, zone_pb2
from fedsvc_client import FieldProblem, split_unit_name, unit_name
from fedsvc_client.names import last_part

MASK = "***"  # what the server shows in place of the values of a Secret

_STEP = re.compile(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)')
_INNER = re.compile(r'([A-Za-z][\w-]*(?:\.[\w/-]+|\[\d+\]|\["[^"]*"\])*): ')
_SHOWN = 20

Policy: TypeAlias = policy_pb2.PlacementPolicy | policy_pb2.OverridePolicy | policy_pb2.StatusPolicy
Applied: TypeAlias = unit_pb2.Unit | Policy | fleet_pb2.FleetSettings | zone_pb2.Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to apply, and where each part of it was written."""

    message: Applied
    document: Document | None  # None for a unit grouped of plain manifests
    resources: tuple[tuple[Document, Path], ...] = ()  # of a unit: where each manifest stands

    @property
    def title(self) -> str:
        """How the item is called: unit shop/web."""
        if isinstance(self.message, unit_pb2.Unit):
            return f"unit {'/'.join(split_unit_name(self.message.name))}"
        if isinstance(self.message, fleet_pb2.FleetSettings):
            return f"fleetsettings {FLEET_NAME}"
        return f"{type(self.message).__name__.lower()} {last_part(self.message.name)}"

    def locate(self, problem: FieldProblem) -> str:
        """Tell a problem that the server found by file, line and the field as the user wrote it."""
        steps = _steps(problem.path)[1:]  # without "unit", "placement_policy" and the like
        index = steps[2] if len(steps) > 2 and steps[:2] == ("spec", "resources") else None
        if isinstance(index, int) and index < len(self.resources):
            return self._locate_resource(index, steps[3:], problem.message)
        if self.document is None:
            return f"{problem.path}: {problem.message}" if problem.path else problem.message
        path = (
            ("metadata", *steps)
            if steps[:1] in (("name",), ("labels",), ("annotations",), ("etag",))
            else _camel(steps)
        )
        return f"{self.document.where(path)}: {_written(path)}: {problem.message}"

    def place(self, index: int) -> str:
        """Tell by file, line and name which of a unit's resources it is."""
        document, base = self.resources[index]
        return f"{document.where(base)}: {_object_title(document, base)}"

    def _locate_resource(self, index: int, steps: Path, message: str) -> str:
        document, base = self.resources[index]
        rest = steps[1:] if steps[:1] == ("json",) else steps
        inner = _INNER.match(message)  # what is wrong inside of a manifest is told in the message
        deeper = _steps(inner[1]) if inner is not None and not rest else ()
        shown = f"{_written(rest)}: " if rest else ""
        return f"{document.where((*base, *rest, *deeper))}: {_object_title(document, base)}: {shown}{message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All there is to apply, in order: policies first, since units refer to them; units that adopt before others."""

    items: tuple[Item, ...]
    remarks: tuple[str, ...]  # what was decided for the user


def make_plan(documents: Sequence[Document], *, unit: str, namespace: str, default_unit: str) -> Plan:
    """Decide what to apply.

    Args:
        documents: What the user gave.
        unit: Name for the unit of the plain manifests; empty: `default_unit`.
        namespace: For units that tell none.
        default_unit: Name made from that of the file or folder; empty where there is none.

    Raises:
        InputFailure: Something is wrong; the message has all of it, each with file and line.
        UsageFailure: The plain manifests need a name.
    """
    items: list[Item] = []
    problems: list[str] = []
    plain = [document for document in documents if not is_ours(document.value)]
    remarks: list[str] = []
    for document in documents:
        if not is_ours(document.value):
            continue
        findings = Findings()
        read = read_document(document.value, findings, namespace=namespace)
        problems += [told(document, wrong.path, wrong.message) for wrong in findings.problems]
        if read is not None and not findings.problems:
            items.append(_item(read.message, document, read.resource_paths))
    if plain:
        name, remark = _unit_name(unit, default_unit)
        remarks += [remark] if remark else []
        items.append(_group(plain, unit_name(name, namespace), problems))
    elif unit:
        problems.append("--unit names the unit of plain manifests, and there are none: the documents name theirs")
    _check_twice(items, problems)
    _check_masks(items, problems)
    refuse(problems)
    ordered = sorted(items, key=lambda item: isinstance(item.message, unit_pb2.Unit))
    return Plan(items=tuple(_takers_first(ordered)), remarks=tuple(remarks))


def refuse(problems: Sequence[str]) -> None:
    """Raise what is wrong with documents, if anything is.

    Raises:
        InputFailure: Something is wrong; the message has all of it, of very much the first part.
    """
    if problems:
        more = len(problems) - _SHOWN
        shown = [*problems[:_SHOWN], *([f"... and {more} more"] if more > 0 else [])]
        raise InputFailure(shown[0] if len(problems) == 1 else "\n  ".join([f"{len(problems)} problems:", *shown]))


def _takers_first(items: list[Item]) -> list[Item]:
    """Put units that adopt before those they adopt from: what changes hands must not be removed by these first."""
    adopts = {
        item.message.name: set(item.message.spec.propagation.adopts)
        for item in items
        if isinstance(item.message, unit_pb2.Unit) and item.message.spec.propagation.adopts
    }
    ordered: list[Item] = []
    waiting = list(items) if adopts else []
    while waiting:
        taking = set().union(*(adopts.get(item.message.name, set()) for item in waiting))
        # Two that adopt from each other have no order: then the first of them.
        index = next((place for place, item in enumerate(waiting) if item.message.name not in taking), 0)
        ordered.append(waiting.pop(index))
    return ordered or items


def default_unit_name(names: Sequence[str]) -> str:
    """Make a name of the one file or folder that was given; empty where there are several, or standard input."""
    if len(names) != 1 or names[0] == "-":
        return ""
    path = File(names[0]).resolve()
    return sanitized(path.name if path.is_dir() else path.stem)


def _unit_name(unit: str, default: str) -> tuple[str, str]:
    if unit:
        problem = id_problem(unit)
        if problem:
            raise UsageFailure(f"--unit: {problem}")
        return unit, ""
    if not default:
        raise UsageFailure("these are plain manifests: say what to call their unit with --unit NAME")
    return default, f"the manifests become unit {default!r}; --unit NAME names it otherwise"


def _item(message: Message, document: Document, paths: tuple[Path, ...]) -> Item:
    assert isinstance(message, Applied)
    return Item(message=message, document=document, resources=tuple((document, path) for path in paths))


def _group(plain: Sequence[Document], name: str, problems: list[str]) -> Item:
    message = unit_pb2.Unit(name=name)
    for document in plain:
        findings = Findings()
        manifest = read_manifest(document.value, (), findings)
        problems += [told(document, wrong.path, wrong.message) for wrong in findings.problems]
        if manifest is not None:
            message.spec.resources.append(manifest)
    return Item(message=message, document=None, resources=tuple((document, ()) for document in plain))


def _check_twice(items: Sequence[Item], problems: list[str]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        first = seen.setdefault(item.message.name, item)
        if first is not item:
            places = [found.document.where() if found.document else "the plain manifests" for found in (item, first)]
            problems.append(f"{places[0]}: {item.title} stands here twice, also at {places[1]}")


def _check_masks(items: Sequence[Item], problems: list[str]) -> None:
    for item in items:
        if not isinstance(item.message, unit_pb2.Unit):
            continue
        for manifest, (document, base) in zip(item.message.spec.resources, item.resources, strict=True):
            if b'"***"' not in manifest.json:
                continue
            value = json.loads(manifest.json)
            if value.get("kind") != "Secret":
                continue
            for section in ("data", "stringData"):
                values = value.get(section)
                if isinstance(values, dict):
                    problems.extend(
                        f"{document.where((*base, section, key))}: Secret: {section}.{key} is the mask {MASK} that the "
                        "server shows in place of the value: put the value in, or leave the Secret out of the file"
                        for key in values
                        if values[key] == MASK
                    )


def told(document: Document, path: Path, message: str) -> str:
    """Tell what is wrong with a part of a document, by file, line and field."""
    return f"{document.where(path)}: {_written(path)}: {message}" if path else f"{document.where()}: {message}"


def _object_title(document: Document, base: Path) -> str:
    value: Any = document.value
    for step in base:
        value = value[step]
    if not isinstance(value, dict):
        return "object"
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{value.get('kind', 'object')} {name or ''}".strip()


def _steps(path: str) -> Path:
    return tuple(int(index) if index else quoted or word for quoted, index, word in _STEP.findall(path))


def _camel(steps: Path) -> Path:
    return tuple(_camel_word(step) if isinstance(step, str) else step for step in steps)


def _camel_word(word: str) -> str:
    first, *others = word.split("_")
    return "value" if word == "value_json" else first + "".join(part.capitalize() for part in others)


def _written(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if re.fullmatch(r"[\w-]+", step) else f'["{step}"]'
    return text.removeprefix(".")
