"""What placement learns from replicas that stay unschedulable, and how it forgets that again.

A reported capacity is never the whole truth: quotas, affinities, volumes and ports keep pods out of nodes that seem to
have room. A cluster that ran 6 of 10 is held to 6 at first; with every half-life, half of those that stayed out is
tried again, so that a passing trouble is over by itself and a lasting one costs ever fewer attempts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fedsvc_placement.model import Learned, Memory

# KubeFed asks again after 10 seconds and thereby moves replicas to and fro; a new node takes minutes to come.
HALF_LIFE = timedelta(minutes=10)


def allowed(learned: Learned, now: datetime) -> int | None:
    """Return how many replicas may be on the cluster by what was learned; None once that is forgotten.

    Never falls as time goes on, and is forgotten when it reaches what was wanted.
    """
    out = _still_out(learned, now)
    return learned.wanted - out if out else None


def remember(memory: Memory, observations: Iterable[Learned], now: datetime) -> Memory:
    """Return the memory with what was observed since, and without what is forgotten.

    Of a cluster and workload the newest observation counts. One in which all replicas run shows only that so many do:
    where at least as many were wanted as when it was learned, that is forgotten; otherwise it raises what is known to
    run.

    Args:
        memory: what was remembered.
        observations: what clusters were given and ran of it, in any order.
        now: time zone aware.
    """
    known = {(entry.cluster, entry.workload): entry for entry in memory.learned}
    for seen in sorted(observations, key=_order):
        where = seen.cluster, seen.workload
        old = known.get(where)
        if old is not None and seen.at < old.at:
            continue
        if seen.running < seen.wanted:
            known[where] = seen
        elif old is not None and seen.wanted >= old.wanted:
            del known[where]
        elif old is not None:
            known[where] = replace(old, running=max(old.running, seen.running))
    kept = (known[where] for where in sorted(known))
    return replace(memory, learned=tuple(entry for entry in kept if _still_out(entry, now)))


def next_change(learned: Sequence[Learned], now: datetime) -> datetime | None:
    """Return when `allowed` next gives more for one of them without anything new being learned; None for never."""
    changes: list[datetime] = []
    for entry in learned:
        out = _still_out(entry, now)
        if out:
            # Every halving lets at least one more in, since half of an odd number is rounded down.
            changes.append(entry.at + HALF_LIFE * (_halvings(entry, now) + 1))
    return min(changes, default=None)


def _still_out(learned: Learned, now: datetime) -> int:
    return max(0, learned.wanted - learned.running) >> _halvings(learned, now)


def _halvings(learned: Learned, now: datetime) -> int:
    # A clock that lags behind the one that saw it does not make it older than new.
    return max(0, (now - learned.at) // HALF_LIFE)


def _order(seen: Learned) -> tuple[datetime, int, int]:
    return seen.at, seen.running, seen.wanted
