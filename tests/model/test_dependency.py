import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.dependency import Dependency, UnitId, cycle_words, find_cycle, unit_words


def ids(text: str) -> list[UnitId]:
    return [("shop", letter) for letter in text]


def edges_of(text: str) -> dict[UnitId, list[UnitId]]:
    """ "a:bc b:c" as edges."""
    return {("shop", entry[0]): ids(entry[2:]) for entry in text.split()}


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("a:b b:c", "", id="a chain"),
        pytest.param("a:bc b:d c:d", "", id="a diamond"),
        pytest.param("a:a", "aa", id="itself"),
        pytest.param("a:b b:a", "aba", id="two"),
        pytest.param("a:b b:c c:a", "abca", id="three"),
        pytest.param("a:bd b:c c:a d:a", "ada", id="the shortest"),
        pytest.param("a:b b:c c:b", "", id="a cycle that it is not in"),
    ],
)
def test_a_cycle_through_a_unit_is_found(edges: str, cycle: str) -> None:
    assert find_cycle(edges_of(edges), ("shop", "a")) == tuple(ids(cycle))


def test_a_cycle_is_spelled_out() -> None:
    words = cycle_words([("shop", "web"), ("shop", "db"), ("infra", "disk"), ("shop", "web")])
    assert words == (
        "namespaces/shop/units/web waits for namespaces/shop/units/db, which waits for namespaces/infra/units/disk, "
        "which waits for namespaces/shop/units/web"
    )


def test_a_unit_is_named_in_its_own_namespace_or_in_full() -> None:
    assert Dependency(unit="db").target("shop") == ("shop", "db")
    assert Dependency(unit="namespaces/infra/units/db").target("shop") == ("infra", "db")
    assert (unit_words(("shop", "db"), "shop"), unit_words(("shop", "db"), "infra")) == (
        "units/db",
        "namespaces/shop/units/db",
    )


letters = st.sampled_from("abcdef")
graphs = st.dictionaries(letters, st.lists(letters, max_size=4), max_size=6)


def reachable(edges: dict[UnitId, list[UnitId]], start: UnitId) -> set[UnitId]:
    seen: set[UnitId] = set()
    left = list(edges.get(start, ()))
    while left:
        unit = left.pop()
        if unit not in seen:
            seen.add(unit)
            left.extend(edges.get(unit, ()))
    return seen


@given(graphs, letters)
def test_what_is_found_is_a_cycle_and_one_is_found_where_there_is_one(graph: dict[str, list[str]], letter: str) -> None:
    edges: dict[UnitId, list[UnitId]] = {("shop", unit): ids("".join(targets)) for unit, targets in graph.items()}
    start = ("shop", letter)

    cycle = find_cycle(edges, start)

    assert bool(cycle) == (start in reachable(edges, start))
    if cycle:
        assert cycle[0] == cycle[-1] == start
        assert len(set(cycle)) == len(cycle) - 1
        assert all(target in edges[unit] for unit, target in itertools.pairwise(cycle))


@given(st.lists(st.tuples(letters, letters), max_size=20))
def test_a_graph_that_was_built_without_closing_a_cycle_has_an_order_for_all(pairs: list[tuple[str, str]]) -> None:
    """What the API accepts one after the other can be applied in order, and removed in reverse."""
    edges: dict[UnitId, list[UnitId]] = {}
    for unit, target in pairs:
        given_to = {**edges, ("shop", unit): [*edges.get(("shop", unit), []), ("shop", target)]}
        if not find_cycle(given_to, ("shop", unit)):
            edges = given_to

    done: list[UnitId] = []
    left = set(edges) | {target for targets in edges.values() for target in targets}
    while left:
        free = {unit for unit in left if not set(edges.get(unit, ())) & left}
        assert free, "nothing could ever begin"
        done += sorted(free)
        left -= free
    assert all(done.index(target) < done.index(unit) for unit, targets in edges.items() for target in targets)
