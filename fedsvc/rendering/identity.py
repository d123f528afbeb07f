"""Whether a manifest is an object that Kubernetes would take, as far as its identity and metadata tell."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fedsvc.rendering import names
from fedsvc.rendering.canonical import json_type
from fedsvc.rendering.errors import ManifestError, Problem
from fedsvc.rendering.keys import ObjectKey, key_of, split_api_version
from fedsvc.rendering.kinds import Scope, is_known, known_kind, near_kind, scope_of
from fedsvc.rendering.paths import child_path
from fedsvc.rendering.waves import wave_problems

__all__ = ["ObjectKey", "key_of", "object_key", "split_api_version", "validate_manifest"]

_MAX_ANNOTATIONS_BYTES: Final = 256 * 1024  # the API server's own limit on keys and values together

# Kubernetes' own, which hold no custom resources; members may still know what we do not.
_OWN_GROUPS: Final = ("", "apps", "batch", "policy", "autoscaling")


def object_key(manifest: Mapping[str, Any]) -> ObjectKey:
    """The identity of a manifest that a user sent, checked.

    Raises:
        ManifestError: the first problem that `validate_manifest` finds, warnings aside.
    """
    for problem in validate_manifest(manifest):
        if not problem.warning:
            raise ManifestError(path=problem.path, message=problem.message)
    return key_of(manifest)


def validate_manifest(manifest: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with identity, labels and annotations of a manifest; empty when there is nothing.

    What lies in ``spec`` is judged by the members' API servers, which know the schema.
    """
    problems: list[Problem] = []
    group, version = _check_api_version(manifest, problems)
    kind = _check_kind(manifest, problems)
    if group is not None and kind is not None:
        _check_known(group, version, kind, manifest, problems)
    metadata = manifest.get("metadata")
    if metadata is None:
        problems.append(Problem(path="metadata", message="is missing; an object needs at least metadata.name"))
    elif not isinstance(metadata, dict):
        problems.append(Problem(path="metadata", message=f"must be an object, not {json_type(metadata)}"))
    else:
        _check_name(metadata, group, kind, problems)
        _check_namespace(metadata, group, kind, problems)
        _check_strings(metadata, "labels", names.label_key_problem, names.label_value_problem, problems)
        _check_strings(metadata, "annotations", names.annotation_key_problem, None, problems)
        _check_annotations_size(metadata.get("annotations"), problems)
        problems.extend(wave_problems(manifest))
    return problems


def check_string_map(
    value: Mapping[Any, Any],
    path: str,
    key_problem: Callable[[str], str | None],
    value_problem: Callable[[str], str | None] | None,
) -> list[Problem]:
    """What is wrong with the keys and values of a label or annotation map."""
    problems: list[Problem] = []
    for key, text in value.items():
        if not isinstance(key, str):
            problems.append(Problem(path=path, message=f"the key {key!r} is {json_type(key)}; quote it"))
            continue
        place = child_path(path, key)
        if (problem := key_problem(key)) is not None:
            problems.append(Problem(path=place, message=f"not a valid key: {problem}"))
        if not isinstance(text, str):
            problems.append(Problem(path=place, message=_quote_advice(text)))
        elif value_problem is not None and (problem := value_problem(text)) is not None:
            problems.append(Problem(path=place, message=problem))
    return problems


def _check_api_version(manifest: Mapping[str, Any], problems: list[Problem]) -> tuple[str | None, str]:
    api_version = manifest.get("apiVersion")
    if not isinstance(api_version, str) or not api_version:
        wrong = "is missing" if api_version in (None, "") else f"must be a string, not {json_type(api_version)}"
        problems.append(Problem(path="apiVersion", message=f"{wrong}; write for example 'v1' or 'apps/v1'"))
        return None, ""
    group, version = split_api_version(api_version)
    problem = names.dns_1035_problem(version)
    if problem is None and "/" in api_version:
        problem = names.subdomain_problem(group)
    if problem is not None:
        message = f"'{api_version}' must be 'version' or 'group/version': {problem}"
        problems.append(Problem(path="apiVersion", message=message))
        return None, ""
    return group, version


def _check_kind(manifest: Mapping[str, Any], problems: list[Problem]) -> str | None:
    kind = manifest.get("kind")
    if not isinstance(kind, str) or not kind:
        wrong = "is missing" if kind in (None, "") else f"must be a string, not {json_type(kind)}"
        problems.append(Problem(path="kind", message=f"{wrong}; write for example 'Deployment'"))
        return None
    if names.dns_1035_problem(kind.lower()) is not None:
        message = f"'{kind}' is not a kind: letters, digits and '-', such as 'Deployment'"
        problems.append(Problem(path="kind", message=message))
        return None
    return kind


def _check_known(group: str, version: str, kind: str, manifest: Mapping[str, Any], problems: list[Problem]) -> None:
    if kind.endswith("List") and isinstance(manifest.get("items"), list):
        message = f"a {kind} is not an object of its own; send each of its items (fedctl does so)"
        problems.append(Problem(path="kind", message=message))
        return
    if is_known(group, kind):
        return
    if (known := known_kind(kind)) is None:
        near = near_kind(group, kind) if group in _OWN_GROUPS else None
        if near is not None:
            problems.append(Problem(path="kind", message=f"{kind}: did you mean {near}?", warning=True))
        return
    known_group, known_name = known
    if known_group == group:
        problems.append(Problem(path="kind", message=f"'{kind}' is written '{known_name}'"))
    elif group in _OWN_GROUPS:
        wanted = f"{known_group}/v1" if known_group else "v1"
        here = f"{group}/{version}" if group else version
        message = f"{here} has no {kind}; did you mean apiVersion {wanted}, kind {known_name}?"
        problems.append(Problem(path="apiVersion", message=message, warning=True))


def _check_name(metadata: Mapping[str, Any], group: str | None, kind: str | None, problems: list[Problem]) -> None:
    name = metadata.get("name")
    if metadata.get("generateName"):
        message = "is not supported: an object kept in many clusters needs one name; set metadata.name"
        problems.append(Problem(path="metadata.generateName", message=message))
        if name is None:
            return
    if name is None or name == "":
        problems.append(Problem(path="metadata.name", message="is missing"))
    elif not isinstance(name, str):
        problems.append(Problem(path="metadata.name", message=_quote_advice(name)))
    elif (problem := names.object_name_problem(group or "", kind or "", name)) is not None:
        problems.append(Problem(path="metadata.name", message=problem))


def _check_namespace(metadata: Mapping[str, Any], group: str | None, kind: str | None, problems: list[Problem]) -> None:
    namespace = metadata.get("namespace")
    if namespace is None or namespace == "":
        return
    path = "metadata.namespace"
    if not isinstance(namespace, str):
        problems.append(Problem(path=path, message=_quote_advice(namespace)))
    elif group is not None and kind is not None and scope_of(group, kind) is Scope.CLUSTER:
        message = f"has no effect: {kind} is cluster-scoped"
        problems.append(Problem(path=path, message=message, warning=True))
    elif (problem := names.dns_label_problem(namespace)) is not None:
        problems.append(Problem(path=path, message=problem))


def _check_strings(
    metadata: Mapping[str, Any],
    field: str,
    key_problem: Callable[[str], str | None],
    value_problem: Callable[[str], str | None] | None,
    problems: list[Problem],
) -> None:
    value = metadata.get(field)
    path = f"metadata.{field}"
    if isinstance(value, dict):
        problems.extend(check_string_map(value, path, key_problem, value_problem))
    elif value is not None:
        problems.append(Problem(path=path, message=f"must be an object of strings, not {json_type(value)}"))


def _check_annotations_size(annotations: Any, problems: list[Problem]) -> None:
    if not isinstance(annotations, dict):
        return
    size = sum(len(str(key).encode()) + len(str(text).encode()) for key, text in annotations.items())
    if size > _MAX_ANNOTATIONS_BYTES:
        message = f"have {size} bytes together; Kubernetes accepts at most {_MAX_ANNOTATIONS_BYTES}"
        problems.append(Problem(path="metadata.annotations", message=message))


def _quote_advice(value: Any) -> str:
    if isinstance(value, (bool, int, float)):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        hint = " (in YAML yes, no, on, off, y and n are booleans too)" if isinstance(value, bool) else ""
        return f'must be a string, not {json_type(value)}: quote it, as in "{text}"{hint}'
    if value is None:
        return 'must be a string, not null: write "" for an empty one'
    return f"must be a string, not {json_type(value)}"
