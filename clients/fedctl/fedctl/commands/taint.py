import re

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.completing import what as kind_and_name
from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.files.convert import enum_word
from fedctl.members import change_cluster, cluster_and_rest
from fedctl.output.views import CORDON_KEY, MAINTENANCE_KEY, taint_text
from fedsvc.v1 import cluster_pb2

_EXAMPLES = """\b
Examples:
  fedctl taint cluster eu-1 maintenance=true:NoSchedule
  fedctl taint cluster eu-1 maintenance:NoExecute        move everything away that does not tolerate it
  fedctl taint cluster eu-1 maintenance:NoExecute-       remove it
  fedctl taint cluster eu-1 maintenance-                 remove it, whatever its effect

\b
Effects: NoSchedule, PreferNoSchedule, NoExecute, NoScheduleNew (what runs is kept and updated).
"""
_CORDON_EXAMPLES = """\b
Examples:
  fedctl cordon eu-1
  fedctl cordon eu-1 us-1

\b
What runs there stays; it is the taint fedsvc.io/cordoned:NoSchedule. Undo it with:  fedctl uncordon NAME
"""
_UNCORDON_EXAMPLES = """\b
Examples:
  fedctl uncordon eu-1
"""
_MAINTENANCE_EXAMPLES = """\b
Examples:
  fedctl maintenance eu-1 --announce    nothing new is sent there; what runs there stays
  fedctl maintenance eu-1 --on          what runs there moves to other clusters, as far as it may
  fedctl maintenance eu-1 --off

\b
It is the taint fedsvc.io/maintenance, with the effect NoSchedule when announced and NoExecute while it lasts. Units
stay that tolerate it, for as long as they do.
"""

_FORM = re.compile(r"(?P<key>[^=:\s]+?)(?:=(?P<value>[^=:\s]*))?(?::(?P<effect>\w+?))?(?P<removal>-?)\Z")
_EFFECTS = {
    enum_word(cluster_pb2.TaintEffect.DESCRIPTOR, value): value for value in cluster_pb2.TaintEffect.values() if value
}


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what",
    nargs=-1,
    required=True,
    metavar="cluster NAME KEY[=VALUE]:EFFECT... KEY[:EFFECT]-...",
    shell_complete=kind_and_name(kinds.CLUSTER),
)
@pass_context
def taint(context: Context, *, what: tuple[str, ...]) -> None:
    """Set or remove taints of a cluster."""
    name, changes = cluster_and_rest(what, "taint", "KEY=VALUE:EFFECT")
    wanted = [_read(change) for change in changes]

    def change(cluster: cluster_pb2.Cluster) -> bool:
        before = [taint_text(item) for item in cluster.taints]
        for item, is_removal in wanted:
            _put(cluster, item, is_removal=is_removal)
        return before != [taint_text(item) for item in cluster.taints]

    stored = change_cluster(context.client(), name, ["taints"], change)
    if stored is None:
        click.echo(f"cluster/{name} unchanged")
    else:
        click.echo(f"cluster/{name} tainted: {', '.join(map(taint_text, stored.taints)) or 'no taints'}")


@click.command(epilog=_CORDON_EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=names(kinds.CLUSTER))
@pass_context
def cordon(context: Context, *, names: tuple[str, ...]) -> None:
    """Send nothing new to a cluster; what runs there stays."""
    _cordon(context, names, is_removal=False)


@click.command(epilog=_UNCORDON_EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=names(kinds.CLUSTER))
@pass_context
def uncordon(context: Context, *, names: tuple[str, ...]) -> None:
    """Let a cluster have new units again."""
    _cordon(context, names, is_removal=True)


@click.command(epilog=_MAINTENANCE_EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--announce", "stage", flag_value="announced", help="Send nothing new there")
@click.option("--on", "stage", flag_value="on", help="Move away what runs there")
@click.option("--off", "stage", flag_value="off", help="It is over")
@pass_context
def maintenance(context: Context, *, names: tuple[str, ...], stage: str | None) -> None:
    """Empty a cluster for maintenance, and let it have units again."""
    if stage is None:
        raise UsageFailure("say --announce, --on or --off")
    effect = {"announced": cluster_pb2.TAINT_EFFECT_NO_SCHEDULE, "on": cluster_pb2.TAINT_EFFECT_NO_EXECUTE}.get(stage)

    def change(cluster: cluster_pb2.Cluster) -> bool:
        before = [taint_text(item) for item in cluster.taints]
        for item in [item for item in cluster.taints if item.key == MAINTENANCE_KEY and item.effect != effect]:
            _put(cluster, item, is_removal=True)
        if effect is not None and all(item.key != MAINTENANCE_KEY for item in cluster.taints):
            _put(cluster, cluster_pb2.Taint(key=MAINTENANCE_KEY, effect=effect), is_removal=False)
        return before != [taint_text(item) for item in cluster.taints]

    for name in (each.removeprefix("cluster/") for each in names):
        stored = change_cluster(context.client(), name, ["taints"], change)
        click.echo(f"cluster/{name} maintenance {'already ' if stored is None else ''}{stage}")


def _cordon(context: Context, names: tuple[str, ...], *, is_removal: bool) -> None:
    mark = cluster_pb2.Taint(key=CORDON_KEY, effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)

    def change(cluster: cluster_pb2.Cluster) -> bool:
        is_there = any(item.key == CORDON_KEY for item in cluster.taints)
        _put(cluster, mark, is_removal=is_removal)
        return is_there == is_removal

    for name in (each.removeprefix("cluster/") for each in names):
        stored = change_cluster(context.client(), name, ["taints"], change)
        word = "uncordoned" if is_removal else "cordoned"
        click.echo(f"cluster/{name} {word}" if stored is not None else f"cluster/{name} already {word}")


def _read(text: str) -> tuple[cluster_pb2.Taint, bool]:
    """Read one taint, and whether it is to be removed."""
    found = _FORM.match(text)
    if found is None or not (found["effect"] or found["removal"]):
        raise UsageFailure(f"{text!r}: write KEY=VALUE:EFFECT to set a taint, KEY:EFFECT- or KEY- to remove it")
    effect = found["effect"] or ""
    known = {word.lower(): value for word, value in _EFFECTS.items()}
    if effect and effect.lower() not in known:
        raise UsageFailure(f"{effect!r} is none of the effects: {', '.join(_EFFECTS)}")
    number = known[effect.lower()] if effect else cluster_pb2.TAINT_EFFECT_UNSPECIFIED
    return cluster_pb2.Taint(key=found["key"], value=found["value"] or "", effect=number), bool(found["removal"])


def _put(cluster: cluster_pb2.Cluster, taint: cluster_pb2.Taint, *, is_removal: bool) -> None:
    """Replace the taint of the same key and effect, or remove it; without an effect all of the key."""
    kept = [item for item in cluster.taints if item.key != taint.key or (taint.effect and item.effect != taint.effect)]
    same = [item for item in cluster.taints if taint_text(item) == taint_text(taint)]
    cluster.ClearField("taints")
    # One that is there as it should be stays as it is: toleration seconds count from when it was set.
    cluster.taints.extend(kept if is_removal else [*kept, *(same or [taint])])
