"""Label selectors, cluster matchers and tolerations: the three ways in which a placement points at clusters."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from fedsvc_placement.model import (
    ClusterMatcher,
    ClusterSnapshot,
    Effect,
    LabelRequirement,
    LabelSelector,
    Operator,
    Placement,
    Taint,
    Toleration,
    TolerationOperator,
)


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy a selector; the empty selector matches everything.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/

    Raises:
        ValueError: an operator is not one of `Operator`; `validate` tells that with its path.
    """
    return all(labels.get(key) == value for key, value in selector.match_labels) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def mismatches(selector: LabelSelector, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Say in words what keeps labels from satisfying a selector; empty when they do."""
    wanted = (
        *(
            LabelRequirement(key=key, operator=Operator.IN, values=(value,))
            for key, value in sorted(selector.match_labels)
        ),
        *selector.match_expressions,
    )
    return tuple(_mismatch(requirement, labels) for requirement in wanted if not _holds(requirement, labels))


def _mismatch(requirement: LabelRequirement, labels: Mapping[str, str]) -> str:
    key = requirement.key
    if key not in labels:
        return f"label {key} is missing"
    if requirement.operator == Operator.DOES_NOT_EXIST:
        return f"label {key} is present"
    return f"label {key} is {labels[key] or 'empty'}, not {_words(requirement)}"


def _words(requirement: LabelRequirement) -> str:
    values = " or ".join(value or "empty" for value in requirement.values)
    return f"other than {values}" if requirement.operator == Operator.NOT_IN else values


def _holds(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    match requirement.operator:
        case Operator.IN:
            return labels.get(requirement.key) in requirement.values
        case Operator.NOT_IN:
            # A label that is not there is not in the set: Kubernetes counts it as a match.
            return labels.get(requirement.key) not in requirement.values
        case Operator.EXISTS:
            return requirement.key in labels
        case Operator.DOES_NOT_EXIST:
            return requirement.key not in labels
    raise ValueError(f"label operator {requirement.operator!r} is not one of {', '.join(Operator)}")


def matches_cluster(matcher: ClusterMatcher, cluster: ClusterSnapshot) -> bool:
    """Tell whether a matcher means this cluster: names and selector must both hold where they are given."""
    if matcher.names is not None and cluster.name not in matcher.names:
        return False
    return matcher.selector is None or matches(matcher.selector, cluster.labels)


def selected(placement: Placement, cluster: ClusterSnapshot) -> bool:
    """Tell whether names or selector of a placement point at the cluster (the table at `Placement`)."""
    if placement.clusters is not None:
        return cluster.name in placement.clusters
    return placement.cluster_selector is not None and matches(placement.cluster_selector, cluster.labels)


def excluded(placement: Placement, cluster: ClusterSnapshot) -> bool:
    """Tell whether the placement rules the cluster out by name or label."""
    return placement.exclude is not None and matches_cluster(placement.exclude, cluster)


def named_clusters(placement: Placement) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return every list of cluster names in a placement, with the path at which it stands."""
    lists = [("placement.clusters", placement.clusters)]
    if placement.exclude is not None:
        lists.append(("placement.exclude.names", placement.exclude.names))
    if placement.replicas is not None:
        lists.extend(
            (f"placement.replicas.clusters[{index}].names", rule.clusters.names)
            for index, rule in enumerate(placement.replicas.clusters)
        )
    return tuple((path, names) for path, names in lists if names)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Tell whether a toleration is meant for a taint, however long it lasts.

    Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == TolerationOperator.EXISTS:
        return True
    # An empty key with Equal would tolerate every key of that value; Kubernetes refuses it, and so does `validate`.
    return bool(toleration.key) and toleration.value == taint.value


def toleration_for(taint: Taint, tolerations: tuple[Toleration, ...]) -> Toleration | None:
    """Return the first toleration that is meant for the taint, as the eviction in Kubernetes takes the first."""
    return next((toleration for toleration in tolerations if tolerates(toleration, taint)), None)


def tolerated_until(taint: Taint, toleration: Toleration) -> datetime | None:
    """Return the instant at which the toleration of a NoExecute taint ends; None when it never does."""
    if taint.effect != Effect.NO_EXECUTE or toleration.toleration_seconds is None or taint.time_added is None:
        return None
    return taint.time_added + timedelta(seconds=max(0, toleration.toleration_seconds))
