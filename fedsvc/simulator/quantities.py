"""Resource quantities (``500m``, ``1Gi``): read them, and write them as the API server does. Pure."""

import re
from decimal import Decimal
from functools import lru_cache

_PATTERN = re.compile(r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


class QuantityError(ValueError):
    """A text is no quantity."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Decimal:
    """The value of a quantity in its base unit.

    Raises:
        QuantityError: the text is none.
    """
    match = _PATTERN.match(text)
    if match is None:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, suffix = Decimal(match.group(1)), match.group(2) or ""
    if suffix in _BINARY:
        return number * (Decimal(1024) ** _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The text the API server stores: no fraction, the largest suffix that needs none, the same family of suffixes.

    Raises:
        QuantityError: the text is none.
    """
    value = parse(text)
    match = _PATTERN.match(text)
    suffix = (match.group(2) or "") if match else ""
    if value == 0:
        return "0"
    if suffix in _BINARY and abs(value) >= 1024 and value == value.to_integral_value():
        return _scaled_binary(int(value))
    if suffix and suffix not in _DECIMAL and suffix not in _BINARY:
        return _scaled_exponent(value)
    return _scaled_decimal(value)


def _scaled_binary(number: int) -> str:
    names = ["", *_BINARY]
    power = 0
    while number % 1024 == 0 and power < len(names) - 1:
        number //= 1024
        power += 1
    return f"{number}{names[power]}"


def _scaled_decimal(value: Decimal) -> str:
    for suffix in ("E", "P", "T", "G", "M", "k", "", "m", "u"):
        scaled = value.scaleb(-_DECIMAL[suffix])
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int(value.scaleb(9).to_integral_value(rounding='ROUND_CEILING'))}n"


def _scaled_exponent(value: Decimal) -> str:
    for power in (18, 15, 12, 9, 6, 3, 0, -3, -6):
        scaled = value.scaleb(-power)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}e{power}" if power else str(int(scaled))
    return _scaled_decimal(value)
