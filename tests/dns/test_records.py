import pytest

from fedsvc_dns.records import RecordSet, is_within, normal_name, record_set


def test_a_record_set_is_a_set_with_one_name_and_ttl() -> None:
    made = record_set("Web.Example.com", "a", ["10.0.0.2", "10.0.0.1", "10.0.0.2"], ttl_seconds=30)

    assert made == RecordSet(name="web.example.com.", type="A", ttl_seconds=30, values=("10.0.0.1", "10.0.0.2"))
    assert made.key == ("web.example.com.", "A")


@pytest.mark.parametrize(
    ("type_", "values", "ttl_seconds", "words"),
    [
        pytest.param("A", [], 30, "at least one record", id="empty"),
        pytest.param("A", ["10.0.0.1"], -1, "between 0 and", id="negative-ttl"),
        pytest.param("A", ["10.0.0.1"], 2**31, "between 0 and", id="ttl-of-32-bits"),
        pytest.param("CNAME", ["a.example.", "b.example."], 30, "one canonical name", id="two-cnames"),
    ],
)
def test_what_is_no_record_set_is_refused(type_: str, values: list[str], ttl_seconds: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        record_set("web.example.com", type_, values, ttl_seconds=ttl_seconds)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Example.COM", "example.com."),
        ("example.com.", "example.com."),
        (".", "."),
        ("*.example.com", "*.example.com."),
    ],
)
def test_names_are_absolute_and_in_lower_case(name: str, normal: str) -> None:
    assert normal_name(name) == normal


@pytest.mark.parametrize("name", ["", "a..b", f"{'x' * 64}.com", ".".join(["x" * 60] * 5), "bücher.example", "a b.com"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        normal_name(name)


@pytest.mark.parametrize(
    ("name", "origin", "within"),
    [
        ("example.com.", "example.com.", True),
        ("web.example.com.", "example.com.", True),
        ("webexample.com.", "example.com.", False),
        ("com.", "example.com.", False),
        ("anything.", ".", True),
    ],
)
def test_a_zone_holds_whole_labels_below_it(name: str, origin: str, *, within: bool) -> None:
    assert is_within(name, origin) is within
