"""What a caller says of a member cluster: labels, location, taints and connection."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fedsvc.api.convert.cluster import read_score
from fedsvc.api.convert.placement import read_taint
from fedsvc.api.intent.connection import checked_connection
from fedsvc.api.intent.metadata import check_annotations, check_labels
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.problems import Problems
from fedsvc.health.verdict import SUSPECT_TAINT, UNREACHABLE_TAINT
from fedsvc.model.cluster import Cluster, Connection
from fedsvc.rendering.names import label_value_problem
from fedsvc.v1 import cluster_pb2
from fedsvc_placement import Cost, ExternalScore, Taint, validate_taints
from fedsvc_placement.model import MAINTENANCE_TAINT

MAX_SCORE: Final = 100

MASKABLE: Final = (
    "labels",
    "annotations",
    "provider",
    "region",
    "zones",
    "taints",
    "connection",
    "jurisdiction",
    "cost",
    "scores",
)
"""What an update may name in its mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIntent:
    """The checked intent of a cluster."""

    labels: dict[str, str]
    annotations: dict[str, str]
    provider: str
    region: str
    zones: tuple[str, ...]
    taints: tuple[Taint, ...]
    connection: Connection
    jurisdiction: str
    cost: Cost | None
    scores: tuple[ExternalScore, ...]


def read_cluster(
    message: cluster_pb2.Cluster, fields: Iterable[str], stored: Cluster | None, now: datetime, problems: Problems
) -> ClusterIntent:
    """The intent after a request: the fields it speaks of from the message, the others as they are stored.

    Args:
        message: the cluster of the request.
        fields: which of `MASKABLE` it speaks of.
        stored: what is there; None for a new cluster.
        now: when taints that are new were added; those that were there keep their time.
        problems: gathers what is wrong, under the path ``cluster``.
    """
    named = set(fields)
    zones = tuple(sorted(set(message.zones)))
    if "labels" in named:
        check_labels(message.labels, "cluster.labels", problems)
    if "annotations" in named:
        check_annotations(message.annotations, "cluster.annotations", problems)
    words = (("provider", message.provider), ("region", message.region), ("jurisdiction", message.jurisdiction))
    for name, value in words:
        if name in named and (problem := label_value_problem(value)) is not None:
            problems.add(f"cluster.{name}", problem)
    if "zones" in named:
        _check_zones(message.zones, problems)
    before = () if stored is None else stored.taints
    connection = Connection(endpoint="") if stored is None else stored.connection
    return ClusterIntent(
        labels=dict(message.labels) if "labels" in named or stored is None else stored.labels,
        annotations=dict(message.annotations) if "annotations" in named or stored is None else stored.annotations,
        provider=message.provider if "provider" in named or stored is None else stored.provider,
        region=message.region if "region" in named or stored is None else stored.region,
        zones=zones if "zones" in named or stored is None else stored.zones,
        taints=_read_taints(message.taints, before, now, problems) if "taints" in named else before,
        connection=checked_connection(message, stored, now, problems) if "connection" in named else connection,
        jurisdiction=message.jurisdiction if "jurisdiction" in named or stored is None else stored.jurisdiction,
        cost=_read_cost(message, problems) if "cost" in named or stored is None else stored.cost,
        scores=_read_scores(message.scores, problems) if "scores" in named or stored is None else stored.scores,
    )


def _check_zones(zones: Sequence[str], problems: Problems) -> None:
    if len(zones) > MAX_LISTED:
        problems.add("cluster.zones", f"has {len(zones)} entries; at most {MAX_LISTED} are accepted")
        return
    for index, zone in enumerate(zones):
        problem = label_value_problem(zone) if zone else "must not be empty"
        if problem is not None:
            problems.add(f"cluster.zones[{index}]", problem)


def _read_cost(message: cluster_pb2.Cluster, problems: Problems) -> Cost | None:
    if not message.HasField("cost"):
        return None
    cost = message.cost
    for name, value in (("micros_per_core", cost.micros_per_core), ("micros_per_gib", cost.micros_per_gib)):
        if value < 0:
            problems.add(f"cluster.cost.{name}", f"is {value}; it must be 0 or more")
    return Cost(micros_per_core=cost.micros_per_core, micros_per_gib=cost.micros_per_gib)


def _read_scores(messages: Sequence[cluster_pb2.ExternalScore], problems: Problems) -> tuple[ExternalScore, ...]:
    if len(messages) > MAX_LISTED:
        problems.add("cluster.scores", f"has {len(messages)} entries; at most {MAX_LISTED} are accepted")
        return ()
    seen: set[str] = set()
    for index, message in enumerate(messages):
        path = f"cluster.scores[{index}]"
        problem = label_value_problem(message.name) if message.name else "must not be empty"
        if problem is None and message.name in seen:
            problem = f"'{message.name}' is given twice"
        if problem is not None:
            problems.add(f"{path}.name", problem)
        if not -MAX_SCORE <= message.value <= MAX_SCORE:
            problems.add(f"{path}.value", f"is {message.value}; it must be from -{MAX_SCORE} to {MAX_SCORE}")
        seen.add(message.name)
    scores = (read_score(entry, f"cluster.scores[{index}]", problems) for index, entry in enumerate(messages))
    return tuple(sorted(scores, key=lambda score: score.name))


def _read_taints(
    messages: Sequence[cluster_pb2.Taint], before: Iterable[Taint], now: datetime, problems: Problems
) -> tuple[Taint, ...]:
    if len(messages) > MAX_LISTED:
        problems.add("cluster.taints", f"has {len(messages)} entries; at most {MAX_LISTED} are accepted")
        return ()
    taints = [read_taint(entry, f"cluster.taints[{index}]", problems) for index, entry in enumerate(messages)]
    problems.extend(validate_taints(taints, "cluster.taints"))
    for index, taint in enumerate(taints):
        if taint.key in (SUSPECT_TAINT, UNREACHABLE_TAINT):
            advice = f"to empty the cluster, drain it, or use {MAINTENANCE_TAINT} or a key of your own"
            problems.add(
                f"cluster.taints[{index}].key", f"{taint.key} is a verdict that fedsvc itself comes to; {advice}"
            )
    since = {(taint.key, taint.value, taint.effect): taint.time_added for taint in before}
    return tuple(
        Taint(
            key=taint.key,
            value=taint.value,
            effect=taint.effect,
            time_added=since.get((taint.key, taint.value, taint.effect)) or now,
        )
        for taint in taints
    )
