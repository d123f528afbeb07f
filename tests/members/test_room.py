from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from fedsvc.members.room import MAX_SHAPES, shapes

BIG = {"cpu": 64_000, "memory": 256 << 30, "pods": 110}


def test_nodes_that_are_alike_count_together() -> None:
    half = {**BIG, "cpu": 32_000}

    found = shapes([(BIG, BIG), (BIG, half), (BIG, BIG)])

    assert [(shape.count, shape.free["cpu"]) for shape in found] == [(1, 32_000), (2, 64_000)]


def test_a_few_different_nodes_keep_their_exact_amounts() -> None:
    found = shapes([(BIG, {**BIG, "cpu": cpu}) for cpu in range(MAX_SHAPES)])

    assert [shape.free["cpu"] for shape in found] == list(range(MAX_SHAPES))


def test_what_no_node_tells_is_free_nowhere() -> None:
    (shape,) = shapes([({"cpu": 1000}, {})])

    assert shape.free == {"cpu": 0}


FREE = st.fixed_dictionaries({"cpu": st.integers(0, 64_000), "memory": st.integers(0, 256 << 30)})


@given(st.lists(FREE, max_size=200))
def test_many_different_nodes_become_few_shapes_and_nothing_is_made_up(free: list[Mapping[str, int]]) -> None:
    found = shapes([(BIG, amounts) for amounts in free])

    assert sum(shape.count for shape in found) == len(free)
    assert len(found) <= max(MAX_SHAPES, 1)
    for resource in ("cpu", "memory"):
        assert sum(shape.count * shape.free[resource] for shape in found) <= sum(amounts[resource] for amounts in free)
