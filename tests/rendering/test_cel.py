"""The part of CEL that status rules are written in; values are those of its specification."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsvc.rendering.cel import Budget, CelError, compile_expression

STATUS = {
    "phase": "Running",
    "replicas": 3,
    "ready": 2,
    "conditions": [
        {"type": "Ready", "status": "True"},
        {"type": "Synced", "status": "False", "reason": "Why"},
    ],
    "nothing": None,
    "nested": {"a": {"b": 1}},
}


def value(text: str, budget: Budget | None = None) -> Any:
    return compile_expression(text, names=("status",)).evaluate({"status": STATUS}, budget)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7 % -2", 1),
        ("1.5 + 2.5", 4.0),
        ("1.0 / 0.0 > 1e300", True),
        ("0x10", 16),
        ("'a' + \"b\"", "ab"),
        (r"'tab\t\u00e9'", "tab\té"),
        ("[1, 2] + [3]", [1, 2, 3]),
        ("{'a': 1}.a", 1),
        ("true ? 1 : 2", 1),
        ("false ? 1 : false ? 2 : 3", 3),
        ("!true || 1 < 2", True),
        ("1 == 1.0", True),
        ("1 == true", False),
        ("'1' == 1", False),
        ("[1, [2]] == [1.0, [2]]", True),
        ("null == null", True),
        ("2 in [1, 2]", True),
        ("'phase' in status", True),
        ("status.phase == 'Running'", True),
        ("status['phase']", "Running"),
        ("status.conditions[1].reason", "Why"),
        ("has(status.phase) && !has(status.nope)", True),
        ("status.?nope.orValue(5)", 5),
        ("status.nested.?a.b.orValue(5)", 1),
        ("status.?nope.b.hasValue()", False),
        ("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", True),
        ("status.conditions.all(c, c.status == 'True')", False),
        ("status.conditions.exists_one(c, c.type == 'Ready')", True),
        ("status.conditions.filter(c, c.status == 'False').map(c, c.reason)", ["Why"]),
        ("status.nested.map(key, key)", ["a"]),
        ("size(status.conditions) + 'abc'.size()", 5),
        ("'Running'.startsWith('Run') && 'Running'.endsWith('ing') && 'Running'.contains('nn')", True),
        ("int('12') + int(1.9) + int(double('2'))", 15),
        ("string(3) + string(true)", "3true"),
        ("1 // a comment\n + 1", 2),
        # Errors that the other side makes irrelevant.
        ("status.nope == 1 || true", True),
        ("false && status.nope == 1", False),
        ("status.conditions.exists(c, c.reason == 'Why')", True),
        ("status.conditions.all(c, c.reason != 'Why')", False),
    ],
)
def test_expressions_have_the_value_that_the_specification_gives(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("status.nope", "there is no field nope"),
        ("status.phase.x", "a string has no field x"),
        ("status.conditions[9]", "index 9 is outside of a list of 2"),
        ("status.nothing + 1", "+ is not for null and an integer"),
        ("1 + 1.0", "+ is not for an integer and a double"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "the result is no 64-bit integer"),
        ("status.phase ? 1 : 2", "a string stands where true or false is needed"),
        ("status.?nope", "gives an optional value"),
        ("int('x')", "int: 'x' is no number"),
        ("status.nope == 1 && true", "there is no field nope"),
        ("'a' < 1", "< is not for a string and an integer"),
    ],
)
def test_what_has_no_value_says_why(text: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        value(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("1 +", "a value is expected, not the end"),
        ("(1", "')' is expected, not the end"),
        ("status.", "the name of a field is expected"),
        ("1 2", "at character 3: an operator or the end is expected, not '2'"),
        ("a = 1", "'=' is not understood"),
        ("stats.x", "there is no variable 'stats'; did you mean status?"),
        ("sizes([])", "there is no function 'sizes'; did you mean size?"),
        ("'a'.matches('b')", "there is no function 'matches'"),
        ("size(1, 2)", "size takes 1 argument, not 2"),
        ("has(status)", "has() takes one field"),
        ("[1].all(x)", "',' is expected"),
        ("c.x && [1].all(c, true)", "there is no variable 'c'"),
        (r"'\q'", r"'\q' is no escape"),
        ("99999999999999999999", "is no 64-bit integer"),
        ("(" * 100 + "1" + ")" * 100, "nested more than 40 deep"),
        ("-" * 100 + "1", "nested more than 40 deep"),
        ("1" + "+1" * 1000, "has 2001 characters; at most 2000"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        compile_expression(text, names=("status",))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "l.all(a, l.all(b, l.all(c, l.all(d, true))))",
        "l.map(a, l.map(b, l + l)) == []",
        "l.map(a, s + s + s + s) == []",
        "l.exists(a, l.exists(b, l == l && false))",
    ],
)
def test_an_expression_that_would_take_for_ever_is_ended(text: str) -> None:
    names = {"l": list(range(100)), "s": "x" * 100_000}
    budget = Budget()
    with pytest.raises(CelError, match="takes more than 10000 steps"):
        compile_expression(text, names=("l", "s")).evaluate(names, budget)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)
PIECES = ["status", ".a", ".?b", "[0]", "1", "'x'", " + ", " == ", " && ", "!", "(", ")", ".all(c, c)", "? 1 : 2", "-"]


@given(st.lists(st.sampled_from(PIECES), max_size=12), JSON)
@settings(max_examples=300)
def test_any_text_on_any_object_gives_a_value_or_a_told_error(pieces: list[str], status: Any) -> None:
    with contextlib.suppress(CelError):  # nothing else comes out of it
        compile_expression("".join(pieces), names=("status",)).evaluate({"status": status}, Budget(1000))
