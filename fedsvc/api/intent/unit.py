"""The intent a unit brings, checked as far as the request alone tells; then against the fleet and the policies."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fedsvc.api.convert.unit import read_unit_spec
from fedsvc.api.intent.dependencies import check_dependencies
from fedsvc.api.intent.manifests import Scopes, Templates, check_sizes, read_templates
from fedsvc.api.intent.metadata import check_annotations, check_labels
from fedsvc.api.intent.overrides import named_overrides, no_policy, sets_replicas, unknown_clusters
from fedsvc.api.intent.placement import check_placement, decision_warnings
from fedsvc.api.intent.propagation import check_propagation, ignored_replicas
from fedsvc.api.intent.removal import check_budget
from fedsvc.api.intent.roles import check_roles
from fedsvc.api.intent.trial import try_overrides
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.names import UnitName, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.model.policy import OverridePolicy, PlacementPolicy
from fedsvc.model.service_import import IMPORT_LABEL
from fedsvc.model.unit import UnitSpec
from fedsvc.rendering.names import dns_label_problem
from fedsvc.rendering.override_checks import validate_override
from fedsvc.rendering.workloads import looks_into, needed_kinds, workloads_of
from fedsvc.v1 import unit_pb2
from fedsvc_placement import (
    Fleet,
    Memory,
    Placement,
    PreviousBinding,
    Trigger,
    UnitInput,
    decide,
)

_THREAD_BYTES: Final = 256 * 1024  # above this, parsing would hold up the other calls of this process for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitIntent:
    """The checked intent of a unit."""

    name: UnitName
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: UnitSpec
    templates: Templates
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a unit is placed among, as it is now."""

    fleet: Fleet
    previous: Sequence[PreviousBinding]
    memory: Memory
    placement_policies: Mapping[str, PlacementPolicy]
    override_policies: Mapping[str, OverridePolicy]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would become of a unit now."""

    clusters: tuple[str, ...]  # sorted
    warnings: tuple[str, ...]


async def read_unit(message: unit_pb2.Unit, served: Scopes) -> UnitIntent:
    """The intent in a request, checked by itself.

    Args:
        message: the unit of the request.
        served: scopes of the custom kinds that members serve.

    Raises:
        InvalidInputError: with all that is wrong with it.
        LimitExceededError: it is too large.
    """
    problems = Problems()
    size = check_sizes(message.spec.resources)
    name = _read_name(message.name, problems)
    check_labels(message.labels, "unit.labels", problems)
    if IMPORT_LABEL in message.labels:
        problems.add(f"unit.labels[{IMPORT_LABEL}]", "is written by fedsvc alone, on the units that it makes itself")
    check_annotations(message.annotations, "unit.annotations", problems)
    spec = read_unit_spec(message.spec, "unit.spec", problems)
    check_budget(message.spec.removals, "unit.spec.removals", problems, of_unit=True)
    _check_placement(spec, problems)
    _check_policy_names(spec, problems)
    check_dependencies(spec, name, "unit.spec.depends_on", problems)
    data = [manifest.json for manifest in message.spec.resources]

    def read() -> Templates:
        return read_templates(data, namespace=name.namespace, served=served, problems=problems)

    templates = await asyncio.to_thread(read) if size > _THREAD_BYTES else read()
    warnings = [*templates.warnings, *_check_overrides(spec, templates, problems)]
    warnings += check_propagation(spec.propagation, name, templates.templates, "unit.spec.propagation", problems)
    warnings += check_roles(spec, templates.templates, "unit.spec", problems)
    problems.refuse()
    return UnitIntent(
        name=name,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        spec=spec,
        templates=templates,
        warnings=tuple(warnings),
    )


def preview(intent: UnitIntent, around: Surroundings) -> Preview:
    """Check the intent against policies and fleet, and say where the unit would run now.

    Raises:
        InvalidInputError: a policy is not there, or an override fits no cluster.
    """
    problems = Problems()
    spec = intent.spec
    placement = spec.placement or Placement()
    if spec.placement_policy:
        policy = around.placement_policies.get(spec.placement_policy)
        if policy is None:
            problems.add("unit.spec.placement_policy", no_policy("placementPolicies", spec.placement_policy))
        else:
            placement = policy.spec
    roles = spec.failover.roles
    if roles is not None and roles.dataset and all(one.name != roles.dataset for one in around.fleet.datasets):
        known = ", ".join(one.name for one in around.fleet.datasets) or "none"
        message = f"is {roles.dataset}, which the fleet settings do not have; they have: {known}"
        problems.add("unit.spec.failover.roles.dataset", message)
    overrides = named_overrides(spec, around.override_policies, "unit.spec", problems)
    problems.refuse()
    decision = decide(
        _unit_input(intent, placement),
        around.fleet,
        around.previous,
        around.now,
        memory=around.memory,
        trigger=Trigger.INTENT,
    )
    divided = sets_replicas(placement)
    odd = try_overrides(
        overrides, intent.templates.templates, around.fleet.clusters, divided=divided, problems=problems
    )
    problems.refuse()
    warnings = [
        *intent.warnings,
        *(ignored_replicas(spec.propagation, "unit.spec.propagation") if divided else ()),
        *decision_warnings(decision),
        *unknown_clusters(overrides, around.fleet.clusters),
        *odd,
    ]
    return Preview(
        clusters=tuple(target.cluster for target in decision.targets), warnings=tuple(dict.fromkeys(warnings))
    )


def _read_name(text: str, problems: Problems) -> UnitName:
    try:
        return parse_unit(text, "unit.name")
    except InvalidInputError as error:
        problems.extend(error.problems)
        return UnitName(namespace="default", name="unit")  # never seen: the problem refuses the request


def _check_placement(spec: UnitSpec, problems: Problems) -> None:
    if spec.placement is not None and spec.placement_policy:
        problems.add("unit.spec.placement_policy", "contradicts placement: give one of the two")
    if spec.placement is not None:
        check_placement(spec.placement, "unit.spec.placement", problems)


def _check_policy_names(spec: UnitSpec, problems: Problems) -> None:
    if spec.placement_policy and (problem := dns_label_problem(spec.placement_policy)) is not None:
        problems.add("unit.spec.placement_policy", problem)
    if len(spec.override_policies) > MAX_LISTED:
        problems.add("unit.spec.override_policies", f"has more than {MAX_LISTED} entries")
        return
    seen: set[str] = set()
    for index, name in enumerate(spec.override_policies):
        path = f"unit.spec.override_policies[{index}]"
        if (problem := dns_label_problem(name)) is not None:
            problems.add(path, problem)
        elif name in seen:
            problems.add(path, f"'{name}' stands here twice: an override policy is applied once")
        seen.add(name)


def _check_overrides(spec: UnitSpec, templates: Templates, problems: Problems) -> Iterable[str]:
    manifests = [template.manifest for template in templates.templates]
    # Whether an override matches anything can be told only where all resources could be read.
    resources = None if len(problems) else manifests
    warnings: list[str] = []
    for index, override in enumerate(spec.overrides):
        found = validate_override(override, path=f"unit.spec.overrides[{index}]", resources=resources)
        problems.extend(problem for problem in found if not problem.warning)
        warnings.extend(str(problem) for problem in found if problem.warning)
    return warnings


def _unit_input(intent: UnitIntent, placement: Placement) -> UnitInput:
    roles = intent.spec.failover.roles
    templates = [one for one in intent.templates.templates if roles is None or not roles.is_hook(one.key)]
    return UnitInput(
        key=f"{intent.name.namespace}/{intent.name.name}",
        placement=placement,
        labels=intent.labels,
        workloads=workloads_of((template.key, template.manifest) for template in templates)
        if looks_into(placement)
        else (),
        kinds=needed_kinds(template.key for template in templates),
    )
