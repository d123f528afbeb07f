"""What a decision changes against what was before, and whether it could have waited."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Standing
from fedsvc_placement.model import Move, PreviousBinding, Target


def moves_of(
    bindings: Mapping[str, PreviousBinding],
    targets: Sequence[Target],
    standings: Sequence[Standing],
    choice: Choice,
) -> tuple[Move, ...]:
    """Return every change, sorted by cluster and workload; the whole unit that comes or goes is one change.

    Args:
        bindings: where the unit was, by cluster.
        targets: where it shall be.
        standings: of all clusters, sorted by name.
        choice: what was chosen among those that fit.
    """
    by_name = {standing.cluster.name: standing for standing in standings}
    if not bindings and not choice.group:
        return tuple([by_name[target.cluster].arrival for target in targets])
    after = {target.cluster: target for target in targets}
    found: list[Move] = []
    for name in sorted({*bindings, *after}):
        if name not in after:
            found.append(_leaving(name, by_name.get(name), choice))
        elif name not in bindings:
            found.append(_arriving(by_name[name], choice))
        else:
            found.extend(_changes(name, bindings[name], after[name]))
    return tuple(found)


def _leaving(name: str, standing: Standing | None, choice: Choice) -> Move:
    voluntary = False
    if standing is None:
        message = "it is not registered any more"
    elif not standing.fits:
        message = next(verdict.message for verdict in standing.verdicts if not verdict.passed)
    elif choice.voluntary and name in choice.voluntary:
        voluntary, message = True, choice.voluntary[name]
    else:
        message = (choice.forced or {}).get(name) or "the division gives it no replicas"
    return Move(cluster=name, workload="", before=1, after=0, voluntary=voluntary, message=message)


def _arriving(standing: Standing, choice: Choice) -> Move:
    if not choice.group:
        return standing.arrival
    return replace(standing.arrival, message=f"it is taken in affinity group {choice.group}")


def _changes(name: str, before: PreviousBinding, after: Target) -> Iterator[Move]:
    if before.replicas is None:
        return
    for workload in sorted({*before.replicas, *after.replicas}):
        old, new = before.replicas.get(workload, 0), after.replicas.get(workload, 0)
        if old != new:
            message = f"the division gives {new} instead of {old}"
            yield Move(cluster=name, workload=workload, before=old, after=new, voluntary=False, message=message)
