"""Checks that documents have in common: names, labels, words, numbers, selectors. Each yields what is wrong, where."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from fedsvc_placement.model import (
    ClusterField,
    ClusterMatcher,
    FieldRequirement,
    LabelRequirement,
    LabelSelector,
    Operator,
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


def validate_selector(selector: LabelSelector, path: str) -> list[Problem]:
    """Return what is wrong with a label selector at `path`."""
    problems: list[Problem] = []
    keys = [key for key, _ in selector.match_labels]
    for key, value in selector.match_labels:
        problems.extend(label(key, value, f"{path}.matchLabels[{key}]"))
    problems.extend(repeated(keys, f"{path}.matchLabels", "label key"))
    for index, entry in enumerate(selector.match_expressions):
        problems.extend(requirement(entry, f"{path}.matchExpressions[{index}]"))
    return problems


def validate_matcher(matcher: ClusterMatcher, path: str) -> list[Problem]:
    """Return what is wrong with a cluster matcher at `path`."""
    problems: list[Problem] = []
    if matcher.names is not None:
        problems.extend(cluster_names(matcher.names, f"{path}.names"))
    if matcher.selector is not None:
        problems.extend(validate_selector(matcher.selector, f"{path}.selector"))
    problems.extend(fields(matcher.fields, f"{path}.fields"))
    return problems


def requirement(entry: LabelRequirement, path: str) -> Iterator[Problem]:
    """Refuse a requirement of a label that cannot mean anything."""
    yield from label_key(entry.key, f"{path}.key")
    yield from _operator(entry.operator, entry.values, path)
    for index, value in enumerate(entry.values):
        yield from label_value(value, f"{path}.values[{index}]")


def fields(entries: Sequence[FieldRequirement], path: str) -> Iterator[Problem]:
    """Refuse requirements of fields that cannot mean anything."""
    for index, entry in enumerate(entries):
        at = f"{path}[{index}]"
        yield from word(entry.field, ClusterField, f"{at}.field")
        yield from _operator(entry.operator, entry.values, at)
        for place, value in enumerate(entry.values):
            if not value:
                yield Problem(path=f"{at}.values[{place}]", message="is empty; use operator DoesNotExist for none")


def _operator(operator: str, values: Sequence[str], path: str) -> Iterator[Problem]:
    yield from word(operator, Operator, f"{path}.operator")
    if operator in {Operator.IN, Operator.NOT_IN} and not values:
        yield Problem(path=f"{path}.values", message=f"operator {operator} needs at least one value")
    if operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST} and values:
        yield Problem(path=f"{path}.values", message=f"operator {operator} takes no values; leave them out")


def number(value: int | None, path: str, low: int = 0, high: int = MAX_REPLICAS) -> Iterator[Problem]:
    """Refuse a number that is given and out of its range."""
    if value is not None and not low <= value <= high:
        yield Problem(path=path, message=f"is {value}, must be from {low} to {high}")


def cluster_names(names: Sequence[str], path: str) -> Iterator[Problem]:
    """Refuse names that no cluster can have, and names given twice."""
    for index, name in enumerate(names):
        if len(name) > _SUBDOMAIN_LENGTH or not _SUBDOMAIN.fullmatch(name):
            message = f"{name!r} cannot be a cluster's name: only lower-case letters, digits, '-' and '.' within it"
            yield Problem(path=f"{path}[{index}]", message=message)
    yield from repeated(names, path, "cluster name")


def repeated(names: Iterable[str], path: str, what: str) -> Iterator[Problem]:
    """Refuse what is given more than once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Problem(path=path, message=f"{what} {name!r} is given more than once")
        seen.add(name)


def label(key: str, value: str, path: str) -> Iterator[Problem]:
    """Refuse a label that Kubernetes would refuse."""
    yield from label_key(key, path)
    yield from label_value(value, path)


def label_key(key: str, path: str) -> Iterator[Problem]:
    """Refuse a key that Kubernetes would refuse."""
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


def label_value(value: str, path: str) -> Iterator[Problem]:
    """Refuse a value that Kubernetes would refuse."""
    if value and not _NAME.fullmatch(value):
        message = (
            f"{value!r} is not a value: it must be empty or have up to 63 letters, digits, '-', '_' and '.', "
            "and start and end with a letter or digit"
        )
        yield Problem(path=path, message=message)


def word(found: str, words: type[StrEnum], path: str) -> Iterator[Problem]:
    """Refuse a word that means nothing, with one that was perhaps meant."""
    known = [str(entry) for entry in words]
    if found in known:
        return
    close = get_close_matches(found.lower(), [entry.lower() for entry in known], n=1)
    hint = next((f"; did you mean {entry}?" for entry in known if close and entry.lower() == close[0]), "")
    yield Problem(path=path, message=f"{found!r} is not one of {', '.join(known)}{hint}")
