"""How things are written in messages: the same everywhere."""

from collections.abc import Iterable
from datetime import datetime

from fedsvc_placement.model import ApiKind, Taint, Topology

_SHOWN = 4


def instant_text(instant: datetime) -> str:
    """Return an instant in ISO 8601, to the second."""
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def taint_text(taint: Taint) -> str:
    """Return a taint as it is written on a command line: `key=value:Effect`."""
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def kind_text(kind: ApiKind) -> str:
    """Return a kind as in a manifest's `apiVersion`, with the kind behind it: `apps/v1 Deployment`."""
    return f"{kind.group}/{kind.version} {kind.kind}" if kind.group else f"{kind.version} {kind.kind}"


def topology_text(by: str, label_key: str) -> str:
    """Return what clusters are grouped by: `region`, or the label's key."""
    return f"label {label_key}" if by == Topology.LABEL else by


def groups_text(count: int, by: str, label_key: str) -> str:
    """Return how many groups there are: `2 regions`, `1 value of label rack`."""
    if by == Topology.LABEL:
        return f"{count_text(count, 'value')} of label {label_key}"
    return count_text(count, by)


def count_text(count: int, noun: str) -> str:
    """Return `1 replica` or `3 replicas`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def list_text(names: Iterable[str]) -> str:
    """Return names with commas, the first few of many."""
    found = list(names)
    shown = ", ".join(found[:_SHOWN])
    return f"{shown} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else shown
