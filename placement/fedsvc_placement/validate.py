"""Refuse placements, labels and taints that cannot mean anything: with the path in the document and what would do.

Whether named clusters, units and datasets exist is not asked here: they may come later; decisions warn of unknown
clusters, and say of every cluster what is not known.
"""

from collections.abc import Iterator, Mapping, Sequence

from fedsvc_placement.checks import (
    MAX_REPLICAS,
    Problem,
    cluster_names,
    fields,
    label,
    label_key,
    label_value,
    number,
    repeated,
    validate_matcher,
    validate_selector,
    word,
)
from fedsvc_placement.model import (
    Effect,
    Mode,
    Movement,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    Strategy,
    Taint,
    Toleration,
    TolerationOperator,
)
from fedsvc_placement.validate_rules import validate_rules

__all__ = [
    "MAX_REPLICAS",
    "Problem",
    "validate",
    "validate_labels",
    "validate_matcher",
    "validate_selector",
    "validate_taints",
]


def validate(placement: Placement, path: str = "placement") -> list[Problem]:
    """Return what is wrong with a placement, in the order of the document; empty when nothing is.

    Args:
        placement: the placement as it was written.
        path: where it stands in its document.
    """
    problems: list[Problem] = []
    if placement.clusters is not None:
        problems.extend(cluster_names(placement.clusters, f"{path}.clusters"))
    if placement.cluster_selector is not None:
        problems.extend(validate_selector(placement.cluster_selector, f"{path}.clusterSelector"))
    problems.extend(fields(placement.fields, f"{path}.fields"))
    if placement.exclude is not None:
        problems.extend(validate_matcher(placement.exclude, f"{path}.exclude"))
    for index, toleration in enumerate(placement.tolerations):
        problems.extend(_toleration(toleration, f"{path}.tolerations[{index}]"))
    problems.extend(validate_rules(placement, path))
    if placement.replicas is not None:
        problems.extend(_replicas(placement.replicas, f"{path}.replicas"))
    return problems


def validate_labels(labels: Mapping[str, str], path: str) -> list[Problem]:
    """Return what is wrong with the labels of a cluster at `path`."""
    return [problem for key in sorted(labels) for problem in label(key, labels[key], f"{path}[{key}]")]


def validate_taints(taints: Sequence[Taint], path: str) -> list[Problem]:
    """Return what is wrong with the taints of a cluster at `path`."""
    problems: list[Problem] = []
    for index, taint in enumerate(taints):
        at = f"{path}[{index}]"
        problems.extend(label_key(taint.key, f"{at}.key"))
        problems.extend(label_value(taint.value, f"{at}.value"))
        problems.extend(word(taint.effect, Effect, f"{at}.effect"))
    problems.extend(repeated([f"{taint.key}:{taint.effect}" for taint in taints], path, "key and effect"))
    return problems


def _toleration(toleration: Toleration, path: str) -> Iterator[Problem]:
    yield from word(toleration.operator, TolerationOperator, f"{path}.operator")
    if toleration.key:
        yield from label_key(toleration.key, f"{path}.key")
    elif toleration.operator != TolerationOperator.EXISTS:
        yield Problem(
            path=f"{path}.key", message="must be given, or operator be Exists, which then tolerates every taint"
        )
    if toleration.operator == TolerationOperator.EXISTS and toleration.value:
        yield Problem(path=f"{path}.value", message="must be empty with operator Exists; use Equal to compare values")
    else:
        yield from label_value(toleration.value, f"{path}.value")
    if toleration.effect is not None:
        yield from word(toleration.effect, Effect, f"{path}.effect")
    if toleration.toleration_seconds is not None and toleration.effect != Effect.NO_EXECUTE:
        message = "only NoExecute is tolerated for a time; set effect: NoExecute or leave the seconds out"
        yield Problem(path=f"{path}.tolerationSeconds", message=message)


def _replicas(policy: ReplicaPolicy, path: str) -> Iterator[Problem]:
    yield from word(policy.mode, Mode, f"{path}.mode")
    yield from word(policy.strategy, Strategy, f"{path}.strategy")
    if policy.movement is not None:
        yield from word(policy.movement, Movement, f"{path}.movement")
    yield from number(policy.total, f"{path}.total")
    if policy.mode == Mode.DUPLICATED and policy.clusters:
        message = "has no effect with mode Duplicated, where every cluster gets all replicas; set mode: Divided"
        yield Problem(path=f"{path}.clusters", message=message)
    for index, rule in enumerate(policy.clusters):
        yield from _rule(rule, f"{path}.clusters[{index}]")
        if rule.tier is not None and policy.strategy != Strategy.OVERFLOW:
            message = f"has no effect with strategy {policy.strategy}; set strategy: Overflow or leave it out"
            yield Problem(path=f"{path}.clusters[{index}].tier", message=message)


def _rule(rule: ReplicaRule, path: str) -> Iterator[Problem]:
    yield from validate_matcher(rule.clusters, path)
    yield from number(rule.weight, f"{path}.weight")
    yield from number(rule.min, f"{path}.min")
    yield from number(rule.max, f"{path}.max")
    yield from number(rule.tier, f"{path}.tier")
    if rule.max is not None and 0 <= rule.max < rule.min:
        yield Problem(path=f"{path}.min", message=f"is {rule.min}, more than max, which is {rule.max}")
