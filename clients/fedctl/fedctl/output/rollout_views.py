"""The tables of revisions and rollouts: which columns, and what stands in them."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from fedctl.output import words
from fedctl.output.tables import Column, Table
from fedctl.output.views import Now, utc_now
from fedsvc.v1 import common_pb2, revision_pb2, rollout_pb2

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveLine:
    """A cluster in its wave; a wave without clusters has one line with none."""

    wave: str
    cluster: rollout_pb2.RolloutCluster


def revisions(now: Now = utc_now) -> Table[revision_pb2.UnitRevision]:
    """Make the table of `fedctl history`."""
    return Table(
        columns=(
            Column(title="REVISION", text=lambda row: f"{row.revision}{' (newest)' if row.current else ''}"),
            Column(title="AGE", text=lambda row: words.age(row.create_time, now()), news=lambda _: ""),
            Column(title="AUTHOR", text=lambda row: row.author),
            Column(title="CLUSTERS", text=lambda row: clusters_text(row.clusters)),
            Column(title="RESOURCES", text=lambda row: str(row.resource_count), is_wide=True),
            Column(title="CHANGES", text=changes_text, is_long=True),
        )
    )


def wave_lines() -> Table[WaveLine]:
    """Make the table of `fedctl rollout status`: a line a cluster."""
    return Table(
        columns=(
            Column(title="WAVE", text=lambda row: row.wave),
            Column(title="CLUSTER", text=lambda row: row.cluster.cluster),
            Column(title="STATE", text=lambda row: cluster_state(row.cluster), style=words.style_of),
            Column(title="REVISION", text=lambda row: str(row.cluster.revision) if row.cluster.cluster else words.NONE),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.cluster.message), is_long=True),
        )
    )


def lines_of(rollout: rollout_pb2.Rollout) -> list[WaveLine]:
    """Put the clusters of all waves in lines."""
    lines = []
    for number, wave in enumerate(rollout.waves, start=1):
        title = f"{number} {wave.name}".strip()
        clusters = list(wave.clusters) or [rollout_pb2.RolloutCluster()]
        lines += [WaveLine(wave=title, cluster=one) for one in clusters]
    return lines


def cluster_state(cluster: rollout_pb2.RolloutCluster) -> str:
    """Return how a rollout fares on a cluster, in one word."""
    return words.enum_word(rollout_pb2.RolloutClusterState.DESCRIPTOR, cluster.state)


def phase_word(rollout: rollout_pb2.Rollout) -> str:
    """Return where a rollout stands, in one word."""
    return words.enum_word(rollout_pb2.RolloutPhase.DESCRIPTOR, rollout.phase)


def wave_text(rollout: rollout_pb2.Rollout, now: dt.datetime) -> str:
    """Say in which wave a rollout is, and how long that is still watched; empty where it is in none."""
    if rollout.phase in (
        rollout_pb2.ROLLOUT_PHASE_COMPLETED,
        rollout_pb2.ROLLOUT_PHASE_ROLLING_BACK,
        rollout_pb2.ROLLOUT_PHASE_ROLLED_BACK,
    ):
        return ""
    count = len(rollout.waves)
    wave = rollout.waves[min(rollout.wave, count) - 1]
    text = f"wave {min(rollout.wave, count)} of {count}" + (f", {wave.name}" if wave.name else "")
    if wave.HasField("soak_end_time"):
        left = (wave.soak_end_time.ToDatetime(dt.UTC) - now).total_seconds()
        text += f", watched for {words.span(max(0.0, left))} more"
    return text


def clusters_text(clusters: Iterable[str]) -> str:
    """Write names of clusters, the first few."""
    names = list(clusters)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def changes_text(row: revision_pb2.UnitRevision) -> str:
    """Say in a few words what a revision changed."""
    if not row.HasField("changes"):
        return "(the revision before is not kept)"
    changes = row.changes
    counts = [
        f"{sign}{len(refs)} ({_objects(refs)})"
        for sign, refs in (("+", changes.added), ("~", changes.changed), ("-", changes.removed))
        if refs
    ]
    text = "; ".join([*counts, *([", ".join(changes.fields)] if changes.fields else [])])
    restored = f"brings back {row.restores}" if row.restores else ""
    return ": ".join(part for part in (restored, text) if part)


def _objects(refs: Iterable[common_pb2.ManifestRef]) -> str:
    found = list(refs)
    shown = ", ".join(f"{ref.kind}/{ref.name}" for ref in found[:_SHOWN])
    return f"{shown}{', ...' if len(found) > _SHOWN else ''}"
