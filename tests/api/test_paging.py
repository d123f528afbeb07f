import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.api.paging import Page, cut, page_token, parse_page
from fedsvc.errors import InvalidInputError

KEY_PART = st.one_of(st.text(max_size=30), st.integers(min_value=0, max_value=2**62))


@given(st.lists(KEY_PART, min_size=1, max_size=4), st.lists(KEY_PART, max_size=4))
def test_a_token_brings_its_key_back(key: list[str | int], restricted: list[str | int]) -> None:
    page = Page(size=10, after=None, filter=tuple(restricted))
    types = tuple(type(part) for part in key)

    again = parse_page(0, page_token(page, tuple(key)), filter=tuple(restricted), key=types)

    assert again.after == tuple(key)


@given(st.lists(KEY_PART, max_size=3), st.lists(KEY_PART, max_size=3))
def test_a_token_is_refused_under_another_filter(one: list[str | int], other: list[str | int]) -> None:
    token = page_token(Page(size=10, after=None, filter=tuple(one)), ("a",))

    if one == other:
        assert parse_page(0, token, filter=tuple(other), key=(str,)).after == ("a",)
        return
    with pytest.raises(InvalidInputError, match="page_token: was made for another filter"):
        parse_page(0, token, filter=tuple(other), key=(str,))


@given(st.text(min_size=1, max_size=60))
def test_any_text_as_token_is_read_or_refused(text: str) -> None:
    paths = []
    try:
        parse_page(0, text, filter=("units",), key=(str, int))
    except InvalidInputError as error:
        paths = [problem.path for problem in error.problems]

    assert paths in ([], ["page_token"])


@pytest.mark.parametrize(
    ("asked", "given_size"),
    [
        pytest.param(0, 50, id="default"),
        pytest.param(1, 1, id="one"),
        pytest.param(1000, 1000, id="most"),
        pytest.param(1001, 1000, id="more than most"),
    ],
)
def test_page_sizes_are_coerced(asked: int, given_size: int) -> None:
    assert parse_page(asked, "", filter=(), key=(str,)).size == given_size


def test_a_negative_size_and_a_broken_token_are_told_together() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_page(-1, "?", filter=(), key=(str,))

    assert [problem.path for problem in caught.value.problems] == ["page_size", "page_token"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"a": 1}, id="object"),
        pytest.param([], id="empty"),
        pytest.param(["x", 1], id="key of another type"),
        pytest.param([1, "a"], id="no digest"),
    ],
)
def test_a_forged_token_is_refused(content: object) -> None:
    token = base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()

    with pytest.raises(InvalidInputError, match="not a page token of this list"):
        parse_page(0, token, filter=(), key=(str,))


def test_a_full_page_with_a_row_more_has_a_next_page() -> None:
    page = parse_page(2, "", filter=("x",), key=(str,))

    first = cut(page, ["a", "b", "c"], [("a",), ("b",), ("c",)])

    assert first.rows == ["a", "b"]
    assert parse_page(2, first.next_page_token, filter=("x",), key=(str,)).after == ("b",)


def test_the_last_page_has_no_next_page() -> None:
    page = parse_page(2, "", filter=("x",), key=(str,))

    assert cut(page, ["a", "b"], [("a",), ("b",)]).next_page_token == ""
