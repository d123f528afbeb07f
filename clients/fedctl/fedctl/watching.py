"""Following the changes of one kind and printing each as it comes: `get -w` and `watch`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from google.protobuf.message import Message
from rich.console import Console

from fedctl import kinds
from fedctl.context import Context
from fedctl.failures import UsageFailure
from fedctl.kinds import Kind
from fedctl.listing import TABLES, WATCHED, Filter, is_in, read_list, read_one
from fedctl.output.printing import name_of, print_documents, print_table
from fedsvc.v1 import watch_service_pb2
from fedsvc_client import Resynced, Synced
from fedsvc_client.names import last_part


@dataclass(slots=True, kw_only=True)
class Printer:
    """Prints objects of one kind as they come, in columns that stay where they are."""

    kind: Kind
    output: str
    console: Console
    hidden: frozenset[str] = frozenset()
    widths: list[int] = field(default_factory=list)

    def show(self, rows: Sequence[Message]) -> None:
        """Print these."""
        if self.output in ("table", "wide"):
            self.widths = print_table(
                self.console,
                TABLES[self.kind](),
                rows,
                wide=self.output == "wide",
                hidden=self.hidden,
                header=not self.widths,
                floor=self.widths,
            )
            return
        for row in rows:
            if self.output == "name":
                click.echo(name_of(self.kind, row))
                continue
            if self.output == "yaml":
                click.echo("---")
            print_documents([row], output=self.output, is_single=True)

    def show_deleted(self, name: str) -> None:
        """Say that an object is gone."""
        click.echo(f"{self.kind.singular}/{last_part(name)} deleted", err=self.output in ("json", "yaml"))


def follow(context: Context, kind: Kind, name: str, wanted: Filter, *, output: str, namespace: str) -> None:
    """Print what is there, then every change, until interrupted.

    Raises:
        UsageFailure: The kind cannot be watched.
    """
    if kind not in WATCHED:
        raise UsageFailure(f"{kind.plural} cannot be watched: watch their works or units")
    client = context.client()
    hidden = frozenset({"NAMESPACE"} if kind == kinds.UNIT and wanted.namespace else ())
    printer = Printer(kind=kind, output=output, console=context.console(), hidden=hidden)
    listing = read_list(client, kind, wanted)
    rows = [read_one(client, kind, name, namespace=namespace)] if name else listing.rows
    printer.show(rows)
    # Works and events are watched by what they are of; everything else by its own name.
    watched = wanted.subject if not name else str(getattr(rows[0], "name", ""))
    space = wanted.namespace if kind.is_namespaced and not watched else ""
    with client.watch(
        WATCHED[kind],
        namespace=space,
        name=watched,
        label_selector=wanted.selector,
        resume_token=listing.resume_token,
    ) as watch:
        for item in watch:
            if isinstance(item, Resynced):
                context.note("(some changes were missed; what is there follows again)")
            elif not isinstance(item, Synced):
                _show_change(printer, item, space)


def _show_change(printer: Printer, change: watch_service_pb2.WatchChange, namespace: str) -> None:
    if change.type == watch_service_pb2.CHANGE_TYPE_DELETED:
        printer.show_deleted(change.name)
        return
    row: Any = getattr(change, change.WhichOneof("object") or "", None)
    if row is not None and is_in(row, namespace):
        printer.show([row])
