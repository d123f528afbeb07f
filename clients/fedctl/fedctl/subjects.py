"""What a hold is of, as people write it: fleet, cluster/eu-1, unit/shop; and as the API does."""

import click

from fedctl import kinds
from fedctl.completing import Completer, region_names
from fedctl.completing import what as kind_and_name
from fedctl.failures import UsageFailure
from fedctl.output import views
from fedsvc_client import cluster_name, unit_name

FLEET = "fleet"

_FORMS = "fleet, cluster/NAME or unit/NAME"
_MOVE_FORMS = "unit/NAME, cluster/NAME or region/NAME"


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


def read_hold_subject(words: tuple[str, ...], namespace: str) -> str:
    """Return the name in the API of what automation is held for: as `read_subject`, or "region/eu".

    Raises:
        UsageFailure: It is none of these.
    """
    kind, _, name = "/".join(words).partition("/")
    if kind in ("region", "regions") and name and "/" not in name:
        return f"regions/{name}"
    return read_subject(words, namespace)


def read_move_subject(words: tuple[str, ...], namespace: str) -> str:
    """Return the name in the API of "unit/shop", "cluster/eu-1" or "region/eu": what is to leave, or to go back.

    Raises:
        UsageFailure: It is none of these.
    """
    if len(words) == 2 and "/" not in words[0]:
        words = (f"{words[0]}/{words[1]}",)
    kind, _, name = words[0].partition("/")
    if len(words) == 1 and kind in ("region", "regions") and name:
        return f"regions/{name}"
    if len(words) != 1 or not name:
        raise UsageFailure(f"{' '.join(words)!r}: write {_MOVE_FORMS}")
    return read_subject(words, namespace)


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


def move_subject_names() -> Completer:
    """Complete what can leave, or go back."""
    named = kind_and_name(kinds.UNIT, kinds.CLUSTER)
    region = "region/"

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        if incomplete.startswith(region):
            return [f"{region}{name}" for name in region_names(ctx) if name.startswith(incomplete.removeprefix(region))]
        found = named(ctx, parameter, incomplete)
        is_first = not ctx.params.get(parameter.name or "")
        return [*found, *([region] if is_first and region.startswith(incomplete) else [])]

    return complete
