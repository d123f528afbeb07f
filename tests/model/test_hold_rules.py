from datetime import UTC, datetime

import pytest

from fedsvc.model.hold import FLEET_SUBJECT, Hold, HoldKind, HoldScope, Write, hold_of, holds_of_unit, words_of

NOW = datetime(2026, 11, 26, tzinfo=UTC)
UNIT = "namespaces/shop/units/web"


def hold(subject: str = FLEET_SUBJECT, scope: HoldScope = HoldScope.EVERYTHING, **more: object) -> Hold:
    kind = more.pop("kind", HoldKind.PAUSE)
    return Hold(subject=subject, scope=scope, kind=kind, reason="why", create_time=NOW, **more)  # type: ignore[arg-type]


def write(*, removal: bool = False, change: bool = True) -> Write:
    return Write(cluster="a", unit_name=UNIT, is_removal=removal, is_change=change)


@pytest.mark.parametrize(
    ("scope", "removal", "change", "held"),
    [
        (HoldScope.EVERYTHING, False, False, True),
        (HoldScope.EVERYTHING, True, True, True),
        (HoldScope.CHANGES, False, True, True),
        (HoldScope.CHANGES, True, True, True),
        (HoldScope.CHANGES, False, False, False),  # drift is put right
        (HoldScope.REMOVALS, True, True, True),
        (HoldScope.REMOVALS, False, True, False),
    ],
)
def test_a_scope_keeps_back(scope: HoldScope, *, removal: bool, change: bool, held: bool) -> None:
    assert (hold_of([hold(scope=scope)], write(removal=removal, change=change)) is not None) is held


@pytest.mark.parametrize(
    ("found", "held"),
    [
        (hold(), True),
        (hold("clusters/a"), True),
        (hold("clusters/b"), False),
        (hold(UNIT), True),
        (hold("namespaces/shop/units/other"), False),
        (hold(clusters=frozenset({"a"})), True),
        (hold(clusters=frozenset({"b"})), False),
        (hold(clusters=frozenset()), False),
        (hold(namespaces=frozenset({"shop"})), True),
        (hold(namespaces=frozenset({"web"})), False),
        (hold(units=frozenset({UNIT})), True),
        (hold(units=frozenset({"namespaces/shop/units/other"})), False),
        (hold(namespaces=frozenset({"web"}), units=frozenset({UNIT})), True),
        (hold(namespaces=frozenset({"shop"}), units=frozenset({"namespaces/web/units/other"})), True),
        (hold(thawed=frozenset({UNIT})), False),
        (hold(thawed=frozenset({"clusters/a"})), False),
        (hold(thawed=frozenset({"fleet"})), False),
        (hold(thawed=frozenset({"clusters/b"})), True),
    ],
)
def test_a_hold_is_over_what_it_names(found: Hold, *, held: bool) -> None:
    assert (hold_of([found], write()) is not None) is held


def test_the_first_hold_that_keeps_it_back_is_told() -> None:
    first, second = hold(scope=HoldScope.REMOVALS), hold("clusters/a")
    assert hold_of([first, second], write()) is second


def test_a_unit_without_clusters_is_under_its_own_holds_alone() -> None:
    assert [found.subject for found, _ in holds_of_unit([hold(), hold(UNIT)], UNIT, [])] == [UNIT]
    assert [names for _, names in holds_of_unit([hold("clusters/b")], UNIT, ["a", "b"])] == [["b"]]


def test_words_say_who_until_when_and_why() -> None:
    assert words_of(hold(author="ann", end_time=NOW)) == "paused by ann until 2026-11-26 00:00 UTC: why"
    assert words_of(hold(scope=HoldScope.REMOVALS)) == "removals are paused: why"
    assert words_of(hold(kind=HoldKind.FREEZE, end_time=NOW)) == "frozen by window why until 2026-11-26 00:00 UTC"


@pytest.mark.parametrize(("members", "held"), [({"a", "b"}, True), ({"b"}, False), (set(), False)])
def test_a_hold_of_a_region_is_over_the_clusters_in_it(members: set[str], *, held: bool) -> None:
    found = hold("regions/eu", HoldScope.AUTOMATION, clusters=frozenset(members))
    assert (hold_of([found], write(removal=True)) is found) is held
    assert hold_of([found], write()) is None
