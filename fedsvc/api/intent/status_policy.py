"""Checking status policies: every expression is read, every kind has one rule."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from fedsvc.api.problems import Problems, proto_path
from fedsvc.rendering.cel import CelError, compile_expression
from fedsvc.rendering.names import subdomain_problem
from fedsvc.rendering.status import has_rules
from fedsvc.rendering.status.rules import FAILURES, MAX_FIELDS, NAMES, StatusRule

MAX_RULES: Final = 100
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_TAKEN: Final = ("conditions", "generation", "observedGeneration", "allObserved", FAILURES)


def check_status_rules(
    rules: Sequence[StatusRule], path: str, problems: Problems, *, others: Mapping[tuple[str, str], str]
) -> None:
    """Note what is wrong with the rules of a policy.

    Args:
        rules: of the policy.
        path: of the list.
        problems: gathers what is refused.
        others: (group, kind) to the policy that has a rule for it already.
    """
    if not rules:
        problems.add(path, "is missing: write a rule for one kind at least")
    if len(rules) > MAX_RULES:
        problems.add(path, f"has {len(rules)} entries; at most {MAX_RULES} are accepted")
        return
    seen: dict[tuple[str, str], int] = {}
    for index, rule in enumerate(rules):
        here, key = f"{path}[{index}]", (rule.group, rule.kind)
        _check_kind(rule, here, problems)
        if key in seen:
            problems.add(here, f"is for the same kind as rules[{seen[key]}]: a kind has one rule")
        elif key in others:
            problems.add(
                here, f"{rule.kind} of {rule.group} has a rule in statusPolicies/{others[key]}: change that one"
            )
        seen.setdefault(key, index)
        _check_rule(rule, here, problems)


def _check_kind(rule: StatusRule, path: str, problems: Problems) -> None:
    if not rule.kind:
        problems.add(f"{path}.kind", "is missing: write one such as Rollout")
    elif _KIND.fullmatch(rule.kind) is None:
        problems.add(f"{path}.kind", f"'{rule.kind[:100]}' is no kind: write one such as Rollout")
    if rule.group and (problem := subdomain_problem(rule.group)) is not None:
        problems.add(f"{path}.group", problem)
    if has_rules((rule.group, rule.kind)):
        problems.add(path, f"{rule.kind} is a kind of Kubernetes that fedsvc knows: rules are for other kinds")


def _check_rule(rule: StatusRule, path: str, problems: Problems) -> None:
    if not rule.expressions:
        problems.add(path, "says nothing: give health, message, replicas or fields")
    if bool(rule.ready_replicas) and not rule.desired_replicas:
        problems.add(f"{path}.desired_replicas", "is missing: ready_replicas counts towards it")
    if len(rule.fields) > MAX_FIELDS:
        problems.add(f"{path}.fields", f"has {len(rule.fields)} entries; at most {MAX_FIELDS} are accepted")
        return
    names: set[str] = set()
    for index, field in enumerate(rule.fields):
        if (problem := _name_problem(field.name, names)) is not None:
            problems.add(f"{path}.fields[{index}].name", problem)
        names.add(field.name)
    for where, text in rule.expressions:
        try:
            compile_expression(text, names=NAMES)
        except CelError as error:
            problems.add(f"{path}.{proto_path(where)}", str(error))


def _name_problem(name: str, others: Collection[str]) -> str | None:
    if _FIELD.fullmatch(name) is None:
        shown = f"'{name[:100]}' is no name" if name else "is missing"
        return f"{shown}: write letters, digits and '_', beginning with a letter"
    if name in _TAKEN:
        return f"{name} is kept by fedsvc itself: choose another"
    return f"{name} is there twice" if name in others else None
