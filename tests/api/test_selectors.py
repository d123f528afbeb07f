import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.api.selectors import format_label_selector, parse_label_selector
from fedsvc.errors import InvalidInputError
from fedsvc_placement import LabelRequirement, LabelSelector, Operator, matches

WORDS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?", fullmatch=True)
KEYS = st.builds(lambda prefix, name: f"{prefix}{name}", st.sampled_from(["", "example.com/"]), WORDS)
VALUES = st.one_of(st.just(""), WORDS)


def requirement(key: str, operator: Operator, *values: str) -> LabelRequirement:
    return LabelRequirement(key=key, operator=operator, values=values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a=b", [requirement("a", Operator.IN, "b")], id="equals"),
        pytest.param("a==b", [requirement("a", Operator.IN, "b")], id="double equals"),
        pytest.param("a!=b", [requirement("a", Operator.NOT_IN, "b")], id="not equals"),
        pytest.param("a=", [requirement("a", Operator.IN, "")], id="empty value"),
        pytest.param("a in (x,y)", [requirement("a", Operator.IN, "x", "y")], id="in"),
        pytest.param(" a  in ( x , y ) ", [requirement("a", Operator.IN, "x", "y")], id="spaces"),
        pytest.param("a notin (x)", [requirement("a", Operator.NOT_IN, "x")], id="notin"),
        pytest.param("a in (,x)", [requirement("a", Operator.IN, "", "x")], id="in with empty value"),
        pytest.param("a", [requirement("a", Operator.EXISTS)], id="exists"),
        pytest.param("!a", [requirement("a", Operator.DOES_NOT_EXIST)], id="does not exist"),
        pytest.param("in in (in)", [requirement("in", Operator.IN, "in")], id="key named in"),
        pytest.param(
            "a=b,c!=d,e in (x,y),!f,g",
            [
                requirement("a", Operator.IN, "b"),
                requirement("c", Operator.NOT_IN, "d"),
                requirement("e", Operator.IN, "x", "y"),
                requirement("f", Operator.DOES_NOT_EXIST),
                requirement("g", Operator.EXISTS),
            ],
            id="all together",
        ),
    ],
)
def test_reads_the_text_form_of_kubectl(text: str, expected: list[LabelRequirement]) -> None:
    selector = parse_label_selector(text, "label_selector")

    assert selector == LabelSelector(match_expressions=tuple(expected))


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_restricts_nothing(text: str) -> None:
    assert parse_label_selector(text, "label_selector") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a=b,", "expected a label key at column 5, found the end", id="comma at the end"),
        pytest.param("a=b c=d", "expected ',' or the end at column 5, found 'c'", id="no comma"),
        pytest.param("a in x", "expected '(' at column 6, found 'x'", id="no parenthesis"),
        pytest.param("a in (x", "expected ',' or ')' at column 8, found the end", id="open parenthesis"),
        pytest.param("!", "expected a label key at column 2, found the end", id="nothing to negate"),
        pytest.param("=b", "expected a label key at column 1, found '='", id="no key"),
        pytest.param("a=b=c", "expected ',' or the end at column 4, found '='", id="twice equal"),
        pytest.param("a_-=b", "is not a key", id="bad key"),
        pytest.param("a=b!c", "expected ',' or the end", id="bad value"),
        pytest.param(f"a={'x' * 64}", "is not a value", id="long value"),
        pytest.param("a" * 5000, "at most 4096", id="long text"),
    ],
)
def test_refuses_what_is_no_selector(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_label_selector(text, "label_selector")

    problem = caught.value.problems[0]
    assert problem.path.startswith("label_selector")
    assert message in problem.message


@given(
    st.lists(
        st.one_of(
            st.builds(
                lambda key, operator, values: requirement(key, operator, *values),
                KEYS,
                st.sampled_from([Operator.IN, Operator.NOT_IN]),
                st.lists(VALUES, min_size=1, max_size=3, unique=True),
            ),
            st.builds(requirement, KEYS, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_formatted_is_read_back(requirements: list[LabelRequirement]) -> None:
    selector = LabelSelector(match_expressions=tuple(requirements))

    assert parse_label_selector(format_label_selector(selector), "x") == selector


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_its_path(text: str) -> None:
    selector, paths = None, []
    try:
        selector = parse_label_selector(text, "label_selector")
    except InvalidInputError as error:
        paths = [problem.path for problem in error.problems]

    assert all(path.startswith("label_selector") for path in paths)
    assert selector is None or matches(selector, {}) in {True, False}
