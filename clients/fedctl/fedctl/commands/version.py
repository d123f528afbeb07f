import importlib.metadata
import json

import click

from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.options import output_option

_EXAMPLES = """\b
Examples:
  fedctl version
  fedctl version --client
  fedctl version -o json
"""


@click.command(epilog=_EXAMPLES)
@click.option("--client", "only_client", is_flag=True, help="Of fedctl only; no server is asked")
@output_option
@pass_context
def version(context: Context, *, only_client: bool, output: str) -> None:
    """Show the versions of fedctl and of the server."""
    if output == "name":
        raise UsageFailure("versions have no names: -o json or yaml is for programs")
    is_text = output in ("table", "wide")
    own = importlib.metadata.version("fedsvc")
    known = {"fedctl": own}
    if is_text:
        click.echo(f"fedctl    {own}")
    if not only_client:
        info = context.client().server.info()
        known |= {
            "server": info.version,
            "database": info.database_version,
            "schema": info.schema_revision,
            "caller": info.caller,
        }
        if is_text:
            click.echo(f"server    {info.version}  ({context.server().address}, as {info.caller or 'nobody'})")
            click.echo(f"database  PostgreSQL {info.database_version}, schema {info.schema_revision}")
    if output == "json":
        click.echo(json.dumps(known, indent=2))
    elif output == "yaml":
        from fedctl.output.printing import to_yaml  # noqa: PLC0415 - yaml is imported when used

        click.echo(to_yaml(known), nl=False)
