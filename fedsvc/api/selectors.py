"""Label selectors in the text form of kubectl: ``tier=prod,region in (eu,us),!legacy,env!=test``.

Source: the Kubernetes documentation, "Labels and Selectors", and the parser of its apimachinery, whose grammar this is:
``=`` and ``==`` are one; ``in`` and ``notin`` take values in parentheses; a bare key asks whether it is there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fedsvc.api.problems import Problems
from fedsvc_placement import LabelRequirement, LabelSelector, Operator, validate_selector

MAX_SELECTOR_LENGTH: Final = 4096

_TOKEN: Final = re.compile(r"\s*(?:(?P<sign>==|!=|[=!,()])|(?P<word>[^\s=!,()]+))")
_END: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str
    column: int  # from 1
    word: bool


class _SelectorSyntaxError(ValueError):
    """The text is not a selector; says where and what was expected."""


def parse_label_selector(text: str, path: str) -> LabelSelector | None:
    """The selector that the text writes; None where it is empty: no restriction.

    Raises:
        InvalidInputError: the text is not a selector, or a key or value in it is not one.
    """
    problems = Problems()
    if not text.strip():
        return None
    if len(text) > MAX_SELECTOR_LENGTH:
        problems.add(path, f"has {len(text)} characters; at most {MAX_SELECTOR_LENGTH} are accepted")
        raise problems.error()
    try:
        selector = LabelSelector(match_expressions=tuple(_requirements(_Tokens(text))))
    except _SelectorSyntaxError as error:
        problems.add(path, f'{error}; write for example "tier=prod,region in (eu,us),!legacy"')
        raise problems.error() from error
    for problem in validate_selector(selector, path):
        problems.add(path, problem.message)
    problems.refuse()
    return selector


def format_label_selector(selector: LabelSelector) -> str:
    """The text form of a selector; `parse_label_selector` reads it back to one that means the same."""
    parts = [f"{key}={value}" for key, value in selector.match_labels]
    for requirement in selector.match_expressions:
        match requirement.operator:
            case Operator.IN | Operator.NOT_IN:
                parts.append(f"{requirement.key} {requirement.operator.lower()} ({','.join(requirement.values)})")
            case Operator.EXISTS:
                parts.append(requirement.key)
            case _:
                parts.append(f"!{requirement.key}")
    return ",".join(parts)


class _Tokens:
    """The tokens of a text, with one of look-ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0

    @property
    def ahead(self) -> _Token:
        return self._tokens[self._next]

    def take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.text != _END
        return token


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while (match := _TOKEN.match(text, position)) is not None:
        word = match["word"]
        found = match["sign"] if word is None else word
        yield _Token(text=found, column=match.end() - len(found) + 1, word=word is not None)
        position = match.end()
    yield _Token(text=_END, column=len(text) + 1, word=False)


def _requirements(tokens: _Tokens) -> Iterator[LabelRequirement]:
    while True:
        yield _requirement(tokens)
        token = tokens.take()
        if token.text == _END:
            return
        if token.text != ",":
            raise _unexpected(token, "',' or the end")


def _requirement(tokens: _Tokens) -> LabelRequirement:
    if tokens.ahead.text == "!":
        tokens.take()
        return LabelRequirement(key=_word(tokens, "a label key"), operator=Operator.DOES_NOT_EXIST)
    key = _word(tokens, "a label key")
    ahead = tokens.ahead
    if ahead.text in ("=", "==", "!="):
        tokens.take()
        operator = Operator.NOT_IN if ahead.text == "!=" else Operator.IN
        # "key=" compares with the empty value, as kubectl does.
        value = tokens.take().text if tokens.ahead.word else ""
        return LabelRequirement(key=key, operator=operator, values=(value,))
    if ahead.word and ahead.text in ("in", "notin"):
        tokens.take()
        operator = Operator.IN if ahead.text == "in" else Operator.NOT_IN
        return LabelRequirement(key=key, operator=operator, values=_values(tokens))
    return LabelRequirement(key=key, operator=Operator.EXISTS)


def _values(tokens: _Tokens) -> tuple[str, ...]:
    token = tokens.take()
    if token.text != "(":
        raise _unexpected(token, "'('")
    values: list[str] = []
    while True:
        # An empty item is the empty value: "in (,a)" means empty or a.
        values.append(tokens.take().text if tokens.ahead.word else "")
        token = tokens.take()
        if token.text == ")":
            return tuple(dict.fromkeys(values))
        if token.text != ",":
            raise _unexpected(token, "',' or ')'")


def _word(tokens: _Tokens, wanted: str) -> str:
    token = tokens.take()
    if not token.word:
        raise _unexpected(token, wanted)
    return token.text


def _unexpected(token: _Token, wanted: str) -> _SelectorSyntaxError:
    found = "the end" if token.text == _END else f"'{token.text}'"
    return _SelectorSyntaxError(f"expected {wanted} at column {token.column}, found {found}")
