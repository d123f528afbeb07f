"""Moves that people ask for: away from clusters, back to them, and clusters that are to be empty."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from fedsvc.api.caller import caller
from fedsvc.api.convert.failover import MAX_PERCENT, pending_message
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.problems import Problems
from fedsvc.api.services import move_primaries
from fedsvc.api.services.move_previews import Preview, preview, without
from fedsvc.api.services.move_subjects import (
    Subject,
    away,
    has_left,
    leaving,
    left_by,
    read_subject,
    stays_away,
    unknown,
)
from fedsvc.api.services.simulating import aside
from fedsvc.model.departure import DepartureCause
from fedsvc.model.pending import PendingMove
from fedsvc.store import clusters, departures, events, placing
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Transaction
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc_placement import Taint
from fedsvc_placement.model import CORDON_TAINT, Effect

MAX_REASON: Final = 500
_UNIT: Final = "namespaces/"
_MINUTE: Final = timedelta(minutes=1)


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
    move_primaries.check_loss(request, subject, problems)
    problems.refuse()
    if subject.unit is not None and subject.unit.spec.failover.roles is not None and not subject.is_named:
        return await move_primaries.fail_over(tx, subject, request)
    asked, left_out = await leaving(tx, subject)
    from_where = {one.unit.uid: left_by(one, subject, problems) for one in asked}
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
    has_primary = subject.unit is not None and subject.unit.spec.failover.roles is not None
    target, steps = await move_primaries.accept_loss(tx, subject, request) if has_primary else ("", [])
    await _tell(tx, subject, "FailOverAsked", f"to leave: {_count(len(asked))}", request.reason)
    stays = [pending_message(move) for move in (*left_out, *found.stays)]
    return pb.FailOverResponse(
        units=found.changes, unit_count=len(asked), left_out=stays, steps=steps, primary_target=target
    )


async def fail_back(tx: Transaction, request: pb.FailBackRequest) -> pb.FailBackResponse:
    """Let units take back what left clusters, at once.

    Raises:
        InvalidInputError: a cluster or region is not there, or the unit did not leave it.
        NotFoundError: the unit or cluster of the subject is not there.
    """
    problems = Problems()
    subject = await read_subject(tx, request.subject, request.clusters, problems)
    problems.refuse()
    found = await away(tx, subject)
    if subject.unit is not None and request.clusters:
        left = {departure.cluster for one in found for departure in one.departures}
        for index, name in enumerate(request.clusters):
            if name not in left:
                there = f"it left: {', '.join(sorted(left))}" if left else "it left none"
                problems.add(f"clusters[{index}]", f"is {name}, which the unit did not leave; {there}")
        problems.refuse()
    going, left_out = _going_back(found, subject)
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
    goal, steps = await move_primaries.fail_back(tx, subject, request)
    if steps and subject.unit is not None:
        back.setdefault(subject.unit.uid, set())
    if back:
        await _tell(tx, subject, "FailBackAsked", f"to go back: {_count(len(back))}", "")
    stays = [pending_message(move) for move in left_out]
    return pb.FailBackResponse(
        units=shown.changes, unit_count=len(back), left_out=stays, steps=steps, primary_target=goal
    )


def _going_back(
    found: Sequence[PlacementRequest], subject: Subject
) -> tuple[list[tuple[PlacementRequest, str]], list[PendingMove]]:
    """The units that go back, each with the cluster, and what stays away."""
    going: list[tuple[PlacementRequest, str]] = []
    left_out = []
    for one in found:
        for departure in one.departures:
            if departure.cluster not in subject.clusters:
                continue
            move = stays_away(one, departure, subject)
            if move is None:
                going.append((one, departure.cluster))
            else:
                left_out.append(move)
    return going, left_out


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


def _check_targets(targets: Sequence[str], subject: Subject, problems: Problems) -> None:
    if len(targets) > MAX_LISTED:
        problems.add("targets", f"has {len(targets)} entries; at most {MAX_LISTED} are accepted")
        return
    named = subject.clusters if subject.is_named else ()
    for index, name in enumerate(targets):
        if name not in subject.members:
            problems.add(f"targets[{index}]", unknown("cluster", name, subject.members))
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
