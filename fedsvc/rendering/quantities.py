"""Kubernetes quantities: ``1000m`` and ``1``, ``1024Mi`` and ``1Gi`` are equal, and API servers rewrite them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_QUANTITY: Final = re.compile(
    r"([+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?"
)

_SUFFIXES: Final[Mapping[str, Decimal]] = {
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate(("m", "u", "n"), 1)},
}

_HOLDERS: Final = frozenset(
    {
        "limits",
        "requests",
        "hard",
        "capacity",
        "allocatable",
        "min",
        "max",
        "default",
        "defaultRequest",
        "podFixed",
        "maxLimitRequestRatio",
    }
)
"""Objects whose values are quantities."""

_FIELDS: Final = frozenset({"sizeLimit", "averageValue", "divisor", "storage"})
"""Fields that are quantities themselves."""


def holds_quantity(parent: str, field: str) -> bool:
    """Whether the field `field` of an object named `parent` is a quantity."""
    return parent in _HOLDERS or field in _FIELDS or (parent, field) == ("target", "value")


def parse_quantity(value: Any) -> Decimal | None:
    """The number a quantity stands for; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None:
        return None
    number, suffix = match.groups()
    if not suffix:
        return Decimal(number)
    if suffix in _SUFFIXES:
        return Decimal(number) * _SUFFIXES[suffix]
    return Decimal(number + suffix)


def equal_quantities(left: Any, right: Any) -> bool:
    """Whether two values are the same quantity."""
    parsed = parse_quantity(left)
    return parsed is not None and parsed == parse_quantity(right)
