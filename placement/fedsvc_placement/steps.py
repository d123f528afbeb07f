"""What a division did, in sentences."""

from collections.abc import Iterator, Sequence

from fedsvc_placement.jobs import parallelism
from fedsvc_placement.model import Mode, Movement, ReplicaPolicy, Share, Strategy, WorkloadInput

# So many clusters are named.
_NAMED = 10


def steps_of(workload: WorkloadInput, policy: ReplicaPolicy, total: int, shares: Sequence[Share]) -> Iterator[str]:
    """Yield the steps of a division in order, but for what found no place.

    Args:
        workload: what was divided.
        policy: how, defaults filled in.
        total: replicas wanted over all clusters when divided, in each when duplicated.
        shares: the result.
    """
    source = "the template" if policy.total is None else "placement.replicas.total"
    asked = workload.replicas if policy.total is None else policy.total
    where = "in each cluster" if policy.mode == Mode.DUPLICATED else "over all clusters"
    yield f"{asked} replicas {where}, from {source}"
    if parallelism(asked, workload.completions) < asked:
        yield f"of these {total}, since no more completions are wanted"
    if policy.mode == Mode.DIVIDED:
        yield from _bounds_and_weights(policy, total, shares)
        yield from _clusters(policy, shares)
    if workload.completions is not None and policy.mode == Mode.DIVIDED and any(share.replicas for share in shares):
        yield f"{workload.completions} completions go in proportion to the replicas"


def _bounds_and_weights(policy: ReplicaPolicy, total: int, shares: Sequence[Share]) -> Iterator[str]:
    within = bool(policy.within_capacity)
    lows = [min(share.min, _most(share, within=within, total=total)) for share in shares]
    floors = lows
    if policy.movement == Movement.STEADY:
        running = sum(share.before or 0 for share in shares)
        stay = sum(min(share.before or 0, share.replicas) for share in shares)
        if running:
            yield f"{stay} of {running} replicas stay where they are"
        floors = [max(low, min(share.before or 0, share.replicas)) for low, share in zip(lows, shares, strict=True)]
    if sum(lows) > total:
        yield f"minimums ask for {sum(lows)}: given in order of weight, ties by hash, until nothing is left"
        return
    if any(lows):
        yield f"minimums take {sum(lows)}"
    divided = sum(max(0, share.replicas - floor) for share, floor in zip(shares, floors, strict=True))
    if divided:
        bidders = sum(1 for share in shares if share.weight)
        weights = "room" if policy.strategy == Strategy.CAPACITY else "weights"
        verb = "divides" if policy.strategy == Strategy.CAPACITY else "divide"
        yield f"{weights} {verb} {divided} over {bidders} clusters by Webster's method, ties by hash"


def _clusters(policy: ReplicaPolicy, shares: Sequence[Share]) -> Iterator[str]:
    if policy.strategy == Strategy.AGGREGATED:
        used = [share.cluster for share in shares if share.replicas]
        if used:
            names = ", ".join(used[:_NAMED])
            more = f" and {len(used) - _NAMED} more" if len(used) > _NAMED else ""
            yield f"as few clusters as hold them: {len(used)} of {len(shares)}: {names}{more}"
    tiers = sorted({share.tier for share in shares})
    if len(tiers) > 1:
        for tier in tiers:
            members = [share for share in shares if share.tier == tier]
            yield f"tier {tier} takes {sum(share.replicas for share in members)} on {len(members)} clusters"


def _most(share: Share, *, within: bool, total: int) -> int:
    limits = [limit for limit in (share.max, share.room if within else None) if limit is not None]
    return min([total, *limits])
