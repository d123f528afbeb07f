"""The algebra of ownership sets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.simulator.fields import difference, from_paths, intersection, path_text, paths, union

_ELEMENTS = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"y"'])
_PATHS = st.sets(st.lists(_ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=12)


def as_set(fields: dict[str, Any]) -> set[tuple[str, ...]]:
    return set(paths(fields))


@given(_PATHS)
def test_a_set_is_its_paths(members: set[tuple[str, ...]]) -> None:
    assert as_set(from_paths(sorted(members))) == members


@given(_PATHS, _PATHS)
def test_operations_are_those_of_sets(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    one, two = from_paths(sorted(left)), from_paths(sorted(right))
    assert as_set(union(one, two)) == left | right
    assert as_set(difference(one, two)) == left - right
    assert as_set(intersection(one, two)) == left & right


@given(_PATHS, _PATHS)
def test_operations_change_no_argument(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    one, two = from_paths(sorted(left)), from_paths(sorted(right))
    union(one, two), difference(one, two), intersection(one, two)
    assert (as_set(one), as_set(two)) == (left, right)


@given(_PATHS)
def test_nothing_is_left_of_a_set_without_itself(members: set[tuple[str, ...]]) -> None:
    fields = from_paths(sorted(members))
    assert difference(fields, fields) == {}
    assert intersection(fields, {}) == {}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(("f:data", "f:x"), ".data.x", id="fields"),
        pytest.param(("f:c", 'k:{"name":"web"}', "f:image"), '.c[name="web"].image', id="keyed"),
        pytest.param(
            ("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'),
            '.ports[containerPort=80,protocol="TCP"]',
            id="two-keys",
        ),
        pytest.param(("f:finalizers", 'v:"a"'), '.finalizers[="a"]', id="set"),
    ],
)
def test_paths_are_written_as_the_api_server_does(path: tuple[str, ...], text: str) -> None:
    assert path_text(path) == text
