import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedctl.files.yamltree import MAX_DEPTH, TreeError, read_trees
from fedctl.output.printing import to_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{number + 1}: &a{number + 1} [{','.join(['*a' + (str(number) if number else '')] * 10)}]\n"
    for number in range(8)
)


def read(text: str) -> Any:
    (tree,) = read_trees(text)
    return tree.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("on", True),
        ("y", True),
        ("No", False),
        ("OFF", False),
        ("012", 10),
        ("0o14", 12),
        ("0x1f", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("+3", 3),
        ("-7", -7),
        ("9007199254740993", 9007199254740993),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.5", 1.5),
        ("1:30", "1:30"),
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T01:02:03Z", "2026-11-24T01:02:03Z"),
        ("~", None),
        ("null", None),
        ("'yes'", "yes"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("1.2.3", "1.2.3"),
        ("v1", "v1"),
        ("-", [None]),
        ("{a: , b: ''}", {"a": None, "b": ""}),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        (
            "- &x {a: 1}\n- {<<: *x, b: 2}\n- {<<: [*x, {a: 3, c: 4}], a: 5}",
            [{"a": 1}, {"a": 1, "b": 2}, {"a": 5, "c": 4}],
        ),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
    ],
)
def test_values_are_read_as_kubectl_reads_them(text: str, value: Any) -> None:
    found = read(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "key 'a' stands twice in this mapping (first on line 1)"),
        ("a:\n\tb: 1", 2, "a tab is used for indentation"),
        ("a: b: c", 1, "a colon where none can be"),
        ("a:\n  b: 1\n c: 2", 3, "wrong indentation"),
        ("a: 1\nb\nc: 2", 3, "a key without a colon"),
        ("a: {{ x }}", 1, "a key must be text"),
        ("a: *b", 1, "alias *b has no anchor &b before it"),
        ("a: &x [*x]", 1, "alias *x has no anchor"),
        ("a: 'x\nb: c\n", 3, "never closed"),
        ("a: [1, 2\nb: c\n", 2, ""),
        ("a: .inf", 1, "no form in JSON"),
        ("a: 1e999", 1, "too large"),
        ("a: !!int x", 1, "is no int"),
        ("a: !python/object:os.system {}", 1, "tag !python/object:os.system is not known"),
        ("a: \x07", 1, "not allowed in YAML"),
        ("[" * 100_000, 1, f"deeper than {MAX_DEPTH}"),
        (BOMB, 7, "once aliases are expanded"),
        ("? [a]\n: b", 1, "a key must be text"),
        ("'': 1\n~: 2", 2, "a key must not be empty"),
        ("<<: 5", 1, "what << merges"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_what_is_refused_is_told_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(TreeError) as caught:
        list(read_trees(text))
    assert message in caught.value.message
    assert caught.value.line == line


def test_every_part_has_its_line() -> None:
    text = "# comment\na: 1\nb:\n  c:\n  - x\n  - y: 1\n    z: 2\n---\nq: 1\n"
    first, second = read_trees(text)
    assert first.line_of(("a",)) == 2
    assert first.line_of(("b", "c")) == 4
    assert first.line_of(("b", "c", 1, "z")) == 7
    assert first.line_of(("b", "c", 1, "nothing")) == 6
    assert second.line_of(("q",)) == 9


def test_documents_that_are_empty_are_null() -> None:
    assert [tree.value for tree in read_trees("---\n# only words\n---\na: 1\n---\n")] == [None, {"a": 1}, None]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(TreeError):
        json.dumps([tree.value for tree in read_trees(text)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_what_we_write_as_yaml_reads_back_the_same(value: Any) -> None:
    assert read(to_yaml(value)) == value
