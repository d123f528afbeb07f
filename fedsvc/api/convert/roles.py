"""Units with a primary and replicas, between protobuf and the model."""

import math
from typing import Final

from fedsvc.api.convert.common import inverted, read_enum, timestamp
from fedsvc.api.problems import Problems
from fedsvc.model.roles import DEFAULT_TIMEOUT_SECONDS, Evidence, LossPolicy, RolePolicy, Switchover
from fedsvc.rendering.roles import Role
from fedsvc.v1 import override_pb2, unit_pb2

LEAST_TIMEOUT_SECONDS: Final = 10
MAX_TIMEOUT_SECONDS: Final = 86_400

ROLES: Final = {
    Role.PRIMARY: override_pb2.UNIT_ROLE_PRIMARY,
    Role.REPLICA: override_pb2.UNIT_ROLE_REPLICA,
}
_READ_ROLES: Final = inverted(ROLES)


def read_role(value: override_pb2.UnitRole.ValueType, path: str, problems: Problems) -> Role | None:
    """A role of protobuf; None: none is said."""
    return None if value == override_pb2.UNIT_ROLE_UNSPECIFIED else read_enum(value, _READ_ROLES, path, problems)


def read_roles(message: unit_pb2.RolePolicy, path: str, problems: Problems) -> RolePolicy:
    """How the primary of a unit goes elsewhere, of protobuf; what is not said is the default."""
    timeout = message.timeout_seconds if message.HasField("timeout_seconds") else DEFAULT_TIMEOUT_SECONDS
    if not LEAST_TIMEOUT_SECONDS <= timeout <= MAX_TIMEOUT_SECONDS:
        bounds = f"from {LEAST_TIMEOUT_SECONDS} to {MAX_TIMEOUT_SECONDS}"
        problems.add(f"{path}.timeout_seconds", f"is {timeout}; it must be {bounds}")
    loss = message.on_loss
    if message.HasField("on_loss") and not (loss.HasField("fence") or loss.HasField("proof")):
        problems.add(f"{path}.on_loss", "says nothing: give it fence, proof or both")
    return RolePolicy(
        prefer=tuple(message.prefer),
        demote=_read_evidence(message.demote, problems, f"{path}.demote") if message.HasField("demote") else None,
        proof=_read_evidence(message.proof, problems, f"{path}.proof") if message.HasField("proof") else None,
        promote=_read_evidence(message.promote, problems, f"{path}.promote") if message.HasField("promote") else None,
        on_loss=LossPolicy(
            fence=_read_evidence(loss.fence, problems, f"{path}.on_loss.fence") if loss.HasField("fence") else None,
            proof=_read_evidence(loss.proof, problems, f"{path}.on_loss.proof") if loss.HasField("proof") else None,
        ),
        timeout_seconds=timeout,
        dataset=message.dataset,
    )


def _read_evidence(message: unit_pb2.RoleEvidence, problems: Problems, path: str) -> Evidence:
    equals = message.equals if message.HasField("equals") else None
    at_most = message.at_most if message.HasField("at_most") else None
    if equals is not None and at_most is not None:
        problems.add(f"{path}.at_most", "contradicts equals: give one of the two")
    if at_most is not None and not math.isfinite(at_most):
        problems.add(f"{path}.at_most", f"is {at_most}, which is no number to compare with")
    if not message.path and (equals is not None or at_most is not None):
        problems.add(f"{path}.path", "is missing: name the field of the status that is compared")
    return Evidence(
        kind=message.kind,
        name=message.name,
        namespace=message.namespace,
        path=message.path,
        equals=equals,
        at_most=at_most,
    )


def roles_message(policy: RolePolicy | None) -> unit_pb2.RolePolicy | None:
    """How the primary of a unit goes elsewhere, as protobuf; None where it has none."""
    if policy is None:
        return None
    loss = unit_pb2.RoleLossPolicy(fence=_evidence(policy.on_loss.fence), proof=_evidence(policy.on_loss.proof))
    return unit_pb2.RolePolicy(
        prefer=policy.prefer,
        demote=_evidence(policy.demote),
        proof=_evidence(policy.proof),
        promote=_evidence(policy.promote),
        on_loss=None if policy.on_loss == LossPolicy() else loss,
        timeout_seconds=policy.timeout_seconds,
        dataset=policy.dataset,
    )


def _evidence(wanted: Evidence | None) -> unit_pb2.RoleEvidence | None:
    if wanted is None:
        return None
    return unit_pb2.RoleEvidence(
        kind=wanted.kind,
        name=wanted.name,
        namespace=wanted.namespace,
        path=wanted.path,
        equals=wanted.equals,
        at_most=wanted.at_most,
    )


def primary_message(state: Switchover | None) -> unit_pb2.PrimaryStatus | None:
    """Where the primary of a unit is, as protobuf; None where it has none."""
    if state is None:
        return None
    return unit_pb2.PrimaryStatus(
        cluster=state.primary,
        phase=state.phase.value,
        target=state.target,
        cause=state.cause or "",
        author=state.author,
        blocked_reason=state.blocked,
        message=state.message,
        undemoted_clusters=state.undemoted,
        begin_time=timestamp(state.begin_time),
        promote_time=timestamp(state.promote_time),
    )
