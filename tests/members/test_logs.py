"""Lines out of a stream of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.members.logs import Lines, LogOptions


@given(st.lists(st.binary(max_size=40)), st.integers(1, 20))
def test_lines_are_whole_and_bounded_however_the_bytes_are_cut(pieces: list[bytes], longest: int) -> None:
    text = b"".join(pieces).replace(b"\r", b"")
    lines = Lines(max_bytes=longest)
    found = [line for piece in pieces for line in lines.feed(piece.replace(b"\r", b""))] + lines.end()
    assert all(len(line) <= longest and b"\n" not in line for line in found)
    assert b"".join(found) == text.replace(b"\n", b"")


def test_a_line_is_told_when_it_ends() -> None:
    lines = Lines()
    assert lines.feed(b"one\r\ntw") == [b"one"]
    assert lines.feed(b"o\n\n") == [b"two", b""]
    assert lines.end() == []


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (LogOptions(), {"container": "c"}),
        (
            LogOptions(follow=True, timestamps=True, since_seconds=3, tail_lines=0),
            {"container": "c", "follow": "true", "timestamps": "true", "sinceSeconds": "3", "tailLines": "0"},
        ),
        (LogOptions(previous=True), {"container": "c", "previous": "true"}),
    ],
)
def test_options_are_those_of_kubernetes(options: LogOptions, query: dict[str, str]) -> None:
    assert options.query("c") == query
