"""Webster division: against a naive auction, and its properties."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_placement.divide import Parties, divide

TOTALS = st.integers(0, 200)


@dataclass(frozen=True, kw_only=True)
class Party:
    weight: int
    min: int
    max: int | None
    order: tuple[int, str]


def in_columns(parties: Sequence[Party]) -> Parties:
    return Parties(
        weights=[party.weight for party in parties],
        mins=[party.min for party in parties],
        maxs=[party.max for party in parties],
        orders=[party.order for party in parties],
    )


@st.composite
def parties(draw: st.DrawFn) -> list[Party]:
    count = draw(st.integers(0, 8))
    orders = draw(st.permutations(range(count)))
    return [
        Party(
            weight=draw(st.integers(0, 6)),
            min=draw(st.integers(0, 12)),
            max=draw(st.none() | st.integers(0, 30)),
            order=(order, ""),
        )
        for order in orders
    ]


def by_auction(total: int, given_parties: list[Party]) -> tuple[int, ...]:
    """Return the division by its definition: minimums, then one replica after the other to the highest bid."""
    parts = [0] * len(given_parties)
    left = total
    for index in sorted(range(len(parts)), key=lambda i: (-given_parties[i].weight, given_parties[i].order)):
        party = given_parties[index]
        parts[index] = min(party.min, left, left if party.max is None else party.max)
        left -= parts[index]
    for _ in range(left):
        bids = [
            (-Fraction(party.weight, 2 * part + 1), party.order, index)
            for index, (party, part) in enumerate(zip(given_parties, parts, strict=True))
            if party.weight and (party.max is None or part < party.max)
        ]
        if not bids:
            break
        parts[min(bids)[2]] += 1
    return tuple(parts)


@given(TOTALS, parties())
def test_equals_the_auction_that_defines_it(total: int, given_parties: list[Party]) -> None:
    assert divide(total, in_columns(given_parties)) == by_auction(total, given_parties)


@given(TOTALS, parties())
def test_one_more_replica_takes_none_from_anyone(total: int, given_parties: list[Party]) -> None:
    before, after = divide(total, in_columns(given_parties)), divide(total + 1, in_columns(given_parties))
    gains = Counter(new - old for old, new in zip(before, after, strict=True))
    assert set(gains) <= {0, 1}
    assert gains[1] <= 1


@given(TOTALS, parties())
def test_bounds_hold_and_the_sum_is_the_total_unless_bounds_forbid(total: int, given_parties: list[Party]) -> None:
    parts = divide(total, in_columns(given_parties))
    for part, party in zip(parts, given_parties, strict=True):
        assert part >= 0
        assert party.max is None or part <= party.max
        assert party.weight or part <= party.min
    assert sum(parts) <= total
    if sum(parts) < total:
        for part, party in zip(parts, given_parties, strict=True):
            bound = party.max if party.weight else party.min
            assert part == bound if party.max is None else part == min(party.max, bound or 0)


@given(TOTALS, parties())
def test_the_sequence_of_the_parties_does_not_matter(total: int, given_parties: list[Party]) -> None:
    backwards = given_parties[::-1]
    assert divide(total, in_columns(backwards)) == divide(total, in_columns(given_parties))[::-1]


@given(TOTALS, parties(), st.data())
def test_taking_a_party_away_only_gives_to_the_others(
    total: int, given_parties: list[Party], data: st.DataObject
) -> None:
    if not given_parties:
        return
    gone = data.draw(st.integers(0, len(given_parties) - 1))
    before = divide(total, in_columns(given_parties))
    after = divide(total, in_columns([*given_parties[:gone], *given_parties[gone + 1 :]]))
    others = [*before[:gone], *before[gone + 1 :]]
    assert all(new >= old for old, new in zip(others, after, strict=True))
    assert sum(after) <= sum(others) + before[gone]


@given(st.integers(1, 400), st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_without_bounds_no_part_is_far_from_its_quota(total: int, weights: list[int]) -> None:
    """Webster may leave the quota's floor and ceiling, but moves no part by a whole replica against another."""
    parts = divide(total, in_columns([Party(weight=w, min=0, max=None, order=(i, "")) for i, w in enumerate(weights)]))
    assert sum(parts) == total
    for w_one, one in zip(weights, parts, strict=True):
        for w_two, two in zip(weights, parts, strict=True):
            # The last replica of any is bid at least as high as the next one of any other.
            assert one == 0 or w_one * (2 * two + 1) >= w_two * (2 * one - 1)


@pytest.mark.parametrize("total", [1_000_000, 2_147_483_647])
def test_large_numbers_are_divided_without_walking_through_them(total: int) -> None:
    given_parties = [
        Party(weight=i % 97 + 1, min=i % 5, max=2_000 if i % 3 == 0 else None, order=(i * 7919 % 1000, str(i)))
        for i in range(1000)
    ]
    assert sum(divide(total, in_columns(given_parties))) == total


@pytest.mark.parametrize(
    "party",
    [
        Party(weight=-1, min=0, max=None, order=(0, "")),
        Party(weight=1, min=-1, max=None, order=(0, "")),
        Party(weight=1, min=0, max=-1, order=(0, "")),
    ],
)
def test_negative_numbers_are_an_error(party: Party) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        divide(1, in_columns([party]))


def test_a_negative_total_is_an_error() -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        divide(-1, in_columns([]))
