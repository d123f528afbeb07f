"""How units fare on their clusters, as rollouts look at it."""

from collections.abc import Mapping, Sequence
from typing import Final

from fedsvc.model.silence import Silence
from fedsvc.model.summary import ClusterWorks
from fedsvc.model.unit import WorkState
from fedsvc.rollout import ClusterView
from fedsvc.store import clusters, rollouts, summaries
from fedsvc.store.store import Transaction
from fedsvc_placement import ClusterSnapshot

_TROUBLE: Final = (WorkState.FAILED, WorkState.DRIFTED)


async def of_units(
    tx: Transaction, uids: Sequence[str], *, settle_seconds: float = 0.0
) -> dict[str, list[ClusterView]]:
    """Each unit's clusters, sorted by name, by uid of the unit.

    Args:
        tx: the transaction.
        uids: of the units.
        settle_seconds: what was applied less long ago, and not seen since, does not count as applied yet.
    """
    held = await rollouts.held(tx, uids)
    works = {
        uid: {entry.cluster: entry for entry in found} for uid, found in (await summaries.of_units(tx, uids)).items()
    }
    unseen = await rollouts.unseen(tx, uids, settle_seconds=settle_seconds)
    names = sorted({name for revisions in held.values() for name in revisions})
    facts = {cluster.name: cluster.snapshot() for cluster in await clusters.list_named(tx, names)}
    silent = await clusters.silences(tx, names)
    return {
        uid: [
            _view(facts[name], held[uid][name], works[uid].get(name), silent, is_seen=(uid, name) not in unseen)
            for name in sorted(held[uid])
        ]
        for uid in uids
    }


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
