"""What an expression gives for an object, in a number of steps that is bounded."""

import difflib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.cel.syntax import (
    Binary,
    Call,
    CelError,
    Choice,
    Has,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Node,
    Select,
    Unary,
    parse,
)

MAX_STEPS: Final = 10_000
"""Of all expressions that share a budget: some milliseconds."""

_BYTES_PER_STEP: Final = 64
_MAX_INT: Final = 2**63
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OF_STRINGS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
_FUNCTIONS: Final = ("size", "int", "double", "string")
_METHODS: Final = ("size", "orValue", "hasValue", *_OF_STRINGS)


class Budget:
    """Steps that are left."""

    __slots__ = ("left",)

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            CelError: there are none left.
        """
        self.left -= steps
        if self.left < 0:
            raise CelError(f"takes more than {MAX_STEPS} steps on this object")


@dataclass(frozen=True, slots=True)
class _Optional:
    """What ``a.?b`` gives: one value or none."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was checked."""

    text: str
    tree: Node

    def evaluate(self, variables: Mapping[str, Any], budget: Budget | None = None) -> Any:
        """The value: JSON.

        Raises:
            CelError: there is none, or it takes too many steps.
        """
        try:
            found = _Evaluator(budget or Budget()).value(self.tree, variables)
        except RecursionError as error:
            raise CelError("looks at values that are nested too deep") from error
        if isinstance(found, _Optional):
            raise CelError("gives an optional value: say what it is where there is none, with orValue")
        return found


def compile_expression(text: str, *, names: Sequence[str]) -> Expression:
    """Check an expression that may use these variables.

    Raises:
        CelError: it is none, or uses what there is not.
    """
    tree = parse(text)
    _check(tree, frozenset(names))
    return Expression(text=text, tree=tree)


def _check(node: Node, names: frozenset[str]) -> None:
    match node:
        case Name(name):
            if name not in names:
                raise CelError(f"there is no variable {name!r}{_near(name, names)}")
        case Call(function, target, arguments):
            known = _FUNCTIONS if target is None else _METHODS
            if function not in known:
                raise CelError(f"there is no function {function!r}{_near(function, known)}")
            wanted = 0 if target is not None and function in ("size", "hasValue") else 1
            if len(arguments) != wanted:
                raise CelError(f"{function} takes {wanted} argument{'' if wanted == 1 else 's'}, not {len(arguments)}")
        case Macro(_, of, variable, body):
            _check(of, names)
            _check(body, names | {variable})
            return
        case _:
            pass
    for part in _parts(node):
        _check(part, names)


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Select(of) | Has(of) | Unary(_, of):
            return (of,)
        case Index(of, at):
            return (of, at)
        case Call(_, target, arguments):
            return arguments if target is None else (target, *arguments)
        case Binary(_, left, right):
            return (left, right)
        case Choice(condition, yes, no):
            return (condition, yes, no)
        case ListOf(items):
            return items
        case MapOf(entries):
            return tuple(part for entry in entries for part in entry)
        case _:
            return ()


def _near(name: str, known: Sequence[str] | frozenset[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(sorted(known))}"


class _Evaluator:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def value(self, node: Node, names: Mapping[str, Any]) -> Any:
        self._budget.spend()
        match node:
            case Literal(value):
                return value
            case Name(name):
                return names[name]
            case Select(of, field, optional):
                return self._select(self.value(of, names), field, optional=optional)
            case Has(of, field):
                inner = self.value(of, names)
                if not isinstance(inner, dict):
                    raise CelError(f"has(): {_kind(inner)} has no fields")
                return field in inner
            case Index(of, at):
                return self._index(self.value(of, names), self.value(at, names))
            case Choice(condition, yes, no):
                return self.value(yes if self._truth(condition, names) else no, names)
            case ListOf(items):
                return [self.value(item, names) for item in items]
            case MapOf(entries):
                return {self._key(key, names): self.value(item, names) for key, item in entries}
            case Unary(sign, of):
                return self._unary(sign, self.value(of, names))
            case Macro():
                return self._macro(node, names)
            case Call():
                return self._call(node, names)
            case Binary("&&" | "||" as word, left, right):
                return self._logic(left, right, names, decides=word == "||")
            case Binary(word, left, right):
                return self._binary(word, self.value(left, names), self.value(right, names))

    def _truth(self, node: Node, names: Mapping[str, Any]) -> bool:
        found = self.value(node, names)
        if not isinstance(found, bool):
            raise CelError(f"{_kind(found)} stands where true or false is needed")
        return found

    def _logic(self, left: Node, right: Node, names: Mapping[str, Any], *, decides: bool) -> bool:
        """One side that decides is enough, also where the other cannot be evaluated."""
        try:
            if self._truth(left, names) is decides:
                return decides
        except CelError:
            if self._budget.left < 0 or self._truth(right, names) is not decides:
                raise
            return decides
        return self._truth(right, names)

    def _select(self, of: Any, field: str, *, optional: bool) -> Any:
        if isinstance(of, _Optional):
            inner: Any = of.values[0] if of.values else None
            there = isinstance(inner, dict) and field in inner
            return _Optional((inner[field],) if there else ())
        if not isinstance(of, dict):
            raise CelError(f"{_kind(of)} has no field {field}")
        if optional:
            return _Optional((of[field],) if field in of else ())
        if field not in of:
            raise CelError(f"there is no field {field}")
        return of[field]

    def _index(self, of: Any, at: Any) -> Any:
        if isinstance(of, list) and isinstance(at, int) and not isinstance(at, bool):
            if 0 <= at < len(of):
                return of[at]
            raise CelError(f"index {at} is outside of a list of {len(of)}")
        if isinstance(of, dict) and isinstance(at, str):
            if at in of:
                return of[at]
            raise CelError(f"there is no key {at!r}")
        raise CelError(f"{_kind(of)} has no index that is {_kind(at)}")

    def _key(self, node: Node, names: Mapping[str, Any]) -> str:
        found = self.value(node, names)
        if not isinstance(found, str):
            raise CelError(f"a key must be a string, not {_kind(found)}")
        return found

    def _unary(self, sign: str, of: Any) -> Any:
        if sign == "!" and isinstance(of, bool):
            return not of
        if sign == "-" and _is_number(of):
            return _bounded(-of)
        raise CelError(f"{sign} is not for {_kind(of)}")

    def _macro(self, node: Macro, names: Mapping[str, Any]) -> Any:
        of = self.value(node.of, names)
        if not isinstance(of, list | dict):
            raise CelError(f"{node.macro} is for lists and maps, not for {_kind(of)}")
        items = list(of)
        if node.macro == "map":
            return [self.value(node.body, {**names, node.variable: item}) for item in items]
        if node.macro in ("all", "exists"):
            return self._quantified(node, items, names, decides=node.macro == "exists")
        found = [item for item in items if self._truth(node.body, {**names, node.variable: item})]
        return found if node.macro == "filter" else len(found) == 1

    def _quantified(self, node: Macro, items: list[Any], names: Mapping[str, Any], *, decides: bool) -> bool:
        failure: CelError | None = None
        for item in items:
            try:
                if self._truth(node.body, {**names, node.variable: item}) is decides:
                    return decides
            except CelError as error:
                if self._budget.left < 0:
                    raise
                failure = error
        if failure is not None:
            raise failure
        return not decides

    def _call(self, node: Call, names: Mapping[str, Any]) -> Any:
        target = None if node.target is None else self.value(node.target, names)
        arguments: list[Any] = [self.value(argument, names) for argument in node.arguments]
        if isinstance(target, _Optional):
            if node.function == "hasValue":
                return bool(target.values)
            if node.function == "orValue":
                return target.values[0] if target.values else arguments[0]
        elif node.function in _OF_STRINGS and isinstance(target, str) and isinstance(arguments[0], str):
            self._budget.spend(len(target) // _BYTES_PER_STEP)
            return _OF_STRINGS[node.function](target, arguments[0])
        elif node.function in _FUNCTIONS:
            return self._converted(node.function, target if node.target is not None else arguments[0])
        raise CelError(f"{node.function} is not for {_kind(target)}")

    def _converted(self, function: str, value: Any) -> Any:
        if function == "size" and isinstance(value, str | list | dict):
            return len(value)
        if function == "string" and isinstance(value, str | int | float):
            return str(value).lower() if isinstance(value, bool) else str(value)
        try:
            if function == "int" and (_is_number(value) or isinstance(value, str)):
                return _bounded(int(value[:40] if isinstance(value, str) else value))
            if function == "double" and (_is_number(value) or isinstance(value, str)):
                return float(value)
        except (ValueError, OverflowError) as error:
            raise CelError(f"{function}: {str(value)[:40]!r} is no number") from error
        raise CelError(f"{function} is not for {_kind(value)}")

    def _binary(self, word: str, left: Any, right: Any) -> Any:
        if isinstance(left, _Optional) or isinstance(right, _Optional):
            raise CelError(f"{word} is not for optional values: say what there is otherwise, with orValue")
        if word in ("==", "!="):
            return self._equal(left, right) is (word == "==")
        if word == "in":
            return self._contained(left, right)
        if word in _ORDER:
            if (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
                return _ORDER[word](left, right)
            if isinstance(left, bool) and isinstance(right, bool):
                return _ORDER[word](left, right)
        elif _is_number(left) and _is_number(right):
            return _calculated(word, left, right)
        elif word == "+" and isinstance(left, str) and isinstance(right, str):
            self._budget.spend((len(left) + len(right)) // _BYTES_PER_STEP)
            return left + right
        elif word == "+" and isinstance(left, list) and isinstance(right, list):
            self._budget.spend(len(left) + len(right))
            return left + right
        raise CelError(f"{word} is not for {_kind(left)} and {_kind(right)}")

    def _contained(self, item: Any, of: Any) -> bool:
        if isinstance(of, dict):
            return isinstance(item, str) and item in of
        if isinstance(of, list):
            return any(self._equal(item, one) for one in of)
        raise CelError(f"in is for lists and maps, not for {_kind(of)}")

    def _equal(self, left: Any, right: Any) -> bool:
        self._budget.spend()
        if _is_number(left) and _is_number(right):
            return bool(left == right)
        if type(left) is not type(right):
            return False
        if isinstance(left, list):
            return len(left) == len(right) and all(map(self._equal, left, right))
        if isinstance(left, dict):
            return left.keys() == right.keys() and all(self._equal(item, right[key]) for key, item in left.items())
        if isinstance(left, str):
            self._budget.spend(min(len(left), len(right)) // _BYTES_PER_STEP)
        return bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
        raise CelError("the result is no 64-bit integer")
    return value


def _calculated(word: str, left: Any, right: Any) -> Any:
    whole = isinstance(left, int) and isinstance(right, int)
    if not whole and isinstance(left, int) is not isinstance(right, int):
        raise CelError(f"{word} is not for an integer and a double: convert one with double() or int()")
    match word:
        case "+":
            return _bounded(left + right)
        case "-":
            return _bounded(left - right)
        case "*":
            return _bounded(left * right)
        case "%" if not whole:
            raise CelError("% is for integers")
    if right == 0:
        if whole:
            raise CelError("division by zero")
        return math.nan if left == 0 else math.copysign(math.inf, left) * math.copysign(1, right)
    if not whole:
        return left / right
    quotient = abs(left) // abs(right) * (1 if (left < 0) is (right < 0) else -1)
    return _bounded(quotient if word == "/" else left - right * quotient)


def _kind(value: Any) -> str:
    """What a value is, for people."""
    if isinstance(value, _Optional):
        return "an optional value"
    names = {bool: "a boolean", int: "an integer", float: "a double", str: "a string", list: "a list", dict: "a map"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
