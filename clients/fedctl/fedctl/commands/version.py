import importlib.metadata
import json

import click

from fedctl.context import Context, pass_context

_EXAMPLES = """\b
Examples:
  fedctl version
  fedctl version --client
  fedctl version -o json
"""


@click.command(epilog=_EXAMPLES)
@click.option("--client", "only_client", is_flag=True, help="Of fedctl only; no server is asked")
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", help="How to print")
@pass_context
def version(context: Context, *, only_client: bool, output: str) -> None:
    """Show the versions of fedctl and of the server."""
    own = importlib.metadata.version("fedsvc")
    known = {"fedctl": own}
    if output == "table":
        click.echo(f"fedctl    {own}")
    if not only_client:
        info = context.client().server.info()
        known |= {
            "server": info.version,
            "database": info.database_version,
            "schema": info.schema_revision,
            "caller": info.caller,
        }
        if output == "table":
            click.echo(f"server    {info.version}  ({context.server().address}, as {info.caller or 'nobody'})")
            click.echo(f"database  PostgreSQL {info.database_version}, schema {info.schema_revision}")
    if output == "json":
        click.echo(json.dumps(known, indent=2))
