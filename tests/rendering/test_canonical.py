"""Canonical JSON: equal objects have equal bytes, and nothing that was sent is lost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.canonical import canonical_json, digest, keyed_digest, load_json, parse_json_object
from fedsvc.rendering.errors import ManifestError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**80), max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
OBJECTS = st.dictionaries(KEYS, JSON, max_size=5)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(OBJECTS)
def test_canonical_json_comes_back_as_the_same_object(value: dict[str, Any]) -> None:
    data = canonical_json(value)
    assert load_json(data) == value
    assert parse_json_object(data) == value
    assert canonical_json(load_json(data)) == data


@given(OBJECTS)
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert canonical_json(reversed_keys(value)) == canonical_json(value)


@given(OBJECTS)
def test_strict_parse_takes_what_others_write(value: dict[str, Any]) -> None:
    assert parse_json_object(json.dumps(value, indent=2).encode()) == value


def test_canonical_form_is_sorted_without_spaces_and_unescaped() -> None:
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é/\n"}) == '{"a":"é/\\n","b":[1,2.5,null,true]}'.encode()


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**64), 9007199254740993, 10**30], ids=str)
def test_large_integers_are_kept_exactly(number: int) -> None:
    data = canonical_json({"n": number})
    assert data == f'{{"n":{number}}}'.encode()
    assert load_json(data) == {"n": number}
    assert parse_json_object(data) == {"n": number}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param({"a": [1, float("nan")]}, "a[1]", id="NaN"),
        pytest.param({"a": {"b": float("inf")}}, "a.b", id="infinity"),
        pytest.param({"a": None, "b": float("-inf")}, "b", id="minus infinity beside a null"),
        pytest.param({"n": 2**70, "b": float("nan")}, "", id="NaN beside a large integer"),
        pytest.param({1: "a"}, "", id="a key that is a number"),
        pytest.param({"n": 2**70, "a": {1: "a"}}, "a", id="such a key beside a large integer"),
        pytest.param({"a": "\ud800"}, "", id="half a surrogate pair"),
        pytest.param({"a": object()}, "", id="no JSON at all"),
    ],
)
def test_what_json_cannot_say_is_refused(value: Any, path: str) -> None:
    with pytest.raises(ManifestError) as caught:
        canonical_json(value)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        pytest.param(b'{"a":1,"a":2}', "a", "twice", id="duplicate key"),
        pytest.param(b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}', "a[0].b.c", "twice", id="duplicate key deep inside"),
        pytest.param(b'{"a":NaN}', "a", "NaN", id="NaN"),
        pytest.param(b'{"a":{"b":[1e999]}}', "a.b[0]", "infinite", id="a number too large"),
        pytest.param(b'{"a":-Infinity}', "a", "infinite", id="infinity"),
        pytest.param(b"[1]", "", "expected a JSON object, got a list", id="list"),
        pytest.param(b'"a"', "", "got a string", id="string"),
        pytest.param(b"{'a':1}", "", "not JSON: ", id="single quotes"),
        pytest.param(b'{"a":1\n"b":2}', "", "line 2, column 1", id="missing comma"),
        pytest.param(b"", "", "not JSON", id="empty"),
        pytest.param(b'{"a":"\xff"}', "", "not UTF-8: byte 6", id="not UTF-8"),
        pytest.param(b'{"a":"\\ud800"}', "a", "surrogate", id="escaped half pair"),
        pytest.param(b'{"a\\ud800":1}', "", "surrogate", id="half pair in a key"),
        pytest.param(b'{"a":' * 100 + b"1" + b"}" * 100 + b" ", None, "", id="100 levels are accepted"),
        pytest.param(b'{"a":' * 101 + b"1" + b"}" * 101, ".".join("a" * 100), "100 levels", id="101 levels are not"),
        pytest.param(b'{"a":' + b"[" * 500_000, "", "100 levels", id="brackets without end"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "", "cannot be read", id="5000 digits"),
    ],
)
def test_strict_parse_refuses_with_path_and_reason(data: bytes, path: str | None, words: str) -> None:
    if path is None:
        parse_json_object(data)
        return
    with pytest.raises(ManifestError) as caught:
        parse_json_object(data)
    assert caught.value.path == path
    assert words in caught.value.message


def test_the_size_limit_is_told_with_both_numbers() -> None:
    with pytest.raises(ManifestError, match="11 bytes; at most 10"):
        parse_json_object(b'{"a":12345}', max_bytes=10)


def test_digests_are_sha256_and_keyed_ones_need_the_key() -> None:
    assert digest(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    # RFC 4231, test case 2
    assert keyed_digest(b"Jefe", b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
