"""Whether an override makes sense, told when it is written and not when it fails in a cluster."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fedsvc.rendering import names
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.errors import ManifestError, Problem
from fedsvc.rendering.identity import check_string_map
from fedsvc.rendering.images import ImageOverride, image_names, split_image
from fedsvc.rendering.keys import key_of
from fedsvc.rendering.marks import MARK_DOMAIN
from fedsvc.rendering.overrides import Override, labels_of, resource_matches
from fedsvc.rendering.patch import ABSENT, PatchOp, PatchOperation
from fedsvc.rendering.paths import make_pointer, parse_pointer
from fedsvc.rendering.roles import VARIABLES, variables_in
from fedsvc.rendering.server_fields import SERVER_METADATA
from fedsvc_placement.validate import Problem as PlacementProblem
from fedsvc_placement.validate import validate_matcher, validate_selector

_IDENTITY: Final = (("kind",), ("apiVersion",), *(("metadata", name) for name in ("name", "namespace", "generateName")))
_MARKED: Final = f"keys below {MARK_DOMAIN}/ are set by fedsvc itself"
_SERVER: Final = (("status",), *(("metadata", name) for name in SERVER_METADATA))

_IMAGE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-:/\[\]]*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([+._-][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}")


def validate_override(
    override: Override, *, path: str = "", resources: Sequence[Mapping[str, Any]] | None = None
) -> list[Problem]:
    """Everything that is wrong with an override; empty when there is nothing.

    Args:
        override: as the user wrote it.
        path: where it stands in the user's document, such as ``spec.overrides[2]``.
        resources: the valid manifests of the unit, to warn of what matches none of them; None for a policy, which is
            not bound to a unit.
    """
    prefix = f"{path}." if path else ""
    problems: list[Problem] = []
    if not (override.images or override.labels or override.annotations or override.patch):
        message = "does nothing: give at least one of images, labels, annotations, patch"
        problems.append(Problem(path=path, message=message))
    if override.clusters.names is not None and not override.clusters.names:
        message = "is empty and matches no cluster; leave it out to match all"
        problems.append(Problem(path=f"{prefix}clusters.names", message=message, warning=True))
    problems += [_as_ours(problem) for problem in validate_matcher(override.clusters, f"{prefix}clusters")]
    if override.target.selector is not None:
        found = validate_selector(override.target.selector, f"{prefix}target.selector")
        problems += [_as_ours(problem) for problem in found]
    for index, image in enumerate(override.images):
        problems += _check_image(image, f"{prefix}images[{index}]")
    problems += check_string_map(
        override.labels, f"{prefix}labels", _unmarked(names.label_key_problem), names.label_value_problem
    )
    problems += check_string_map(
        override.annotations, f"{prefix}annotations", _unmarked(names.annotation_key_problem), None
    )
    for index, operation in enumerate(override.patch):
        problems += _check_operation(operation, f"{prefix}patch[{index}]")
    problems += _check_variables(override, prefix)
    if resources is not None and not any(not problem.warning for problem in problems):
        problems += _check_matches(override, prefix, resources)
    return problems


def _unmarked(check: Callable[[str], str | None]) -> Callable[[str], str | None]:
    return lambda key: _MARKED if key.startswith(f"{MARK_DOMAIN}/") else check(key)


def _as_ours(problem: PlacementProblem) -> Problem:
    return Problem(path=problem.path, message=problem.message)


def _check_image(image: ImageOverride, path: str) -> list[Problem]:
    problems: list[Problem] = []
    if not image.name:
        problems.append(Problem(path=f"{path}.name", message="is missing: the image name to look for, without tag"))
    elif split_image(image.name)[1:] != ("", ""):
        message = f"is matched without tag and digest: write '{split_image(image.name)[0]}'"
        problems.append(Problem(path=f"{path}.name", message=message))
    if not (image.new_name or image.new_tag or image.digest):
        problems.append(Problem(path=path, message="changes nothing: give at least one of newName, newTag, digest"))
    if image.new_name and split_image(image.new_name)[1:] != ("", ""):
        message = "is a name without tag and digest; these go to newTag and digest"
        problems.append(Problem(path=f"{path}.newName", message=message))
    elif image.new_name and _IMAGE_NAME.fullmatch(image.new_name) is None:
        problems.append(Problem(path=f"{path}.newName", message=f"'{image.new_name}' is not an image name"))
    if image.new_tag and _TAG.fullmatch(image.new_tag) is None:
        message = f"'{image.new_tag}' is not a tag: letters, digits, '_', '.' and '-', at most 128"
        problems.append(Problem(path=f"{path}.newTag", message=message))
    if image.digest and _DIGEST.fullmatch(image.digest) is None:
        message = f"'{image.digest}' is not a digest such as sha256:<64 hexadecimal digits>"
        problems.append(Problem(path=f"{path}.digest", message=message))
    return problems


def _check_operation(operation: PatchOperation, path: str) -> list[Problem]:
    problems: list[Problem] = []
    if operation.op in ("move", "copy"):
        message = f"'{operation.op}' is not supported: write it as add and remove with the value in view"
        problems.append(Problem(path=f"{path}.op", message=message))
    elif operation.op not in tuple(PatchOp):
        message = f"'{operation.op}' is not one of {', '.join(PatchOp)}"
        problems.append(Problem(path=f"{path}.op", message=message))
    elif operation.op == PatchOp.REMOVE:
        if operation.value is not ABSENT:
            problems.append(Problem(path=f"{path}.value", message="remove takes no value"))
    elif operation.value is ABSENT:
        problems.append(Problem(path=f"{path}.value", message=f"is missing: {operation.op} needs one (null is one)"))
    if operation.value is not ABSENT:
        try:
            canonical_json(operation.value)
        except ManifestError as error:
            problems.append(Problem(path=f"{path}.value", message=str(error)))
    if (wrong := _pointer_problem(operation)) is not None:
        problems.append(Problem(path=f"{path}.path", message=wrong))
    return problems


def _check_variables(override: Override, prefix: str) -> list[Problem]:
    values: list[tuple[str, Any]] = [
        *((f"{prefix}labels[{key}]", value) for key, value in override.labels.items()),
        *((f"{prefix}annotations[{key}]", value) for key, value in override.annotations.items()),
        *((f"{prefix}patch[{index}].value", one.value) for index, one in enumerate(override.patch)),
    ]
    problems = []
    for path, value in values:
        for name in dict.fromkeys(variables_in(value)):
            if name not in VARIABLES:
                known = ", ".join(f"$(fedsvc.{each})" for each in VARIABLES)
                problems.append(Problem(path=path, message=f"has $(fedsvc.{name}), which there is not; known: {known}"))
            elif override.role is None:
                message = f"has $(fedsvc.{name}), which is known only where the override has a role"
                problems.append(Problem(path=path, message=message))
    return problems


def _pointer_problem(operation: PatchOperation) -> str | None:
    try:
        segments = parse_pointer(operation.path)
    except ValueError as error:
        return str(error)
    # A test reads only: it may look at anything.
    return None if operation.op == PatchOp.TEST else _forbidden(segments)


def _forbidden(segments: tuple[str, ...]) -> str | None:
    for fixed in _IDENTITY:
        if segments[: len(fixed)] == fixed:
            return f"{make_pointer(fixed)} is the object's identity and cannot be overridden"
        if fixed[: len(segments)] == segments:
            place = make_pointer(segments) or "the whole object"
            return f"{place} holds the object's identity; change the fields below it one by one"
    for owned in _SERVER:
        if segments[: len(owned)] == owned:
            return f"{make_pointer(owned)} is set by the cluster itself and cannot be overridden"
    in_map = segments[:2] in (("metadata", "labels"), ("metadata", "annotations"))
    if in_map and any(segment.startswith(f"{MARK_DOMAIN}/") for segment in segments[2:3]):
        return _MARKED
    return None


def _check_matches(override: Override, prefix: str, resources: Sequence[Mapping[str, Any]]) -> list[Problem]:
    chosen = [
        manifest for manifest in resources if resource_matches(override.target, key_of(manifest), labels_of(manifest))
    ]
    if not chosen:
        message = "matches no resource of the unit, so this override does nothing"
        return [Problem(path=f"{prefix}target", message=message, warning=True)]
    problems: list[Problem] = []
    present = {name for manifest in chosen for name in image_names(dict(manifest))} if override.images else set()
    for index, image in enumerate(override.images):
        # An earlier entry may have given the image the name that this one looks for.
        renamed = {earlier.new_name for earlier in override.images[:index]}
        if image.name not in present | renamed:
            found = f"; they use {', '.join(sorted(present))}" if present else ""
            message = f"no container of the matched resources uses the image '{image.name}'{found}"
            problems.append(Problem(path=f"{prefix}images[{index}].name", message=message, warning=True))
    return problems
