"""Reading a page of rows of which only those with matching labels count."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from fedsvc.api.paging import Key, Page
from fedsvc_placement import LabelSelector, matches

_BATCH: Final = 500


class Labelled(Protocol):
    """What has labels."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""


RowT = TypeVar("RowT", bound=Labelled)

Fetch = Callable[[Key | None, int], Awaitable[Sequence[RowT]]]
"""Rows after a key, at most so many, in the order of their keys."""


async def collect(
    fetch: Fetch[RowT], page: Page, *, key: Callable[[RowT], Key], selector: LabelSelector | None
) -> list[RowT]:
    """The matching rows of a page and one more, which tells that there is a next page."""
    wanted = page.size + 1
    if selector is None:
        return list(await fetch(page.after, wanted))
    found: list[RowT] = []
    after = page.after
    while len(found) < wanted:
        rows = await fetch(after, _BATCH)
        found.extend(row for row in rows if matches(selector, row.labels))
        if len(rows) < _BATCH:
            break
        after = key(rows[-1])
    return found[:wanted]
