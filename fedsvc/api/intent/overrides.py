"""The overrides that a unit gets, its policies' and its own, each with the place where it is written."""

from collections.abc import Mapping, Sequence

from fedsvc.api.intent.trial import NamedOverride
from fedsvc.api.problems import Problems
from fedsvc.model.policy import OverridePolicy
from fedsvc.model.unit import UnitSpec
from fedsvc_placement import ClusterSnapshot, Mode, Placement


def named_overrides(
    spec: UnitSpec, policies: Mapping[str, OverridePolicy], path: str, problems: Problems
) -> list[NamedOverride]:
    """All overrides of a unit in the order they are carried out.

    Args:
        spec: of the unit.
        policies: those that it names, as far as they exist.
        path: of the spec.
        problems: told of policies that do not exist.
    """
    named: list[NamedOverride] = []
    for index, name in enumerate(spec.override_policies):
        place = policy_path(path, index)
        policy = policies.get(name)
        if policy is None:
            problems.add(place, no_policy("overridePolicies", name))
            continue
        named.extend(
            NamedOverride(path=f"{place}.overrides[{position}]", override=override)
            for position, override in enumerate(policy.spec)
        )
    named.extend(
        NamedOverride(path=f"{path}.overrides[{index}]", override=override)
        for index, override in enumerate(spec.overrides)
    )
    return named


def policy_path(path: str, index: int) -> str:
    """Where a spec at `path` names its override policy number `index`."""
    return f"{path}.override_policies[{index}]"


def no_policy(collection: str, name: str) -> str:
    """What to say of a policy that is not there."""
    return f"there is no {collection}/{name}: apply it first, or mend the name"


def sets_replicas(placement: Placement) -> bool:
    """Whether placement writes replicas into templates, so that the field is there when overrides come."""
    policy = placement.replicas
    return policy is not None and (policy.mode == Mode.DIVIDED or policy.total is not None)


def unknown_clusters(overrides: Sequence[NamedOverride], fleet: Sequence[ClusterSnapshot]) -> list[str]:
    """Warnings of overrides that name clusters which are not registered."""
    known = {cluster.name for cluster in fleet}
    warnings = []
    for named in overrides:
        unknown = sorted(set(named.override.clusters.names or ()) - known)
        if unknown:
            warnings.append(f"{named.path}.clusters names clusters that are not registered: {', '.join(unknown)}")
    return warnings
