"""From the text of an expression to its tree."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

MAX_LENGTH: Final = 2_000
_MAX_DEPTH: Final = 40
_MAX_INT: Final = 2**63 - 1

MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})


class CelError(Exception):
    """An expression is none, or could not be evaluated; the message is for people."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands there."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """``of.field``; ``of.?field`` where it is optional."""

    of: "Node"
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """``of[at]``."""

    of: "Node"
    at: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments)``, or ``target.function(arguments)``."""

    function: str
    target: "Node | None"
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Macro:
    """``of.macro(variable, body)``."""

    macro: str
    of: "Node"
    variable: str
    body: "Node"


@dataclass(frozen=True, slots=True)
class Has:
    """``has(of.field)``."""

    of: "Node"
    field: str


@dataclass(frozen=True, slots=True)
class Unary:
    """``!of`` or ``-of``."""

    operator: str
    of: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """``left operator right``."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? yes : no``."""

    condition: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class ListOf:
    """``[items]``."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """``{key: value}``."""

    entries: tuple[tuple["Node", "Node"], ...]


Node: TypeAlias = Literal | Name | Select | Index | Call | Macro | Has | Unary | Binary | Choice | ListOf | MapOf

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<double>\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)
    |(?P<int>0x[0-9a-fA-F]+|\d+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator>\.\?|&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "`": "`", "?": "?"}
_LEVELS: Final = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        CelError: it is none; the message tells where.
    """
    if not text.strip():
        raise CelError("is empty: write an expression")
    if len(text) > MAX_LENGTH:
        raise CelError(f"has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    return _Parser(list(_tokens(text))).whole()


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise CelError(f"at character {at + 1}: {text[at]!r} is not understood")
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token("in" if found.group() == "in" else kind, found.group(), at)
        at = found.end()
    yield _Token("end", "", len(text))


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._now.kind != "end":
            raise self._unexpected("an operator or the end")
        return node

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> str:
        """The next token's text if it is one of these; empty where it is another."""
        token = self._now
        if token.kind in ("operator", "in") and token.text in texts:
            self._at += 1
            return token.text
        return ""

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(repr(text))

    def _name(self, what: str) -> str:
        token = self._now
        if token.kind != "name":
            raise self._unexpected(what)
        self._at += 1
        return token.text

    def _unexpected(self, wanted: str) -> CelError:
        token = self._now
        found = f"{token.text!r}" if token.kind != "end" else "the end"
        return CelError(f"at character {token.at + 1}: {wanted} is expected, not {found}")

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise CelError(f"is nested more than {_MAX_DEPTH} deep")
        condition = self._binary(0)
        if self._take("?"):
            yes = self._binary(0)
            self._need(":")
            condition = Choice(condition, yes, self._expression())
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while operator := self._take(*_LEVELS[level]):
            node = Binary(operator, node, self._binary(level + 1))
        return node

    def _unary(self) -> Node:
        operators = []
        while operator := self._take("!", "-"):
            operators.append(operator)
        if len(operators) > _MAX_DEPTH:
            raise CelError(f"is nested more than {_MAX_DEPTH} deep")
        node = self._member()
        for operator in reversed(operators):
            node = Unary(operator, node)
        return node

    def _member(self) -> Node:
        node, steps = self._primary(), 0
        while operator := self._take(".", ".?", "["):
            steps += 1
            if steps > _MAX_DEPTH:
                raise CelError(f"has a chain of more than {_MAX_DEPTH} fields")
            if operator == "[":
                node = Index(node, self._expression())
                self._need("]")
                continue
            name = self._name("the name of a field")
            if operator == "." and self._take("("):
                node = self._method(node, name)
            else:
                node = Select(node, name, optional=operator == ".?")
        return node

    def _method(self, target: Node, name: str) -> Node:
        if name not in MACROS:
            return Call(name, target, self._arguments(")"))
        variable = self._name(f"the variable of {name}")
        self._need(",")
        body = self._expression()
        self._need(")")
        return Macro(name, target, variable, body)

    def _arguments(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(end):
            if found:
                self._need(",")
            found.append(self._expression())
        return tuple(found)

    def _primary(self) -> Node:
        token = self._now
        self._at += 1
        match token.kind:
            case "int":
                value = int(token.text, 0)
                if value > _MAX_INT:
                    raise CelError(f"at character {token.at + 1}: {token.text} is no 64-bit integer")
                return Literal(value)
            case "double":
                return Literal(float(token.text))
            case "string":
                return Literal(_unescaped(token))
            case "name":
                return self._named(token)
            case "operator" if token.text == "(":
                node = self._expression()
                self._need(")")
                return node
            case "operator" if token.text == "[":
                return ListOf(self._arguments("]"))
            case "operator" if token.text == "{":
                return self._map()
        self._at -= 1
        raise self._unexpected("a value")

    def _named(self, token: _Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if not self._take("("):
            return Name(token.text)
        arguments = self._arguments(")")
        if token.text != "has":
            return Call(token.text, None, arguments)
        if len(arguments) == 1 and isinstance(arguments[0], Select) and not arguments[0].optional:
            return Has(arguments[0].of, arguments[0].field)
        raise CelError(f"at character {token.at + 1}: has() takes one field: has(status.phase)")

    def _map(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            if entries:
                self._need(",")
            key = self._expression()
            self._need(":")
            entries.append((key, self._expression()))
        return MapOf(tuple(entries))


def _unescaped(token: _Token) -> str:
    def one(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            raise CelError(f"at character {token.at + 1}: '\\{code}' is no escape")
        return _ESCAPES[code]

    return _ESCAPE.sub(one, token.text[1:-1])
