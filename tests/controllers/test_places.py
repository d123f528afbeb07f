"""Neighbours are found by key and label, and are those that a look at every unit would find."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.notes import UnitNotes
from fedsvc.controllers.places import Places
from fedsvc.controllers.touching import UnitNote
from fedsvc_placement import (
    AffinityMode,
    LabelRequirement,
    LabelSelector,
    PlacedUnit,
    Placement,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    touches_unit,
)

KEYS = ("shop/a", "shop/b", "shop/c", "shop/d")

placed = st.builds(
    PlacedUnit,
    key=st.sampled_from(KEYS),
    labels=st.dictionaries(st.sampled_from(("app", "tier")), st.sampled_from(("x", "y"))),
    clusters=st.lists(st.sampled_from(("one", "two")), unique=True, max_size=2).map(tuple),
)
labels = st.tuples(st.sampled_from(("app", "tier")), st.sampled_from(("x", "y")))
selectors = st.builds(
    LabelSelector,
    match_labels=st.lists(labels, max_size=2, unique_by=lambda label: label[0]).map(tuple),
    match_expressions=st.sampled_from(((), (LabelRequirement(key="tier", operator="Exists"),))),
)
matchers = st.builds(
    UnitMatcher,
    names=st.none() | st.lists(st.sampled_from(KEYS), max_size=2, unique=True).map(tuple),
    selector=st.none() | selectors,
)
placements = st.builds(
    Placement,
    follows=st.lists(st.sampled_from(KEYS), max_size=1).map(tuple),
    affinities=st.lists(st.builds(UnitAffinity, mode=st.just(AffinityMode.TOGETHER), units=matchers), max_size=2).map(
        tuple
    ),
)


def note(key: str, placement: Placement, *, minds: bool = True) -> UnitNote:
    return UnitNote(
        uid=key,
        name=key,
        input=UnitInput(key=key, placement=placement),
        placed=PlacedUnit(key=key),
        wants_room=False,
        minds_others=False,
        minds_neighbours=minds,
        workloads=frozenset(),
        override_clusters=(),
        placement_policy="",
        override_policies=(),
    )


@given(st.lists(placed, max_size=8), st.sets(st.sampled_from(KEYS)), placements, st.sampled_from(KEYS))
def test_those_are_beside_a_unit_that_its_placement_minds(
    history: list[PlacedUnit], dropped: set[str], placement: Placement, key: str
) -> None:
    places = Places()
    for unit in history:
        places.put(unit)
    for gone in dropped:
        places.drop(gone)
    newest = {unit.key: unit for unit in history if unit.key not in dropped}
    minded = [newest[name] for name in sorted(newest) if touches_unit(placement, key, None, newest[name])]
    assert list(places.beside(placement, key)) == minded


def test_a_unit_that_stays_stays_the_same_object() -> None:
    first = PlacedUnit(key="shop/a", labels={"app": "x"}, clusters=("one",))
    places = Places([first])
    places.put(replace(first))
    (found,) = places.beside(Placement(follows=("shop/a",)), "shop/b")
    assert found is first


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), placements), max_size=8),
    st.sets(st.sampled_from(KEYS)),
    st.none() | placed,
    st.none() | placed,
)
def test_those_are_woken_that_mind_where_another_one_is(
    history: list[tuple[str, Placement]], dropped: set[str], before: PlacedUnit | None, after: PlacedUnit | None
) -> None:
    moved = before or after
    if moved is None:
        return
    after = None if after is None else replace(after, key=moved.key)
    notes = UnitNotes()
    for key, placement in history:
        notes.put(note(key, placement))
    for gone in dropped:
        notes.forget(gone)
    newest = {key: placement for key, placement in history if key not in dropped}
    minding = [key for key in sorted(newest) if key != moved.key and touches_unit(newest[key], key, before, after)]
    assert notes.beside(moved.key, before, after) == minding


def test_who_minds_no_neighbours_is_not_woken_by_them() -> None:
    near = UnitAffinity(mode=AffinityMode.TOGETHER, units=UnitMatcher(names=(KEYS[0],)), weight=50)
    notes = UnitNotes()
    notes.put(note(KEYS[1], Placement(affinities=(near,)), minds=False))
    moved = PlacedUnit(key=KEYS[0], clusters=("one",))
    assert notes.beside(KEYS[0], None, moved) == []
    notes.put(note(KEYS[1], Placement(affinities=(near,))))
    assert notes.beside(KEYS[0], None, moved) == [KEYS[1]]
