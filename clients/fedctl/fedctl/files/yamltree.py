"""Reading YAML the way kubectl does, with the line of everything that was read.

YAML 1.1 as Go reads it (`yes` and `on` are booleans, 012 is ten, dates stay text), without what makes it dangerous:
duplicate keys, aliases that explode, and nesting without an end are refused. The tree is built from libyaml's events,
so that hostile nesting cannot overflow a stack. (YAML 1.1: https://yaml.org/spec/1.1/, types: https://yaml.org/type/)
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

MAX_DEPTH = 200  # Kubernetes' own decoder gives up at 10,000; nobody writes more than 30
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
MAX_NODES = 2_000_000  # after aliases are expanded: about forty times 5,000 ordinary objects

Path: TypeAlias = tuple[str | int, ...]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it: eight times as fast

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"))
_FALSE = frozenset(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"))
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_TAG = "tag:yaml.org,2002:"


class TreeError(Exception):
    """The text is no YAML we take; `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One document: its value, and on which line each part of it starts."""

    value: Any  # of JSON: dict, list, str, int, float, bool, None
    line: int
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int:
        """Return the line of what lies at a path, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return self.line


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read."""

    value: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    start: int  # nodes counted before it
    key: str | None = None
    merges: list[Any] = field(default_factory=list)
    is_merge: bool = False


def read_trees(text: str) -> Iterator[Tree]:
    """Yield the documents of a text; empty ones have the value None.

    Raises:
        TreeError: What is wrong, and where.
    """
    builder: _Builder | None = None
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(_place(event)[0])
            elif isinstance(event, yaml.DocumentEndEvent):
                assert builder is not None
                yield Tree(value=builder.result, line=builder.line, lines=builder.lines)
            elif builder is not None and not isinstance(event, yaml.StreamEndEvent):
                builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise TreeError(_explain(error, text, line), line=line, column=column) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise TreeError(f"character {error.character!r} is not allowed in YAML", line=line, column=1) from error


class _Builder:
    """Puts the events of one document together."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.lines: dict[Path, int] = {}
        self.result: Any = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}  # value and number of nodes
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        else:
            self._close(event)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None and not top.is_merge:
            raise _at(event, "a key must be text, not a mapping or a list; is a value with {{ }} lacking its quotes?")
        if len(self._stack) >= MAX_DEPTH:
            raise _at(event, _TOO_DEEP)
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            raise _at(event, f"tag {event.tag} is not known")
        path = self._path()
        self._count(event, 1)
        self.lines.setdefault(path, _place(event)[0])
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Open(value, path, event.anchor, self._nodes))

    def _close(self, event: yaml.Event) -> None:
        done = self._stack.pop()
        if isinstance(done.value, dict):
            for merged in done.merges:  # the document's own keys win, then the earlier of the merged ones
                for source in merged if isinstance(merged, list) else [merged]:
                    if not isinstance(source, dict):
                        raise TreeError(
                            "what << merges must be a mapping or a list of mappings",
                            line=self.lines.get(done.path, self.line),
                            column=1,
                        )
                    for key, value in source.items():
                        done.value.setdefault(key, value)
        if done.anchor:
            self._anchors[done.anchor] = (done.value, self._nodes - done.start + 1)
        self._put(done.value, event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        top = self._stack[-1] if self._stack else None
        value = _resolve(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        if top is not None and isinstance(top.value, dict) and top.key is None and not top.is_merge:
            if event.value == "<<" and event.implicit[0]:
                top.is_merge = True
            else:
                self._key(event, top, value)
            return
        self.lines.setdefault(self._path(), _place(event)[0])
        self._put(value, event)

    def _key(self, event: yaml.Event, top: _Open, value: Any) -> None:
        if value is None:
            raise _at(event, "a key must not be empty")
        key = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        if key in top.value:
            first = self.lines.get((*top.path, key), top.path and self.line)
            raise _at(event, f"key {key!r} stands twice in this mapping (first on line {first})")
        top.key = key
        self.lines[(*top.path, key)] = _place(event)[0]

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise _at(event, f"alias *{event.anchor} has no anchor &{event.anchor} before it")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None and not top.is_merge:
            if isinstance(value, dict | list):
                raise _at(event, "a key must be text, not a mapping or a list")
            self._key(event, top, value)
            return
        self.lines.setdefault(self._path(), _place(event)[0])
        self._put(value, event)

    def _put(self, value: Any, event: yaml.Event) -> None:
        if not self._stack:
            self.result = value
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.is_merge:
            top.merges.append(value)
            top.is_merge = False
        else:
            assert top.key is not None, event
            top.value[top.key] = value
            top.key = None

    def _path(self) -> Path:
        if not self._stack:
            return ()
        top = self._stack[-1]
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        return top.path if top.is_merge or top.key is None else (*top.path, top.key)

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _at(event, f"more than {MAX_NODES:,} values once aliases are expanded")


def _resolve(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag: str | None = event.tag
    if tag is not None and tag.startswith(_TAG):
        kind = tag.removeprefix(_TAG)
        if kind in ("str", "timestamp"):
            return text
        if kind == "binary":
            return "".join(text.split())
        value = _plain(text, event)
        wanted = {"int": int, "float": int | float, "bool": bool, "null": type(None)}.get(kind)
        if wanted is None or not isinstance(value, wanted):
            raise _at(event, f"{text!r} is no {kind}")
        return value
    if tag is not None and tag != "!":
        raise _at(event, f"tag {tag} is not known")
    return _plain(text, event) if event.implicit[0] else text


def _plain(text: str, event: yaml.ScalarEvent) -> Any:
    try:
        return plain_value(text)
    except ValueError as error:
        raise _at(event, str(error)) from error


def plain_value(text: str) -> Any:
    """Return what a word without quotes means, as Go's YAML resolves it.

    Raises:
        ValueError: It is a number that JSON cannot hold.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in "+-.0123456789":
        return text
    if _INT.match(text):
        digits = text.replace("_", "")
        sign, bare = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
        is_old_octal = len(bare) > 1 and bare[0] == "0" and bare[1].isdigit()
        if len(bare) <= 4096:  # int() of more is slow, and Python refuses it
            return sign * int(bare, 8 if is_old_octal else 0)
    if _FLOAT.match(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"number {text[:40]} is too large")
        return value
    if _NOT_JSON.match(text):
        raise ValueError(f"{text} has no form in JSON, which Kubernetes speaks")
    return text


def _place(event: yaml.Event) -> tuple[int, int]:
    """Return line and column of an event, from 1."""
    mark = event.start_mark
    assert mark is not None, "events of a text have marks"
    return mark.line + 1, mark.column + 1


def _at(event: yaml.Event, message: str) -> TreeError:
    line, column = _place(event)
    return TreeError(message, line=line, column=column)


# What libyaml says, and what that means; the line is added where it helps.
_MEANINGS = (
    ("mapping values are not allowed", "a colon where none can be: check the indentation, or quote the value"),
    ("did not find expected key", "wrong indentation: this line does not line up with the ones it belongs to"),
    ("did not find expected '-'", "wrong indentation: this line does not line up with the ones it belongs to"),
    ("could not find expected ':'", "a key without a colon, or a text that lacks its closing quote"),
)


def _explain(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    """Say what libyaml found in words that tell what to do about it."""
    problem = error.problem or error.context or "no valid YAML"
    lines = text.splitlines()
    shown = lines[line - 1].strip()[:60] if 0 < line <= len(lines) else ""
    around = lines[max(0, line - 3) : line]
    if "nesting depth" in problem:  # newer releases of libyaml have a limit of their own, and meet it in reading ahead
        return _TOO_DEEP
    tabbed = next((item for item in reversed(around) if "\t" in item[: len(item) - len(item.lstrip())]), None)
    if "\\t" in problem or "tab" in problem or tabbed is not None:
        return "a tab is used for indentation; YAML allows spaces only"
    if "unexpected end of stream" in problem:
        return "a quote or bracket is opened and never closed"
    meaning = next((words for part, words in _MEANINGS if part in problem), problem)
    return f"{meaning}: {shown}" if shown else meaning
