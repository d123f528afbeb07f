"""Units between protobuf and the model. Resources are read by `fedsvc.api.intent.manifests`."""

from collections.abc import Iterable, Sequence
from typing import Final

from fedsvc.api.convert.common import condition_message, inverted, read_enum, ref_message, timestamp
from fedsvc.api.convert.dns import dns_message, read_dns
from fedsvc.api.convert.failover import failover_message, read_failover
from fedsvc.api.convert.masking import shown_manifest
from fedsvc.api.convert.override import override_message, read_override
from fedsvc.api.convert.placement import placement_message, read_placement
from fedsvc.api.convert.propagation import propagation_message, read_propagation
from fedsvc.api.convert.removal import budget_message, read_budget
from fedsvc.api.convert.roles import ROLES, primary_message
from fedsvc.api.convert.rollout import policy_message, read_policy
from fedsvc.api.limits import MAX_UNIT_DEPENDENCIES, MAX_UNIT_OVERRIDES
from fedsvc.api.problems import Problems
from fedsvc.model.dependency import Dependency, DependencyScope
from fedsvc.model.unit import (
    Resource,
    Unit,
    UnitClusterStatus,
    UnitSpec,
    UnitState,
    WorkState,
)
from fedsvc.rendering.roles import Role
from fedsvc.rendering.waves import AwaitedState
from fedsvc.v1 import common_pb2, override_pb2, unit_pb2

_AWAITED: Final = {
    AwaitedState.APPLIED: unit_pb2.AWAITED_STATE_APPLIED,
    AwaitedState.READY: unit_pb2.AWAITED_STATE_READY,
}
_READ_AWAITED: Final = {unit_pb2.AWAITED_STATE_UNSPECIFIED: AwaitedState.READY, **inverted(_AWAITED)}
_SCOPES: Final = {
    DependencyScope.SAME_CLUSTER: unit_pb2.DEPENDENCY_SCOPE_SAME_CLUSTER,
    DependencyScope.EVERYWHERE: unit_pb2.DEPENDENCY_SCOPE_EVERYWHERE,
}
_READ_SCOPES: Final = {unit_pb2.DEPENDENCY_SCOPE_UNSPECIFIED: DependencyScope.SAME_CLUSTER, **inverted(_SCOPES)}
_STATES: Final = {
    UnitState.PENDING: unit_pb2.UNIT_STATE_PENDING,
    UnitState.UNPLACED: unit_pb2.UNIT_STATE_UNPLACED,
    UnitState.APPLYING: unit_pb2.UNIT_STATE_APPLYING,
    UnitState.PROGRESSING: unit_pb2.UNIT_STATE_PROGRESSING,
    UnitState.READY: unit_pb2.UNIT_STATE_READY,
    UnitState.DEGRADED: unit_pb2.UNIT_STATE_DEGRADED,
    UnitState.DELETING: unit_pb2.UNIT_STATE_DELETING,
}
WORK_STATES: Final = {
    WorkState.PENDING: unit_pb2.WORK_STATE_PENDING,
    WorkState.APPLIED: unit_pb2.WORK_STATE_APPLIED,
    WorkState.RETRYING: unit_pb2.WORK_STATE_RETRYING,
    WorkState.FAILED: unit_pb2.WORK_STATE_FAILED,
    WorkState.DRIFTED: unit_pb2.WORK_STATE_DRIFTED,
    WorkState.REMOVING: unit_pb2.WORK_STATE_REMOVING,
    WorkState.HELD: unit_pb2.WORK_STATE_HELD,
    WorkState.UNKNOWN: unit_pb2.WORK_STATE_UNKNOWN,
}
_SETTLED: Final = (UnitState.READY, UnitState.UNPLACED)


def unit_message(unit: Unit, resources: Iterable[Resource] = ()) -> unit_pb2.Unit:
    """A unit as protobuf.

    Args:
        unit: the unit.
        resources: its templates where they are to be shown; bytes go out where a resource brings its body.
    """
    return unit_pb2.Unit(
        name=unit.resource_name,
        uid=unit.uid,
        labels=unit.labels,
        annotations=unit.annotations,
        spec=spec_message(unit.spec, resources),
        status=_status_message(unit),
        revision=unit.revision,
        create_time=timestamp(unit.create_time),
        update_time=timestamp(unit.update_time),
        delete_time=timestamp(unit.delete_time),
        etag=unit.etag,
    )


def manifest_message(resource: Resource) -> common_pb2.Manifest:
    """A template as protobuf: reference, digest, and its bytes where they were read, those of Secrets masked."""
    body = b"" if resource.body is None else shown_manifest(resource.key, resource.body)
    return common_pb2.Manifest(json=body, ref=ref_message(resource.key), digest=resource.digest.hex())


def read_unit_spec(message: unit_pb2.UnitSpec, path: str, problems: Problems) -> UnitSpec:
    """The intent of protobuf, but for the resources."""
    overrides = list(message.overrides)
    if len(overrides) > MAX_UNIT_OVERRIDES:
        problems.add(f"{path}.overrides", f"has {len(overrides)} entries; at most {MAX_UNIT_OVERRIDES} are accepted")
        overrides = []
    return UnitSpec(
        placement=read_placement(message.placement, f"{path}.placement", problems)
        if message.HasField("placement")
        else None,
        placement_policy=message.placement_policy,
        override_policies=tuple(message.override_policies),
        overrides=tuple(
            read_override(override, f"{path}.overrides[{index}]", problems) for index, override in enumerate(overrides)
        ),
        propagation=read_propagation(message.propagation, f"{path}.propagation", problems),
        protected=message.protected,
        removals=read_budget(message.removals) if message.HasField("removals") else None,
        depends_on=_read_dependencies(message.depends_on, f"{path}.depends_on", problems),
        follow_dependencies=message.follow_dependencies,
        wave_state=read_enum(message.wave_state, _READ_AWAITED, f"{path}.wave_state", problems),
        rollout=read_policy(message.rollout, f"{path}.rollout", problems) if message.HasField("rollout") else None,
        failover=read_failover(message.failover, f"{path}.failover", problems),
        dns=read_dns(message.dns, f"{path}.dns", problems) if message.HasField("dns") else None,
    )


def spec_message(spec: UnitSpec, resources: Iterable[Resource]) -> unit_pb2.UnitSpec:
    """An intent as protobuf, with the templates that are to be shown."""
    return unit_pb2.UnitSpec(
        placement=placement_message(spec.placement),
        placement_policy=spec.placement_policy,
        override_policies=spec.override_policies,
        overrides=[override_message(override) for override in spec.overrides],
        propagation=propagation_message(spec.propagation),
        resources=[manifest_message(resource) for resource in resources],
        protected=spec.protected,
        removals=budget_message(spec.removals),
        depends_on=[
            unit_pb2.UnitDependency(
                unit=dependency.unit, state=_AWAITED[dependency.state], where=_SCOPES[dependency.where]
            )
            for dependency in spec.depends_on
        ],
        follow_dependencies=spec.follow_dependencies,
        wave_state=_AWAITED[spec.wave_state],
        rollout=policy_message(spec.rollout),
        failover=failover_message(spec.failover),
        dns=dns_message(spec.dns),
    )


def _read_dependencies(
    messages: Sequence[unit_pb2.UnitDependency], path: str, problems: Problems
) -> tuple[Dependency, ...]:
    if len(messages) > MAX_UNIT_DEPENDENCIES:
        problems.add(path, f"has {len(messages)} entries; at most {MAX_UNIT_DEPENDENCIES} are accepted")
        return ()
    return tuple(
        Dependency(
            unit=message.unit,
            state=read_enum(message.state, _READ_AWAITED, f"{path}[{index}].state", problems),
            where=read_enum(message.where, _READ_SCOPES, f"{path}[{index}].where", problems),
        )
        for index, message in enumerate(messages)
    )


def _status_message(unit: Unit) -> unit_pb2.UnitStatus:
    status = unit.status
    undecided = unit.decided_generation < unit.generation
    return unit_pb2.UnitStatus(
        state=_STATES[UnitState.DELETING if unit.delete_time is not None else status.state],
        conditions=[condition_message(condition) for condition in status.conditions],
        reconciling=undecided or unit.delete_time is not None or status.state not in _SETTLED,
        clusters=[_cluster_status_message(line) for line in status.clusters],
        observed_revision=status.observed_revision,
        decision=f"decisions/{status.decision}" if status.decision else "",
        desired_replicas=status.desired_replicas,
        ready_replicas=status.ready_replicas,
        resource_count=unit.resource_count,
        primary=primary_message(status.primary),
    )


def _cluster_status_message(line: UnitClusterStatus) -> unit_pb2.UnitClusterStatus:
    return unit_pb2.UnitClusterStatus(
        cluster=line.cluster,
        state=WORK_STATES[line.state],
        reason=line.reason,
        message=line.message,
        work_count=line.work_count,
        applied_work_count=line.applied_work_count,
        healthy_work_count=line.healthy_work_count,
        desired_replicas=line.desired_replicas,
        ready_replicas=line.ready_replicas,
        update_time=timestamp(line.update_time),
        last_heard_time=timestamp(line.last_heard_time),
        revision=line.revision,
        role=ROLES[Role(line.role)] if line.role else override_pb2.UNIT_ROLE_UNSPECIFIED,
    )
