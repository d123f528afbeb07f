import sys

import click

from fedctl import kinds
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure
from fedctl.listing import Filter, missing, read_list
from fedctl.options import namespace_option
from fedctl.output import views, words
from fedctl.output.printing import print_table
from fedctl.subjects import FLEET, read_subject, shown_subject, subject_names
from fedsvc.v1 import resource_pb2, unit_pb2
from fedsvc_client import NotFoundError, split_unit_name
from fedsvc_client.names import last_part

_MOST = 20
_EXAMPLES = """\b
Examples:
  fedctl get removals                   what is held, and what waits to be done
  fedctl confirm unit/shop              shows what would go, and asks for the name
  fedctl confirm cluster/eu-1 --yes     what is held there, of all units
  fedctl confirm fleet

\b
Removals are held that nobody asked for and that pass a budget, or leave nothing of a unit: a changed label, policy or
taint may have been a mistake. Undo that, and what is held is wanted again by itself.
"""


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what", nargs=-1, required=True, metavar="fleet | cluster/NAME | unit/NAME", shell_complete=subject_names()
)
@namespace_option
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@pass_context
def confirm(context: Context, *, what: tuple[str, ...], namespace: str, is_sure: bool) -> None:
    """Let removals be done that are held."""
    subject = read_subject(what, namespace)
    client, shown = context.client(), shown_subject(subject)
    held = _held(context, subject)
    if held and not is_sure:
        print_table(context.console(), views.removals(), held[:_MOST])
        if len(held) > _MOST:
            context.note(f"... and {len(held) - _MOST} more")
        name = FLEET if subject == FLEET else last_part(subject)
        ask_for_name(name, f"remove {words.count(len(held), 'object')}", "removed")
    try:
        answer = client.removals.confirm(subject)
    except NotFoundError as error:
        if subject.startswith("clusters/"):
            raise missing(client, kinds.CLUSTER, last_part(subject), namespace="") from error
        space, unit = split_unit_name(subject)
        raise missing(client, kinds.UNIT, unit, namespace=space) from error
    count = sum(entry.object_count for entry in answer.removals)
    if not count:
        raise Failure(f"nothing of {shown} is held", code=Exit.NOT_FOUND)
    click.echo(f"{shown} confirmed: {words.count(count, 'object')} of {words.count(len(answer.removals), 'unit')}")


def ask_for_name(name: str, what: str, done: str = "changed") -> None:
    """Have a name typed by whoever is sure.

    Raises:
        Failure: Nobody is there to ask, or another name was typed.
    """
    if not sys.stdin.isatty():
        raise Failure(f"nothing was {done}: say --yes to confirm without being asked")
    if click.prompt(f"Type {name} to {what}", err=True) != name:
        raise Failure(f"that is another name; nothing was {done}")


def _held(context: Context, subject: str) -> list[resource_pb2.Work]:
    wanted = Filter(
        unit=subject if "/units/" in subject else "",
        cluster=last_part(subject) if subject.startswith("clusters/") else "",
    )
    rows = read_list(context.client(), kinds.REMOVAL, wanted).rows
    return [row for row in rows if isinstance(row, resource_pb2.Work) and row.state == unit_pb2.WORK_STATE_HELD]
