"""The entry point of `fedctl` and of `kubectl fed`: global options, the list of commands, and how errors end."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fedctl.context import Context
from fedctl.failures import Exit
from fedctl.lazy import LazyCommand, LazyGroup


def _command(module: str, attribute: str, summary: str) -> LazyCommand:
    return LazyCommand(target=f"fedctl.commands.{module}:{attribute}", help=summary)


COMMANDS = {
    "get": _command("get", "get", "Show clusters, units, resources, works, policies, holds, removals, events or pods"),
    "describe": _command("describe", "describe", "Show everything about one object, and why it is as it is"),
    "explain": _command("explain", "explain", "Say why a unit is where it is, and why not elsewhere"),
    "simulate": _command("simulate", "simulate", "Say what would become of units if things were different"),
    "rebalance": _command("rebalance", "rebalance", "Place units anew as if everything could move"),
    "apply": _command("apply", "apply", "Apply manifests or fedsvc documents as units and policies"),
    "convert": _command("convert", "convert", "Print KubeFed's objects as documents of fedsvc"),
    "adopt": _command("adopt", "adopt", "Take over objects that are in clusters already"),
    "handover": _command("handover", "handover", "Move resources to another unit, where their objects are"),
    "release": _command("handover", "release", "Leave objects in the clusters, unmanaged; or end a hold of automation"),
    "recreate": _command("recreate", "recreate", "Let an object be made anew that cannot be changed"),
    "delete": _command("delete", "delete", "Delete units or policies"),
    "diff": _command("diff", "diff", "Show how members differ from what they shall hold"),
    "status": _command("status", "status", "Show how a unit fares, a line a cluster"),
    "events": _command("events", "events", "Show what happened to a unit, here and in its clusters"),
    "logs": _command("logs", "logs", "Print the logs of a unit's pods on all its clusters"),
    "history": _command("history", "history", "Show the revisions of a unit, and what each changed"),
    "rollback": _command("rollback", "rollback", "Bring an earlier revision of a unit back"),
    "rollout": _command("rollout", "rollout", "Follow, pause, approve or abort the rollout of a unit"),
    "wait": _command("wait", "wait", "Wait until a unit is applied, ready or deleted"),
    "watch": _command("watch", "watch", "Follow changes as they happen"),
    "join": _command("join", "join", "Make a Kubernetes cluster a member"),
    "unjoin": _command("join", "unjoin", "Make a member leave"),
    "label": _command("label", "label", "Set or remove labels of a cluster"),
    "set": _command("set", "set_facts", "Set jurisdiction and cost of a cluster"),
    "score": _command("score", "score", "Say what somebody else thinks of a cluster"),
    "taint": _command("taint", "taint", "Set or remove taints of a cluster"),
    "cordon": _command("taint", "cordon", "Send nothing new to a cluster"),
    "uncordon": _command("taint", "uncordon", "Let a cluster have new units again"),
    "maintenance": _command("taint", "maintenance", "Empty a cluster for maintenance"),
    "pause": _command("pause", "pause", "Write nothing to clusters for a unit, to a cluster, or to any"),
    "resume": _command("pause", "resume", "End a pause"),
    "thaw": _command("pause", "thaw", "Let urgent changes through a freeze window"),
    "automation": _command("automation", "automation", "Show whether lost clusters are acted on"),
    "hold": _command("automation", "hold", "Let nothing move by itself away from lost clusters"),
    "failovers": _command("automation", "failovers", "Show what left clusters, how long it took, and what waits"),
    "audit": _command("audit", "audit", "Show what automation did and refused, why, and what people asked of it"),
    "failover": _command("moves", "failover", "Have a unit, or all units, leave a cluster or region"),
    "failback": _command("moves", "failback", "Let units take back what left a cluster that is well"),
    "drain": _command("moves", "drain", "Empty a cluster or region that lives, at a pace"),
    "drill": _command("drill", "drill", "Rehearse the loss of a region or cluster, measured and undone"),
    "drills": _command("drill", "drills", "Show drills and what came of them"),
    "dns": _command("dns", "dns", "Show what DNS zones hold and why; verify, plan, freeze them"),
    "confirm": _command("confirm", "confirm", "Let removals be done that are held"),
    "demo": _command("demo", "demo", "Bring up a demonstration federation on this machine"),
    "version": _command("version", "version", "Show the versions of fedctl and of the server"),
    "completion": _command("completion", "completion", "Print the completion script for a shell"),
}

EPILOG = """\b
Examples:
  fedctl demo                              try it, no cluster needed
  fedctl join eu-1 --context kind-eu-1     make a cluster a member
  fedctl apply -f app/ --unit shop --all-clusters
  fedctl status shop
  fedctl get clusters -o wide

\b
Exit codes:
  0 done   1 failed   2 usage   3 not found   4 conflict   5 timed out   6 unreachable
  7 some clusters did not answer   130 interrupted

\b
Which server: --server or FEDCTL_SERVER, else --config or FEDCTL_CONFIG, else ~/.config/fedctl/config.yaml.
"""


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Put a global option into the settings; one that stands after the command wins over one before it."""
    if value is not None and parameter.name is not None:
        settings, name = ctx.ensure_object(Context).settings, parameter.name.removeprefix("global_")
        setattr(settings, name, value)
        if name == "config":
            settings.config_is_ambient = ctx.get_parameter_source(parameter.name) is ParameterSource.ENVIRONMENT
    return value


def _global_options(*, hidden: bool) -> list[click.Option]:
    """Make the global options; those of a command are hidden copies, which take no value from the environment."""

    def option(name: str, kind: Any, metavar: str, variable: str, text: str) -> click.Option:
        return click.Option(
            [f"--{name.replace('_', '-')}", f"global_{name}"],
            type=kind,
            metavar=metavar,
            envvar=None if hidden else variable,
            help=text,
            hidden=hidden,
            expose_value=False,
            callback=_keep,
        )

    file = click.Path(path_type=Path, dir_okay=False)
    return [
        option("server", str, "ADDRESS", "FEDCTL_SERVER", "host:port of the server, or the name of one in the config"),
        option("token", str, "TOKEN", "FEDCTL_TOKEN", "Bearer token; better in the environment (FEDCTL_TOKEN)"),
        option("config", file, "FILE", "FEDCTL_CONFIG", "Configuration file"),
        option("ca_file", file, "FILE", "FEDCTL_CA_FILE", "Authorities to trust (PEM); switches TLS on"),
    ]


def _accept_global_options(command: click.Command) -> None:
    taken = {option for parameter in command.params for option in parameter.opts}
    command.params.extend(item for item in _global_options(hidden=True) if not taken.intersection(item.opts))
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _accept_global_options(inner)


def _explain(error: Exception) -> click.ClickException | None:
    from fedctl.explain import explain  # noqa: PLC0415 - only needed when something failed

    return explain(error)


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    prepare=_accept_global_options,
    on_error=_explain,
    interrupted=Exit.INTERRUPTED,
    params=_global_options(hidden=False),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
    no_args_is_help=True,
)
@click.version_option(package_name="fedsvc", message="%(prog)s %(version)s", help="Show the version of this program")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run applications on many Kubernetes clusters through fedsvc."""
    ctx.call_on_close(ctx.ensure_object(Context).close)


def main() -> None:
    """Run fedctl and end the process with its exit code."""
    # What gRPC logs by itself is of connections that fail, which fedctl tells in words; whoever wants it asks for it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    program = "kubectl fed" if Path(sys.argv[0]).name.startswith("kubectl-fed") else "fedctl"
    try:
        cli.main(prog_name=program, complete_var="_FEDCTL_COMPLETE")
    except BrokenPipeError:
        # The reader went away, as `head` does; whatever Python still holds for it must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.FAILED))


if __name__ == "__main__":
    main()
