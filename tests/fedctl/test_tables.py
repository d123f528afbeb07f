from dataclasses import dataclass

import pytest

from fedctl.output.tables import Column, Table
from fedctl.output.words import span


@dataclass(frozen=True)
class Row:
    name: str
    message: str


TABLE: Table[Row] = Table(
    columns=(
        Column(title="NAME", text=lambda row: row.name),
        Column(title="EXTRA", text=lambda _: "e", is_wide=True),
        Column(title="MESSAGE", text=lambda row: row.message, is_long=True),
    )
)
ROWS = [Row("a", "short"), Row("longer", "a message of some length\nover two lines"), Row("猫", "")]


def shown(*, width: int | None, wide: bool = False) -> list[str]:
    return [line.plain for line in TABLE.chosen(wide=wide).lines(ROWS, width=width)]


def test_columns_stand_below_each_other_also_with_wide_characters() -> None:
    assert shown(width=None) == [
        "NAME     MESSAGE",
        "a        short",
        "longer   a message of some length over two lines",
        "猫       -",
    ]


def test_long_columns_are_shortened_to_the_terminal() -> None:
    lines = shown(width=30)
    assert lines[2] == "longer  a message of some len…"
    assert max(map(len, lines)) == 30


def test_a_column_keeps_a_least_width() -> None:
    assert shown(width=5)[2] == "longer  a messag…"


def test_wide_shows_all_columns() -> None:
    assert shown(width=None, wide=True)[0] == "NAME     EXTRA   MESSAGE"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (3600, "60m"),
        (5 * 3600 + 600, "5h10m"),
        (47 * 3600, "47h"),
        (76 * 3600, "3d4h"),
        (40 * 86400, "40d"),
    ],
)
def test_lengths_of_time_are_written_as_kubectl_does(seconds: int, text: str) -> None:
    assert span(seconds) == text
