"""What a hold is of, as people write it: fleet, cluster/eu-1, unit/shop; and as the API does."""

import click

from fedctl import kinds
from fedctl.completing import Completer
from fedctl.completing import what as kind_and_name
from fedctl.failures import UsageFailure
from fedctl.output import views
from fedsvc_client import cluster_name, unit_name

FLEET = "fleet"

_FORMS = "fleet, cluster/NAME or unit/NAME"


def read_subject(words: tuple[str, ...], namespace: str) -> str:
    """Return the name in the API of "fleet", "unit/shop", "unit shop" or "cluster/eu-1".

    Raises:
        UsageFailure: It is none of these.
    """
    if words == (FLEET,):
        return FLEET
    if len(words) == 1 and "/" not in words[0]:
        raise UsageFailure(f"{words[0]!r}: write {_FORMS}")
    targets = kinds.split_targets(words, (kinds.CLUSTER, kinds.UNIT))
    if len(targets) != 1 or not targets[0][1]:
        raise UsageFailure(f"name one of: {_FORMS}")
    kind, name = targets[0]
    return cluster_name(name) if kind == kinds.CLUSTER else unit_name(name, namespace)


def shown_subject(subject: str) -> str:
    """Write a name in the API as people do: fleet, cluster/eu-1, unit/shop/web."""
    return views.subject_text(subject)


def subject_names() -> Completer:
    """Complete what can be held."""
    named = kind_and_name(kinds.CLUSTER, kinds.UNIT)

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        found = named(ctx, parameter, incomplete)
        is_first = not ctx.params.get(parameter.name or "")
        return [*([FLEET] if is_first and FLEET.startswith(incomplete) else []), *found]

    return complete
