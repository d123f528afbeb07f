import datetime as dt

import click

from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.members import change_cluster
from fedctl.options import Seconds
from fedctl.output import views
from fedsvc.v1 import cluster_pb2

_EXAMPLES = """\b
Examples:
  fedctl score eu-1 carbon=40 --for 1h        until it is told anew, and for an hour at most
  fedctl score eu-1 carbon=40 latency=-20     without end
  fedctl score eu-1 carbon-                   remove it

\b
From -100 to 100, more is better. Placements say which scores count, and how much; scores of other names stay.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", metavar="CLUSTER")
@click.argument("changes", nargs=-1, required=True, metavar="SCORE=VALUE... SCORE-...")
@click.option("--for", "seconds", type=Seconds(), help="How long it counts, for example 30m or 24h [default: always]")
@pass_context
def score(context: Context, *, name: str, changes: tuple[str, ...], seconds: float | None) -> None:
    """Say what somebody else thinks of a cluster, for placements that prefer a score."""
    name = name.removeprefix("cluster/")
    wanted = dict(_read(change) for change in changes)
    if seconds is not None and not (seconds and any(value is not None for value in wanted.values())):
        raise UsageFailure("--for is how long a score counts that is set: write for example  carbon=40 --for 1h")

    def change(cluster: cluster_pb2.Cluster) -> bool:
        before = list(cluster.scores)
        kept = [entry for entry in before if entry.name not in wanted]
        told = [_entry(key, value, seconds) for key, value in wanted.items() if value is not None]
        cluster.ClearField("scores")
        cluster.scores.extend(sorted([*kept, *told], key=lambda entry: entry.name))
        return before != list(cluster.scores)

    stored = change_cluster(context.client(), name, ["scores"], change)
    if stored is None:
        click.echo(f"cluster/{name} unchanged")
    else:
        shown = ", ".join(views.score_text(entry, views.utc_now()) for entry in stored.scores)
        click.echo(f"cluster/{name} scored: {shown or 'no scores'}")


def _entry(name: str, value: int, seconds: float | None) -> cluster_pb2.ExternalScore:
    entry = cluster_pb2.ExternalScore(name=name, value=value)
    if seconds is not None:
        entry.valid_until.FromDatetime(views.utc_now() + dt.timedelta(seconds=seconds))
    return entry


def _read(change: str) -> tuple[str, int | None]:
    """Read one score; None for its value where it is to be removed."""
    key, is_set, value = change.partition("=")
    if is_set and key:
        try:
            return key, int(value)
        except ValueError as error:
            raise UsageFailure(f"{change!r}: a score is a whole number from -100 to 100") from error
    if change.endswith("-") and len(change) > 1:
        return change[:-1], None
    raise UsageFailure(f"{change!r}: write SCORE=VALUE to set a score, SCORE- to remove it")
