import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.backoff import Backoff, delay_seconds
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.index import Entry, WorkIndex
from fedsvc.controllers.observing import Finding, find_drift, observe
from fedsvc.controllers.pacing import Rhythm
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.strangers import Strangers
from fedsvc.controllers.supervising import leaves, supervise
from fedsvc.controllers.touching import UnitNote, is_touched
from fedsvc.controllers.wakeups import Signal, Wakeups
from fedsvc.model.unit import DriftMode, WorkState
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.ownership import ownership_digest
from fedsvc.store.changes import Change
from fedsvc_placement import (
    ClusterMatcher,
    ClusterSnapshot,
    LabelSelector,
    PlacedUnit,
    Placement,
    Taint,
    UnitInput,
)

KEY = ObjectKey(group="", version="v1", kind="ConfigMap", namespace="shop", name="x")


@given(attempt=st.integers(min_value=0, max_value=10_000), key=st.text(max_size=20))
def test_delays_grow_stay_bounded_and_are_the_same_each_time(attempt: int, key: str) -> None:
    delay = delay_seconds(key, attempt)
    assert 0.75 * min(300, 2.0 ** min(attempt, 20)) <= delay <= 1.25 * 300
    assert delay == delay_seconds(key, attempt)


def test_delays_of_different_works_are_spread() -> None:
    assert len({delay_seconds(f"work-{number}", 3) for number in range(100)}) > 90


def test_success_begins_anew() -> None:
    backoff = Backoff("x", first=1.0, maximum=60.0)
    first = backoff.next_seconds()
    assert backoff.next_seconds() > first
    backoff.reset()
    assert backoff.next_seconds() == first


def test_the_first_of_many_is_written_soon_and_more_of_them_in_a_slower_beat() -> None:
    rhythm = Rhythm(first_seconds=0.1, busy_seconds=0.5)
    assert rhythm.wait_seconds(100.0) == 0.1
    rhythm.wrote(100.2)
    assert rhythm.wait_seconds(100.25) == pytest.approx(0.45)
    assert rhythm.wait_seconds(100.9) == 0.1


def test_hurried_writes_leave_four_fifths_of_the_time_to_others_and_half_where_somebody_is_idle() -> None:
    rhythm = Rhythm(first_seconds=0.1, busy_seconds=0.5)
    assert rhythm.hurried_seconds(100.0) == 0.0
    rhythm.wrote(100.0, took_seconds=0.02)
    assert rhythm.hurried_seconds(100.0) == pytest.approx(0.08)
    assert rhythm.hurried_seconds(100.1) == 0.0
    assert rhythm.idle_seconds(100.0) == pytest.approx(0.02)
    assert rhythm.idle_seconds(100.02) == 0.0


async def test_keys_wake_once_and_are_taken_in_their_order() -> None:
    wakeups: Wakeups[str] = Wakeups()
    wakeups.add("b", "a", "b")
    assert await wakeups.take(limit=1) == ("b",)
    assert await wakeups.take() == ("a",)
    assert await wakeups.take(timeout_seconds=0.001) == ()


async def test_keys_that_are_looked_at_anyway_wake_nobody() -> None:
    wakeups: Wakeups[str] = Wakeups()
    wakeups.add("b", "a")
    wakeups.discard(["b", "c"])
    assert await wakeups.take() == ("a",)
    wakeups.add("a")
    wakeups.discard(["a"])
    assert await wakeups.take(timeout_seconds=0.001) == ()


async def test_a_signal_set_twice_wakes_once() -> None:
    signal = Signal()
    signal.set()
    signal.set()
    assert await signal.wait(timeout_seconds=0.001)
    assert not await signal.wait(timeout_seconds=0.001)


def entry(number: int = 1, **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "id": number,
        "unit_uid": "u",
        "unit_name": "namespaces/shop/units/web",
        "key": KEY,
        "drift": DriftMode.CORRECT,
        "state": WorkState.APPLIED,
        "removal": False,
    }
    return Entry(**(values | changes))


def test_the_index_tells_when_the_kinds_in_use_change() -> None:
    told: list[int] = []
    index = WorkIndex(on_kinds_changed=lambda: told.append(len(index.kinds)))
    other = ObjectKey(group="", version="v1", kind="Secret", namespace="shop", name="x")
    index.put(entry(1))
    index.put(entry(2, key=other))
    index.put(entry(2, key=other))
    index.remove(1)
    index.remove(1)
    assert index.kinds == {("", "v1", "Secret")}
    assert told == [1, 2, 1, 2, 1]


def test_an_object_has_one_work_in_the_index() -> None:
    index = WorkIndex(on_kinds_changed=lambda: None)
    index.put(entry(1))
    index.put(entry(2))
    found = index.of_object(KEY.identity)
    assert found is not None
    assert found.id == 2
    assert index.get(1) is None


def live(*, version: int = 7, uid: str = "uid-1", managed: str = "true", fields: str = "f:a") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "x",
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"fedsvc.io/managed": managed},
            "managedFields": [{"manager": "fedsvc", "operation": "Apply", "fieldsV1": {"f:data": {fields: {}}}}],
        },
        "data": {"a": "1"},
    }


def applied_entry(**changes: Any) -> Entry:
    return entry(member_uid="uid-1", ownership_digest=ownership_digest(live()), object_version=7, **changes)


@pytest.mark.parametrize(
    ("of", "seen", "finding"),
    [
        pytest.param(applied_entry(), live(), Finding.SAME, id="as-we-left-it"),
        pytest.param(applied_entry(), live(version=9), Finding.SAME, id="changed-by-others-elsewhere"),
        pytest.param(applied_entry(), live(version=9, fields="f:b"), Finding.DRIFTED, id="ours-taken"),
        pytest.param(applied_entry(), live(version=5, fields="f:b"), Finding.UNKNOWN, id="older-than-our-apply"),
        pytest.param(applied_entry(in_flight=True), live(version=9, fields="f:b"), Finding.UNKNOWN, id="in-flight"),
        pytest.param(applied_entry(removal=True), live(version=9, fields="f:b"), Finding.UNKNOWN, id="to-be-removed"),
        pytest.param(applied_entry(), live(version=9, managed="false"), Finding.DRIFTED, id="mark-taken-off"),
        pytest.param(applied_entry(), live(version=3, uid="uid-2"), Finding.DRIFTED, id="made-anew-by-somebody"),
        pytest.param(entry(), live(), Finding.UNKNOWN, id="never-applied"),
    ],
)
def test_drift_is_a_difference_of_what_we_own(of: Entry, seen: dict[str, Any], finding: Finding) -> None:
    assert find_drift(of, seen) == finding


def test_equal_observations_have_equal_digests_and_others_do_not() -> None:
    assert observe(entry(), live()).digest == observe(entry(), live(version=99)).digest
    assert observe(entry(), live()).digest != observe(entry(), live(uid="uid-2")).digest


def note(placement: Placement, *matchers: ClusterMatcher) -> UnitNote:
    return UnitNote(
        uid="u",
        name="n",
        input=UnitInput(key="shop/n", placement=placement),
        placed=PlacedUnit(key="shop/n"),
        wants_room=False,
        minds_others=False,
        minds_neighbours=False,
        workloads=frozenset(),
        override_clusters=matchers,
        placement_policy="",
        override_policies=(),
    )


@pytest.mark.parametrize(
    ("given_note", "after", "touched"),
    [
        pytest.param(note(Placement(clusters=("a",))), ClusterSnapshot(name="a", labels={"x": "y"}), False, id="named"),
        pytest.param(
            note(Placement(cluster_selector=LabelSelector(match_labels=(("x", "y"),)))),
            ClusterSnapshot(name="a", labels={"x": "y"}),
            True,
            id="selected",
        ),
        pytest.param(
            note(Placement(clusters=("a",)), ClusterMatcher(selector=LabelSelector(match_labels=(("x", "y"),)))),
            ClusterSnapshot(name="a", labels={"x": "y"}),
            True,
            id="override-by-label",
        ),
        pytest.param(
            note(Placement(clusters=("a",))),
            ClusterSnapshot(
                name="a", taints=(Taint(key="k", effect="NoExecute", time_added=datetime(2026, 1, 1, tzinfo=UTC)),)
            ),
            True,
            id="taint",
        ),
        pytest.param(note(Placement(clusters=("b",))), ClusterSnapshot(name="a", deleting=True), False, id="other"),
    ],
)
def test_a_change_of_a_cluster_touches_what_it_may_change(
    given_note: UnitNote, after: ClusterSnapshot, *, touched: bool
) -> None:
    assert is_touched(given_note, ClusterSnapshot(name="a"), after) == touched


async def test_a_controller_that_fails_is_started_again_until_it_is_cancelled(quiet_world: Any) -> None:
    runs: list[int] = []
    often = asyncio.Event()

    async def fail() -> None:
        runs.append(1)
        if len(runs) >= 3:
            often.set()
        raise RuntimeError("broken")

    task = asyncio.get_running_loop().create_task(supervise("test", fail, settings=quiet_world.settings))
    await asyncio.wait_for(often.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_is_not_lost_in_a_failure_of_the_same_moment(quiet_world: Any) -> None:
    started = asyncio.Event()

    async def fail_when_cancelled() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("broken") from None

    run = supervise("test", fail_when_cancelled, settings=quiet_world.settings)
    task = asyncio.get_running_loop().create_task(run)
    await asyncio.wait_for(started.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


def test_single_errors_are_found_in_groups_of_groups() -> None:
    one, two = ValueError("1"), KeyError("2")
    assert list(leaves(ExceptionGroup("", [one, ExceptionGroup("", [two])]))) == [one, two]


def test_an_echo_of_our_own_change_is_not_told_again_but_a_strange_one_is(quiet_world: Any) -> None:
    hub = Hub(quiet_world.store, rescan_seconds=60)
    told: list[str] = []
    hub.listen(lambda change: told.append(change.name), lambda: told.append("everything"))
    ours, strange = Change(kind="unit", name="ours"), Change(kind="unit", name="strange")
    hub._committed((ours,))
    hub._committed((ours,))
    hub._received((ours, strange, ours))
    hub._received((ours,))
    assert told == ["ours", "ours", "strange", "ours"]


async def test_only_objects_without_a_work_after_a_while_are_told_of() -> None:
    told: list[str] = []
    index = WorkIndex(on_kinds_changed=lambda: None)
    events = SimpleNamespace(
        warning=lambda _subject, _reason, message, *, cluster: told.append(f"{cluster}: {message}")
    )
    settings = replace(ControllerSettings(), stranger_seconds=0.0)
    session: Any = SimpleNamespace(cluster="a", subject="clusters/a", settings=settings, index=index, events=events)
    strangers = Strangers(session)

    def live(name: str, **annotations: str) -> dict[str, Any]:
        return {"metadata": {"namespace": "shop", "name": name, "annotations": annotations}}

    mark = {"fedsvc.io/unit": "shop/web", "fedsvc.io/unit-uid": "u"}
    for name in ("x", "gone", "lost", "lost"):
        strangers.saw(KEY.gvk, live(name, **mark), deleted=False)
    strangers.saw(KEY.gvk, live("unmarked"), deleted=False)
    strangers.saw(KEY.gvk, live("gone", **mark), deleted=True)
    index.put(entry())  # the work of "x", decided after its object was listed
    run = asyncio.create_task(strangers.run())
    while not told:
        await asyncio.sleep(0)
    strangers.saw(KEY.gvk, live("lost", **mark), deleted=False)
    for _ in range(10):
        await asyncio.sleep(0)
    run.cancel()

    assert told == [
        "a: ConfigMap shop/lost carries fedsvc's mark for unit shop/web, but is no work of this fedsvc: it is left alone"
    ]
