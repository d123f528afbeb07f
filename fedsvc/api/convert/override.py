"""Overrides between protobuf and the model of rendering."""

from typing import Any

from fedsvc.api.convert.common import matcher_message, read_matcher, read_selector, selector_message
from fedsvc.api.convert.roles import ROLES, read_role
from fedsvc.api.problems import Problems
from fedsvc.rendering.canonical import canonical_json, parse_json_object
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.overrides import ABSENT, ImageOverride, Override, PatchOperation, ResourceMatcher
from fedsvc.v1 import override_pb2
from fedsvc_placement import ClusterMatcher


def override_message(override: Override) -> override_pb2.Override:
    """An override as protobuf."""
    everywhere = override.clusters == ClusterMatcher()
    everything = override.target == ResourceMatcher()
    return override_pb2.Override(
        clusters=None if everywhere else matcher_message(override.clusters),
        target=None if everything else target_message(override.target),
        images=[
            override_pb2.ImageOverride(
                name=image.name, new_name=image.new_name, new_tag=image.new_tag, digest=image.digest
            )
            for image in override.images
        ],
        labels=dict(override.labels),
        annotations=dict(override.annotations),
        patch=[
            override_pb2.PatchOperation(
                op=operation.op,
                path=operation.path,
                value_json=None if operation.value is ABSENT else canonical_json(operation.value),
            )
            for operation in override.patch
        ],
        role=override_pb2.UNIT_ROLE_UNSPECIFIED if override.role is None else ROLES[override.role],
    )


def read_override(message: override_pb2.Override, path: str, problems: Problems) -> Override:
    """An override of protobuf."""
    return Override(
        clusters=read_matcher(message.clusters) if message.HasField("clusters") else ClusterMatcher(),
        target=read_target(message.target) if message.HasField("target") else ResourceMatcher(),
        images=tuple(
            ImageOverride(name=image.name, new_name=image.new_name, new_tag=image.new_tag, digest=image.digest)
            for image in message.images
        ),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        patch=tuple(
            _read_operation(operation, f"{path}.patch[{index}]", problems)
            for index, operation in enumerate(message.patch)
        ),
        role=read_role(message.role, f"{path}.role", problems),
    )


def target_message(target: ResourceMatcher) -> override_pb2.ResourceMatcher:
    """A matcher of resources as protobuf."""
    return override_pb2.ResourceMatcher(
        api_version=target.api_version or "",
        kind=target.kind or "",
        namespace=target.namespace or "",
        name=target.name or "",
        selector=selector_message(target.selector),
    )


def read_target(message: override_pb2.ResourceMatcher) -> ResourceMatcher:
    """A matcher of resources of protobuf."""
    # Protobuf cannot tell an empty text from an absent one: both mean any.
    return ResourceMatcher(
        api_version=message.api_version or None,
        kind=message.kind or None,
        namespace=message.namespace or None,
        name=message.name or None,
        selector=read_selector(message.selector) if message.HasField("selector") else None,
    )


def _read_operation(message: override_pb2.PatchOperation, path: str, problems: Problems) -> PatchOperation:
    value: Any = ABSENT
    if message.HasField("value_json"):
        value = _read_value(message.value_json, f"{path}.value_json", problems)
    return PatchOperation(op=message.op, path=message.path, value=value)


def _read_value(data: bytes, path: str, problems: Problems) -> Any:
    try:
        # Any JSON may stand here; within an object it goes through the strict parse of manifests.
        parsed = parse_json_object(b'{"value":' + data + b"}")
    except ManifestError as error:
        problems.add(path, f"{error.path.removeprefix('value').lstrip('.')}: {error.message}".removeprefix(": "))
        return None
    if parsed.keys() != {"value"}:
        problems.add(path, "is not one JSON value")
    return parsed["value"]
