import json

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, UsageFailure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import namespace_option, output_as
from fedctl.output import explanation, placement_views, views, words
from fedctl.output.printing import print_table, to_yaml
from fedsvc.v1 import decision_pb2, placement_service_pb2
from fedsvc_client import NotFoundError, unit_name
from fedsvc_client.names import last_part

_EXAMPLES = """\b
Examples:
  fedctl explain shop                      why it is where it is, and why not elsewhere
  fedctl explain unit/shop --cluster us-1  all of one cluster: each rule, its points, room, share, and what moves
  fedctl explain shop --history            earlier decisions
  fedctl explain shop --decision 1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77
  fedctl explain shop --now                what would be decided now
  fedctl explain shop -o json              everything: verdicts, scores, steps of the division

\b
Exit codes: 0 explained, 1 a replay gave another result, 3 there is no such unit or decision,
4 it is not decided on yet, or what a replay needs is not kept.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar="UNIT")
@namespace_option
@click.option("--cluster", default="", shell_complete=names(kinds.CLUSTER), help="All that is to be said of this one")
@click.option("--decision", default="", help="Id of an earlier decision, from --history")
@click.option("--now", "is_now", is_flag=True, help="What would be decided now, without doing it")
@click.option("--replay", is_flag=True, help="Decide again from the inputs that were kept, and compare")
@click.option("--history", is_flag=True, help="The decisions on the unit, the newest first")
@output_as("table", "json", "yaml")
@pass_context
def explain(
    context: Context,
    *,
    what: tuple[str, ...],
    namespace: str,
    cluster: str,
    decision: str,
    is_now: bool,
    replay: bool,
    history: bool,
    output: str,
) -> None:
    """Say why a unit is where it is, and why it is not elsewhere.

    A line a cluster, the deciding reason first; then what concerns the unit as a whole. With --cluster each rule, all
    points, room, the division step by step and the changes of that cluster.
    """
    _check_together(decision=bool(decision), is_now=is_now, replay=replay, history=history, cluster=bool(cluster))
    unit = _unit_of(what)
    placement = context.client().placement
    name = unit_name(unit, namespace)
    try:
        if history:
            _print_history(context, list(placement.list_decisions(name)), output)
            return
        answer = placement.explain(name, decision=decision, now=is_now, replay=replay, cluster=cluster)
    except NotFoundError as error:
        if decision:
            raise
        raise missing(context.client(), kinds.UNIT, unit, namespace=namespace) from error
    if output != "table":
        _print_document(answer, output, replay=replay)
    else:
        _print_lines(context, answer, is_one=bool(cluster))
        if not (decision or is_now or replay or cluster):
            _print_primary(context, name)
    if replay and answer.same:
        context.note("deciding again from the inputs that were kept gave the same, byte for byte")
    elif replay:
        context.warn("deciding again from the inputs that were kept gave another result, which is shown here")
        click.get_current_context().exit(int(Exit.FAILED))


def _unit_of(what: tuple[str, ...]) -> str:
    """Read "shop", "web/shop", "unit/shop" or "unit shop"."""
    if len(what) == 1:
        return what[0].removeprefix("unit/").removeprefix("units/")
    (_, unit), *others = kinds.split_targets(what, (kinds.UNIT,))
    if others:
        raise UsageFailure("one unit at a time is explained")
    return unit


def _check_together(**given: bool) -> None:
    if given["history"] and (given["decision"] or given["is_now"] or given["replay"]):
        raise UsageFailure("--history goes with none of --decision, --now and --replay")
    if given["history"] and given["cluster"]:
        raise UsageFailure("--history lists whole decisions: explain one with --decision ID --cluster CLUSTER")
    if given["is_now"] and (given["decision"] or given["replay"]):
        raise UsageFailure("--now decides anew: it goes with neither --decision nor --replay")


def _print_lines(context: Context, answer: placement_service_pb2.ExplainPlacementResponse, *, is_one: bool) -> None:
    console, decision = context.console(), answer.decision
    when = (
        f"decision {last_part(decision.name)}, {words.age(decision.create_time, views.utc_now())} ago"
        if decision.name
        else "as it would be decided now"
    )
    console.print(f"unit {views.unit_text(decision.unit)}, revision {decision.revision}: {when}")
    if not is_one:
        console.print(explanation.where_text(decision))
    console.print()
    lines = explanation.whole_lines(answer) if is_one else explanation.cluster_lines(answer)
    for line in lines:
        console.print(line.subject, style=line.style, end="")
        console.print(f"  {line.text}")
    general = explanation.unit_lines(answer)
    if general and lines:
        console.print()
    for line in general:
        console.print(f"{line.subject}: ", style=line.style, end="")
        console.print(line.text)


def _print_primary(context: Context, unit: str) -> None:
    """Say where the primary of a unit is, and what is under way with it."""
    found = context.client().units.get(unit).status
    if not found.HasField("primary"):
        return
    why = next((item.message for item in found.conditions if item.type == "Primary"), "")
    context.console().print(f"\nprimary: {words.one_line(why) or found.primary.cluster}")


def _print_history(context: Context, decisions: list[decision_pb2.Decision], output: str) -> None:
    if output != "table":
        _echo([write_message(decision) for decision in decisions], output)
        return
    if not decisions:
        context.note("No decision yet.")
        return
    print_table(context.console(), placement_views.decisions(), decisions)


def _print_document(answer: placement_service_pb2.ExplainPlacementResponse, output: str, *, replay: bool) -> None:
    decision = answer.decision
    value = write_message(decision)
    value.pop("recordJson", None)
    value["record"] = json.loads(decision.record_json) if decision.record_json else {}
    value["lines"] = list(answer.lines)
    if replay:
        value["same"] = answer.same
    _echo(value, output)


def _echo(value: object, output: str) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())
