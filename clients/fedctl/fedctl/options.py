"""Options that several commands have, spelled the same everywhere."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from fedctl.failures import UsageFailure
from fedctl.kinds import EVENT, Kind

F = TypeVar("F", bound=Callable[..., Any])

OUTPUTS = ("table", "wide", "json", "yaml", "name")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")


def label_problem(text: str) -> str | None:
    """Return what keeps a text from naming a namespace or a cluster, and what would be right (RFC 1123, a label)."""
    if _LABEL.match(text):
        return None
    better = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    meant = f"; {better!r} would be right" if better else ""
    return f"{text[:80]!r} is no valid name: small letters, digits and '-', at most 63 characters{meant}"


def _checked_namespace(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    del ctx, parameter
    if problem := label_problem(value):
        raise UsageFailure(f"-n {problem}", hint="-A is for all namespaces" if value in ("", "-", "*") else "")
    return value


def namespace_option(function: F) -> F:
    """-n NAMESPACE: a namespace of fedsvc; `default` unless told otherwise."""
    return click.option(
        "-n",
        "--namespace",
        default="default",
        envvar="FEDCTL_NAMESPACE",
        callback=_checked_namespace,
        show_default=True,
        help="Namespace of the unit",
    )(function)


def namespace_wanted(asked: Sequence[Kind], namespace: str, *, all_namespaces: bool) -> str:
    """Return the namespace that a list is restricted to; empty: none.

    Events are looked at to learn what went on, clusters included, which are in no namespace: without -n it is all.
    """
    source = click.get_current_context().get_parameter_source("namespace")
    is_said = source not in (None, ParameterSource.DEFAULT)
    return "" if all_namespaces or (set(asked) == {EVENT} and not is_said) else namespace


def all_namespaces_option(function: F) -> F:
    """-A: every namespace."""
    return click.option("-A", "--all-namespaces", is_flag=True, help="Units of every namespace")(function)


def output_option(function: F) -> F:
    """-o FORMAT: any of those for lists of objects."""
    return output_as(*OUTPUTS)(function)


def output_as(*outputs: str, help: str = "How to print") -> Callable[[F], F]:  # noqa: A002 - click's own name
    """-o FORMAT: one of these, the first unless told otherwise."""
    return click.option("-o", "--output", type=click.Choice(outputs), default=outputs[0], show_default=True, help=help)


def recursive_option(function: F) -> F:
    """-R: with -f, the folders below too."""
    return click.option("-R", "--recursive", is_flag=True, help="With -f DIR: read the folders below it too")(function)


def timeout_option(default: str) -> Callable[[F], F]:
    """--timeout LENGTH, for example 90, 90s, 5m, 1h."""

    def add(function: F) -> F:
        return click.option(
            "--timeout", "timeout_seconds", type=Seconds(), default=default, show_default=True, help="How long to wait"
        )(function)

    return add


class Seconds(click.ParamType[float]):
    """A length of time: 90, 90s, 5m, 1h."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
        try:
            seconds = float(text[:-1]) * unit if unit else float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < 1e9:
            self.fail(f"{text!r} is no length of time; write for example 90s, 5m or 1h", param, ctx)
        return seconds
