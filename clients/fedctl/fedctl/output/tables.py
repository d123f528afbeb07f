"""Laying out a table for a terminal of some width, or for a file; pure but for rich's measure of characters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

_GAP = 3
_NARROW_GAP = 2  # where the terminal is too narrow
_SHORTEST = 9  # cells that a shortened column keeps at least
_LEAST = 16  # cells of a column that gives way below which it says nothing

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[T]):
    """One column: how a row is written in it."""

    title: str
    text: Callable[[T], str]
    is_wide: bool = False  # shown by `-o wide` only
    is_long: bool = False  # shortened where the terminal is too narrow
    gives_way: bool = False  # left out where hardly anything of it could be shown
    style: Callable[[str], str] = lambda _: ""
    # What a watch looks at to tell whether anything new is shown; None: the text. Ages move with the clock alone.
    news: Callable[[T], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[T]):
    """Columns of a kind of rows."""

    columns: tuple[Column[T], ...]

    def chosen(self, *, wide: bool) -> "Table[T]":
        """Return the table with the columns that are to be shown."""
        return replace(self, columns=tuple(column for column in self.columns if wide or not column.is_wide))

    def fitted(self, rows: Sequence[T], *, width: int | None, floor: Sequence[int] = ()) -> "Table[T]":
        """Return the table without the column that gives way, where too little of it would be left.

        Rows that stand below earlier ones have their columns: `floor` tells how many these are.
        """
        yielding = next((at for at, column in enumerate(self.columns) if column.gives_way), None)
        if yielding is None or width is None:
            return self
        cells = self.cells(rows)
        wanted = max(cell_len(row[yielding]) for row in cells) if cells else 0
        is_cut = self.widths(cells, width=width)[yielding] < min(_LEAST, wanted)
        if len(floor) < len(self.columns) if floor else is_cut:
            return replace(self, columns=self.columns[:yielding] + self.columns[yielding + 1 :])
        return self

    def cells(self, rows: Sequence[T]) -> list[list[str]]:
        """Write each row."""
        return [[" ".join(column.text(row).split()) or "-" for column in self.columns] for row in rows]

    def news(self, row: T) -> tuple[str, ...]:
        """Return what is different when the row shows anything new."""
        return tuple((column.text if column.news is None else column.news)(row) for column in self.columns)

    def lines(
        self, rows: Sequence[T], *, width: int | None = None, header: bool = True, floor: Sequence[int] = ()
    ) -> list[Text]:
        """Lay out the rows.

        Args:
            rows: What to show.
            width: Cells of a line; None: as many as it takes.
            header: Whether the titles stand above.
            floor: Least width of each column, so that rows added later stand below the earlier ones.
        """
        cells = self.cells(rows)
        widths = self.widths(cells, width=width, floor=floor)
        titles = [[column.title for column in self.columns]] if header else []
        gap = _GAP if width is None or _taken(widths, _GAP) <= width else _NARROW_GAP
        return [
            self._line(row, widths, gap=gap, is_title=header and number == 0)
            for number, row in enumerate([*titles, *cells])
        ]

    def widths(
        self, cells: Sequence[Sequence[str]], *, width: int | None = None, floor: Sequence[int] = ()
    ) -> list[int]:
        """Return the width of each column; long columns give way, the longest first."""
        columns = range(len(self.columns))
        widths = [max([cell_len(self.columns[at].title), *(cell_len(row[at]) for row in cells)]) for at in columns]
        widths = [max(found, floor[at] if at < len(floor) else 0) for at, found in enumerate(widths)]
        long = [at for at in columns if self.columns[at].is_long]
        if width is None or not long:
            return widths
        if _taken(widths, _GAP) <= width:
            return widths
        excess = _taken(widths, _NARROW_GAP) - width
        while excess > 0:
            longest = max(long, key=lambda at: widths[at])
            if widths[longest] <= _SHORTEST:
                break
            others = max((widths[at] for at in long if at != longest), default=_SHORTEST)
            cut = min(excess, max(1, widths[longest] - max(others, _SHORTEST)))
            widths[longest] -= cut
            excess -= cut
        return widths

    def _line(self, row: Sequence[str], widths: Sequence[int], *, gap: int, is_title: bool) -> Text:
        line = Text(no_wrap=True)
        last = len(row) - 1
        for at, (text, width) in enumerate(zip(row, widths, strict=True)):
            shown = text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"
            style = "bold" if is_title else self.columns[at].style(text)
            line.append(shown, style=style or None)
            if at < last:
                line.append(" " * (width - cell_len(shown) + gap))
        return line


def _taken(widths: Sequence[int], gap: int) -> int:
    """Return the cells that columns of these widths take."""
    return sum(widths) + gap * (len(widths) - 1)
