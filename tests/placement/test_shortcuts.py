"""What is found in a shorter way is what the long way finds."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.placement_cases import SIZES, fleet_of, placements, units_of
from fedsvc_placement import (
    Fleet,
    LabelSelector,
    PlacedUnit,
    PreviousBinding,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    decide,
    prepare_fleet,
    to_dict,
)
from fedsvc_placement.capacity import fitting
from fedsvc_placement.neighbourhood import Neighbourhood

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FLEETS = {count: fleet_of(count) for count in (3, 8, 25)}
UNITS = list(units_of(len(placements())))

sizes = st.sampled_from(sorted(FLEETS))
places = st.sets(st.integers(0, 24), max_size=5)
moves = st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 7), max_size=3)), max_size=6)


@settings(max_examples=150)
@given(sizes, st.sampled_from(UNITS), places, st.sampled_from(("Other", "Rebalance")))
def test_a_clear_choice_is_the_one_that_weighing_all_clusters_makes(
    size: int, unit: UnitInput, bound: set[int], trigger: str
) -> None:
    previous = [PreviousBinding(cluster=f"c{place:05}", replicas=None) for place in bound]
    found = decide(unit, FLEETS[size], previous, NOW, trigger=trigger)

    with patch("fedsvc_placement.spread_solve.clear_choice", return_value=None):
        weighed = decide(unit, FLEETS[size], previous, NOW, trigger=trigger)

    assert json.dumps(to_dict(found)) == json.dumps(to_dict(weighed))


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(SIZES), st.integers(0, 400)), max_size=8))
def test_room_that_is_kept_up_to_date_is_room_that_is_counted_anew(
    given_away: Sequence[tuple[int, Mapping[str, int], int]],
) -> None:
    prepared = prepare_fleet(FLEETS[8])
    for place, requests, replicas in given_away:
        column = prepared.room(SIZES[1])
        need = max(1, replicas)
        column.below(need)
        prepared.speak_for(f"c{place:05}", requests, replicas)

        column = prepared.room(SIZES[1])

        counted = [fitting(prepared.left(cluster)[0].capacity, SIZES[1]) for cluster in prepared.clusters]
        assert column.values == counted
        assert column.below(need) == {index for index, room in enumerate(counted) if room is None or room < need}


@given(moves, st.sampled_from(("cluster", "zone", "region", "provider")))
def test_a_neighbourhood_that_is_kept_up_to_date_is_one_that_is_made_anew(
    steps: Sequence[tuple[int, set[int]]], by: str
) -> None:
    matcher = UnitMatcher(selector=LabelSelector(match_labels=(("app", "a"),)))
    affinity = UnitAffinity(mode="Apart", units=matcher, by=by)
    prepared = prepare_fleet(Fleet(clusters=FLEETS[8].clusters))
    kept = prepared.neighbourhood(affinity)
    for number, where in steps:
        clusters = tuple(f"c{place:05}" for place in sorted(where))
        prepared.move(PlacedUnit(key=f"u{number}", labels={"app": "ab"[number % 2]}, clusters=clusters))

    anew = Neighbourhood(affinity=affinity, clusters=prepared.clusters_by_name)
    for unit in prepared.units_by_key.values():
        anew.move(unit)

    assert kept.units == anew.units
    for own in ("u0", "other"):
        assert kept.nowhere(own) == anew.nowhere(own)
        for cluster in prepared.clusters:
            assert kept.near(cluster, own) == anew.near(cluster, own)
