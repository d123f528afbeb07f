"""What comes of moves, before they are made."""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fedsvc.api.services.simulating import changes_of, decide_asks
from fedsvc.model.departure import Departure, DepartureCause, lacks_place, places_better, waivable
from fedsvc.model.pending import MoveKind, PendingMove
from fedsvc.store.placing import PlacementRequest
from fedsvc.v1 import placement_service_pb2
from fedsvc_placement import Decision, Fleet, Move
from fedsvc_placement.batch import Ask
from fedsvc_placement.fleet import prepare_fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What comes of it, as far as is known now."""

    changes: Sequence[placement_service_pb2.UnitSimulation]
    stays: Sequence[PendingMove]  # since there is less room elsewhere


def without(
    one: PlacementRequest, left: Collection[str], cause: DepartureCause, targets: tuple[str, ...]
) -> PlacementRequest:
    """A unit, were it to leave clusters now."""
    kept = [each for each in one.departures if each.cluster not in left]
    new = [
        Departure(cluster=name, cause=cause, targets=targets, due_time=one.read_time, is_pending=True)
        for name in sorted(left)
    ]
    return one.supposing((*kept, *new))


def preview(requests: Sequence[PlacementRequest], fleet: Fleet, now: datetime, ended: threading.Event) -> Preview:
    """What comes of units that are to leave, or to go back: to be run aside."""

    def asks(listed: Iterable[PlacementRequest]) -> list[Ask]:
        return [Ask(unit=one.input, previous=one.previous, memory=one.memory) for one in listed]

    found = decide_asks(asks(requests), prepare_fleet(fleet), now, ended)
    around = {cluster.name: cluster for cluster in fleet.clusters}
    short: dict[str, frozenset[str]] = {}  # by key of those that lack a place: where they could stay
    for one in requests:
        if one.input.key in found and lacks_place(found[one.input.key]):
            bound = {binding.cluster for binding in one.bindings}
            short[one.input.key] = waivable(one.input.placement.left, around) & bound
    staying = [one.without_leaving(short[one.input.key]) for one in requests if short.get(one.input.key)]
    others = decide_asks(asks(staying), prepare_fleet(fleet), now, ended)
    better = {key for key, other in others.items() if places_better(other, found[key])}
    stays = [
        _no_place(one, name, found[one.input.key])
        for one in requests
        if one.input.key in better
        for name in sorted(short[one.input.key])
    ]
    # What is told of the others is told of where they are, not of where they are taken to be.
    moving = [one for one in requests if one.input.key in found and one.input.key not in better]
    told = {
        one.input.key: replace(found[one.input.key], moves=tuple(_moves(one, found[one.input.key]))) for one in moving
    }
    return Preview(changes=changes_of([one.supposing(()) for one in moving], told), stays=stays)


def _moves(one: PlacementRequest, decision: Decision) -> Iterator[Move]:
    before = {binding.cluster: binding.replicas for binding in one.bindings}
    after = {target.cluster: target.replicas for target in decision.targets}
    for name in sorted({*before, *after}):
        is_there, will_be = name in before, name in after
        if is_there != will_be:
            message = "it goes there" if will_be else "it leaves"
            yield Move(
                cluster=name, workload="", before=int(is_there), after=int(will_be), voluntary=True, message=message
            )
            continue
        for workload in sorted({*before[name], *after[name]}):
            old, new = before[name].get(workload, 0), after[name].get(workload, 0)
            if old != new:
                message = f"the division gives {new} instead of {old}"
                yield Move(cluster=name, workload=workload, before=old, after=new, voluntary=True, message=message)


def _no_place(one: PlacementRequest, cluster: str, decision: Decision) -> PendingMove:
    why = "; ".join(entry.message for entry in decision.shortfall) or decision.message
    return PendingMove(
        unit_name=one.unit.resource_name,
        cluster=cluster,
        kind=MoveKind.AWAY,
        reason="NoPlace",
        message=f"there is less room for it elsewhere, so it stays ({why})",
    )
