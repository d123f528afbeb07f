"""A changed override policy, tried on the units that name it: what would break them is refused when it is written.

It is the trial that a unit's apply makes (`trial`), on the templates that the policy's overrides are for. That another
override of a unit fails by the change is the policy's fault too; what failed before is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.api.intent.manifests import Template
from fedsvc.api.intent.overrides import named_overrides, policy_path, sets_replicas
from fedsvc.api.intent.trial import NamedOverride, try_overrides
from fedsvc.api.problems import Problems
from fedsvc.model.policy import OverridePolicy, PlacementPolicy
from fedsvc.model.unit import Resource, Unit
from fedsvc.rendering.canonical import load_json
from fedsvc.rendering.overrides import Override, resource_matches
from fedsvc_placement import ClusterSnapshot, Placement

POLICY_PATH: Final = "override_policy.spec"

MAX_TRIED_RESOURCES: Final = 5_000
"""Of all units together, as many as one unit may have; on the rest the policy is tried when it is rendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """What a policy shall be, and was; `before` is empty where it is new."""

    policy: OverridePolicy
    before: tuple[Override, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyUser:
    """A unit that names the policy, and those of its resources that the policy's overrides are for, with bodies."""

    unit: Unit
    resources: Sequence[Resource]


def concerned(change: PolicyChange, resources: Sequence[Resource]) -> list[Resource]:
    """The resources that an override of the policy is for, or was; bodies are not looked at."""
    targets = [override.target for override in (*change.policy.spec, *change.before)]
    return [
        resource
        for resource in resources
        if any(resource_matches(target, resource.key, resource.labels) for target in targets)
    ]


def try_policy(
    change: PolicyChange,
    users: Sequence[PolicyUser],
    *,
    fleet: Sequence[ClusterSnapshot],
    placements: Mapping[str, PlacementPolicy],
    policies: Mapping[str, OverridePolicy],
    problems: Problems,
) -> list[str]:
    """Note what cannot work on a unit that names the policy; return warnings of what fails in some clusters only.

    Args:
        change: of the policy.
        users: the units to try it on.
        fleet: all clusters that are registered.
        placements: the placement policies that the units name.
        policies: the override policies that they name; the changed one is taken from `change`.
        problems: gathers what is refused, with the unit and the resource in the message.
    """
    warnings: list[str] = []
    now = {**policies, change.policy.name: change.policy}
    past = {**policies, change.policy.name: replace(change.policy, spec=change.before)}
    for user in users:
        found, odd = _try(user, now, change.policy.name, fleet, placements)
        others = any(not path.startswith(POLICY_PATH) for path, _ in found)
        before = _try(user, past, change.policy.name, fleet, placements)[0] if others else []
        known = {_place(path, message) for path, message in before}
        for path, message in found:
            if path.startswith(POLICY_PATH):
                problems.add(path, message)
            elif _place(path, message) not in known:
                problems.add(f"{POLICY_PATH}.overrides", f"breaks another override, {path}: {message}")
        warnings.extend(odd)
    return warnings


def _try(
    user: PolicyUser,
    policies: Mapping[str, OverridePolicy],
    policy: str,
    fleet: Sequence[ClusterSnapshot],
    placements: Mapping[str, PlacementPolicy],
) -> tuple[list[tuple[str, str]], list[str]]:
    """(Path, message) of what cannot work, and warnings."""
    unit, found = user.unit, Problems()
    spec = unit.spec
    named = named_overrides(spec, policies, "spec", Problems())  # a policy that is gone is no doing of this one
    here = f"{policy_path('spec', spec.override_policies.index(policy))}."
    named = [
        NamedOverride(path=f"{POLICY_PATH}.{entry.path.removeprefix(here)}", override=entry.override)
        if entry.path.startswith(here)
        else entry
        for entry in named
    ]
    placement = spec.placement or Placement()
    if spec.placement_policy in placements:
        placement = placements[spec.placement_policy].spec
    templates = [
        Template(key=resource.key, manifest=load_json(resource.body), body=resource.body)
        for resource in user.resources
        if resource.body is not None
    ]
    warnings = try_overrides(
        named, templates, fleet, divided=sets_replicas(placement), whose=f" of {unit.resource_name}", problems=found
    )
    problems = found.error().problems if len(found) else ()
    return [(problem.path, problem.message) for problem in problems], warnings


def _place(path: str, message: str) -> tuple[str, str]:
    """Override and resource of a problem; the rest of the message tells what is in the object, which may differ."""
    return path, message.partition(": ")[0]
