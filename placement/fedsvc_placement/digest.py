"""The digest of everything a decision depends on, and nothing else: equal digests, equal decisions.

Readable in no other way than by being equal. Parts that many units share are digested once, and what a placement does
not look at is left out, so that a new figure of a cluster's room does not change the digest of a unit that counts none.
Of the clock only that counts which it decides: which instants have passed, and which were noted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from fedsvc_placement.columns import Column
from fedsvc_placement.eligibility import Field
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import ClusterSnapshot, Memory, Placement, PreviousBinding, UnitInput, WorkloadInput
from fedsvc_placement.rooms import Rooms
from fedsvc_placement.rules.platform import condition_status

# Raised when the same inputs get another answer than in the release before.
ENGINE_VERSION = 4

# Lists of names in which order means nothing, by the name of their field.
_SETS = frozenset(
    {"clusters", "names", "jurisdictions", "follows", "near_regions", "replace_on", "match_labels", "left"}
)
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_FORGOTTEN = Memory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What came of time and room in a decision."""

    # Instants that have passed and count, by cluster: ends of tolerations.
    ended: Mapping[str, Sequence[datetime]]
    # How clusters stand.
    field: Field
    # Room that was counted, None where none was.
    rooms: Rooms | None
    # Handed in, and handed on.
    before: Memory
    after: Memory
    trigger: str


def inputs_digest(
    unit: UnitInput, fleet: PreparedFleet, previous: Iterable[PreviousBinding], course: Course, now: datetime
) -> str:
    """Return the SHA-256 of the canonical inputs, as hexadecimal digits.

    Args:
        unit: the unit asked about.
        fleet: everything it is placed on and next to.
        previous: where the unit is, sorted by cluster.
        course: what came of time and room.
        now: time of the decision; what it decides is looked at.
    """
    placement = unit.placement
    rooms = course.rooms
    return _sha(
        [
            ENGINE_VERSION,
            unit.key,
            sorted(unit.labels.items()) if placement.affinities else [],
            fleet.keep(("digest", fleet.number_of(placement)), lambda: _sha(_plain(placement))),
            [_workload(workload) for workload in sorted(unit.workloads, key=lambda workload: workload.key)],
            [_plain(kind) for kind in sorted(unit.kinds)],
            _fleet_digest(unit, fleet, now),
            _others(unit, fleet),
            [[binding.cluster, None if binding.replicas is None else _items(binding.replicas)] for binding in previous],
            [[cluster, [_plain(end) for end in ends]] for cluster, ends in sorted(course.ended.items()) if ends],
            [] if rooms is None else _rooms(rooms, course.field),
            [] if course.before == _FORGOTTEN else _plain(course.before),
            [] if course.after == _FORGOTTEN else _plain(course.after),
            course.trigger if _minds_trigger(placement) else "",
        ]
    )


def _rooms(rooms: Rooms, field: Field) -> Any:
    """Return what counts of room: that of the clusters that fit, where it differs from what others find one by one."""
    differing = {*field.own, *(rooms.places[name] for name in rooms.own)}
    own = [field.standings[place].cluster.name for place in differing if field.standings[place].judged.fits]
    return [
        [
            _column_digest(workload.key, column, field)
            for workload, column in zip(rooms.workloads, rooms.columns, strict=True)
        ],
        sorted([name, list(rooms.counted(name))] for name in own),
    ]


def _column_digest(workload: str, column: Column, field: Field) -> list[str]:
    eligibility = field.eligibility
    key = ("digest", id(column))
    kept = eligibility.room_digests.get(key)
    if kept is None or kept[0] != column.version:
        sha = sha256(repr(eligibility.among_fitting(column.values)).encode()).hexdigest()
        kept = eligibility.room_digests[key] = (column.version, sha)
    return [workload, kept[1]]


def _items(replicas: Mapping[str, int]) -> Any:
    return sorted(replicas.items()) if len(replicas) > 1 else list(replicas.items())


def _workload(workload: WorkloadInput) -> Any:
    return [workload.key, workload.replicas, workload.completions, sorted(workload.requests.items())]


def _minds_trigger(placement: Placement) -> bool:
    return bool(placement.spread or placement.groups)


def _fleet_digest(unit: UnitInput, fleet: PreparedFleet, now: datetime) -> list[str]:
    placement = unit.placement
    found = [fleet.keep(("digest", "clusters"), lambda: _each(fleet, _location))]
    if placement.conditions:
        types = tuple(sorted({wanted.type for wanted in placement.conditions}))
        found.append(
            fleet.keep(
                ("digest", "conditions", types),
                lambda: _each(fleet, lambda cluster: [condition_status(cluster, type_) for type_ in types]),
            )
        )
    if placement.kubernetes is not None:
        found.append(
            fleet.keep(("digest", "versions"), lambda: _each(fleet, lambda cluster: cluster.kubernetes_version))
        )
    if unit.kinds:
        found.append(fleet.keep(("digest", "kinds", unit.kinds), lambda: _each(fleet, lambda one: _kinds(unit, one))))
    if any(preference.cheap for preference in placement.preferences):
        found.append(fleet.keep(("digest", "costs"), lambda: _each(fleet, lambda cluster: _plain(cluster.cost))))
    names = tuple(sorted({preference.score for preference in placement.preferences if preference.score}))
    if names:
        found.append(_each(fleet, lambda cluster: _scores(cluster, names, now)))
    if any(preference.near_regions for preference in placement.preferences):
        found.append(fleet.keep(("digest", "distances"), lambda: _distances(fleet)))
    return found


def _distances(fleet: PreparedFleet) -> str:
    return _sha(sorted([*regions, distance] for regions, distance in fleet.distances_ms.items()))


def _location(cluster: ClusterSnapshot) -> Any:
    taints = sorted(
        [taint.effect, taint.key, taint.value, taint.time_added.isoformat() if taint.time_added else ""]
        for taint in cluster.taints
    )
    return [
        cluster.name,
        sorted(cluster.labels.items()),
        taints,
        cluster.provider,
        cluster.region,
        sorted(cluster.zones),
        cluster.jurisdiction,
        cluster.deleting,
    ]


def _kinds(unit: UnitInput, cluster: ClusterSnapshot) -> Any:
    if cluster.kinds is None:
        return None
    wanted = {(kind.group, kind.kind) for kind in unit.kinds}
    # Other versions of what is asked for are told in messages.
    return sorted([kind.group, kind.kind, kind.version] for kind in cluster.kinds if (kind.group, kind.kind) in wanted)


def _scores(cluster: ClusterSnapshot, names: Sequence[str], now: datetime) -> Any:
    return sorted(
        [score.name, score.value, _plain(score.valid_until)]
        for score in cluster.scores
        if score.name in names and (score.valid_until is None or score.valid_until > now)
    )


def _others(unit: UnitInput, fleet: PreparedFleet) -> Any:
    """Return what counts of other units and of data."""
    placement = unit.placement
    leaders = [
        [key, sorted(fleet.units_by_key[key].clusters) if key in fleet.units_by_key else None]
        for key in sorted(set(placement.follows))
    ]
    near = [fleet.neighbourhood(affinity).told(unit.key) for affinity in placement.affinities]
    data = []
    for name in sorted({anchor.dataset for anchor in placement.data}):
        dataset = fleet.datasets.get(name)
        copies = None if dataset is None else sorted([copy.cluster, str(copy.lag_seconds)] for copy in dataset.copies)
        data.append([name, None if dataset is None else dataset.primary, copies])
    return [leaders, near, data]


def _each(fleet: PreparedFleet, part: Any) -> str:
    return _sha([part(cluster) for cluster in fleet.clusters])


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return [
            _field(part.name, found)
            for part in fields(value)
            # Younger than other fields: digests of units that left nothing are as they were.
            if (found := getattr(value, part.name)) or part.name != "left"
        ]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return sorted([key, _plain(entry)] for key, entry in value.items())
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _field(name: str, value: Any) -> Any:
    if name in _SETS and isinstance(value, tuple):
        parts = [_plain(part) for part in value]
        return parts if parts and is_dataclass(value[0]) else sorted(parts)
    return _plain(value)


def _sha(value: Any) -> str:
    return sha256(_JSON.encode(value).encode()).hexdigest()
