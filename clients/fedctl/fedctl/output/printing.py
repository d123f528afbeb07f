"""Printing what was read: as a table, as documents, or by name."""

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import click
import yaml
from google.protobuf.message import Message
from rich.console import Console

from fedctl.files.shape import API_VERSION, write_document
from fedctl.files.yamltree import plain_value
from fedctl.kinds import Kind
from fedctl.output.tables import Table


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as blocks and never aliases, as people expect of YAML."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values twice."""
        del data
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    if not value.replace("\n", "").isprintable():  # YAML has line ends of its own among these
        style: str | None = '"'
    else:
        style = "|" if "\n" in value else "'" if _is_ambiguous(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _is_ambiguous(value: str) -> bool:
    """Tell whether a text without quotes would be read as something else: `n`, 08, 1e3."""
    try:
        return not isinstance(plain_value(value), str)
    except ValueError:
        return True


_Dumper.add_representer(str, _text)


def to_yaml(value: Any) -> str:
    """Write a value of JSON as YAML that reads back the same."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def print_value(value: Any, output: str) -> None:
    """Print a value of JSON as JSON or YAML."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())


def print_documents(rows: Sequence[Message], *, output: str, is_single: bool) -> None:
    """Print documents; several as a List."""
    documents = [write_document(row) for row in rows]
    value = documents[0] if is_single else {"apiVersion": API_VERSION, "kind": "List", "items": documents}
    click.echo(
        json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value), nl=output == "json"
    )


def name_of(kind: Kind, row: Message) -> str:
    """Write KIND/NAME, which other commands take."""
    document = write_document(row)["metadata"]
    space = f"{document['namespace']}/" if "namespace" in document else ""
    return f"{kind.singular}/{space}{document['name']}"


def print_names(rows: Sequence[tuple[Kind, Message]]) -> None:
    """Print KIND/NAME of each."""
    for kind, row in rows:
        click.echo(name_of(kind, row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A table that was printed: its columns, and how wide each is."""

    table: Table[Any]
    widths: list[int]


def print_table(
    console: Console,
    table: Table[Any],
    rows: Sequence[Any],
    *,
    wide: bool = False,
    hidden: AbstractSet[str] = frozenset(),
    prefix: str = "",
    above: Shown | None = None,
) -> Shown | None:
    """Print rows; on a terminal the long columns are shortened to its width.

    Args:
        console: Where to.
        table: All columns of the kind.
        rows: What to print.
        wide: Whether all columns are shown.
        hidden: Titles of columns that are not.
        prefix: Stands before what is in the first column.
        above: What was printed before; these rows go on below it, without titles.

    Returns:
        What was printed, for rows that go on below it; `above` where there are no rows.
    """
    chosen = table.chosen(wide=wide)
    columns = [column for column in chosen.columns if column.title not in hidden]
    if prefix and columns:
        named = columns[0].text
        columns[0] = replace(columns[0], text=lambda row: prefix + named(row))
    if not rows:
        return above
    floor = [] if above is None else above.widths
    width = console.width if console.is_terminal and not wide else None
    shown: Table[Any] = Table(columns=tuple(columns)).fitted(rows, width=width, floor=floor)
    for line in shown.lines(rows, width=width, header=above is None, floor=floor):
        console.print(line, overflow="ignore", crop=False)
    return Shown(table=shown, widths=shown.widths(shown.cells(rows), width=width, floor=floor))
