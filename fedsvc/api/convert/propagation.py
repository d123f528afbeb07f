"""How units are propagated, between protobuf and the model."""

from typing import Final

from fedsvc.api.convert.common import inverted, read_enum
from fedsvc.api.convert.override import read_target, target_message
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.problems import Problems
from fedsvc.model.unit import (
    ConflictMode,
    DeletionMode,
    DriftMode,
    FieldPolicy,
    FieldRule,
    ImmutableMode,
    Propagation,
)
from fedsvc.rendering.overrides import ResourceMatcher
from fedsvc.v1 import unit_pb2

_CONFLICTS: Final = {
    ConflictMode.ABORT: unit_pb2.CONFLICT_MODE_ABORT,
    ConflictMode.ADOPT: unit_pb2.CONFLICT_MODE_ADOPT,
    ConflictMode.OVERWRITE: unit_pb2.CONFLICT_MODE_OVERWRITE,
}
_DRIFTS: Final = {
    DriftMode.CORRECT: unit_pb2.DRIFT_MODE_CORRECT,
    DriftMode.IF_NOT_DRIFTED: unit_pb2.DRIFT_MODE_IF_NOT_DRIFTED,
    DriftMode.REPORT: unit_pb2.DRIFT_MODE_REPORT,
}
_DELETIONS: Final = {
    DeletionMode.DELETE: unit_pb2.DELETION_MODE_DELETE,
    DeletionMode.ORPHAN: unit_pb2.DELETION_MODE_ORPHAN,
}
_POLICIES: Final = {
    FieldPolicy.IGNORE: unit_pb2.FIELD_POLICY_IGNORE,
    FieldPolicy.FORCE: unit_pb2.FIELD_POLICY_FORCE,
    FieldPolicy.FAIL: unit_pb2.FIELD_POLICY_FAIL,
}
_IMMUTABLES: Final = {
    ImmutableMode.FAIL: unit_pb2.IMMUTABLE_MODE_FAIL,
    ImmutableMode.RECREATE: unit_pb2.IMMUTABLE_MODE_RECREATE,
}
_READ_CONFLICTS: Final = {unit_pb2.CONFLICT_MODE_UNSPECIFIED: ConflictMode.ABORT, **inverted(_CONFLICTS)}
_READ_DRIFTS: Final = {unit_pb2.DRIFT_MODE_UNSPECIFIED: DriftMode.CORRECT, **inverted(_DRIFTS)}
_READ_DELETIONS: Final = {unit_pb2.DELETION_MODE_UNSPECIFIED: DeletionMode.DELETE, **inverted(_DELETIONS)}
_READ_POLICIES: Final = inverted(_POLICIES)
_READ_IMMUTABLES: Final = {unit_pb2.IMMUTABLE_MODE_UNSPECIFIED: ImmutableMode.FAIL, **inverted(_IMMUTABLES)}


def propagation_message(propagation: Propagation) -> unit_pb2.Propagation:
    """How a unit is propagated, as protobuf."""
    return unit_pb2.Propagation(
        conflict=_CONFLICTS[propagation.conflict],
        drift=_DRIFTS[propagation.drift],
        deletion=_DELETIONS[propagation.deletion],
        fields=[
            unit_pb2.FieldRule(
                target=None if rule.target == ResourceMatcher() else target_message(rule.target),
                path=rule.path,
                policy=_POLICIES[rule.policy],
            )
            for rule in propagation.fields
        ],
        immutable=_IMMUTABLES[propagation.immutable],
        migrate=propagation.migrate,
        adopts=propagation.adopts,
        gives=propagation.gives,
    )


def read_propagation(message: unit_pb2.Propagation, path: str, problems: Problems) -> Propagation:
    """How a unit is propagated, of protobuf; what it says is checked by `fedsvc.api.intent.propagation`."""
    for name in ("fields", "migrate", "adopts", "gives"):
        if len(getattr(message, name)) > MAX_LISTED:
            problems.add(f"{path}.{name}", f"has more than {MAX_LISTED} entries")
            return Propagation()
    return Propagation(
        conflict=read_enum(message.conflict, _READ_CONFLICTS, f"{path}.conflict", problems),
        drift=read_enum(message.drift, _READ_DRIFTS, f"{path}.drift", problems),
        deletion=read_enum(message.deletion, _READ_DELETIONS, f"{path}.deletion", problems),
        fields=tuple(
            FieldRule(
                path=rule.path,
                policy=read_enum(rule.policy, _READ_POLICIES, f"{path}.fields[{index}].policy", problems),
                target=read_target(rule.target) if rule.HasField("target") else ResourceMatcher(),
            )
            for index, rule in enumerate(message.fields)
        ),
        immutable=read_enum(message.immutable, _READ_IMMUTABLES, f"{path}.immutable", problems),
        migrate=tuple(message.migrate),
        adopts=tuple(message.adopts),
        gives=tuple(message.gives),
    )
