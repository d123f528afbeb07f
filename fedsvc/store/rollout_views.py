"""How units fare on their clusters, as rollouts look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from fedsvc.model.hold import Hold, Write, hold_of, words_of
from fedsvc.model.silence import Silence
from fedsvc.model.summary import ClusterWorks
from fedsvc.model.unit import Unit, WorkState
from fedsvc.rollout import ClusterView
from fedsvc.store import clusters, holds, rollouts, summaries
from fedsvc.store.store import Transaction
from fedsvc_placement import ClusterSnapshot

_TROUBLE: Final = (WorkState.FAILED, WorkState.DRIFTED)


async def of_units(
    tx: Transaction, units: Sequence[Unit], *, settle_seconds: float = 0.0
) -> dict[str, list[ClusterView]]:
    """Each unit's clusters, sorted by name, by uid of the unit.

    Args:
        tx: the transaction.
        units: whose.
        settle_seconds: what was applied less long ago, and not seen since, does not count as applied yet.
    """
    uids = [unit.uid for unit in units]
    held = await rollouts.held(tx, uids)
    works = {
        uid: {entry.cluster: entry for entry in found} for uid, found in (await summaries.of_units(tx, uids)).items()
    }
    unseen = await rollouts.unseen(tx, uids, settle_seconds=settle_seconds)
    names = sorted({name for revisions in held.values() for name in revisions})
    facts = {cluster.name: cluster.snapshot() for cluster in await clusters.list_named(tx, names)}
    silent = await clusters.silences(tx, names)
    standing = (await holds.standing(tx)).holds
    found: dict[str, list[ClusterView]] = {}
    for unit in units:
        found[unit.uid] = []
        for name, revision in sorted(held[unit.uid].items()):
            is_seen = (unit.uid, name) not in unseen
            view = _view(facts[name], revision, works[unit.uid].get(name), silent, is_seen=is_seen)
            found[unit.uid].append(view if view.applied else replace(view, waits_for=_kept_back(unit, name, standing)))
    return found


def _kept_back(unit: Unit, cluster: str, standing: Sequence[Hold]) -> str:
    """Why nothing new is written to a cluster, by somebody's will; empty where it may be."""
    change = Write(cluster=cluster, unit_name=unit.resource_name, is_removal=False, is_change=True)
    hold = hold_of(standing, change)
    return "" if hold is None else words_of(hold)


def _view(
    facts: ClusterSnapshot,
    revision: int,
    works: ClusterWorks | None,
    silent: Mapping[str, Silence],
    *,
    is_seen: bool,
) -> ClusterView:
    silence = silent[facts.name].message if facts.name in silent else ""
    if works is None:  # the unit has no resources
        return ClusterView(facts=facts, revision=revision, applied=True, healthy=True, silent=silence)
    return ClusterView(
        facts=facts,
        revision=revision,
        applied=works.worst.state is WorkState.APPLIED and is_seen,
        healthy=works.worst_health is None,
        trouble=_trouble(works),
        silent=silence,
    )


def _trouble(works: ClusterWorks) -> str:
    worst, health = works.worst, works.worst_health
    if worst.state in _TROUBLE:
        return f"{worst.object} is {worst.state}" + (f": {worst.message}" if worst.message else "")
    if health is not None and health.health == "Degraded":
        return f"{health.object} is Degraded" + (f": {health.message}" if health.message else "")
    return ""
