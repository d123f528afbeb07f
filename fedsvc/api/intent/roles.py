"""Whether what a unit says of its primary and replicas makes sense."""

from collections.abc import Iterator, Sequence
from typing import Final

from fedsvc.api.intent.manifests import Template
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.problems import Problems
from fedsvc.model.roles import Evidence, RolePolicy
from fedsvc.model.unit import DeletionMode, UnitSpec
from fedsvc.rendering.fieldpaths import parse_field_path
from fedsvc.rendering.names import dns_label_problem

_JOB: Final = ("batch", "Job")


def check_roles(spec: UnitSpec, templates: Sequence[Template], path: str, problems: Problems) -> Iterator[str]:
    """Note what is wrong; gives warnings of what is only odd.

    Args:
        spec: of the unit.
        templates: its resources, those that could be read.
        path: of the spec in the request.
        problems: where what is wrong goes.
    """
    policy = spec.failover.roles
    if policy is None:
        for index, override in enumerate(spec.overrides):
            if override.role is not None:
                message = f"is {override.role}, and the unit has no roles: give it failover.roles"
                problems.add(f"{path}.overrides[{index}].role", message)
        return
    here = f"{path}.failover.roles"
    _check_clusters(policy, f"{here}.prefer", problems)
    named = [
        (f"{here}.demote", policy.demote, True),
        (f"{here}.promote", policy.promote, True),
        (f"{here}.on_loss.fence", policy.on_loss.fence, True),
        (f"{here}.proof", policy.proof, False),
        (f"{here}.on_loss.proof", policy.on_loss.proof, False),
    ]
    seen: dict[str, str] = {}
    for place, wanted, is_hook in named:
        if wanted is not None:
            _check_evidence(wanted, templates, place, problems, is_hook=is_hook)
            other = seen.setdefault(str(wanted), place) if is_hook else seen.get(str(wanted), place)
            if other != place:
                problems.add(place, f"is the same resource as {other}: what runs in a step is there in that step alone")
    if policy.hooks and spec.propagation.deletion is DeletionMode.ORPHAN:
        message = "is orphan, and what runs in a step of a switchover has to be deleted after it: write delete"
        problems.add(f"{path}.propagation.deletion", message)
    if not spec.override_policies and all(override.role is None for override in spec.overrides):
        yield f"{here}: no override has a role, so primary and replicas are the same"


def _check_clusters(policy: RolePolicy, path: str, problems: Problems) -> None:
    if len(policy.prefer) > MAX_LISTED:
        problems.add(path, f"has {len(policy.prefer)} entries; at most {MAX_LISTED} are accepted")
        return
    for index, name in enumerate(policy.prefer):
        if (problem := dns_label_problem(name)) is not None:
            problems.add(f"{path}[{index}]", problem)
        elif name in policy.prefer[:index]:
            problems.add(f"{path}[{index}]", f"'{name}' stands here twice")


def _check_evidence(
    wanted: Evidence, templates: Sequence[Template], path: str, problems: Problems, *, is_hook: bool
) -> None:
    for field, value in (("kind", wanted.kind), ("name", wanted.name)):
        if not value:
            problems.add(f"{path}.{field}", "is missing: name a resource of the unit")
            return
    found = [template.key for template in templates if wanted.means(template.key)]
    if templates and len(found) != 1:
        there = ", ".join(f"{one.key.kind} {one.key.name}" for one in templates[:10])
        what = "is in the unit more than once: give its namespace" if found else f"is not in the unit; it has {there}"
        problems.add(path, f"{wanted} {what}")
    if wanted.path:
        _check_path(wanted, f"{path}.path", problems)
    elif not is_hook:
        problems.add(f"{path}.path", "is missing: name the field of its status, for example status.demotionToken")
    elif found and found[0].group_kind != _JOB:
        message = f"is missing: only of a Job it is known when it is over, not of a {wanted.kind}"
        problems.add(f"{path}.path", message)


def _check_path(wanted: Evidence, path: str, problems: Problems) -> None:
    try:
        parsed = parse_field_path(wanted.path)
    except ValueError as error:
        problems.add(path, str(error))
        return
    if len(parsed) < 2 or parsed[0].field != "status":
        problems.add(path, f"is {wanted.path}; it must be a field of the status, for example status.demotionToken")
