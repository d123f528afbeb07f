"""Label and field selectors: parse once, then match many objects. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

LabelMatcher = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(r"\s*(?:(==|!=|=|!|\(|\)|,|<|>)|([^\s=!(),<>]+))")
_QUALIFIED = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")


class SelectorError(ValueError):
    """A selector cannot be read."""


class UnsupportedFieldError(SelectorError):
    """A field selector names a field that cannot be selected by; the message is the field."""


def parse_labels(text: str) -> LabelMatcher | None:
    """Read a label selector (``a=b,c!=d,e in (f,g),h,!i,j>3``); None where it selects everything.

    Raises:
        SelectorError: it is not one.
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    matchers: list[LabelMatcher] = []
    position = 0
    while position < len(tokens):
        matcher, position = _requirement(tokens, position)
        matchers.append(matcher)
        if position < len(tokens):
            if tokens[position] != "," or position + 1 == len(tokens):
                found = tokens[position] if tokens[position] != "," else ""
                raise SelectorError(
                    f"unable to parse requirement: found '{found}', expected: '=', '!=', '==', 'in', notin'"
                )
            position += 1
    if len(matchers) == 1:
        return matchers[0]
    return lambda labels: all(matcher(labels) for matcher in matchers)


def from_label_selector(selector: Mapping[str, Any]) -> LabelMatcher:
    """A ``LabelSelector`` object (matchLabels and matchExpressions) as a matcher; an empty one matches everything."""
    wanted = dict(selector.get("matchLabels") or {})
    expressions = [
        _expression(item["key"], item["operator"], tuple(item.get("values") or ()))
        for item in selector.get("matchExpressions") or ()
    ]

    def matches(labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            expression(labels) for expression in expressions
        )

    return matches


def parse_fields(text: str, supported: frozenset[str]) -> tuple[tuple[str, str, bool], ...]:
    """Read a field selector: (field, value, whether it must equal); a field may stand in it more than once.

    Raises:
        SelectorError: it is not one, or names a field that cannot be selected by.
    """
    out: list[tuple[str, str, bool]] = []
    for part in filter(None, text.split(",")):
        if "!=" in part:
            name, _, value = part.partition("!=")
            equal = False
        elif "=" in part:
            name, _, value = part.partition("=")
            value = value.removeprefix("=")
            equal = True
        else:
            raise SelectorError(f"invalid selector: '{part}'; can't understand '{part}'")
        if name not in supported:
            raise UnsupportedFieldError(name)
        out.append((name, value, equal))
    return tuple(out)


def _expression(key: str, operator: str, values: tuple[str, ...]) -> LabelMatcher:
    members = frozenset(values)
    if operator == "In":
        return lambda labels: labels.get(key) in members
    if operator == "NotIn":
        return lambda labels: key not in labels or labels[key] not in members
    if operator == "Exists":
        return lambda labels: key in labels
    if operator == "DoesNotExist":
        return lambda labels: key not in labels
    raise SelectorError(f'"{operator}" is not a valid label selector operator')


def _tokens(text: str) -> list[str]:
    out: list[str] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise SelectorError(f"unable to parse requirement: found '{stripped[position:]}'")
        out.append(match.group(1) or match.group(2))
        position = match.end()
    return out


def _requirement(tokens: list[str], position: int) -> tuple[LabelMatcher, int]:
    if tokens[position] == "!":
        key = _key(tokens, position + 1)
        return _expression(key, "DoesNotExist", ()), position + 2
    key = _key(tokens, position)
    following = tokens[position + 1] if position + 1 < len(tokens) else ","
    if following == ",":
        return _expression(key, "Exists", ()), position + 1
    if following in {"=", "==", "!="}:
        value, end = _value(tokens, position + 2)
        return _expression(key, "NotIn" if following == "!=" else "In", (value,)), end
    if following in {"in", "notin"}:
        values, end = _values(tokens, position + 2)
        return _expression(key, "In" if following == "in" else "NotIn", values), end
    if following in {"<", ">"}:
        value, end = _value(tokens, position + 2)
        return _numeric(key, following, value), end
    raise SelectorError(f"unable to parse requirement: found '{following}', expected: '=', '!=', '==', 'in', notin'")


def _key(tokens: list[str], position: int) -> str:
    key = tokens[position] if position < len(tokens) else ""
    if not _QUALIFIED.match(key):
        raise SelectorError(f'unable to parse requirement: invalid label key "{key}"')
    return key


def _value(tokens: list[str], position: int) -> tuple[str, int]:
    if position >= len(tokens) or tokens[position] == ",":
        return "", position
    value = tokens[position]
    if not _VALUE.match(value):
        raise SelectorError(f'unable to parse requirement: invalid label value: "{value}"')
    return value, position + 1


def _values(tokens: list[str], position: int) -> tuple[tuple[str, ...], int]:
    if position >= len(tokens) or tokens[position] != "(":
        found = tokens[position] if position < len(tokens) else ""
        raise SelectorError(f"unable to parse requirement: found '{found}' expected: '('")
    out: list[str] = []
    pending = ""
    for index in range(position + 1, len(tokens)):
        token = tokens[index]
        if token == ")":
            out.append(pending)
            return tuple(out), index + 1
        if token == ",":
            out.append(pending)
            pending = ""
        else:
            pending = token
    raise SelectorError("unable to parse requirement: found '', expected: ',', or ')'")


def _numeric(key: str, operator: str, value: str) -> LabelMatcher:
    try:
        limit = int(value)
    except ValueError:
        raise SelectorError(
            f"unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer: {value}"
        ) from None

    def matches(labels: Mapping[str, str]) -> bool:
        try:
            number = int(labels[key])
        except (KeyError, ValueError):
            return False
        return number > limit if operator == ">" else number < limit

    return matches
