import click

from fedctl.context import Context, pass_context
from fedctl.costs import cost_text, put_cost, read_price
from fedctl.failures import UsageFailure
from fedctl.members import change_cluster, cluster_and_rest
from fedsvc.v1 import cluster_pb2

_EXAMPLES = """\b
Examples:
  fedctl set cluster eu-1 jurisdiction=EU
  fedctl set cluster eu-1 cost-core=0.031 cost-gib=0.004
  fedctl set cluster eu-1 jurisdiction- cost-            not known any more

\b
What can be set, as when joining:
  jurisdiction   law the cluster is under; placements may allow some jurisdictions only
  cost-core      price of a core by the hour, in the currency of the fleet
  cost-gib       price of a GiB of memory by the hour
"""

_FORM = "KEY=VALUE"
_KEYS = ("jurisdiction", "cost-core", "cost-gib")
_REMOVALS = ("jurisdiction", "cost")


@click.command("set", epilog=_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar="cluster NAME KEY=VALUE... KEY-...")
@pass_context
def set_facts(context: Context, *, what: tuple[str, ...]) -> None:
    """Set what placement knows of a cluster: jurisdiction and cost."""
    name, changes = cluster_and_rest(what, "set", _FORM)
    wanted, removed = _read(changes)
    prices = {key: read_price(wanted[key], key) for key in _KEYS[1:] if key in wanted}
    fields = [field for field in _REMOVALS if field in removed or any(key.startswith(field) for key in wanted)]

    def change(cluster: cluster_pb2.Cluster) -> bool:
        before = cluster_pb2.Cluster()
        before.CopyFrom(cluster)
        for field in removed:
            cluster.ClearField("jurisdiction" if field == "jurisdiction" else "cost")
        if "jurisdiction" in wanted:
            cluster.jurisdiction = wanted["jurisdiction"]
        put_cost(cluster, core_micros=prices.get("cost-core"), gib_micros=prices.get("cost-gib"))
        return before != cluster

    stored = change_cluster(context.client(), name, fields, change)
    if stored is None:
        click.echo(f"cluster/{name} unchanged")
    else:
        facts = (("jurisdiction", stored.jurisdiction), ("cost", cost_text(stored)))
        shown = (f"{field} {value or 'unknown'}" for field, value in facts if field in fields)
        click.echo(f"cluster/{name} set: {', '.join(shown)}")


def _read(changes: tuple[str, ...]) -> tuple[dict[str, str], set[str]]:
    """Read what is set, and what is taken away."""
    wanted: dict[str, str] = {}
    removed: set[str] = set()
    for change in changes:
        key, is_set, value = change.partition("=")
        if is_set and key in _KEYS and value:
            wanted[key] = value
        elif not is_set and key.removesuffix("-") in _REMOVALS and key.endswith("-"):
            removed.add(key.removesuffix("-"))
        else:
            forms = ", ".join([*(f"{key}=VALUE" for key in _KEYS), *(f"{key}-" for key in _REMOVALS)])
            raise UsageFailure(f"{change!r}: write one of {forms}")
    for field in removed:
        if any(key.startswith(field) for key in wanted):
            raise UsageFailure(f"{field} cannot be set and taken away at once")
    return wanted, removed
