"""Page sizes and page tokens (AIP-158): keyset paging, so a page costs the same wherever it lies.

A token is opaque to callers: the key of the last row they have, and a digest of the filter it was made for.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import orjson

from fedsvc.api.problems import Problems

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000

_FILTER_DIGEST_BYTES: Final = 9
_MAX_TOKEN: Final = 4096

END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""After all that happened."""

Key = tuple[str | int, ...]
RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which page of a list is asked for.

    Attributes:
        size: at most so many rows.
        after: key of the last row of the page before; None for the first page.
        filter: what the list is restricted by; the next page's token is bound to it.
    """

    size: int
    after: Key | None
    filter: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[RowT]):
    """The rows of one page, and the token for the next (empty at the end)."""

    rows: Sequence[RowT]
    next_page_token: str


def parse_page(page_size: int, page_token: str, *, filter: Key, key: tuple[type, ...]) -> Page:  # noqa: A002 - the word of AIP-160
    """Check what a caller says about the page it wants.

    Args:
        page_size: 0 means the default, more than the maximum means the maximum.
        page_token: from the answer before; empty for the first page.
        filter: every argument that restricts or orders the list, and the list's own name first.
        key: types of the parts of a row's key.

    Raises:
        InvalidInputError: a negative size, or a token that is broken or of another list or filter.
    """
    problems = Problems()
    if page_size < 0:
        problems.add(
            "page_size", f"is {page_size}, must be from 0 (the default, {DEFAULT_PAGE_SIZE}) to {MAX_PAGE_SIZE}"
        )
    after = _decode(page_token, filter, key, problems) if page_token else None
    problems.refuse()
    return Page(size=min(page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE, after=after, filter=filter)


def page_token(page: Page, key: Key) -> str:
    """The token for the page that follows the row with `key`."""
    data = orjson.dumps([_filter_digest(page.filter), *key])
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def cut(page: Page, rows: Sequence[RowT], keys: Sequence[Key]) -> Slice[RowT]:
    """One page of rows that were read with a limit of one more than its size, with the token of the next page.

    Args:
        page: what was asked for.
        rows: in order; at most `page.size` + 1.
        keys: of each row.
    """
    if len(rows) <= page.size:
        return Slice(rows=rows, next_page_token="")
    return Slice(rows=rows[: page.size], next_page_token=page_token(page, keys[page.size - 1]))


TIME_KEY: Final = (int, int, int)
"""Types of the parts of a key by time and id."""


def time_key(time: datetime, id_: int) -> Key:
    """The key of a row in a list by time: whole seconds and microseconds, of which a float would lose the last."""
    return (int(time.timestamp() // 1), time.microsecond, id_)


def time_place(key: Key | None) -> tuple[datetime, int]:
    """The time and id of a key; the end of time where there is none."""
    if key is None:
        return END_OF_TIME, 0
    seconds, microseconds, number = (int(part) for part in key)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds), number
    except (ValueError, OverflowError, OSError):
        return END_OF_TIME, 0  # a forged token: begin anew


def _decode(token: str, filter: Key, types: tuple[type, ...], problems: Problems) -> Key | None:  # noqa: A002 - as above
    advice = "take it unchanged from the answer before, or leave it out to begin anew"
    try:
        padded = token[:_MAX_TOKEN] + "=" * (-len(token) % 4)
        parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        problems.add("page_token", f"is not a page token: {advice}")
        return None
    if not isinstance(parts, list) or [type(part) for part in parts] != [str, *types]:
        problems.add("page_token", f"is not a page token of this list: {advice}")
        return None
    if parts[0] != _filter_digest(filter):
        problems.add("page_token", "was made for another filter: all arguments but page_size must stay as they were")
        return None
    return tuple(parts[1:])


def _filter_digest(filter: Key) -> str:  # noqa: A002 - as above
    digest = hashlib.sha256(orjson.dumps(list(filter))).digest()[:_FILTER_DIGEST_BYTES]
    return base64.urlsafe_b64encode(digest).decode()
