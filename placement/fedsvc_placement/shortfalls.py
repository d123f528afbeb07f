"""Replicas that find no place: how many, and why, with the numbers."""

from collections.abc import Sequence

from fedsvc_placement.model import Division, Share, Shortfall

MAXIMUMS_REACHED = "MaximumsReached"
NO_WEIGHT = "NoWeight"
NO_ROOM = "NoRoom"
HELD_BY_TAINT = "HeldByTaint"
NO_CLUSTER = "NoCluster"
MINIMUMS_NOT_MET = "MinimumsNotMet"

_UNPLACED = {
    MAXIMUMS_REACHED: "every cluster that has a weight is at its maximum",
    NO_WEIGHT: "no cluster has a weight above 0, so nothing goes beyond the minimums",
    HELD_BY_TAINT: "NoScheduleNew taints hold clusters at what they have",
    NO_CLUSTER: "no cluster is chosen",
}

# So many clusters are told one by one; the record has the numbers of all.
_TOLD = 10


def shortfalls_of(division: Division, *, kept_free: str = "") -> tuple[Shortfall, ...]:
    """Return what a division could not give, sorted by reason.

    Args:
        division: how replicas were divided.
        kept_free: what is kept free of all room, in words; empty for nothing.
    """
    found: list[Shortfall] = []
    if division.below_minimum:
        short = [
            f"{share.cluster} has {share.replicas} of at least {share.min}"
            for share in division.shares
            if share.replicas < share.min
        ]
        found.append(
            Shortfall(
                workload=division.workload,
                replicas=division.below_minimum,
                reason=MINIMUMS_NOT_MET,
                message=_listed(short),
            )
        )
    if division.unplaced:
        also = f"; {kept_free}" if kept_free and division.unplaced_reason == NO_ROOM else ""
        found.append(
            Shortfall(
                workload=division.workload,
                replicas=division.unplaced,
                reason=division.unplaced_reason,
                message=f"{division.unplaced} of {division.wanted} replicas found no place: "
                f"{why_unplaced(division.unplaced_reason, division.shares)}{also}",
            )
        )
    return tuple(sorted(found, key=lambda shortfall: shortfall.reason))


def why_unplaced(reason: str, shares: Sequence[Share]) -> str:
    """Return the reason in words; for NoRoom with what keeps each cluster from taking more."""
    if reason != NO_ROOM:
        return _UNPLACED[reason]
    return _listed([limit for share in shares if (limit := _limit(share))])


def _limit(share: Share) -> str:
    if share.room is not None and share.replicas >= share.room:
        return f"{share.cluster} has room for {share.room}"
    if share.held:
        return f"{share.cluster} is held at {share.max} by a taint"
    if share.max is not None and share.replicas >= share.max:
        return f"{share.cluster} is at its maximum of {share.max}"
    return ""


def _listed(parts: Sequence[str]) -> str:
    told = ", ".join(parts[:_TOLD])
    return f"{told} and {len(parts) - _TOLD} clusters more" if len(parts) > _TOLD else told
