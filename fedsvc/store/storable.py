"""What members and users say, in the form that PostgreSQL takes.

Neither text nor JSONB holds U+0000, and lone surrogates are no UTF-8. Members are not ours: what one of them answers
must not make a whole batch of results fail, so such characters are replaced.
"""

import json
import math
from typing import Any, Final

import orjson

MAX_MESSAGE_CHARACTERS: Final = 4096
"""Longer messages of members are cut: they are for people, and one answer can be megabytes."""

_REPLACEMENT: Final = "\ufffd"


def storable_text(value: str) -> str:
    """The text, cut to `MAX_MESSAGE_CHARACTERS`, without what PostgreSQL cannot keep."""
    if len(value) > MAX_MESSAGE_CHARACTERS:
        value = value[: MAX_MESSAGE_CHARACTERS - 1] + "…"
    return _clean(value)


def storable_json(value: Any) -> str:
    """JSON for a JSONB parameter; integers beyond 64 bit are kept, NaN and infinities become null."""
    try:
        data = orjson.dumps(value)
    except TypeError:
        # Integers beyond 64 bit or lone surrogates; rare, so the slower way is good enough.
        return json.dumps(_cleaned(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if b"\\u0000" in data:
        data = orjson.dumps(_cleaned(value))
    return data.decode()


def _clean(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {_clean(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(item) for item in value]
    return value
