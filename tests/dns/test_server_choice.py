import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsvc_dns.server.choice import Draw, candidates
from fedsvc_dns.server.places import places
from fedsvc_dns.server.rate import RateLimit, Verdict, network_of
from fedsvc_dns.server.wire import ClientSubnet
from fedsvc_dns.server.zone import Option, Record, WireSet

SEEDS = st.integers(0, 2**64 - 1)


@given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=8), count=st.integers(1, 9), seed=SEEDS)
def test_as_many_are_drawn_as_asked_for_and_none_twice(weights: list[int], count: int, seed: int) -> None:
    drawn = Draw(weights, count).indexes(seed)

    assert len(drawn) == len(set(drawn)) == min(count, sum(map(bool, weights)) or len(weights))
    assert all(0 <= index < len(weights) for index in drawn)


@given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=8), seed=SEEDS)
def test_what_has_no_weight_is_drawn_only_where_nothing_has_one(weights: list[int], seed: int) -> None:
    (index,) = Draw(weights, 1).indexes(seed)

    assert weights[index] or not any(weights)


def test_each_is_drawn_first_by_its_weight_and_next_by_the_weights_of_the_rest() -> None:
    seeds = [number * 2**64 // 12_000 for number in range(12_000)]
    drawn = [tuple(Draw([1, 2, 3], 2).indexes(seed)) for seed in seeds]

    assert [sum(first == index for first, _ in drawn) for index in range(3)] == pytest.approx([2000, 4000, 6000], abs=2)
    after_last = [second for first, second in drawn if first == 2]
    assert after_last.count(1) / len(after_last) == pytest.approx(2 / 3, abs=0.03)


def option(weight: int, place: str) -> Option:
    return Option(record=Record(head=f"{weight}{place}".encode()), weight=weight, place=place)


@pytest.mark.parametrize(
    ("options", "place", "kept"),
    [
        pytest.param([(1, "eu"), (1, "us")], "eu", [0], id="near"),
        pytest.param([(1, "eu"), (1, "us")], "asia", [0, 1], id="nothing-near"),
        pytest.param([(1, "eu"), (1, "")], "", [0, 1], id="client-of-no-place"),
        pytest.param([(0, "eu"), (1, "us")], "eu", [1], id="near-without-weight"),
        pytest.param([(0, "eu"), (0, "us")], "eu", [0, 1], id="nothing-with-weight-is-never-empty"),
    ],
)
def test_options_of_the_place_come_first(options: list[tuple[int, str]], place: str, kept: list[int]) -> None:
    made = tuple(option(*one) for one in options)
    found = WireSet(type=1, ttl_seconds=1, records=(), options=made, answer_count=1)

    assert candidates(found, place) == tuple(made[index] for index in kept)


networks4 = st.builds(
    lambda address, bits: str(ipaddress.ip_network((address, bits), strict=False)),
    st.integers(0, 2**32 - 1).map(lambda number: number & 0xC1810101),  # few bits, so that networks hold each other
    st.integers(0, 32),
)


@given(
    table=st.dictionaries(networks4, st.sampled_from(["eu", "us", "asia"]), max_size=12),
    address=st.integers(0, 2**32 - 1).map(lambda number: number & 0xC1810103),
    other=st.integers(0, 2**32 - 1),
)
@settings(max_examples=300)
def test_the_longest_prefix_counts_and_all_clients_of_the_scope_have_its_place(
    table: dict[str, str], address: int, other: int
) -> None:
    made = places(table.items())

    def by_hand(number: int) -> str:
        holding = [ipaddress.ip_network(prefix) for prefix in table]
        holding = [network for network in holding if ipaddress.ip_address(number) in network]
        return table[str(max(holding, key=lambda network: network.prefixlen))] if holding else ""

    subnet = ClientSubnet(family=1, source_bits=32, address=address.to_bytes(4, "big"))
    place, scope_bits = made.of_subnet(subnet)
    assert place == by_hand(address) == made.of_address(str(ipaddress.ip_address(address)))
    mask = (1 << 32 - scope_bits) - 1
    for beside in (other, 0, 2**32 - 1):
        assert by_hand(address & ~mask | beside & mask) == place
    if scope_bits:  # and no shorter one would do
        wider = (1 << 33 - scope_bits) - 1
        bounds = {address & ~wider, address | wider}
        for network in map(ipaddress.ip_network, table):
            bounds |= {int(network[0]), int(network[-1]), int(network[0]) - 1, int(network[-1]) + 1}
        assert any(by_hand(one) != place for one in bounds if address & ~wider <= one <= address | wider)


def test_ipv6_clients_have_places_too() -> None:
    table = places([("2001:db8::/32", "eu"), ("2001:db8:1::/48", "us"), ("10.0.0.0/8", "asia")])
    subnet = ClientSubnet(family=2, source_bits=56, address=bytes.fromhex("20010db8000100"))

    assert table.of_subnet(subnet) == ("us", 48)
    assert table.of_address("2001:db8:2::1") == "eu"
    assert table.of_address("::ffff:10.1.1.1") == "asia"
    assert table.of_address("fe80::1%eth0") == ""


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ([("10.0.0.1/8", "eu")], "host bits"),
        ([("somewhere", "eu")], "not appear to be"),
        ([("10.0.0.0/8", "eu"), ("10.0.0.0/8", "us")], "two places"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(networks: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        places(networks)


def test_equal_answers_over_the_rate_are_dropped_and_every_second_is_truncated() -> None:
    limit = RateLimit(3, slip=2)

    verdicts = [limit.judge("192.0.2.1", b"x", 100.0) for _ in range(7)]

    assert verdicts == [Verdict.SEND] * 3 + [Verdict.DROP, Verdict.TRUNCATE] * 2
    assert limit.judge("192.0.2.1", b"y", 100.0) is Verdict.SEND
    assert limit.judge("192.0.3.1", b"x", 100.0) is Verdict.SEND
    assert limit.judge("192.0.2.99", b"x", 100.0) is Verdict.DROP, "it is of the same network"
    assert limit.judge("192.0.2.1", b"x", 100.4) is Verdict.SEND, "time makes room"


@given(gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=60), rate=st.integers(1, 20))
def test_no_more_are_sent_than_the_rate_allows(gaps: list[float], rate: int) -> None:
    limit = RateLimit(rate, slip=0)
    now = 0.0
    sent = 0
    for gap in gaps:
        now += gap
        verdict = limit.judge("2001:db8::1", b"x", now)
        assert verdict is not Verdict.TRUNCATE
        sent += verdict is Verdict.SEND

    assert sent <= rate * (1 + now) + 1e-6


def test_what_is_counted_does_not_grow_without_end_and_a_busy_network_stays_limited() -> None:
    limit = RateLimit(1, slip=0, max_entries=100)
    limit.judge("192.0.2.1", b"x", 1.0)
    verdicts = set()
    for number in range(5000):
        limit.judge(f"10.{number // 256}.{number % 256}.1", b"x", 1.0)
        if number % 20 == 0:
            verdicts.add(limit.judge("192.0.2.1", b"x", 1.0))

    assert verdicts == {Verdict.DROP}
    assert limit.entries <= 100


def test_a_rate_of_zero_limits_nothing() -> None:
    limit = RateLimit(0)

    assert {limit.judge("192.0.2.1", b"x", 1.0) for _ in range(1000)} == {Verdict.SEND}


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
    ],
)
def test_clients_are_counted_by_network(client: str, network: str) -> None:
    assert network_of(client) == network
