"""What people say of kinds of their own: how an object does, what of its status counts, and what that sums up to.

A rule's expressions see ``object``, and ``metadata``, ``spec`` and ``status`` of it ({} where it has none). One that
fails on an object is told in the work it is of; the rest of the rule goes on, and nothing else is touched by it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject, canonical_json
from fedsvc.rendering.cel import Budget, CelError, Expression, compile_expression
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.status import conditions
from fedsvc.rendering.status.health import Health, HealthState, generations, part, progressing

NAMES: Final = ("metadata", "object", "spec", "status")
MAX_FIELDS: Final = 50
FAILURES: Final = "ruleErrors"
"""Field of a reflected status: expression to why it failed."""

RULE_FAILED: Final = "StatusRuleFailed"
_MAX_TEXT: Final = 500
_MAX_VALUE_BYTES: Final = 16 * 1024


class Aggregation(StrEnum):
    """What the values of clusters sum up to."""

    SUM = "Sum"
    MIN = "Min"
    MAX = "Max"
    ALL = "All"  # true where it is true in all
    ANY = "Any"
    UNION = "Union"  # the different values; of lists, their entries


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One value that is kept of each cluster's object."""

    name: str
    value: str  # expression
    aggregation: Aggregation | None = None  # None: it is not summed up


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRule:
    """What holds for one kind. An empty expression leaves that to the conditions of the object."""

    group: str
    kind: str
    health: str = ""  # gives Healthy, Progressing, Degraded, Unknown; or a boolean: Healthy or Progressing
    reason: str = ""  # gives a string
    message: str = ""  # gives a string
    desired_replicas: str = ""  # gives an integer
    ready_replicas: str = ""
    fields: tuple[FieldRule, ...] = ()

    @property
    def expressions(self) -> tuple[tuple[str, str], ...]:
        """(Where, text) of all that are given; where is spelled as documents have it."""
        named = (
            ("health", self.health),
            ("reason", self.reason),
            ("message", self.message),
            ("desiredReplicas", self.desired_replicas),
            ("readyReplicas", self.ready_replicas),
        )
        fields = tuple((f"fields[{index}].value", field.value) for index, field in enumerate(self.fields))
        return (*((where, text) for where, text in named if text), *fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a rule makes of one object."""

    health: Health
    status: JsonObject
    counts: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule whose expressions were checked."""

    policy: str  # whose it is, for messages
    rule: StatusRule
    expressions: Mapping[str, Expression]  # by where they stand

    def judge(self, live: Mapping[str, Any], *, otherwise: Health) -> Judged:
        """Apply the rule to a live object; `otherwise` is the verdict of its conditions. Never fails."""
        names = {"object": dict(live)} | {name: dict(part(live, name)) for name in ("metadata", "spec", "status")}
        budget, failures = Budget(), dict[str, str]()

        def value(where: str, check: Callable[[Any], str], default: Any) -> Any:
            expression = self.expressions.get(where)
            if expression is None:
                return default
            try:
                found = expression.evaluate(names, budget)
                problem = check(found)
            except CelError as error:
                found, problem = None, str(error)
            if problem:
                failures[where] = problem[:_MAX_TEXT]
            return default if problem else found

        status = generations(live)
        for index, field in enumerate(self.rule.fields):
            found = value(f"fields[{index}].value", _value_problem, None)
            if found is not None:
                status[field.name] = found
        if kept := conditions.reduced_conditions(part(live, "status")):
            status.setdefault("conditions", kept)
        verdict = value("health", _health_problem, None)
        health = otherwise if verdict is None else Health(state=_state(verdict))
        reason, message = value("reason", _text_problem, health.reason), value("message", _text_problem, health.message)
        desired = value("desiredReplicas", _count_problem, None)
        ready = value("readyReplicas", _count_problem, None)
        health = Health(state=health.state, reason=reason[:_MAX_TEXT], message=message[:_MAX_TEXT])
        if part(live, "metadata").get("deletionTimestamp") and health.state is not HealthState.DEGRADED:
            health = progressing("Terminating", "the object is being deleted in the cluster")
        if failures:
            status[FAILURES] = failures
            where = "health" if "health" in failures else next(iter(failures))
            told = f"status policy {self.policy}, {where}: {failures[where]}"
            state = HealthState.UNKNOWN if "health" in failures else health.state
            health = Health(state=state, reason=RULE_FAILED, message=told)
        return Judged(health=health, status=status, counts=None if desired is None else (desired, ready or 0))

    def aggregate(self, statuses: Mapping[str, JsonObject]) -> JsonObject:
        """What the statuses that `judge` gave sum up to; values that do not fit are passed over."""
        total: JsonObject = {}
        for field in self.rule.fields:
            values = [statuses[cluster][field.name] for cluster in sorted(statuses) if field.name in statuses[cluster]]
            if field.aggregation is not None and (found := _summed(field.aggregation, values)) is not None:
                total[field.name] = found
        failed = sorted(cluster for cluster, status in statuses.items() if status.get(FAILURES))
        return total | ({FAILURES: failed} if failed else {})


def compile_rule(policy: str, rule: StatusRule) -> CompiledRule:
    """Check the expressions of a rule.

    Raises:
        CelError: of the first that is wrong; the message begins with where it stands.
    """
    found: dict[str, Expression] = {}
    for where, text in rule.expressions:
        try:
            found[where] = compile_expression(text, names=NAMES)
        except CelError as error:
            raise CelError(f"{where}: {error}") from error
    return CompiledRule(policy=policy, rule=rule, expressions=found)


Rules = Mapping[tuple[str, str], CompiledRule]
"""(Group, kind) to its rule."""


def compile_rules(policies: Iterable[tuple[str, Iterable[StatusRule]]]) -> dict[tuple[str, str], CompiledRule]:
    """The rules of stored policies, given as (name, rules); of two for one kind the policy named first counts.

    What does not compile, since another release stored it, is left out.
    """
    found: dict[tuple[str, str], CompiledRule] = {}
    for name, rules in sorted(policies, key=lambda item: item[0]):
        for rule in rules:
            try:
                found.setdefault((rule.group, rule.kind), compile_rule(name, rule))
            except CelError:
                continue
    return found


_OF_NUMBERS: Final[Mapping[Aggregation, Callable[[list[Any]], Any]]] = {
    Aggregation.SUM: sum,
    Aggregation.MIN: min,
    Aggregation.MAX: max,
}
_OF_TRUTHS: Final[Mapping[Aggregation, Callable[[list[Any]], bool]]] = {Aggregation.ALL: all, Aggregation.ANY: any}


def _summed(aggregation: Aggregation, values: list[Any]) -> Any:
    """The sum of values; None where none of them fits."""
    if aggregation in _OF_NUMBERS:
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        return _OF_NUMBERS[aggregation](numbers) if numbers else None
    if aggregation in _OF_TRUTHS:
        truths = [value for value in values if isinstance(value, bool)]
        return _OF_TRUTHS[aggregation](truths) if truths else None
    entries = [entry for value in values for entry in (value if isinstance(value, list) else [value])]
    distinct = {canonical_json(entry): entry for entry in entries}
    return [distinct[key] for key in sorted(distinct)] if values else None


def _state(verdict: Any) -> HealthState:
    if isinstance(verdict, bool):
        return HealthState.HEALTHY if verdict else HealthState.PROGRESSING
    return HealthState(verdict)


def _health_problem(value: Any) -> str:
    states = [state.value for state in HealthState]
    if isinstance(value, bool) or (isinstance(value, str) and value in states):
        return ""
    return f"gives {str(value)[:50]!r}; it must give true, false or one of {', '.join(states)}"


def _text_problem(value: Any) -> str:
    return "" if isinstance(value, str) else f"gives {str(value)[:50]!r}; it must give a string"


def _count_problem(value: Any) -> str:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return "" if is_count else f"gives {str(value)[:50]!r}; it must give an integer from 0"


def _value_problem(value: Any) -> str:
    try:
        size = len(canonical_json(value))
    except ManifestError:
        return "gives what JSON cannot say, such as an infinite number"
    return "" if size <= _MAX_VALUE_BYTES else f"gives {size} bytes; at most {_MAX_VALUE_BYTES} are kept"
