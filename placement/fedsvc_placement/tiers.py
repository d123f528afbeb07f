"""Fill the first tier as far as it has room, then the next: capacity overflow, from on-premises to the cloud."""

from collections.abc import Callable, Sequence
from itertools import groupby

from fedsvc_placement.divide import Parties, bounds

# Divides an amount among the parties at the given indices: returns their parts, in that sequence.
Inside = Callable[[int, Sequence[int]], tuple[int, ...]]


def by_tier(total: int, parties: Parties, tiers: Sequence[tuple[int, ...]], inside: Inside) -> tuple[int, ...]:
    """Return each party's part, where a tier gets what those before it cannot take.

    Minimums of later tiers are set aside before an earlier tier takes the rest; where there is not enough for all
    minimums, those of earlier tiers come first.

    Args:
        total: what is divided.
        parties: those who get a part.
        tiers: of each party, lower is filled first.
        inside: divides within a tier; it must keep bounds, and place everything unless they forbid it.
    """
    if len(set(tiers)) <= 1:
        return inside(total, range(len(tiers)))
    lows, highs = bounds(total, parties)
    parts = [0] * len(tiers)
    left, later = total, sum(lows)
    for _, members in groupby(sorted(range(len(tiers)), key=tiers.__getitem__), key=tiers.__getitem__):
        indices = list(members)
        low = sum(lows[index] for index in indices)
        later -= low
        amount = min(sum(highs[index] for index in indices), max(left - later, min(low, left)))
        for index, part in zip(indices, inside(amount, indices), strict=True):
            parts[index] = part
        left -= amount
    return tuple(parts)
