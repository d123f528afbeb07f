"""Refuse placements, labels and taints that cannot mean anything: with the path in the document and what would do.

Whether named clusters exist is not asked here: they may be registered later; decisions warn of unknown names.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from fedsvc_placement.model import (
    ClusterMatcher,
    Effect,
    LabelRequirement,
    LabelSelector,
    Mode,
    Operator,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    Strategy,
    Taint,
    Toleration,
    TolerationOperator,
)

# Kubernetes keeps replicas as int32.
MAX_REPLICAS = 2**31 - 1

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_SUBDOMAIN_LENGTH = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a document."""

    # Where, such as `placement.replicas.clusters[0].min`.
    path: str
    # What is wrong, and what would be right.
    message: str


def validate(placement: Placement, path: str = "placement") -> list[Problem]:
    """Return what is wrong with a placement, in the order of the document; empty when nothing is.

    Args:
        placement: the placement as it was written.
        path: where it stands in its document.
    """
    problems: list[Problem] = []
    if placement.clusters is not None:
        problems.extend(_cluster_names(placement.clusters, f"{path}.clusters"))
    if placement.cluster_selector is not None:
        problems.extend(validate_selector(placement.cluster_selector, f"{path}.clusterSelector"))
    if placement.exclude is not None:
        problems.extend(validate_matcher(placement.exclude, f"{path}.exclude"))
    for index, toleration in enumerate(placement.tolerations):
        problems.extend(_toleration(toleration, f"{path}.tolerations[{index}]"))
    if placement.replicas is not None:
        problems.extend(_replicas(placement.replicas, f"{path}.replicas"))
    return problems


def validate_selector(selector: LabelSelector, path: str) -> list[Problem]:
    """Return what is wrong with a label selector at `path`."""
    problems: list[Problem] = []
    keys = [key for key, _ in selector.match_labels]
    for key, value in selector.match_labels:
        problems.extend(_label(key, value, f"{path}.matchLabels[{key}]"))
    problems.extend(_repeated(keys, f"{path}.matchLabels", "label key"))
    for index, requirement in enumerate(selector.match_expressions):
        problems.extend(_requirement(requirement, f"{path}.matchExpressions[{index}]"))
    return problems


def validate_matcher(matcher: ClusterMatcher, path: str) -> list[Problem]:
    """Return what is wrong with a cluster matcher at `path`."""
    problems: list[Problem] = []
    if matcher.names is not None:
        problems.extend(_cluster_names(matcher.names, f"{path}.names"))
    if matcher.selector is not None:
        problems.extend(validate_selector(matcher.selector, f"{path}.selector"))
    return problems


def validate_labels(labels: Mapping[str, str], path: str) -> list[Problem]:
    """Return what is wrong with the labels of a cluster at `path`."""
    return [problem for key in sorted(labels) for problem in _label(key, labels[key], f"{path}[{key}]")]


def validate_taints(taints: Sequence[Taint], path: str) -> list[Problem]:
    """Return what is wrong with the taints of a cluster at `path`."""
    problems: list[Problem] = []
    for index, taint in enumerate(taints):
        at = f"{path}[{index}]"
        problems.extend(_label_key(taint.key, f"{at}.key"))
        problems.extend(_label_value(taint.value, f"{at}.value"))
        problems.extend(_word(taint.effect, Effect, f"{at}.effect"))
    problems.extend(_repeated([f"{taint.key}:{taint.effect}" for taint in taints], path, "key and effect"))
    return problems


def _requirement(requirement: LabelRequirement, path: str) -> Iterator[Problem]:
    yield from _label_key(requirement.key, f"{path}.key")
    yield from _word(requirement.operator, Operator, f"{path}.operator")
    if requirement.operator in {Operator.IN, Operator.NOT_IN} and not requirement.values:
        yield Problem(path=f"{path}.values", message=f"operator {requirement.operator} needs at least one value")
    if requirement.operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST} and requirement.values:
        yield Problem(path=f"{path}.values", message=f"operator {requirement.operator} takes no values; leave them out")
    for index, value in enumerate(requirement.values):
        yield from _label_value(value, f"{path}.values[{index}]")


def _toleration(toleration: Toleration, path: str) -> Iterator[Problem]:
    yield from _word(toleration.operator, TolerationOperator, f"{path}.operator")
    if toleration.key:
        yield from _label_key(toleration.key, f"{path}.key")
    elif toleration.operator != TolerationOperator.EXISTS:
        yield Problem(
            path=f"{path}.key", message="must be given, or operator be Exists, which then tolerates every taint"
        )
    if toleration.operator == TolerationOperator.EXISTS and toleration.value:
        yield Problem(path=f"{path}.value", message="must be empty with operator Exists; use Equal to compare values")
    else:
        yield from _label_value(toleration.value, f"{path}.value")
    if toleration.effect is not None:
        yield from _word(toleration.effect, Effect, f"{path}.effect")
    if toleration.toleration_seconds is not None and toleration.effect != Effect.NO_EXECUTE:
        message = "only NoExecute is tolerated for a time; set effect: NoExecute or leave the seconds out"
        yield Problem(path=f"{path}.tolerationSeconds", message=message)


def _replicas(policy: ReplicaPolicy, path: str) -> Iterator[Problem]:
    yield from _word(policy.mode, Mode, f"{path}.mode")
    yield from _word(policy.strategy, Strategy, f"{path}.strategy")
    yield from _number(policy.total, f"{path}.total")
    if policy.mode == Mode.DUPLICATED and policy.clusters:
        message = "has no effect with mode Duplicated, where every cluster gets all replicas; set mode: Divided"
        yield Problem(path=f"{path}.clusters", message=message)
    for index, rule in enumerate(policy.clusters):
        yield from _rule(rule, f"{path}.clusters[{index}]")


def _rule(rule: ReplicaRule, path: str) -> Iterator[Problem]:
    yield from validate_matcher(rule.clusters, path)
    yield from _number(rule.weight, f"{path}.weight")
    yield from _number(rule.min, f"{path}.min")
    yield from _number(rule.max, f"{path}.max")
    if rule.max is not None and 0 <= rule.max < rule.min:
        yield Problem(path=f"{path}.min", message=f"is {rule.min}, more than max, which is {rule.max}")


def _number(value: int | None, path: str) -> Iterator[Problem]:
    if value is not None and not 0 <= value <= MAX_REPLICAS:
        yield Problem(path=path, message=f"is {value}, must be from 0 to {MAX_REPLICAS}")


def _cluster_names(names: Sequence[str], path: str) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if len(name) > _SUBDOMAIN_LENGTH or not _SUBDOMAIN.fullmatch(name):
            message = f"{name!r} cannot be a cluster's name: only lower-case letters, digits, '-' and '.' within it"
            yield Problem(path=f"{path}[{index}]", message=message)
    yield from _repeated(names, path, "cluster name")


def _repeated(names: Iterable[str], path: str, what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Problem(path=path, message=f"{what} {name!r} is given more than once")
        seen.add(name)


def _label(key: str, value: str, path: str) -> Iterator[Problem]:
    yield from _label_key(key, path)
    yield from _label_value(value, path)


def _label_key(key: str, path: str) -> Iterator[Problem]:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _SUBDOMAIN_LENGTH or not _SUBDOMAIN.fullmatch(prefix)):
        yield Problem(
            path=path, message=f"{key!r} is not a key: what stands before '/' must be a DNS name in lower case"
        )
    if not _NAME.fullmatch(name):
        message = (
            f"{key!r} is not a key: the name must have 1 to 63 letters, digits, '-', '_' and '.', "
            "and start and end with a letter or digit"
        )
        yield Problem(path=path, message=message)


def _label_value(value: str, path: str) -> Iterator[Problem]:
    if value and not _NAME.fullmatch(value):
        message = (
            f"{value!r} is not a value: it must be empty or have up to 63 letters, digits, '-', '_' and '.', "
            "and start and end with a letter or digit"
        )
        yield Problem(path=path, message=message)


def _word(word: str, words: type[StrEnum], path: str) -> Iterator[Problem]:
    known = [str(entry) for entry in words]
    if word in known:
        return
    close = get_close_matches(word.lower(), [entry.lower() for entry in known], n=1)
    hint = next((f"; did you mean {entry}?" for entry in known if close and entry.lower() == close[0]), "")
    yield Problem(path=path, message=f"{word!r} is not one of {', '.join(known)}{hint}")
