"""What a simulated cluster is made of, as settings: written in Python or as ``name=eu-1,region=eu,zones=eu-a+eu-b``."""

import re
from dataclasses import dataclass, fields

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedClusterSpec:
    """One simulated cluster."""

    name: str
    region: str = ""
    zones: tuple[str, ...] = ()
    provider: str = ""
    nodes: int = 3
    cpu: str = "8"  # of each node, a quantity
    memory: str = "32Gi"  # of each node, a quantity
    pods: int = 110  # of each node
    kubernetes_version: str = "v1.31.4"
    labels: tuple[tuple[str, str], ...] = ()  # of each node
    architecture: str = "amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take in simulated clusters, in seconds; all 0 for tests."""

    pod_start_seconds: float = 0.0
    job_seconds: float = 0.0
    load_balancer_seconds: float = 0.0
    namespace_delete_seconds: float = 0.0
    bookmark_interval_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a simulator behaves, for all its clusters."""

    timing: Timing = Timing()
    pod_objects: bool = True  # False: workloads only count their pods, for scale
    controllers: bool = True  # False: only the API, nothing moves by itself
    history_limit: int = 4096  # events kept for each kind; older watches get 410
    save_delay_seconds: float = 1.0  # with a state folder: how long changes gather before they are written


class SpecError(ValueError):
    """A cluster's text cannot be read; the message says what would be right."""


def parse_spec(text: str) -> SimulatedClusterSpec:
    """Read ``name=eu-1,region=eu,zones=eu-a+eu-b,provider=aws,nodes=3,cpu=8,memory=32Gi,label=disk:ssd``.

    Raises:
        SpecError: with the field that is wrong.
    """
    known = {item.name for item in fields(SimulatedClusterSpec)} - {"labels"}
    values: dict[str, str] = {}
    labels: list[tuple[str, str]] = []
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise SpecError(f"cluster: {part!r} is not key=value")
        if key == "label":
            label, _, content = value.partition(":")
            labels.append((label, content))
        elif key in known:
            values[key] = value
        else:
            raise SpecError(f"cluster: unknown key {key!r}; known are {', '.join(sorted(known))}, label")
    name = values.get("name", "")
    if not NAME.fullmatch(name):
        raise SpecError(f"cluster: name {name!r} must be lower case letters, digits and '-', at most 63")
    defaults = SimulatedClusterSpec(name=name)
    return SimulatedClusterSpec(
        name=name,
        region=values.get("region", ""),
        zones=tuple(filter(None, values.get("zones", "").split("+"))),
        provider=values.get("provider", ""),
        nodes=_integer(values, "nodes", defaults.nodes),
        cpu=values.get("cpu", defaults.cpu),
        memory=values.get("memory", defaults.memory),
        pods=_integer(values, "pods", defaults.pods),
        kubernetes_version=values.get("kubernetes_version", defaults.kubernetes_version),
        labels=tuple(labels),
        architecture=values.get("architecture", defaults.architecture),
    )


def _integer(values: dict[str, str], key: str, default: int) -> int:
    text = values.get(key)
    if text is None:
        return default
    if not text.isdecimal():
        raise SpecError(f"cluster: {key} must be a whole number, not {text!r}")
    return int(text)
