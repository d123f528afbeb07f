"""What changes slowly in a member: version, nodes, kinds, and whether rights that were missing are granted now."""

import dataclasses
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from fedsvc.controllers import probing
from fedsvc.members import inspect
from fedsvc.members.api_table import ApiTable
from fedsvc.members.errors import MemberError, MemberStatusError, MemberUnreachableError
from fedsvc.members.inspect import NodeSummary
from fedsvc.members.refusals import Right
from fedsvc.members.registry import Member
from fedsvc.model.cluster import ClusterObservation, ConditionStatus

ValueT = TypeVar("ValueT")


@dataclass(slots=True, kw_only=True)
class Survey:
    """What was found; None for what could not be found out, for a reason in `problems`."""

    kubernetes_version: str | None = None
    nodes: NodeSummary | None = None
    missing_rights: tuple[Right, ...] | None = None
    table: ApiTable | None = None
    problems: list[str] = dataclasses.field(default_factory=list)


async def survey(member: Member, rights: Iterable[Right]) -> Survey:
    """Look at a member. One part that fails keeps no other from being looked at, unless no answer comes at all.

    Args:
        member: the member.
        rights: what is asked for again, beside what the member refused since.
    """
    found = Survey()
    try:
        found.kubernetes_version = await _tried(found, inspect.kubernetes_version(member.client))
        found.nodes = await _tried(found, _nodes(member))
        found.missing_rights = await _tried(found, _missing(member, rights))
        found.table = await _tried(found, member.discovery.table())
    except MemberUnreachableError as error:
        found.problems.append(str(error))
    return found


def surveyed(observation: ClusterObservation, found: Survey) -> ClusterObservation:
    """The observation after a survey; what could not be found out stays as it was."""
    if found.kubernetes_version is not None:
        observation = dataclasses.replace(observation, kubernetes_version=found.kubernetes_version)
    if found.nodes is not None:
        observation = dataclasses.replace(
            observation,
            node_count=found.nodes.node_count,
            ready_node_count=found.nodes.ready_node_count,
            allocatable=found.nodes.allocatable,
        )
    return observation


def rights_told(observation: ClusterObservation) -> list[Right]:
    """The rights that an observation says are missing: where to begin again after a restart."""
    told = next((item for item in observation.conditions if item.type == probing.RIGHTS_SUFFICIENT), None)
    return probing.rights_in(told.message) if told is not None and told.status is ConditionStatus.FALSE else []


async def _tried(found: Survey, part: Awaitable[ValueT]) -> ValueT | None:
    try:
        return await part
    except MemberUnreachableError:
        raise
    except MemberError as error:
        found.problems.append(str(error))
        return None


async def _nodes(member: Member) -> NodeSummary:
    try:
        return await inspect.nodes(member.client)
    except MemberStatusError as error:
        if error.code != 403:  # rights for single namespaces need not cover nodes, which is no trouble
            raise
        return NodeSummary()


async def _missing(member: Member, rights: Iterable[Right]) -> tuple[Right, ...]:
    missing = set()
    for right in sorted({*rights, *member.refusals.missing()}):
        if await inspect.may(member.client, right):
            member.refusals.granted(right)
        else:
            missing.add(right)
    return tuple(sorted(missing))
