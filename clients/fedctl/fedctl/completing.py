"""What the shell completes beside commands and options: kinds, names the server knows, contexts of a kubeconfig.

It is silent and quick: where no server answers within a second there is nothing to complete, and no message.
"""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fedctl import kinds
from fedctl.context import Context
from fedctl.kinds import Kind

if TYPE_CHECKING:
    from fedsvc_client import Client

DEADLINE_SECONDS = 1.0
_NAMED = (kinds.CLUSTER, kinds.UNIT, *kinds.POLICIES, kinds.ZONE)

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def in_time(work: Callable[[], list[str]]) -> list[str]:
    """Return what the work gives, or nothing where it fails or takes longer than the deadline."""
    found: list[str] = []

    def run() -> None:
        try:
            found.extend(work())
        except Exception:  # noqa: BLE001 - a shell that completes has no place for any message
            return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    return list(found)


def what(*allowed: Kind, is_plural: bool = False) -> Completer:
    """Complete `KIND NAME...` and `KIND/NAME...`."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before = tuple(ctx.params.get(parameter.name or "") or ())
        front, slash, rest = incomplete.partition("/")
        if slash or (before and "/" in before[0]):
            return [f"{front}/{name}" for name in _names_of_word(ctx, front, allowed) if name.startswith(rest)]
        if before:
            return _starting(_names_of_word(ctx, before[0], allowed), incomplete)
        return _starting((kind.plural if is_plural else kind.singular for kind in allowed), incomplete)

    return complete


def names(kind: Kind, *, is_list: bool = False) -> Completer:
    """Complete names of a kind; in a list those after the last comma."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        del parameter
        front, comma, last = incomplete.rpartition(",") if is_list else ("", "", incomplete)
        return [f"{front}{comma}{name}" for name in _starting(_names(ctx, kind), last)]

    return complete


def kube_contexts(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the contexts of the kubeconfig; the official package takes a second to import, so it is not used."""
    del parameter
    given = ctx.params.get("kubeconfig")
    default = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    files = [str(given)] if given else default.split(os.pathsep)

    def read() -> list[str]:
        import yaml  # noqa: PLC0415 - when used

        found: list[str] = []
        for file in filter(os.path.isfile, files):
            content = yaml.safe_load(Path(file).read_text())
            found += [str(item["name"]) for item in content.get("contexts") or ()]
        return found

    return _starting(in_time(read), incomplete)


def _names_of_word(ctx: click.Context, word: str, allowed: tuple[Kind, ...]) -> list[str]:
    found = next((kind for kind in allowed if word.lower() in (kind.plural, kind.singular, *kind.short)), None)
    return [] if found is None else _names(ctx, found)


def _names(ctx: click.Context, kind: Kind) -> list[str]:
    if kind not in _NAMED:
        return []  # known by number
    context = ctx.ensure_object(Context)
    space = "" if ctx.params.get("all_namespaces") else str(ctx.params.get("namespace") or "default")

    def read() -> list[str]:
        from fedctl.listing import Filter, read_list  # noqa: PLC0415 - grpc is imported when used
        from fedsvc_client.names import last_part  # noqa: PLC0415 - as above

        client: Client = context.client()
        rows = read_list(client, kind, Filter(namespace=space if kind.is_namespaced else "")).rows
        return sorted(last_part(str(getattr(row, "name", ""))) for row in rows)

    return in_time(read)


def regions(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the regions that clusters are in."""
    del parameter
    return _starting(region_names(ctx), incomplete)


def region_names(ctx: click.Context) -> list[str]:
    """Return the regions that clusters are in."""
    context = ctx.ensure_object(Context)
    return in_time(lambda: sorted({row.region for row in context.client().clusters.list() if row.region}))


def _starting(found: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in found if name.startswith(incomplete)]
