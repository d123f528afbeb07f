"""What people ask to be moved: units, and those on clusters or in regions."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.names import parse_cluster, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.api.services.simulating import living
from fedsvc.errors import NotFoundError
from fedsvc.health import Verdict
from fedsvc.model.cluster import Cluster
from fedsvc.model.departure import Departure
from fedsvc.model.failback import FailbackMode
from fedsvc.model.failover import FailoverMode
from fedsvc.model.pending import MoveKind, PendingMove
from fedsvc.model.unit import Unit
from fedsvc.store import clusters, departures, placing, units
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Transaction

_BATCH_UNITS: Final = 200
_FORM: Final = "namespaces/{namespace}/units/{unit}, clusters/{cluster} or regions/{region}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request is about."""

    unit: Unit | None  # where one is named
    clusters: tuple[str, ...]  # those named, or all of the region; of a unit without any: all
    is_named: bool  # whether clusters are named
    members: Mapping[str, Cluster]  # the fleet


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
                problems.add(f"clusters[{index}]", unknown("cluster", each, members))
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
        problems.add("subject", unknown("region", name, regions))
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


async def away(tx: Transaction, subject: Subject) -> list[PlacementRequest]:
    """The units that left, and may go back."""
    if subject.unit is not None:
        return await placing.read_requests(tx, living([subject.unit]))
    return await _requests(tx, await departures.uids_away(tx, subject.clusters))


async def _requests(tx: Transaction, uids: Sequence[str]) -> list[PlacementRequest]:
    found: list[PlacementRequest] = []
    for start in range(0, len(uids), _BATCH_UNITS):
        page = await units.get_many(tx, uids[start : start + _BATCH_UNITS])
        found += await placing.read_requests(tx, living(page))
    return sorted(found, key=lambda one: one.input.key)


def left_by(one: PlacementRequest, subject: Subject, problems: Problems) -> tuple[str, ...]:
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


def stays_away(one: PlacementRequest, departure: Departure, subject: Subject) -> PendingMove | None:
    """Why a unit does not go back to a cluster with the others; None: it does."""
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


def has_left(one: PlacementRequest) -> set[str]:
    """The clusters that a unit left already."""
    return {each.cluster for each in one.departures if each.leave_time is not None and each.return_time is None}


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """That something is not there, and what is like it."""
    there = sorted(known)
    shown = difflib.get_close_matches(name, there, n=3) or there[:10]
    return f"there is no {what} '{name[:64]}'; there are: {', '.join(shown) or 'none'}"
