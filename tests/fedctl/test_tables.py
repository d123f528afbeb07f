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


YIELDING: Table[Row] = Table(
    columns=(
        Column(title="NAME", text=lambda row: row.name),
        Column(title="MESSAGE", text=lambda row: row.message, is_long=True, gives_way=True),
    )
)


@pytest.mark.parametrize(
    ("width", "titles"),
    [(None, "NAME     MESSAGE"), (80, "NAME     MESSAGE"), (24, "NAME    MESSAGE"), (23, "NAME")],
)
def test_a_column_gives_way_where_hardly_anything_of_it_could_be_shown(width: int | None, titles: str) -> None:
    fitted = YIELDING.fitted(ROWS, width=width)
    assert fitted.lines(ROWS, width=width)[0].plain.rstrip() == titles


def test_a_column_that_is_short_does_not_give_way() -> None:
    assert YIELDING.fitted(ROWS[:1], width=12) == YIELDING


@pytest.mark.parametrize(("floor", "titles"), [((6,), ["NAME"]), ((6, 40), ["NAME", "MESSAGE"])])
def test_rows_that_come_later_have_the_columns_of_the_earlier_ones(floor: tuple[int, ...], titles: list[str]) -> None:
    for width in (10, 80):
        assert [column.title for column in YIELDING.fitted(ROWS, width=width, floor=floor).columns] == titles


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
