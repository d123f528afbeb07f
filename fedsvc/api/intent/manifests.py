"""The templates of a unit: parsed strictly, cleaned, named, in canonical form.

A unit may have 5,000 of them and 16 MiB together: this runs outside of the event loop where it is large.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fedsvc.api.convert.masking import MASK, masked_values
from fedsvc.api.intent.fields import field_problems
from fedsvc.api.limits import MAX_MANIFEST_BYTES, MAX_UNIT_BYTES, MAX_UNIT_RESOURCES
from fedsvc.api.problems import Problems
from fedsvc.errors import LimitExceededError
from fedsvc.rendering.canonical import JsonObject, canonical_json, parse_json_object
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.identity import ObjectKey, key_of, validate_manifest
from fedsvc.rendering.keys import split_api_version
from fedsvc.rendering.kinds import Scope, defined_scopes, scope_of
from fedsvc.rendering.overrides import labels_of
from fedsvc.rendering.server_fields import strip_server_fields
from fedsvc.v1 import common_pb2

PATH: Final = "unit.spec.resources"

Scopes = Mapping[tuple[str, str], Scope]
"""Scope by (group, kind)."""

_MAX_WARNINGS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One resource of a unit, checked."""

    key: ObjectKey
    manifest: JsonObject  # not to be changed
    body: bytes  # canonical JSON

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(labels_of(self.manifest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """All resources of a unit, in its order, and what is odd about them."""

    templates: tuple[Template, ...]
    warnings: tuple[str, ...]


def check_sizes(manifests: Sequence[common_pb2.Manifest]) -> int:
    """The bytes of all manifests together.

    Raises:
        LimitExceededError: too many, one too large, or too large together.
    """
    if len(manifests) > MAX_UNIT_RESOURCES:
        message = f"{PATH}: the unit has {len(manifests)} resources; at most {MAX_UNIT_RESOURCES} are accepted"
        raise LimitExceededError("max_unit_resources", MAX_UNIT_RESOURCES, message)
    total = 0
    for index, manifest in enumerate(manifests):
        size = len(manifest.json)
        total += size
        if size > MAX_MANIFEST_BYTES:
            message = f"{PATH}[{index}].json: the object has {size} bytes; at most {MAX_MANIFEST_BYTES} are accepted"
            raise LimitExceededError("max_manifest_bytes", MAX_MANIFEST_BYTES, message)
    if total > MAX_UNIT_BYTES:
        message = f"{PATH}: the resources have {total} bytes together; at most {MAX_UNIT_BYTES} are accepted"
        raise LimitExceededError("max_unit_bytes", MAX_UNIT_BYTES, message)
    return total


def read_templates(manifests: Sequence[bytes], *, namespace: str, served: Scopes, problems: Problems) -> Templates:
    """The templates of a unit.

    Args:
        manifests: one JSON object each, of sizes that `check_sizes` accepts.
        namespace: of the unit; namespaced objects that name none get it.
        served: scopes of the custom kinds that member clusters serve.
        problems: gathers what is wrong; where anything is, the answer is not complete.
    """
    warnings: list[str] = []
    parsed = [_parse(data, f"{PATH}[{index}].json", warnings, problems) for index, data in enumerate(manifests)]
    known = {**served, **defined_scopes(manifest for manifest in parsed if manifest is not None)}
    templates: list[Template] = []
    first: dict[tuple[str, str, str, str], int] = {}
    foreign: set[tuple[str, str]] = set()
    for index, manifest in enumerate(parsed):
        if manifest is None:
            continue
        path = f"{PATH}[{index}]"
        group_kind = (split_api_version(manifest["apiVersion"])[0], manifest["kind"])
        scope = scope_of(*group_kind) or known.get(group_kind)
        if scope is None:
            foreign.add(group_kind)
        _set_namespace(manifest, scope, namespace, path, warnings)
        key = key_of(manifest)
        if (other := first.setdefault(key.identity, index)) != index:
            problems.add(f"{path}.json", f"{key} stands in the unit twice, also as resources[{other}]: keep one")
            continue
        templates.append(Template(key=key, manifest=manifest, body=canonical_json(manifest)))
    warnings.extend(
        f"{kind}{f' ({group})' if group else ''} is neither built into Kubernetes, nor defined by this unit, nor "
        "served by any joined cluster: its objects are taken as namespaced, and wait until a cluster serves the kind"
        for group, kind in sorted(foreign)
    )
    if not manifests:
        warnings.append("the unit has no resources: nothing will be applied")
    return Templates(templates=tuple(templates), warnings=bounded(warnings))


def _parse(data: bytes, path: str, warnings: list[str], problems: Problems) -> JsonObject | None:
    if not data:
        problems.add(path, "is missing: one Kubernetes object as JSON")
        return None
    try:
        manifest = parse_json_object(data)
    except ManifestError as error:
        problems.add(path, str(error))
        return None
    for place in masked_values(manifest):
        problems.add(path, f"{place}: '{MASK}' is what the API shows in place of a secret value: send the value itself")
    found = validate_manifest(manifest)
    wrong = [problem for problem in found if not problem.warning] or field_problems(manifest)
    for problem in wrong:
        problems.add(path, str(problem))
    if wrong:
        return None
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    warnings.extend(f"{name}: {problem}" for problem in found if problem.warning)
    # The namespace of a cluster-scoped object was told above already.
    removed = [place for place in strip_server_fields(manifest) if place != "metadata.namespace"]
    if removed:
        warnings.append(f"{name}: {', '.join(removed)} dropped: a cluster sets these itself")
    return manifest


def _set_namespace(manifest: JsonObject, scope: Scope | None, namespace: str, path: str, warnings: list[str]) -> None:
    metadata = manifest["metadata"]
    if scope is Scope.CLUSTER:
        if metadata.pop("namespace", None):
            warnings.append(f"{path}: metadata.namespace has no effect: {manifest['kind']} is cluster-scoped")
    elif not metadata.get("namespace"):
        metadata["namespace"] = namespace


def bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    """The first warnings, and how many more there are."""
    if len(warnings) <= _MAX_WARNINGS:
        return tuple(warnings)
    return (*warnings[:_MAX_WARNINGS], f"{len(warnings) - _MAX_WARNINGS} more warnings are not listed")
