import json
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import Seconds, namespace_option, output_as
from fedctl.output import rollout_views, views, words
from fedctl.output.printing import print_table, to_yaml
from fedctl.watching import Trouble
from fedsvc.v1 import rollout_pb2
from fedsvc_client import NotFoundError, PreconditionError, split_unit_name, unit_name

F = TypeVar("F", bound=Callable[..., Any])

_FAILED = (rollout_pb2.ROLLOUT_PHASE_FAILED, rollout_pb2.ROLLOUT_PHASE_ROLLED_BACK)
_OUTPUTS = ("table", "json", "yaml", "name")

_GROUP_EXAMPLES = """\b
Examples:
  fedctl rollout status shop -w              follow it to its end
  fedctl rollout pause shop --reason "look at the error rate first"
  fedctl rollout resume shop
  fedctl rollout approve shop                let the wave begin that it waits for
  fedctl rollout abort shop                  all clusters go back

\b
A unit tells its waves in spec.rollout. What goes in waves are resources and overrides; where the unit runs, with how
many replicas, and how it is propagated holds everywhere at once.
"""
_STATUS_EXAMPLES = """\b
Examples:
  fedctl rollout status shop
  fedctl rollout status shop -w --timeout 30m

\b
Exit codes: 0 it is completed (without -w: or under way), 1 it failed or was rolled back, 3 there is no such unit,
5 it was not over in time. A unit whose newest revision went to all clusters at once has no rollout: no failure.
"""


@click.group(epilog=_GROUP_EXAMPLES, context_settings={"max_content_width": 100})
def rollout() -> None:
    """Follow, pause, approve or abort the rollout of a unit."""


def _unit_command(name: str, epilog: str = "") -> Callable[[F], click.Command]:
    """Make a command that takes a unit and prints a rollout."""

    def make(function: F) -> click.Command:
        options: list[Callable[[F], F]] = [
            click.argument("unit", shell_complete=names(kinds.UNIT)),
            namespace_option,
            output_as(*_OUTPUTS),
        ]
        for option in reversed(options):
            function = option(function)
        return rollout.command(name, epilog=epilog or None)(function)

    return make


@_unit_command("status", _STATUS_EXAMPLES)
@click.option("-w", "--watch", is_flag=True, help="Print it whenever it changes, until it is over")
@click.option("--timeout", "timeout_seconds", type=Seconds(), default=None, help="With -w: how long; else for ever")
@pass_context
def status(
    context: Context, *, unit: str, namespace: str, output: str, watch: bool, timeout_seconds: float | None
) -> None:
    """Show where the rollout of a unit stands, a line a cluster."""
    name = _name(unit, namespace)
    found = _read(context, name)
    if found is None:
        context.note(f"unit {views.unit_text(name)} has no rollout: its newest revision went to all clusters at once")
        return
    if watch:
        found = _follow(context, name, output, timeout_seconds)
    else:
        _print(context, found, output)
    click.get_current_context().exit(int(Exit.FAILED if found.phase in _FAILED else Exit.DONE))


@_unit_command("pause")
@click.option("--reason", default="", help="Why, for others")
@pass_context
def pause(context: Context, *, unit: str, namespace: str, output: str, reason: str) -> None:
    """Let it go to no further cluster; what it came to stays."""
    _act(context, _name(unit, namespace), output, lambda name: context.client().rollouts.pause(name, reason=reason))


@_unit_command("resume")
@pass_context
def resume(context: Context, *, unit: str, namespace: str, output: str) -> None:
    """Let one go on that was paused or failed.

    One that failed goes on in spite of the clusters that have failed so far.
    """
    _act(context, _name(unit, namespace), output, context.client().rollouts.resume)


@_unit_command("approve")
@click.option("--wave", type=click.IntRange(min=1), help="Number of the wave; else the one that it waits for")
@click.option("--revision", type=click.IntRange(min=1), help="Only if this is the revision that goes out")
@pass_context
def approve(
    context: Context, *, unit: str, namespace: str, output: str, wave: int | None, revision: int | None
) -> None:
    """Let a wave begin that has to be approved."""

    def call(name: str) -> rollout_pb2.Rollout:
        return context.client().rollouts.approve(name, wave=wave, revision=revision or 0)

    _act(context, _name(unit, namespace), output, call)


@_unit_command("abort")
@click.option("--reason", default="", help="Why, for others")
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@pass_context
def abort(context: Context, *, unit: str, namespace: str, output: str, reason: str, is_sure: bool) -> None:
    """Let all clusters go back to the revision that it began with."""
    name = _name(unit, namespace)
    found = _read(context, name)
    if found is None:
        raise _none(name)
    if not is_sure:
        held = [one.cluster for wave in found.waves for one in wave.clusters if one.revision != found.stable_revision]
        where = f" ({', '.join(held)})" if held else ""
        click.echo(
            f"{words.count(len(held), 'cluster')}{where} would go back to revision {found.stable_revision}", err=True
        )
        if not sys.stdin.isatty():
            raise Failure("nothing was aborted: say --yes to abort without being asked")
        click.confirm("Abort it?", abort=True, err=True)
    revision = found.revision
    _act(context, name, output, lambda unit: context.client().rollouts.abort(unit, reason=reason, revision=revision))


@_unit_command("retry")
@pass_context
def retry(context: Context, *, unit: str, namespace: str, output: str) -> None:
    """Begin one again that was rolled back, from its first wave."""
    _act(context, _name(unit, namespace), output, context.client().rollouts.retry)


def _name(unit: str, namespace: str) -> str:
    return unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace)


def _act(context: Context, name: str, output: str, call: Callable[[str], rollout_pb2.Rollout]) -> None:
    try:
        changed = call(name)
    except NotFoundError as error:
        if not error.message.startswith(f"{name}/rollout "):
            space, unit = split_unit_name(name)
            raise missing(context.client(), kinds.UNIT, unit, namespace=space) from error
        raise _none(name) from error
    except PreconditionError as error:
        raise Failure(error.message.replace(" UNIT", f" {views.unit_text(name)}"), code=Exit.CONFLICT) from error
    _print(context, changed, output)


def _none(name: str) -> Failure:
    unit = views.unit_text(name)
    text = f"unit {unit} has no rollout: its newest revision went to all clusters at once"
    return Failure(text, code=Exit.NOT_FOUND, hint=f"To go back to an earlier one:  fedctl rollback {unit}")


def _read(context: Context, name: str) -> rollout_pb2.Rollout | None:
    """Read the rollout of a unit, None where it has none.

    Raises:
        Failure: There is no such unit.
    """
    client = context.client()
    try:
        return client.rollouts.get(name)
    except NotFoundError as error:
        if error.message.startswith(f"{name}/rollout "):
            return None
        space, unit = split_unit_name(name)
        raise missing(client, kinds.UNIT, unit, namespace=space) from error


def _follow(context: Context, name: str, output: str, timeout_seconds: float | None) -> rollout_pb2.Rollout:
    """Print the rollout whenever it changes, until it is over."""
    printed = 0

    def show(found: rollout_pb2.Rollout) -> None:
        nonlocal printed
        if printed and output != "name":
            click.echo("---" if output == "yaml" else "", nl=output in ("table", "yaml"))
        if not printed or output != "name":
            _print(context, found, output)
        printed += 1

    try:
        return context.client().rollouts.follow(
            name, timeout_seconds=timeout_seconds, on_change=show, on_trouble=Trouble(context).told
        )
    except NotFoundError as error:
        gone = "has no rollout any more: a newer revision went to all clusters at once"
        if not error.message.startswith(f"{name}/rollout "):
            gone = "is gone"
        raise Failure(f"unit {views.unit_text(name)} {gone}", code=Exit.NOT_FOUND) from error


def _print(context: Context, found: rollout_pb2.Rollout, output: str) -> None:
    if output == "name":
        click.echo(f"rollout/{views.unit_text(found.name)}")
        return
    if output != "table":
        value = write_message(found)
        click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())
        return
    console, phase = context.console(), rollout_views.phase_word(found)
    console.print(f"rollout of unit {views.unit_text(found.name)}: ", end="")
    console.print(phase, style=words.style_of(phase) or None, end="")
    where = rollout_views.wave_text(found, views.utc_now())
    stable = f" (stable {found.stable_revision})" if found.stable_revision != found.revision else ""
    console.print(f", revision {found.revision}{stable}" + (f", {where}" if where else ""))
    if found.message:
        by = f" (by {found.changed_by})" if found.phase == rollout_pb2.ROLLOUT_PHASE_PAUSED and found.changed_by else ""
        console.print(f"  {words.one_line(found.message)}{by}", markup=False)
    console.print()
    print_table(console, rollout_views.wave_lines(), rollout_views.lines_of(found))
