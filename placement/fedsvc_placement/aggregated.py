"""As few clusters as hold the replicas, and among equally few the preferred ones: exact, in O(C log C)."""

from collections.abc import Sequence

from fedsvc_placement.divide import Parties, bounds, divide


def aggregate(total: int, parties: Parties, preference: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return each party's part, with as few parties above 0 as hold the total; inside, weights divide.

    Parties with a minimum take part in any case; where there is not enough for all minimums, nobody gets more than its
    own, and the fewest share what there is, the heaviest first.

    How many others are needed at least is told by the largest upper bounds. Then parties are asked in order of
    preference, and one is taken if with it, and the largest of the others for the places that remain, the total is
    still held.

    Args:
        total: what is divided.
        parties: those who may get a part.
        preference: of each party, lower is preferred; ties by the parties' `order`.
    """
    lows, highs = bounds(total, parties)
    if sum(lows) > total:
        return _minimums(total, parties, preference, lows)
    forced = [index for index, low in enumerate(lows) if low]
    need = total - sum(highs[index] for index in forced)
    others = [index for index, high in enumerate(highs) if high and not lows[index]]
    others.sort(key=lambda index: (preference[index], parties.orders[index]))
    chosen = sorted([*forced, *_fewest(need, others, highs)])
    parts = [0] * len(lows)
    for index, part in zip(chosen, divide(total, parties.among(chosen)), strict=True):
        parts[index] = part
    return tuple(parts)


def _minimums(
    total: int, parties: Parties, preference: Sequence[tuple[int, ...]], lows: Sequence[int]
) -> tuple[int, ...]:
    parts = [0] * len(lows)
    left = total
    by_weight = sorted(
        (index for index, low in enumerate(lows) if low),
        key=lambda index: (-parties.weights[index], preference[index], parties.orders[index]),
    )
    for index in _fewest(total, by_weight, lows):
        parts[index] = min(lows[index], left)
        left -= parts[index]
    return tuple(parts)


def _fewest(need: int, preferred: Sequence[int], highs: Sequence[int]) -> list[int]:
    """Return the fewest that hold `need`, all where even all do not; `preferred` is in order of preference."""
    by_size = sorted(preferred, key=lambda index: -highs[index])
    fillers: list[int] = []
    held = 0
    for index in by_size:
        if held >= need:
            break
        fillers.append(index)
        held += highs[index]
    # Places are first filled with the largest; each preferred party then takes the place of the smallest filler that
    # is left, as long as what they hold together suffices. A filler that is preferred itself just stays.
    waiting = set(fillers)
    taken: list[int] = []
    for index in preferred:
        if not waiting:
            break
        if index in waiting:
            waiting.remove(index)
            taken.append(index)
            continue
        while fillers[-1] not in waiting:
            fillers.pop()
        smallest = fillers[-1]
        if held - highs[smallest] + highs[index] >= need:
            held += highs[index] - highs[smallest]
            waiting.remove(fillers.pop())
            taken.append(index)
    return taken
