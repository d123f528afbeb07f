"""Following the changes of a kind and printing each as it comes: `get -w` and `watch`.

The server sends more than the list of the same flags holds: works and events are watched by one unit or cluster, and
what it cannot know to be new to the watcher it tells as deleted. So each change is looked at again here.
"""

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
from fedctl.output.printing import Shown, name_of, print_documents, print_table
from fedsvc.v1 import watch_service_pb2
from fedsvc_client import FedsvcError, Resynced, Synced
from fedsvc_client import Kind as WatchKind
from fedsvc_client.names import last_part


@dataclass(slots=True, kw_only=True)
class Printer:
    """Prints objects of one kind as they come, in columns that stay where they are, and knows which it has shown."""

    kind: Kind
    output: str
    console: Console
    hidden: frozenset[str] = frozenset()
    prefix: str = ""
    farewell: str = "deleted"
    shown: Shown | None = None
    known: dict[str, object] = field(default_factory=dict)  # name to what was shown of it

    def show(self, rows: Sequence[Message]) -> None:
        """Print those of which anything is new: a change may be of what is not shown, or be told again."""
        rows = [row for row in rows if _name(row) not in self.known or self.known[_name(row)] != self._news(row)]
        if self.output in ("table", "wide"):
            self.shown = print_table(
                self.console,
                TABLES[self.kind](),
                rows,
                wide=self.output == "wide",
                hidden=self.hidden,
                prefix=self.prefix,
                above=self.shown,
            )
        self.known.update({_name(row): self._news(row) for row in rows})
        if self.output in ("table", "wide"):
            return
        for row in rows:
            if self.output == "name":
                click.echo(name_of(self.kind, row))
                continue
            if self.output == "yaml":
                click.echo("---")
            print_documents([row], output=self.output, is_single=True)

    def show_deleted(self, name: str) -> None:
        """Say that an object is gone, where it was shown."""
        if name not in self.known:
            return
        del self.known[name]
        shown = f"{self.kind.singular}/{last_part(name)} {self.farewell}"
        click.echo(shown, err=self.output in ("json", "yaml"))

    def _news(self, row: Message) -> object:
        """Return what is different when the row would be printed otherwise; ages alone do not count."""
        if self.output in ("table", "wide"):
            return None if self.shown is None else self.shown.table.news(row)
        return row.SerializeToString(deterministic=True)


def follow(context: Context, asked: Sequence[Kind], name: str, wanted: Filter, *, output: str, namespace: str) -> None:
    """Print what is there, then every change, until interrupted: what the list of the same flags would show.

    Args:
        context: The client and the terminal.
        asked: Which kinds; several only where they are shown without a name.
        name: Only this one; empty: all that `wanted` lets through.
        wanted: What the list is restricted to.
        output: How to print.
        namespace: Where a named object is looked for.

    Raises:
        UsageFailure: A kind cannot be watched.
    """
    for kind in asked:
        if kind not in WATCHED:
            raise UsageFailure(
                f"{kind.plural} cannot be watched",
                hint="Follow what the clusters hold of them:  fedctl get works --unit UNIT -w\n"
                "or how the units fare:                  fedctl get units -w",
            )
    client = context.client()
    printers = {
        WATCHED[kind]: Printer(
            kind=kind,
            output=output,
            console=context.console(),
            hidden=frozenset({"NAMESPACE"} if kind == kinds.UNIT and wanted.namespace else ()),
            prefix=f"{kind.singular}/" if len(asked) > 1 else "",
            farewell="deleted, or no longer selected" if wanted.selector else "deleted",
        )
        for kind in asked
    }
    listings = [read_list(client, kind, wanted) for kind in asked]
    one = read_one(client, asked[0], name, namespace=namespace) if name else None
    for printer, listing in zip(printers.values(), listings, strict=True):
        printer.show(listing.rows if one is None else [one])
    kind = asked[0]
    with client.watch(
        *printers,
        # A subject is in its namespace or, as clusters are, in none; works of a cluster are in any.
        namespace=wanted.namespace if kind.is_namespaced and one is None and not _is_of_a_subject(kind, wanted) else "",
        name=_watched_name(kind, one, wanted),
        label_selector=wanted.selector,
        resume_token=listings[0].resume_token,
        on_trouble=Trouble(context).told,
    ) as watch:
        for item in watch:
            if isinstance(item, Resynced):
                context.note("(some changes were missed; what is there follows again)")
            elif not isinstance(item, Synced):
                _show_change(printers[WatchKind(item.kind)], item, wanted, "" if one is None else _name(one))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Says when the server is lost and when it is back."""

    context: Context

    def told(self, failure: FedsvcError | None) -> None:
        """Say it on stderr."""
        self.context.note("(the server is back)" if failure is None else f"({failure.message}; waiting for it)")


def _is_of_a_subject(kind: Kind, wanted: Filter) -> bool:
    return kind == kinds.EVENT and bool(wanted.subject)


def _watched_name(kind: Kind, one: Any, wanted: Filter) -> str:
    """What the server is asked to tell of: works and events are watched by what they are of, all else by its name."""
    if one is None:
        return wanted.subject
    if kind == kinds.WORK:
        return str(one.unit)
    return str(one.subject) if kind == kinds.EVENT else _name(one)


def _name(row: Any) -> str:
    return str(row.name)


def _show_change(printer: Printer, change: watch_service_pb2.WatchChange, wanted: Filter, name: str) -> None:
    if change.type == watch_service_pb2.CHANGE_TYPE_DELETED:
        printer.show_deleted(change.name)
        return
    row: Any = getattr(change, change.WhichOneof("object") or "", None)
    if row is None or (row.name != name if name else not _is_listed(printer.kind, row, wanted)):
        return
    printer.show([row])


def _is_listed(kind: Kind, row: Any, wanted: Filter) -> bool:
    """Whether the list of the same flags holds an object; labels are the server's to look at."""
    if kind == kinds.EVENT:
        return row.subject == wanted.subject if wanted.subject else is_in(row, wanted.namespace)
    if kind == kinds.WORK:
        of_unit = row.unit == wanted.unit if wanted.unit else is_in(row, wanted.namespace)
        return of_unit and wanted.cluster in ("", row.cluster)
    return kind != kinds.UNIT or is_in(row, wanted.namespace)
