"""Moves that people ask for: away from clusters, back to them, and clusters that are to be empty."""

import difflib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fedsvc.api.caller import caller
from fedsvc.api.convert.failover import MAX_PERCENT, pending_message
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.names import parse_cluster, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.api.services.simulating import aside, changes_of, decide_asks, living
from fedsvc.errors import NotFoundError
from fedsvc.health import Verdict
from fedsvc.model.cluster import Cluster
from fedsvc.model.departure import Departure, DepartureCause, lacks_place, places_better, waivable
from fedsvc.model.failback import FailbackMode
from fedsvc.model.failover import FailoverMode
from fedsvc.model.pending import MoveKind, PendingMove
from fedsvc.model.unit import Unit
from fedsvc.store import clusters, departures, events, placing, units
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Transaction
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc.v1 import placement_service_pb2
from fedsvc_placement import Decision, Fleet, Move, Taint
from fedsvc_placement.batch import Ask
from fedsvc_placement.fleet import prepare_fleet
from fedsvc_placement.model import CORDON_TAINT, Effect

MAX_REASON: Final = 500
_BATCH_UNITS: Final = 200
_UNIT: Final = "namespaces/"
_FORM: Final = "namespaces/{namespace}/units/{unit}, clusters/{cluster} or regions/{region}"
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request is about."""

    unit: Unit | None  # where one is named
    clusters: tuple[str, ...]  # those named, or all of the region; of a unit without any: all
    is_named: bool  # whether clusters are named
    members: Mapping[str, Cluster]  # the fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What comes of it, as far as is known now."""

    changes: Sequence[placement_service_pb2.UnitSimulation]
    stays: Sequence[PendingMove]  # since there is less room elsewhere


async def fail_over(tx: Transaction, request: pb.FailOverRequest) -> pb.FailOverResponse:
    """Have units leave clusters.

    Raises:
        InvalidInputError: a cluster or region is not there, or a unit is not on it, or cannot go where it is to.
        NotFoundError: the unit or cluster of the subject is not there.
    """
    problems = Problems()
    check_reason(request.reason, problems)
    subject = await read_subject(tx, request.subject, request.clusters, problems)
    _check_targets(request.targets, subject, problems)
    problems.refuse()
    asked, left_out = await leaving(tx, subject)
    from_where = {one.unit.uid: _left_by(one, subject, problems) for one in asked}
    problems.refuse()
    supposed = [without(one, from_where[one.unit.uid], DepartureCause.ASKED, tuple(request.targets)) for one in asked]
    fleet = await placing.read_fleet(tx, with_units=True)
    found = await aside(lambda ended: preview(supposed, fleet, tx.now, ended))
    _check_gone_to(subject, request.targets, found, problems)
    problems.refuse()
    orders = [
        departures.Order(uid=one.unit.uid, cluster=name, due_time=tx.now)
        for one in asked
        for name in from_where[one.unit.uid]
        if name not in has_left(one)
    ]
    await departures.order(
        tx,
        orders,
        cause=DepartureCause.ASKED,
        targets=request.targets,
        author=caller(),
        reason=request.reason,
    )
    await _tell(tx, subject, "FailOverAsked", f"to leave: {_count(len(asked))}", request.reason)
    stays = [pending_message(move) for move in (*left_out, *found.stays)]
    return pb.FailOverResponse(units=found.changes, unit_count=len(asked), left_out=stays)


async def fail_back(tx: Transaction, request: pb.FailBackRequest) -> pb.FailBackResponse:
    """Let units take back what left clusters, at once.

    Raises:
        InvalidInputError: a cluster or region is not there, or the unit did not leave it.
        NotFoundError: the unit or cluster of the subject is not there.
    """
    problems = Problems()
    subject = await read_subject(tx, request.subject, request.clusters, problems)
    problems.refuse()
    found = await _away(tx, subject)
    if subject.unit is not None and request.clusters:
        left = {departure.cluster for one in found for departure in one.departures}
        for index, name in enumerate(request.clusters):
            if name not in left:
                there = f"it left: {', '.join(sorted(left))}" if left else "it left none"
                problems.add(f"clusters[{index}]", f"is {name}, which the unit did not leave; {there}")
        problems.refuse()
    going: list[tuple[PlacementRequest, str]] = []
    left_out = []
    for one in found:
        for departure in one.departures:
            if departure.cluster not in subject.clusters:
                continue
            move = _stays_away(one, departure, subject)
            if move is None:
                going.append((one, departure.cluster))
            else:
                left_out.append(move)
    back: dict[str, set[str]] = {}
    for one, name in going:
        back.setdefault(one.unit.uid, set()).add(name)
    supposed = [
        one.supposing(
            replace(each, return_time=tx.now, is_pending=True) if each.cluster in back[one.unit.uid] else each
            for each in one.departures
        )
        for one in found
        if one.unit.uid in back
    ]
    fleet = await placing.read_fleet(tx, with_units=True)
    shown = await aside(lambda ended: preview(supposed, fleet, tx.now, ended))
    await departures.begin_return(tx, [(one.unit.uid, name) for one, name in going])
    if going:
        await _tell(tx, subject, "FailBackAsked", f"to go back: {_count(len(back))}", "")
    stays = [pending_message(move) for move in left_out]
    return pb.FailBackResponse(units=shown.changes, unit_count=len(back), left_out=stays)


async def drain(tx: Transaction, request: pb.DrainClustersRequest) -> pb.DrainClustersResponse:
    """Empty clusters that live.

    Raises:
        InvalidInputError: a cluster or region is not there, or the pace makes no sense.
        NotFoundError: the cluster of the subject is not there.
    """
    problems = Problems()
    check_reason(request.reason, problems)
    if request.subject.startswith(_UNIT):
        problems.add("subject", "is a unit; name clusters/{cluster} or regions/{region}, or ask FailOver for a unit")
        problems.refuse()
    pace = request.pace_percent if request.HasField("pace_percent") else MAX_PERCENT
    if not 1 <= pace <= MAX_PERCENT:
        problems.add("pace_percent", f"is {pace}; it must be from 1 to {MAX_PERCENT}")
    subject = await read_subject(tx, request.subject, (), problems)
    problems.refuse()
    asked, left_out = await leaving(tx, subject)
    supposed = [without(one, subject.clusters, DepartureCause.DRAIN, ()) for one in asked]
    fleet = await placing.read_fleet(tx, with_units=True)
    found = await aside(lambda ended: preview(supposed, fleet, tx.now, ended))
    for name in subject.clusters:
        await _cordon(tx, name)
    ranked = sorted(asked, key=lambda one: (-one.unit.spec.failover.priority, one.input.key))
    orders = [
        departures.Order(uid=one.unit.uid, cluster=name, due_time=due)
        for one, due in zip(ranked, turns(len(ranked), pace, tx.now), strict=True)
        for name in subject.clusters
        if name not in has_left(one)
    ]
    await departures.order(tx, orders, cause=DepartureCause.DRAIN, author=caller(), reason=request.reason)
    await _tell(tx, subject, "Draining", f"to leave: {_count(len(asked))}", request.reason)
    stays = [pending_message(move) for move in (*left_out, *found.stays)]
    return pb.DrainClustersResponse(
        units=found.changes, unit_count=len(asked), left_out=stays, clusters=subject.clusters
    )


def turns(count: int, pace_percent: int, now: datetime) -> list[datetime]:
    """When each of so many units leaves, so that no more than a part of them do in a minute, one at least."""
    if pace_percent >= MAX_PERCENT:
        return [now] * count
    in_a_minute = max(1, count * pace_percent // MAX_PERCENT)
    return [now + _MINUTE * (index // in_a_minute) for index in range(count)]


def has_left(one: PlacementRequest) -> set[str]:
    """The clusters that a unit left already."""
    return {each.cluster for each in one.departures if each.leave_time is not None and each.return_time is None}


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


async def read_subject(tx: Transaction, text: str, named: Sequence[str], problems: Problems) -> Subject:
    """What a request is about; what is wrong with it is noted.

    Raises:
        NotFoundError: the unit or cluster is not there.
    """
    members = {one.name: one for one in await clusters.list_all(tx) if one.delete_time is None}
    kind, _, name = text.partition("/")
    if kind == "namespaces":
        unit_name = parse_unit(text, "subject")
        unit = await units.get(tx, unit_name.namespace, unit_name.name)
        if len(named) > MAX_LISTED:
            problems.add("clusters", f"has {len(named)} entries; at most {MAX_LISTED} are accepted")
        for index, each in enumerate(named[:MAX_LISTED]):
            if each not in members:
                problems.add(f"clusters[{index}]", _unknown("cluster", each, members))
        return Subject(unit=unit, clusters=tuple(sorted(named or members)), is_named=bool(named), members=members)
    if named:
        problems.add("clusters", "is for a unit; the subject names clusters itself")
    if kind == "clusters":
        cluster = parse_cluster(text, "subject")
        if cluster not in members:
            raise NotFoundError(text)
        return Subject(unit=None, clusters=(cluster,), is_named=True, members=members)
    regions = {one.region for one in members.values() if one.region}
    if kind != "regions":
        problems.add("subject", f"is '{text[:64]}'; write {_FORM}" if text else f"is missing: write {_FORM}")
    elif name not in regions:
        problems.add("subject", _unknown("region", name, regions))
    found = tuple(sorted(one.name for one in members.values() if one.region == name))
    return Subject(unit=None, clusters=found, is_named=True, members=members)


async def leaving(tx: Transaction, subject: Subject) -> tuple[list[PlacementRequest], list[PendingMove]]:
    """The units that are to leave, and those that do not since they are not named themselves."""
    if subject.unit is not None:
        return await placing.read_requests(tx, living([subject.unit])), []
    uids = await departures.uids_on(tx, subject.clusters)
    found: list[PlacementRequest] = []
    left_out = []
    for one in await _requests(tx, uids):
        if one.unit.spec.failover.mode is not FailoverMode.NEVER:
            found.append(one)
            continue
        left_out += [
            _named_only(one, name, MoveKind.AWAY, "failover", f"--from {name}")
            for name in subject.clusters
            if any(binding.cluster == name for binding in one.bindings)
        ]
    return found, left_out


async def _away(tx: Transaction, subject: Subject) -> list[PlacementRequest]:
    if subject.unit is not None:
        return await placing.read_requests(tx, living([subject.unit]))
    return await _requests(tx, await departures.uids_away(tx, subject.clusters))


async def _requests(tx: Transaction, uids: Sequence[str]) -> list[PlacementRequest]:
    found: list[PlacementRequest] = []
    for start in range(0, len(uids), _BATCH_UNITS):
        page = await units.get_many(tx, uids[start : start + _BATCH_UNITS])
        found += await placing.read_requests(tx, living(page))
    return sorted(found, key=lambda one: one.input.key)


def _left_by(one: PlacementRequest, subject: Subject, problems: Problems) -> tuple[str, ...]:
    """The clusters that a unit is to leave."""
    bound = [binding.cluster for binding in one.bindings]
    if subject.unit is None:
        return subject.clusters
    if subject.is_named:
        for index, name in enumerate(subject.clusters):
            if name not in bound:
                problems.add(f"clusters[{index}]", f"is {name}, and the unit is on {', '.join(bound) or 'none'}")
        return subject.clusters
    lost = [name for name in bound if name in subject.members and subject.members[name].health.is_lost]
    if lost or len(bound) == 1:
        return tuple(lost or bound)
    where = f"it is on {', '.join(bound)}, and none of them is lost" if bound else "it is on none"
    problems.add("clusters", f"is missing: say which clusters the unit is to leave; {where}")
    return ()


def _stays_away(one: PlacementRequest, departure: Departure, subject: Subject) -> PendingMove | None:
    name = departure.cluster
    if subject.unit is None and one.unit.spec.failover.failback.mode is FailbackMode.NEVER:
        return _named_only(one, name, MoveKind.BACK, "failback", f"--to {name}")
    verdict = subject.members[name].health.verdict
    if departure.leave_time is not None and verdict not in {Verdict.HEALTHY, Verdict.UNKNOWN}:
        return PendingMove(
            unit_name=one.unit.resource_name,
            cluster=name,
            kind=MoveKind.BACK,
            reason="NotHealthy",
            message=f"{name} is {verdict}",
        )
    return None


def _named_only(one: PlacementRequest, cluster: str, kind: MoveKind, command: str, flag: str) -> PendingMove:
    return PendingMove(
        unit_name=one.unit.resource_name,
        cluster=cluster,
        kind=kind,
        reason="Never",
        message=f"its {command}.mode is never: it moves only when it is named",
        command=f"fedctl {command} unit/{one.input.key} {flag}",
    )


def _check_targets(targets: Sequence[str], subject: Subject, problems: Problems) -> None:
    if len(targets) > MAX_LISTED:
        problems.add("targets", f"has {len(targets)} entries; at most {MAX_LISTED} are accepted")
        return
    named = subject.clusters if subject.is_named else ()
    for index, name in enumerate(targets):
        if name not in subject.members:
            problems.add(f"targets[{index}]", _unknown("cluster", name, subject.members))
        elif name in named:
            problems.add(f"targets[{index}]", f"is {name}, which is to be left")
        elif subject.members[name].health.is_lost:
            problems.add(f"targets[{index}]", f"is {name}, which is lost")


def _check_gone_to(subject: Subject, targets: Sequence[str], found: Preview, problems: Problems) -> None:
    """Make sure that a unit which is named goes where it is to."""
    if subject.unit is None or not targets:
        return
    after = {name for change in found.changes for name in change.clusters_after}
    for index, name in enumerate(targets):
        if name not in after:
            unit = f"{subject.unit.namespace}/{subject.unit.name}"
            problems.add(
                f"targets[{index}]", f"is {name}, where the unit cannot go: fedctl explain {unit} --now says why"
            )


def check_reason(reason: str, problems: Problems) -> None:
    """Note a reason that is too long."""
    if len(reason) > MAX_REASON:
        problems.add("reason", f"has {len(reason)} characters; at most {MAX_REASON} are accepted")


async def _cordon(tx: Transaction, name: str) -> None:
    cluster = await clusters.lock(tx, name)
    if all(taint.key != CORDON_TAINT for taint in cluster.taints):
        mark = Taint(key=CORDON_TAINT, value="", effect=Effect.NO_SCHEDULE, time_added=tx.now)
        await clusters.update(tx, replace(cluster, taints=(*cluster.taints, mark)))


async def _tell(tx: Transaction, subject: Subject, reason: str, what: str, why: str) -> None:
    who = f" by {caller()}" if caller() else ""
    message = f"{what}, asked for{who}{f': {why}' if why else ''}"
    if subject.unit is not None:
        subjects = [(subject.unit.resource_name, "")]
    else:
        subjects = [(f"clusters/{name}", name) for name in subject.clusters]
    told = [
        events.NewEvent(subject=name, cluster=cluster, type=events.NORMAL, reason=reason, message=message)
        for name, cluster in subjects
    ]
    await events.add_many(tx, told)


def _count(number: int) -> str:
    return f"{number} unit{'' if number == 1 else 's'}"


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    there = sorted(known)
    shown = difflib.get_close_matches(name, there, n=3) or there[:10]
    return f"there is no {what} '{name[:64]}'; there are: {', '.join(shown) or 'none'}"
