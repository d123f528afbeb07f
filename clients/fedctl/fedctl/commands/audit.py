import datetime as dt
import json
from itertools import islice
from typing import Any

import click

from fedctl import kinds
from fedctl.completing import names, regions
from fedctl.context import Context, pass_context
from fedctl.files.convert import write_message
from fedctl.options import Seconds, namespace_option, output_option
from fedctl.output import audit_views, views, words
from fedctl.output.printing import print_table, print_value
from fedsvc.v1 import audit_pb2
from fedsvc_client import unit_name

_EXAMPLES = """\b
Examples:
  fedctl audit                              the newest fifty records
  fedctl audit shop --since 2h              of one unit
  fedctl audit --cluster eu-1 --kind failover --refused
  fedctl audit --region eu --since 1h -o json | jq '.records[].evidence'
  fedctl audit --by ann                     what somebody asked for, by the name of the token

\b
OUTCOME is Did, Refused, or Refuses where that lasts. A refusal is one line as long as its reason is the same.
"""

_KINDS = {
    words.enum_word(audit_pb2.AuditKind.DESCRIPTOR, number).lower(): number
    for number in audit_pb2.AuditKind.values()
    if number
}


@click.command(epilog=_EXAMPLES)
@click.argument("unit", required=False, shell_complete=names(kinds.UNIT))
@namespace_option
@click.option("--cluster", default="", shell_complete=names(kinds.CLUSTER), help="Only of this cluster")
@click.option("--region", default="", shell_complete=regions, help="Only of this region, its clusters included")
@click.option("--kind", type=click.Choice(sorted(_KINDS)), help="Only of this kind")
@click.option("--refused", is_flag=True, help="Only what was refused")
@click.option("--by", "author", help="Only by whoever has the token of this name; automation: by itself")
@click.option("--since", "seconds", type=Seconds(), help="Only what happened within this, for example 90m or 2h")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many")
@output_option
@pass_context
def audit(
    context: Context,
    *,
    unit: str | None,
    namespace: str,
    cluster: str,
    region: str,
    kind: str | None,
    refused: bool,
    author: str | None,
    seconds: float | None,
    limit: int,
    output: str,
) -> None:
    """Show what automation did and refused, with its evidence, and what people asked of it; the newest first."""
    found = context.client().audit.list(
        unit=unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace) if unit else "",
        cluster=cluster,
        region=region,
        kind=audit_pb2.AUDIT_KIND_UNSPECIFIED if kind is None else _KINDS[kind],
        outcome=audit_pb2.AUDIT_OUTCOME_REFUSED if refused else audit_pb2.AUDIT_OUTCOME_UNSPECIFIED,
        author="" if author == audit_views.AUTOMATION else author,
        start_time=None if seconds is None else views.utc_now() - dt.timedelta(seconds=seconds),
        page_size=min(limit, 1000),
    )
    rows = list(islice(found, limit))
    if output in ("table", "wide"):
        if not rows:
            context.note("nothing was done or refused")
            return
        print_table(context.console(), audit_views.records(), rows, wide=output == "wide")
    elif output == "name":
        for row in rows:
            click.echo(row.name)
    else:
        print_value({"records": [_document(row) for row in rows]}, output)


def _document(row: audit_pb2.AuditRecord) -> dict[str, Any]:
    """The record with its evidence as what it is, and not as text."""
    return {**write_message(row), "evidence": json.loads(row.evidence or "{}")}
