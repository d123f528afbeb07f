import zlib
from collections.abc import Iterator
from typing import Any

import click

from fedctl import kinds
from fedctl.asking import Answers, Asked, cluster_options, log_name, tell_silent
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.listing import missing
from fedctl.options import Seconds, namespace_option
from fedctl.output import views, words
from fedsvc.v1 import member_service_pb2
from fedsvc_client import Client, InvalidArgumentError, NotFoundError, ResourceExhaustedError, unit_name

_EXAMPLES = """\b
Examples:
  fedctl logs shop                             of all containers, on all clusters that hold the unit
  fedctl logs shop -f --tail 10                go on with what is written, until interrupted
  fedctl logs shop --cluster eu-1 -c web --since 10m
  fedctl logs shop --pod web-5d9c-x2x4p --previous

\b
Each line begins with CLUSTER/POD, and /CONTAINER where the pod has several. What could not be read is told on stderr.
Exit codes: 0 all was read, 3 there is no such unit, 7 a cluster did not answer.
"""

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@namespace_option
@click.option("-c", "--container", default="", help="Only of this container")
@click.option("--pod", default="", help="Only of this pod")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written later")
@click.option("-p", "--previous", is_flag=True, help="Of the container before its last restart")
@click.option("--since", "since", type=Seconds(), default=None, help="Only what is no older: 30s, 10m, 2h")
@click.option("--tail", type=click.IntRange(min=-1), default=-1, show_default=True, help="Last lines of each; -1: all")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time")
@click.option("--prefix/--no-prefix", default=True, help="Whether each line begins with whose it is")
@click.option(
    "--max-logs",
    type=click.IntRange(1, 200),
    default=50,
    show_default=True,
    help="Refuse where there are more logs than this",
)
@cluster_options
@pass_context
def logs(
    context: Context,
    /,
    *,
    unit: str,
    namespace: str,
    since: float | None,
    tail: int,
    prefix: bool,
    clusters: tuple[str, ...],
    all_clusters: bool,
    member_seconds: float,
    **options: Any,
) -> None:
    """Print the logs of a unit's pods on all its clusters.

    The server reads them from the members, whose credentials never leave it, as fast as they are taken here. With -f
    pods that come later are read, too, and containers again after a restart; with --pod it ends with the pod.
    """
    if options["follow"] and options["previous"]:
        raise UsageFailure("-f and -p do not go together: a container that ended writes nothing more")
    asked = Asked(clusters=clusters, all_clusters=all_clusters, member_seconds=member_seconds).checked()
    unit = unit.removeprefix("unit/").removeprefix("units/")
    wanted = {
        **options,
        "since_seconds": None if since is None else max(1, round(since)),
        "tail_lines": None if tail < 0 else tail,
    }
    follow = bool(options["follow"])
    answers, printer = Answers(), _Printer(context, prefix=prefix)
    for response in _read(context.client(), unit, namespace, {**asked.keywords(), **wanted}):
        match response.WhichOneof("content"):
            case "lines":
                printer.show(response.lines)
            case "failure":
                name, message = log_name(response.failure.log), words.one_line(response.failure.message)
                context.warn(f"{name}: {message}")
            case _:
                answers.take(response.answer)
                if follow and not response.answer.answered:  # there may be no end at which to tell it
                    tell_silent(context, response.answer)
    if not printer.has_shown and answers.answered and not answers.silent:
        context.note(f"No logs of unit {views.unit_text(unit_name(unit, namespace))}.")
    answers.tell_if_none_was_asked(context)
    if not follow:
        answers.tell(context)
    click.get_current_context().exit(int(answers.exit_code))


class _Printer:
    """Writes lines to stdout, each with whose it is; colours only on a terminal."""

    def __init__(self, context: Context, *, prefix: bool) -> None:
        console = context.console()
        self._coloured = console.is_terminal and not console.no_color
        self._prefix = prefix
        self.has_shown = False

    def show(self, lines: member_service_pb2.LogLines) -> None:
        """Write lines of one log."""
        self.has_shown = True
        start = b""
        if self._prefix:
            name = log_name(lines.log)
            colour = _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
            start = (click.style(f"{name}:", fg=colour) if self._coloured else f"{name}:").encode() + b" "
        click.echo(b"".join(b"%b%b\n" % (start, line) for line in lines.lines), nl=False)


def _read(
    client: Client, unit: str, namespace: str, options: dict[str, Any]
) -> Iterator[member_service_pb2.ReadMemberLogsResponse]:
    """Read the logs.

    Raises:
        Failure: There is no such unit, or there are more logs than may be read at once.
    """
    try:
        yield from client.members.logs(unit_name(unit, namespace), **options)
    except NotFoundError as error:
        named = next((name for name in options["clusters"] if name in error.message), "")
        kind, name = (kinds.CLUSTER, named) if f"clusters/{named}" in error.message else (kinds.UNIT, unit)
        raise missing(client, kind, name, namespace=namespace) from error
    except InvalidArgumentError as error:
        if not {problem.path for problem in error.fields} <= {"pod", "container"}:
            raise
        raise Failure("; ".join(problem.message for problem in error.fields), code=Exit.NOT_FOUND) from error
    except ResourceExhaustedError as error:
        hint = "Choose with --cluster, --pod or -c, or raise --max-logs (200 at most)."
        raise Failure(error.message, code=Exit.FAILED, hint=hint) from error
