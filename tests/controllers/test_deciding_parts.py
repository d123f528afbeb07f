"""What the placement controller works with, part by part: triggers, grants, what was learned, units that chase each other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.controllers.learning import learned, observations, workload_of_key
from fedsvc.controllers.notes import UnitNotes
from fedsvc.controllers.swings import MAX_MOVES, WINDOW_SECONDS, Swings
from fedsvc.controllers.touching import FleetChange, UnitNote, fleet_change, foremost, touches_of, triggers_of
from fedsvc.model.cluster import Cluster, Connection
from fedsvc.model.grants import SETTLING, Granted, outstanding, with_grants
from fedsvc.model.room import Room, StuckWorkload
from fedsvc.model.work import Binding
from fedsvc_placement import (
    Capacity,
    ClusterSnapshot,
    Cost,
    Dataset,
    Fleet,
    Headroom,
    LabelSelector,
    Learned,
    Memory,
    Mode,
    NodeShape,
    PlacedUnit,
    Placement,
    ReplicaPolicy,
    Stability,
    Strategy,
    Taint,
    Trigger,
    UnitInput,
)
from fedsvc_placement.model import DataAccess, DataAnchor, Grant, Spoken

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WEB = "apps/v1 Deployment shop/web"
WORKLOAD = ("apps", "Deployment", "shop", "web")
ALL = Placement(cluster_selector=LabelSelector())
COUNTING = replace(ALL, replicas=ReplicaPolicy(mode=Mode.DIVIDED, strategy=Strategy.AGGREGATED))


def note(placement: Placement = ALL, **more: Any) -> UnitNote:
    made = UnitNote(
        uid="u",
        name="n",
        input=UnitInput(key="shop/web", placement=placement),
        placed=PlacedUnit(key="shop/web"),
        wants_room=False,
        minds_others=False,
        minds_neighbours=False,
        workloads=frozenset(),
        override_clusters=(),
        placement_policy="",
        override_policies=(),
    )
    return replace(made, **more)


def changed(before: ClusterSnapshot | None, after: ClusterSnapshot | None) -> FleetChange:
    return fleet_change(
        Fleet(clusters=() if before is None else (before, ClusterSnapshot(name="z"))),
        Fleet(clusters=() if after is None else (after, ClusterSnapshot(name="z"))),
        {},
        {},
    )


def room(cpu: int) -> Capacity:
    return Capacity(nodes=(NodeShape(count=1, allocatable={"cpu": 8_000}, free={"cpu": cpu}),))


A = ClusterSnapshot(name="a")
TAINTED = replace(A, taints=(Taint(key="k", effect="NoSchedule"),))


@pytest.mark.parametrize(
    ("given_note", "change", "triggers"),
    [
        pytest.param(note(), changed(A, A), set(), id="nothing"),
        pytest.param(note(), changed(A, replace(A, labels={"x": "y"})), set(), id="label-that-nobody-minds"),
        pytest.param(
            note(replace(ALL, cluster_selector=LabelSelector(match_labels=(("x", "y"),)))),
            changed(A, replace(A, labels={"x": "y"})),
            {Trigger.LABELS},
            id="label-that-selects",
        ),
        pytest.param(
            note(placed=PlacedUnit(key="shop/web", clusters=("a",))),
            changed(A, TAINTED),
            {Trigger.OTHER},
            id="taint-where-it-is",
        ),
        pytest.param(note(), changed(A, TAINTED), set(), id="taint-where-it-is-not"),
        pytest.param(note(), changed(TAINTED, A), {Trigger.OTHER}, id="taint-that-goes"),
        pytest.param(
            note(minds_others=True),
            changed(A, TAINTED),
            {Trigger.OTHER},
            id="taint-elsewhere-of-one-that-minds",
        ),
        pytest.param(
            note(COUNTING), changed(replace(A, capacity=room(1)), replace(A, capacity=room(2))), set(), id="room"
        ),
        pytest.param(
            note(COUNTING, wants_room=True),
            changed(replace(A, capacity=room(1)), replace(A, capacity=room(2))),
            {Trigger.CAPACITY},
            id="room-that-is-wanted",
        ),
        pytest.param(
            note(COUNTING, workloads=frozenset({WORKLOAD})),
            fleet_change(Fleet(), Fleet(), {"a": {WORKLOAD: 1}}, {"a": {WORKLOAD: 2}}),
            {Trigger.OTHER},
            id="its-pods-are-stuck",
        ),
        pytest.param(
            note(COUNTING, workloads=frozenset({WORKLOAD})),
            fleet_change(Fleet(), Fleet(), {}, {"a": {("apps", "Deployment", "shop", "other"): 2}}),
            set(),
            id="pods-of-another-are-stuck",
        ),
        pytest.param(
            note(replace(ALL, data=(DataAnchor(dataset="orders", access=DataAccess.READ),))),
            fleet_change(Fleet(), Fleet(datasets=(Dataset(name="orders", primary="a"),)), {}, {}),
            {Trigger.OTHER},
            id="its-data",
        ),
        pytest.param(
            note(),
            fleet_change(Fleet(), Fleet(datasets=(Dataset(name="orders", primary="a"),)), {}, {}),
            set(),
            id="data",
        ),
        pytest.param(
            note(COUNTING),
            fleet_change(Fleet(), Fleet(headroom=Headroom(by="Region")), {}, {}),
            {Trigger.CAPACITY},
            id="headroom",
        ),
        pytest.param(
            note(Placement(clusters=("b",))),
            fleet_change(Fleet(), Fleet(clusters=(A,)), {}, {}),
            {Trigger.OTHER},
            id="the-first-cluster",
        ),
        pytest.param(
            note(),
            changed(replace(A, cost=Cost(micros_per_core=1, micros_per_gib=1)), A),
            set(),
            id="cost-that-nobody-minds",
        ),
    ],
)
def test_a_change_of_the_fleet_wakes_those_it_concerns_and_says_why(
    given_note: UnitNote, change: FleetChange, triggers: set[str]
) -> None:
    assert triggers_of(given_note, change, touches_of(given_note, change)) == triggers


async def test_of_many_units_those_are_woken_that_a_change_concerns() -> None:
    notes = UnitNotes()
    on_a = PlacedUnit(key="shop/web", clusters=("a",))
    by_label = replace(ALL, cluster_selector=LabelSelector(match_labels=(("x", "y"),)))
    for uid, made in {
        "there": note(placed=on_a),
        "elsewhere": note(),
        "gone": note(placed=on_a),
        "selecting": note(by_label),
        "changed": note(by_label),
    }.items():
        notes.put(replace(made, uid=uid, name=uid))
    notes.forget("gone")
    notes.put(note(placed=on_a, uid="changed", name="changed"))

    assert await notes.touched(changed(A, TAINTED)) == {"there": {Trigger.OTHER}, "changed": {Trigger.OTHER}}
    assert await notes.touched(changed(A, replace(A, labels={"x": "y"}))) == {"selecting": {Trigger.LABELS}}
    assert await notes.touched(changed(A, A)) == {}


def test_a_cluster_that_joins_is_told_as_such() -> None:
    two = Fleet(clusters=(ClusterSnapshot(name="z"), A))
    joined = fleet_change(Fleet(clusters=(ClusterSnapshot(name="z"),)), two, {}, {})
    assert triggers_of(note(), joined, touches_of(note(), joined)) == {Trigger.CLUSTER_JOINED}


@pytest.mark.parametrize(
    ("triggers", "replace_on", "expected"),
    [
        ((), (Trigger.INTENT,), Trigger.OTHER),
        ((Trigger.OTHER, Trigger.LABELS), (Trigger.INTENT,), Trigger.LABELS),
        ((Trigger.REBALANCE, Trigger.CAPACITY), (Trigger.CAPACITY,), Trigger.CAPACITY),
        ((Trigger.INTENT, Trigger.REBALANCE), (Trigger.INTENT, Trigger.REBALANCE), Trigger.REBALANCE),
    ],
)
def test_of_several_triggers_one_that_moves_the_unit_counts(
    triggers: tuple[str, ...], replace_on: tuple[str, ...], expected: str
) -> None:
    assert foremost(triggers, replace(ALL, stability=Stability(replace_on=replace_on))) == expected


def granted(cluster: str, at: datetime = NOW, replicas: int = 2) -> Granted:
    return Granted(at=at, spoken=Spoken(cluster=cluster, requests={"cpu": 500}, replicas=replicas))


def test_a_grant_lasts_until_a_reading_must_have_seen_it() -> None:
    grants = [granted("a"), granted("b"), granted("gone")]
    rooms = {"a": NOW + SETTLING, "b": NOW + SETTLING + timedelta(seconds=1)}
    assert outstanding(grants, rooms) == [granted("a")]


def test_what_was_granted_is_taken_off_its_cluster_beside_what_waits_there() -> None:
    waiting = Grant(requests={"cpu": 100}, replicas=1)
    full = replace(A, capacity=replace(room(8_000), grants=(waiting,)))
    unknown = ClusterSnapshot(name="b")
    fleet = with_grants(Fleet(clusters=(full, unknown)), [granted("a"), granted("b")])
    assert fleet.clusters[0].capacity is not None
    assert fleet.clusters[0].capacity.grants == (waiting, Grant(requests={"cpu": 500}, replicas=2))
    assert fleet.clusters[1] == unknown
    assert with_grants(fleet, []) is fleet


def member(stuck: int, read_time: datetime) -> Cluster:
    found = StuckWorkload(group="apps", kind="Deployment", namespace="shop", name="web", replicas=stuck)
    return Cluster(
        name="a",
        uid="uid-a",
        labels={},
        annotations={},
        provider="",
        region="",
        zones=(),
        taints=(),
        connection=Connection(endpoint="https://x"),
        room=Room(stuck=(found,) if stuck else (), read_time=read_time),
        create_time=NOW,
        update_time=NOW,
    )


BOUND = Binding(unit_uid="u", cluster="a", replicas={WEB: 4}, render_key=b"", decision="d", update_time=NOW)


@pytest.mark.parametrize(
    ("stuck", "after_seconds", "running"),
    [
        pytest.param(3, 60, 1, id="stuck"),
        pytest.param(0, 60, 4, id="all-run"),
        pytest.param(9, 60, 0, id="more-than-bound"),
    ],
)
def test_a_reading_shows_how_many_replicas_run(stuck: int, after_seconds: int, running: int) -> None:
    at = NOW + timedelta(seconds=after_seconds)
    seen = Learned(cluster="a", workload=WEB, wanted=4, running=running, at=at)
    assert observations([BOUND], {"a": member(stuck, at)}) == [seen]


def test_a_reading_from_before_the_binding_could_show_anything_teaches_nothing() -> None:
    early = member(3, NOW + timedelta(seconds=59))
    assert observations([BOUND], {"a": early}) == []
    assert observations([BOUND], {}) == []
    assert learned(Memory(), [], NOW) == Memory()


@pytest.mark.parametrize(
    ("key", "workload"),
    [(WEB, WORKLOAD), ("v1 ReplicationController shop/old", ("", "ReplicationController", "shop", "old"))],
)
def test_the_key_of_a_workload_says_which_object_it_is(key: str, workload: tuple[str, ...]) -> None:
    assert workload_of_key(key) == workload


def test_a_unit_that_moved_too_often_rests_for_the_rest_of_the_window() -> None:
    swings = Swings()
    for second in range(MAX_MOVES):
        assert swings.wait_seconds("u", float(second)) == 0
        swings.moved("u", float(second))
        swings.moved(f"other-{second}", float(second))
    assert swings.wait_seconds("u", 3.0) == WINDOW_SECONDS - 3
    assert swings.wait_seconds("other-1", 3.0) == 0
    assert swings.wait_seconds("u", WINDOW_SECONDS) == 0


def test_moves_of_long_ago_are_not_kept() -> None:
    swings = Swings()
    swings.moved("old", 0.0)
    swings.moved("kept", 1.0)
    swings.moved("new", WINDOW_SECONDS)
    assert list(swings._moves) == ["kept", "new"]
