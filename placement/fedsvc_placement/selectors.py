"""Selectors, requirements, matchers and tolerations: how a placement points at clusters, units and taints."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from fedsvc_placement.model import (
    ClusterField,
    ClusterMatcher,
    ClusterSnapshot,
    Effect,
    FieldRequirement,
    LabelRequirement,
    LabelSelector,
    Operator,
    Placement,
    Taint,
    Toleration,
    TolerationOperator,
    UnitMatcher,
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


def field_values(cluster: ClusterSnapshot, field: str) -> tuple[str, ...]:
    """Return what a cluster has in a field: several zones, one provider or region, or nothing.

    Raises:
        ValueError: the field is not one of `ClusterField`; `validate` tells that with its path.
    """
    match field:
        case ClusterField.PROVIDER:
            found: Collection[str] = (cluster.provider,)
        case ClusterField.REGION:
            found = (cluster.region,)
        case ClusterField.ZONE:
            found = cluster.zones
        case _:
            raise ValueError(f"cluster field {field!r} is not one of {', '.join(ClusterField)}")
    return tuple(value for value in found if value)


def matches_field(requirement: FieldRequirement, cluster: ClusterSnapshot) -> bool:
    """Tell whether a cluster satisfies a requirement of a field, which means what it means for a label.

    Of several zones one in the values is enough for In, and one too many for NotIn.

    Raises:
        ValueError: field or operator do not exist; `validate` tells that with its path.
    """
    values = field_values(cluster, requirement.field)
    match requirement.operator:
        case Operator.IN:
            return any(value in requirement.values for value in values)
        case Operator.NOT_IN:
            return not any(value in requirement.values for value in values)
        case Operator.EXISTS:
            return bool(values)
        case Operator.DOES_NOT_EXIST:
            return not values
    raise ValueError(f"field operator {requirement.operator!r} is not one of {', '.join(Operator)}")


def field_mismatches(requirements: tuple[FieldRequirement, ...], cluster: ClusterSnapshot) -> tuple[str, ...]:
    """Say in words which requirements of fields a cluster does not satisfy; empty when it does all."""
    return tuple(_field_mismatch(entry, cluster) for entry in requirements if not matches_field(entry, cluster))


def _field_mismatch(requirement: FieldRequirement, cluster: ClusterSnapshot) -> str:
    field = requirement.field
    values = field_values(cluster, field)
    if not values:
        return f"{field} is unknown"
    found = f"{field} is {' and '.join(values)}"
    if requirement.operator == Operator.DOES_NOT_EXIST:
        return f"{found}, not unknown"
    wanted = " or ".join(requirement.values)
    return f"{found}, not other than {wanted}" if requirement.operator == Operator.NOT_IN else f"{found}, not {wanted}"


def matches_cluster(matcher: ClusterMatcher, cluster: ClusterSnapshot) -> bool:
    """Tell whether a matcher means this cluster: names, selector and fields must all hold where they are given."""
    if matcher.names is not None and cluster.name not in matcher.names:
        return False
    if matcher.selector is not None and not matches(matcher.selector, cluster.labels):
        return False
    return all(matches_field(requirement, cluster) for requirement in matcher.fields)


def matches_unit(matcher: UnitMatcher, key: str, labels: Mapping[str, str]) -> bool:
    """Tell whether a matcher means the unit of that key and labels; one in which nothing is given means none."""
    if matcher.names is None and matcher.selector is None:
        return False
    if matcher.names is not None and key not in matcher.names:
        return False
    return matcher.selector is None or matches(matcher.selector, labels)


def follows_only(placement: Placement) -> bool:
    """Tell whether nothing but the units it follows selects clusters."""
    return placement.clusters is None and placement.cluster_selector is None and bool(placement.follows)


def selected(placement: Placement, cluster: ClusterSnapshot) -> bool:
    """Tell whether names, selector and fields of a placement point at the cluster (the table at `Placement`).

    Where it only follows others, every cluster may be one of theirs.
    """
    if placement.clusters is not None:
        pointed = cluster.name in placement.clusters
    elif placement.cluster_selector is not None:
        pointed = matches(placement.cluster_selector, cluster.labels)
    else:
        pointed = follows_only(placement)
    return pointed and all(matches_field(requirement, cluster) for requirement in placement.fields)


def excluded(placement: Placement, cluster: ClusterSnapshot) -> bool:
    """Tell whether the placement rules the cluster out by name, label or field."""
    return placement.exclude is not None and matches_cluster(placement.exclude, cluster)


def matchers_of(placement: Placement) -> Iterator[tuple[str, ClusterMatcher]]:
    """Yield every cluster matcher in a placement, with the path at which it stands."""
    if placement.exclude is not None:
        yield "placement.exclude", placement.exclude
    for index, group in enumerate(placement.groups):
        yield f"placement.groups[{index}].clusters", group.clusters
        for tier, matcher in enumerate(group.overflow):
            yield f"placement.groups[{index}].overflow[{tier}]", matcher
    for index, preference in enumerate(placement.preferences):
        if preference.clusters is not None:
            yield f"placement.preferences[{index}].clusters", preference.clusters
    if placement.replicas is not None:
        for index, rule in enumerate(placement.replicas.clusters):
            yield f"placement.replicas.clusters[{index}]", rule.clusters


def named_clusters(placement: Placement) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return every list of cluster names in a placement, with the path at which it stands."""
    lists = [("placement.clusters", placement.clusters)]
    lists.extend((f"{path}.names", matcher.names) for path, matcher in matchers_of(placement))
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
