"""What a division did, in sentences."""

from collections.abc import Iterator

from fedsvc_placement.jobs import parallelism
from fedsvc_placement.model import Mode, Movement, ReplicaPolicy, Shares, Strategy, WorkloadInput
from fedsvc_placement.texts import count_text

# So many clusters are named.
_NAMED = 10


def steps_of(workload: WorkloadInput, policy: ReplicaPolicy, total: int, shares: Shares) -> Iterator[str]:
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
    yield f"{count_text(asked, 'replica')} {where}, from {source}"
    if parallelism(asked, workload.completions) < asked:
        yield f"of these {total}, since no more completions are wanted"
    if policy.mode == Mode.DIVIDED:
        yield from _bounds_and_weights(policy, total, shares)
        yield from _clusters(policy, shares)
    if workload.completions is not None and policy.mode == Mode.DIVIDED and any(shares.replicas):
        yield f"{workload.completions} completions go in proportion to the replicas"


def _bounds_and_weights(policy: ReplicaPolicy, total: int, shares: Shares) -> Iterator[str]:
    mosts = shares.maxs
    if policy.within_capacity:
        mosts = [
            most if room is None or (most is not None and most < room) else room
            for most, room in zip(shares.maxs, shares.rooms, strict=True)
        ]
    lows = [
        min(low, total if most is None or most > total else most) if low else 0
        for low, most in zip(shares.mins, mosts, strict=True)
    ]
    floors = lows
    if policy.movement == Movement.STEADY:
        stays = [
            min(before, count) if before else 0 for before, count in zip(shares.befores, shares.replicas, strict=True)
        ]
        running = sum([before for before in shares.befores if before])
        if running:
            yield f"{sum(stays)} of {running} replicas stay where they are"
        floors = [max(stay, low) for low, stay in zip(lows, stays, strict=True)]
    if sum(lows) > total:
        yield f"minimums ask for {sum(lows)}: given in order of weight, ties by hash, until nothing is left"
        return
    if any(lows):
        yield f"minimums take {sum(lows)}"
    divided = sum([count - floor for count, floor in zip(shares.replicas, floors, strict=True) if count > floor])
    if divided:
        bidders = sum([1 for weight in shares.weights if weight])
        weights = "room" if policy.strategy == Strategy.CAPACITY else "weights"
        verb = "divides" if policy.strategy == Strategy.CAPACITY else "divide"
        yield f"{weights} {verb} {divided} over {count_text(bidders, 'cluster')} by Webster's method, ties by hash"


def _clusters(policy: ReplicaPolicy, shares: Shares) -> Iterator[str]:
    if policy.strategy == Strategy.AGGREGATED:
        used = [name for name, count in zip(shares.clusters, shares.replicas, strict=True) if count]
        if used:
            names = ", ".join(used[:_NAMED])
            more = f" and {len(used) - _NAMED} more" if len(used) > _NAMED else ""
            yield f"as few clusters as hold them: {len(used)} of {len(shares)}: {names}{more}"
    tiers = sorted(set(shares.tiers))
    if len(tiers) > 1:
        for tier in tiers:
            members = [count for count, of in zip(shares.replicas, shares.tiers, strict=True) if of == tier]
            yield f"tier {tier} takes {sum(members)} on {count_text(len(members), 'cluster')}"
