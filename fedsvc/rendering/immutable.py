"""Fields that cannot be changed: how API servers say so, and what their words say of the field."""

import re
from collections.abc import Iterable
from typing import Final

# The reason in the answer is plain Invalid: only the words tell.
_WORDS: Final = (
    "field is immutable",
    "fields are immutable",
    "is immutable",
    "may not change once set",
    "may not be changed once set",
    "cannot change roleref",
    "updates to statefulset spec for fields other than",
    "pod updates may not change fields other than",
    "is immutable after creation",
    "primary clusterip can not be unset",
    "field cannot be changed",
    "cannot be changed after creation",
)
_FIELD: Final = re.compile(r"(?:^|[:\[,(] )\s*(?P<field>[A-Za-z][\w.\[\]/-]*): (?:Invalid value|Forbidden)")


def is_immutable(text: str) -> bool:
    """Whether an API server refused an update for a field that cannot be changed, by its message or a cause."""
    lowered = text.lower()
    return any(word in lowered for word in _WORDS)


def immutable_fields(message: str, causes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The fields of which an API server said so, each once, in its order.

    Args:
        message: of the answer.
        causes: field and message of each cause.
    """
    named = [field for field, words in causes if field and is_immutable(words)]
    if not named:
        named = [found["field"] for found in _FIELD.finditer(message)]
    return tuple(dict.fromkeys(named))
