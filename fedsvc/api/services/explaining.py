"""Decisions found, made or made again, to be explained."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from fedsvc.api.names import UnitName, parse_unit
from fedsvc.errors import NotDecidedError, NotFoundError, NotReplayableError
from fedsvc.model.summary import Wait
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.workloads import looks_around, looks_into
from fedsvc.store import decisions, gates, placing, units
from fedsvc.store.decisions import StoredDecision
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Transaction
from fedsvc_placement import Decision, decide, explain_cluster, explain_lines, from_dict, to_record
from fedsvc_placement.inputs import decide_on
from fedsvc_placement.model import verdicts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A decision, and where it comes from."""

    unit: str  # its name
    revision: int
    decision: Decision
    decision_id: str = ""  # empty: not stored
    create_time: datetime | None = None
    same: bool = False  # of a replay: whether the same bytes came out
    autoscaled: tuple[str, ...] = ()  # keys of the workloads that are not divided since an autoscaler owns them
    waits: tuple[Wait, ...] = ()  # of the decision in force: why what it asks for is not done yet

    def lines(self, cluster: str = "") -> tuple[str, ...]:
        """The decision for people, what it left alone, and what it waits for; or all that there is of one cluster."""
        told = explain_cluster(self.decision, cluster) if cluster else explain_lines(self.decision)
        left_alone = (f"unit: replicas of {key} are left to its autoscaler, not divided" for key in self.autoscaled)
        waiting = (
            f"unit: what is to change on {wait.cluster} {wait.message}"
            for wait in self.waits
            if not cluster or wait.cluster == cluster
        )
        return (*told, *left_alone, *waiting)

    def of(self, cluster: str) -> "Explained":
        """The same without what it says of other clusters."""
        divisions = tuple(
            replace(division, shares=tuple(share for share in division.shares if share.cluster == cluster))
            for division in self.decision.divisions
        )
        decision = replace(
            self.decision,
            clusters=verdicts_of(self.decision, [cluster]),
            targets=tuple(target for target in self.decision.targets if target.cluster == cluster),
            divisions=divisions,
            moves=tuple(move for move in self.decision.moves if move.cluster == cluster),
        )
        return replace(self, decision=decision)


async def explain_now(tx: Transaction, name: UnitName) -> Explained:
    """What would be decided on a unit now.

    Raises:
        NotFoundError: there is no such unit.
    """
    unit = await units.get(tx, name.namespace, name.name)
    (request,) = await placing.read_requests(tx, [unit])
    fleet = await placing.read_fleet(tx, with_units=looks_around(request.input.placement))
    decision = await asyncio.to_thread(decide, request.input, fleet, request.previous, tx.now, memory=request.memory)
    return Explained(
        unit=unit.resource_name, revision=unit.revision, decision=decision, autoscaled=_autoscaled(request)
    )


async def explain_stored(tx: Transaction, name: UnitName | None, decision_id: str, *, replay: bool) -> Explained:
    """A stored decision: the one named, or the one in force.

    Raises:
        NotFoundError: there is no such unit or decision, or the decision is of another unit.
        NotDecidedError: there is none in force yet.
        NotReplayableError: it shall be replayed, and what it was made from is not kept, or of another release.
    """
    if not decision_id:
        assert name is not None, "either is given"
        unit = await units.get(tx, name.namespace, name.name)
        newest = (await decisions.newest(tx, [unit.uid])).get(unit.uid)
        if newest is None:
            raise NotDecidedError(str(name))
        unit_name, stored = unit.resource_name, newest
    else:
        unit_name, stored = await decisions.get(tx, decision_id)
        if name is not None and unit_name != str(name):
            raise NotFoundError(f"decisions/{decision_id} of {name}")
        name = parse_unit(unit_name, "unit")
        unit = await units.get(tx, name.namespace, name.name)
    decision = await _replay(tx, stored) if replay else from_dict(stored.record)
    # JSONB keeps no order of keys.
    same = replay and canonical_json(to_record(decision)) == canonical_json(to_record(from_dict(stored.record)))
    return Explained(
        unit=unit_name,
        revision=stored.revision,
        decision=decision,
        decision_id=stored.id,
        create_time=stored.create_time,
        same=same,
        # Which objects an autoscaler owns is not kept with a decision: it is known of what the unit is now.
        autoscaled=_autoscaled(*await placing.read_requests(tx, [unit])) if stored.revision == unit.revision else (),
        waits=() if decision_id else await _waits(tx, unit.uid),
    )


async def _waits(tx: Transaction, uid: str) -> tuple[Wait, ...]:
    found = await gates.waits(tx, await gates.unmet(tx, [uid]), pending=[uid], removing=[uid])
    return tuple(found[uid])


def _autoscaled(request: PlacementRequest) -> tuple[str, ...]:
    return tuple(sorted(request.autoscaled)) if looks_into(request.input.placement) else ()


async def _replay(tx: Transaction, stored: StoredDecision) -> Decision:
    name = f"decisions/{stored.id}"
    try:
        kept = await decisions.inputs_of(tx, stored.id)
        if kept is None:
            raise NotReplayableError(name, "what it was made from is not kept")
        return await asyncio.to_thread(decide_on, *kept)
    except (TypeError, ValueError) as error:  # a field that is no more, or a rule that is refused now
        raise NotReplayableError(name, f"this release does not understand what it was made from: {error}") from error
