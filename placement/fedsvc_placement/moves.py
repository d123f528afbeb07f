"""What a decision changes against what was before, and whether it could have waited."""

from collections.abc import Iterator, Mapping, Sequence

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Field, Standing
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import Move, PreviousBinding, Target


def moves_of(
    bindings: Mapping[str, PreviousBinding],
    targets: Sequence[Target],
    field: Field,
    choice: Choice,
) -> tuple[Move, ...]:
    """Return every change, sorted by cluster and workload; the whole unit that comes or goes is one change.

    Args:
        bindings: where the unit was, by cluster.
        targets: where it shall be.
        field: how all clusters stand.
        choice: what was chosen among those that fit.
    """
    fleet = field.eligibility.fleet
    if not bindings and not choice.group:
        return tuple([_arriving(fleet, target.cluster, choice) for target in targets])
    after = {target.cluster: target for target in targets}
    found: list[Move] = []
    for name in sorted({*bindings, *after}):
        if name not in after:
            place = fleet.places.get(name)
            found.append(_leaving(name, None if place is None else field.standings[place], choice))
        elif name not in bindings:
            found.append(_arriving(fleet, name, choice))
        elif bindings[name].replicas != after[name].replicas:
            found.extend(_changes(name, bindings[name], after[name]))
    return tuple(found)


def _leaving(name: str, standing: Standing | None, choice: Choice) -> Move:
    voluntary = False
    if standing is None:
        message = "it is not registered any more"
    elif not standing.judged.fits:
        message = next(verdict.message for verdict in standing.judged.verdicts if not verdict.passed)
    elif choice.voluntary and name in choice.voluntary:
        voluntary, message = True, choice.voluntary[name]
    else:
        message = (choice.forced or {}).get(name) or "the division gives it no replicas"
    return Move(cluster=name, workload="", before=1, after=0, voluntary=voluntary, message=message)


def _arriving(fleet: PreparedFleet, name: str, choice: Choice) -> Move:
    message = f"it is taken in affinity group {choice.group}" if choice.group else "it fits and is taken"
    return fleet.keep(
        ("arrival", name, message),
        lambda: Move(cluster=name, workload="", before=0, after=1, voluntary=False, message=message),
    )


def _changes(name: str, before: PreviousBinding, after: Target) -> Iterator[Move]:
    if before.replicas is None:
        return
    for workload in sorted({*before.replicas, *after.replicas}):
        old, new = before.replicas.get(workload, 0), after.replicas.get(workload, 0)
        if old != new:
            message = f"the division gives {new} instead of {old}"
            yield Move(cluster=name, workload=workload, before=old, after=new, voluntary=False, message=message)
