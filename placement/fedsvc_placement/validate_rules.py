"""Refuse rules of a placement that cannot mean anything: groups, versions, data, neighbours, spread, preferences."""

from collections.abc import Iterator

from fedsvc_placement.checks import (
    Problem,
    label_key,
    number,
    repeated,
    validate_matcher,
    validate_selector,
    word,
)
from fedsvc_placement.model import (
    AffinityMode,
    ClusterPreference,
    ConditionRequirement,
    DataAccess,
    DataAnchor,
    GroupReturn,
    GroupReturnPolicy,
    Mode,
    Placement,
    SpreadConstraint,
    Stability,
    Topology,
    Trigger,
    UnitAffinity,
    UnitMatcher,
    VersionRange,
)
from fedsvc_placement.rooms import counts_capacity
from fedsvc_placement.versions import asked_version

MAX_WEIGHT = 100
MAX_STICKINESS = 10_000
_STATUSES = ("True", "False", "Unknown")


def validate_rules(placement: Placement, path: str) -> Iterator[Problem]:
    """Yield what is wrong with the rules of a placement beyond names, selectors, tolerations and replicas."""
    yield from _selecting(placement, path)
    yield from _groups(placement, path)
    if placement.kubernetes is not None:
        yield from _versions(placement.kubernetes, f"{path}.kubernetes")
    yield from _conditions(placement.conditions, f"{path}.conditions")
    for index, name in enumerate(placement.jurisdictions or ()):
        if not name:
            yield Problem(path=f"{path}.jurisdictions[{index}]", message="is empty; name a law, such as EU")
    yield from repeated(placement.jurisdictions or (), f"{path}.jurisdictions", "jurisdiction")
    for index, anchor in enumerate(placement.data):
        yield from _anchor(anchor, f"{path}.data[{index}]")
    yield from repeated([anchor.dataset for anchor in placement.data], f"{path}.data", "dataset")
    for index, key in enumerate(placement.follows):
        yield from _unit_key(key, f"{path}.follows[{index}]")
    yield from repeated(placement.follows, f"{path}.follows", "unit")
    for index, affinity in enumerate(placement.affinities):
        yield from _affinity(affinity, f"{path}.affinities[{index}]")
    for index, constraint in enumerate(placement.spread):
        yield from _spread(constraint, f"{path}.spread[{index}]")
    for index, preference in enumerate(placement.preferences):
        yield from _preference(preference, f"{path}.preferences[{index}]")
    yield from _stability(placement.stability, f"{path}.stability")


def _selecting(placement: Placement, path: str) -> Iterator[Problem]:
    if placement.clusters is not None or placement.cluster_selector is not None or placement.follows:
        return
    for name, given in (("fields", placement.fields), ("groups", placement.groups)):
        if given:
            message = "chooses among the clusters that are selected, and none are; `clusterSelector: {}` selects all"
            yield Problem(path=f"{path}.{name}", message=message)


def _groups(placement: Placement, path: str) -> Iterator[Problem]:
    policy = placement.replicas
    overflows = policy is not None and policy.mode == Mode.DIVIDED and counts_capacity(policy)
    for index, group in enumerate(placement.groups):
        at = f"{path}.groups[{index}]"
        if not group.name:
            yield Problem(path=f"{at}.name", message="is empty; decisions name the group in use by it")
        yield from validate_matcher(group.clusters, f"{at}.clusters")
        for tier, matcher in enumerate(group.overflow):
            yield from validate_matcher(matcher, f"{at}.overflow[{tier}]")
        if group.overflow and not overflows:
            message = (
                "takes what has no room in the group, so replicas must be divided by room: set replicas.mode: Divided "
                "with strategy Capacity, Aggregated or Overflow, or withinCapacity: true"
            )
            yield Problem(path=f"{at}.overflow", message=message)
    yield from repeated([group.name for group in placement.groups], f"{path}.groups", "group name")
    yield from _group_return(placement, f"{path}.groupReturn")


def _group_return(placement: Placement, path: str) -> Iterator[Problem]:
    policy = placement.group_return
    yield from word(policy.mode, GroupReturn, f"{path}.mode")
    yield from number(policy.stable_seconds, f"{path}.stableSeconds")
    if policy.mode != GroupReturn.AFTER and policy.stable_seconds != GroupReturnPolicy().stable_seconds:
        message = f"has no effect with mode {policy.mode}; set mode: After or leave it out"
        yield Problem(path=f"{path}.stableSeconds", message=message)
    if policy != GroupReturnPolicy() and not placement.groups:
        yield Problem(path=path, message="has no effect without groups; give them or leave it out")


def _versions(wanted: VersionRange, path: str) -> Iterator[Problem]:
    ends = {"atLeast": wanted.at_least, "below": wanted.below}
    for name, text in ends.items():
        if text and asked_version(text) is None:
            message = f"{text!r} is not a version; write major and minor alone, such as 1.30"
            yield Problem(path=f"{path}.{name}", message=message)
    if not wanted.at_least and not wanted.below:
        yield Problem(path=path, message="limits nothing; give atLeast, below or both, or leave it out")
    least, below = asked_version(wanted.at_least), asked_version(wanted.below)
    if least is not None and below is not None and least >= below:
        yield Problem(path=f"{path}.below", message=f"is {wanted.below}, must be more than atLeast, {wanted.at_least}")


def _conditions(conditions: tuple[ConditionRequirement, ...], path: str) -> Iterator[Problem]:
    for index, wanted in enumerate(conditions):
        if not wanted.type:
            yield Problem(path=f"{path}[{index}].type", message="is empty; name a condition, such as Ready")
        if wanted.status not in _STATUSES:
            message = f"{wanted.status!r} is not one of {', '.join(_STATUSES)}"
            yield Problem(path=f"{path}[{index}].status", message=message)
    yield from repeated([wanted.type for wanted in conditions], path, "condition")


def _anchor(anchor: DataAnchor, path: str) -> Iterator[Problem]:
    if not anchor.dataset:
        yield Problem(path=f"{path}.dataset", message="is empty; name a dataset")
    yield from word(anchor.access, DataAccess, f"{path}.access")
    yield from number(anchor.max_lag_seconds, f"{path}.maxLagSeconds")
    if anchor.max_lag_seconds is not None and anchor.access == DataAccess.WRITE:
        message = "has no effect with access Write, which only the primary serves; leave it out"
        yield Problem(path=f"{path}.maxLagSeconds", message=message)


def _unit_key(key: str, path: str) -> Iterator[Problem]:
    namespace, slash, name = key.partition("/")
    if not (namespace and slash and name) or "/" in name:
        yield Problem(path=path, message=f"{key!r} is not a unit; write namespace and name, such as shop/web")


def _affinity(affinity: UnitAffinity, path: str) -> Iterator[Problem]:
    yield from word(affinity.mode, AffinityMode, f"{path}.mode")
    yield from _unit_matcher(affinity.units, f"{path}.units")
    yield from _topology(affinity.by, affinity.label_key, path)
    yield from number(affinity.weight, f"{path}.weight", 1, MAX_WEIGHT)


def _unit_matcher(matcher: UnitMatcher, path: str) -> Iterator[Problem]:
    if matcher.names is None and matcher.selector is None:
        yield Problem(path=path, message="says nothing; give names, a selector or both (`selector: {}` means all)")
    for index, key in enumerate(matcher.names or ()):
        yield from _unit_key(key, f"{path}.names[{index}]")
    yield from repeated(matcher.names or (), f"{path}.names", "unit")
    if matcher.selector is not None:
        yield from validate_selector(matcher.selector, f"{path}.selector")


def _topology(by: str, key: str, path: str) -> Iterator[Problem]:
    yield from word(by, Topology, f"{path}.by")
    if by == Topology.LABEL:
        if key:
            yield from label_key(key, f"{path}.labelKey")
        else:
            yield Problem(path=f"{path}.labelKey", message="must be given with by: label")
    elif key:
        yield Problem(path=f"{path}.labelKey", message=f"has no effect with by: {by}; set by: label or leave it out")


def _spread(constraint: SpreadConstraint, path: str) -> Iterator[Problem]:
    yield from _topology(constraint.by, constraint.label_key, path)
    yield from number(constraint.min_groups, f"{path}.minGroups", 1)
    yield from number(constraint.max_groups, f"{path}.maxGroups", 1)
    if constraint.max_groups is not None and 1 <= constraint.max_groups < constraint.min_groups:
        message = f"is {constraint.min_groups}, more than maxGroups, which is {constraint.max_groups}"
        yield Problem(path=f"{path}.minGroups", message=message)


def _preference(preference: ClusterPreference, path: str) -> Iterator[Problem]:
    yield from number(preference.weight, f"{path}.weight", 1, MAX_WEIGHT)
    parts = {
        "clusters": preference.clusters is not None,
        "nearRegions": bool(preference.near_regions),
        "cheap": preference.cheap,
        "score": bool(preference.score),
    }
    given = [name for name, is_given in parts.items() if is_given]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "has none of its parts"
        yield Problem(path=path, message=f"{found}; give exactly one of {', '.join(parts)}")
    if preference.clusters is not None:
        yield from validate_matcher(preference.clusters, f"{path}.clusters")
    for index, region in enumerate(preference.near_regions):
        if not region:
            yield Problem(path=f"{path}.nearRegions[{index}]", message="is empty; name a region")
    yield from repeated(preference.near_regions, f"{path}.nearRegions", "region")


def _stability(stability: Stability, path: str) -> Iterator[Problem]:
    yield from number(stability.stickiness, f"{path}.stickiness", 0, MAX_STICKINESS)
    for index, trigger in enumerate(stability.replace_on):
        yield from word(trigger, Trigger, f"{path}.replaceOn[{index}]")
    yield from repeated(stability.replace_on, f"{path}.replaceOn", "trigger")
    yield from number(stability.cooldown_seconds, f"{path}.cooldownSeconds")
