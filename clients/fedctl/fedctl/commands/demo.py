import time
from pathlib import Path

import click

from fedctl import kinds
from fedctl.applying import apply_item
from fedctl.commands.status import print_status, read_status
from fedctl.context import Context, pass_context
from fedctl.demo.stage import MEMBERS, Stage, default_folder, step
from fedctl.failures import Exit, Failure
from fedctl.files.plan import make_plan
from fedctl.files.source import read_documents
from fedctl.listing import Filter, read_list
from fedctl.output import views
from fedctl.output.printing import print_table
from fedctl.target import Target
from fedsvc_client import FedsvcError

_READY_SECONDS = 60.0
_UNIT = "default/shop"

_EXAMPLES = """\b
Examples:
  fedctl demo                  bring it up; a second time: go on from where it was
  fedctl demo status
  fedctl demo kill eu          lose a region (or one cluster: kill eu-1)
  fedctl demo heal
  fedctl demo down             stop it; the state stays
  fedctl demo down --purge     stop it and remove all of it

\b
Three simulated Kubernetes clusters in three regions, the service with its own PostgreSQL, and a sample unit run on this
machine, on loopback only, without root. All state lies in one folder (--dir, default ~/.local/share/fedsvc-demo, or
/var/lib/fedsvc-demo for root, whose home PostgreSQL cannot enter).
"""


@click.group(invoke_without_command=True, epilog=_EXAMPLES)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FEDCTL_DEMO_DIR",
    help="Folder for all state [default: ~/.local/share/fedsvc-demo]",
)
@click.pass_context
def demo(ctx: click.Context, folder: Path | None) -> None:
    """Bring up a demonstration federation on this machine."""
    ctx.meta["fedctl.stage"] = Stage(folder or default_folder())
    if ctx.invoked_subcommand is None:
        ctx.invoke(up)


def _stage() -> Stage:
    stage = click.get_current_context().meta["fedctl.stage"]
    assert isinstance(stage, Stage)
    return stage


@demo.command(epilog="\b\nExamples:\n  fedctl demo up\n  fedctl demo --dir /tmp/demo up\n")
@pass_context
def up(context: Context) -> None:
    """Start it, or go on from where it was (the same as `fedctl demo`)."""
    stage, started = _stage(), time.monotonic()
    stage.check_installed()
    with stage.locked():
        _bring_up(context, stage)
    click.echo()
    print_status(context, read_status(context.client(), _UNIT, ""))
    click.echo(f"\nThe demo is up after {time.monotonic() - started:.1f} s. What to try next:")
    click.echo(_next_steps(stage))


def _bring_up(context: Context, stage: Stage) -> None:
    if stage.is_up():
        click.echo("The demo is up already.", err=True)
    with step(f"three simulated clusters and the service in {stage.folder}"):
        must_join = stage.start()
    context.settings.config, context.settings.server, context.settings.token = stage.config, "", ""
    if must_join:
        with step(f"joining {', '.join(member.name for member in MEMBERS)}"):
            stage.join_all()
    with step(f"applying the sample unit {stage.sample}"):
        plan = make_plan(read_documents([str(stage.write_sample())]), unit="", namespace="default", default_unit="shop")
        for item in plan.items:
            apply_item(context.client(), item, Target(), dry_run=False)
    gone = [cluster.name for cluster in stage.control().clusters() if cluster.outage != "none"]
    if gone:
        context.warn(f"{', '.join(gone)} is still down from before; heal it with:  fedctl demo heal")
        return
    with step("waiting until it is ready on every cluster"):
        context.client().units.wait_for(_UNIT, "ready", timeout_seconds=_READY_SECONDS)


@demo.command(epilog="\b\nExamples:\n  fedctl demo kill eu\n  fedctl demo kill us-1\n")
@click.argument("name", metavar="REGION|CLUSTER")
def kill(name: str) -> None:
    """Let a region or a cluster fail: its API servers refuse every connection."""
    for cluster in _stage().control().kill(name):
        click.echo(f"cluster {cluster.name} (region {cluster.region}) is down")
    stage = _stage()
    fedctl = f"fedctl --config {stage.config}"
    click.echo(
        f"""
It is found to be lost within 20 s, and its units leave it 30 s later. Watch it:
  {fedctl} get clusters -w
Where they go, how long each phase takes, and what waits:
  {fedctl} failovers
What the names answer, without the addresses of what is lost by then:
  dig +short @127.0.0.1 -p {stage.names_port} shop.demo.test
What automation did and refused, and on what evidence:
  {fedctl} audit
And back:
  {_again(stage)} heal"""
    )


@demo.command(epilog="\b\nExamples:\n  fedctl demo heal\n  fedctl demo heal eu\n")
@click.argument("name", metavar="[REGION|CLUSTER]", default="")
def heal(name: str) -> None:
    """Heal a region, a cluster, or everything."""
    stage = _stage()
    for cluster in stage.control().heal(name):
        click.echo(f"cluster {cluster.name} (region {cluster.region}) is well")
    fedctl = f"fedctl --config {stage.config}"
    click.echo(
        f"""
It is trusted again after a minute without trouble, and units go back 20 s later, as the sample asks for. Watch it:
  {fedctl} get clusters -w
  {fedctl} failovers"""
    )


@demo.command(epilog="\b\nExamples:\n  fedctl demo status\n")
@pass_context
def status(context: Context) -> None:
    """Show what runs, the clusters, and the sample unit."""
    stage = _stage()
    for program in (stage.simulator, stage.server):
        found = program.running()
        click.echo(f"{program.name}: " + (f"runs (process {found.pid})" if found else "does not run"))
    click.echo(f"folder: {stage.folder}")
    if not stage.is_up():
        raise Failure("the demo is not up", code=Exit.UNREACHABLE, hint="Bring it up with:  fedctl demo")
    context.settings.config, context.settings.server, context.settings.token = stage.config, "", ""
    click.echo()
    print_table(context.console(), views.clusters(), read_list(context.client(), kinds.CLUSTER, Filter()).rows)
    click.echo()
    try:
        print_status(context, read_status(context.client(), _UNIT, ""))
    except (FedsvcError, Failure) as error:
        context.note(f"the sample unit: {error}")


@demo.command(epilog="\b\nExamples:\n  fedctl demo down\n  fedctl demo down --purge\n")
@click.option("--purge", is_flag=True, help="Remove all state, too")
def down(*, purge: bool) -> None:
    """Stop it; the state stays, and the next `fedctl demo` goes on from it."""
    stage = _stage()
    if not stage.folder.exists():
        click.echo("there is no demo")
        return
    with stage.locked():
        ran = stage.stop()
        if purge:
            stage.purge()
    click.echo("the demo is stopped" if ran else "the demo was not up")
    click.echo(f"{stage.folder} is removed" if purge else f"its state stays in {stage.folder}")


def _again(stage: Stage) -> str:
    """Return how to call this very demo again."""
    return "fedctl demo" if stage.folder == default_folder().absolute() else f"fedctl demo --dir {stage.folder}"


def _next_steps(stage: Stage) -> str:
    again = _again(stage)
    return f"""\
  export FEDCTL_CONFIG={stage.config}
  fedctl get clusters -o wide
  fedctl describe unit shop
  # change the sample, and see the change arrive:
  fedctl apply -f {stage.sample} && fedctl get works --unit shop -w
  # what its names answer, and why:
  fedctl dns explain shop.demo.test
  dig @127.0.0.1 -p {stage.names_port} shop.demo.test
  # rehearse the loss of a region, measured and undone:
  fedctl drill region eu --mode full --away 10s --yes
  # lose it, see replicas and names move, and get it back:
  {again} kill eu
  {again} heal
  # the clusters themselves:
  kubectl --kubeconfig {stage.kubeconfig} --context us-1 get deployments
  {again} down"""
