"""What changes slowly in a member: version, kinds, room, and whether rights that were missing are granted now.

Room is read apart from the rest, and less often of a member with very many pods: see `room_pause_seconds`.
"""

import dataclasses
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from fedsvc.controllers import probing
from fedsvc.controllers.backoff import delay_seconds
from fedsvc.members import inspect
from fedsvc.members.api_table import ApiTable
from fedsvc.members.discovery import MIN_INTERVAL_SECONDS
from fedsvc.members.errors import MemberError, MemberUnreachableError
from fedsvc.members.refusals import Right
from fedsvc.members.registry import Member
from fedsvc.members.room import RoomReading
from fedsvc.model.cluster import ClusterObservation, ConditionStatus

ROOM_SHARE: Final = 0.1
"""Of all time, at most so much is spent reading the nodes and pods of one member."""

_AGAIN_SECONDS: Final = MIN_INTERVAL_SECONDS + 1.0
"""Discovery is asked no sooner."""

ValueT = TypeVar("ValueT")


@dataclass(slots=True, kw_only=True)
class Survey:
    """What was found; None for what could not be found out, for a reason in `problems`."""

    kubernetes_version: str | None = None
    missing_rights: tuple[Right, ...] | None = None
    table: ApiTable | None = None
    unreachable: bool = False  # no answer came: there is no use in asking for more
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all was found out; of kinds that were not, units are kept away though they may be served."""
        return not self.problems and self.table is not None and not self.table.failed


async def survey(member: Member, rights: Iterable[Right]) -> Survey:
    """Look at a member. One part that fails keeps no other from being looked at, unless no answer comes at all.

    Args:
        member: the member.
        rights: what is asked for again, beside what the member refused since.
    """
    found = Survey()
    try:
        found.kubernetes_version = await _tried(found, inspect.kubernetes_version(member.client))
        found.missing_rights = await _tried(found, _missing(member, rights))
        found.table = await _tried(found, member.discovery.table(max_age_seconds=0.0))
    except MemberUnreachableError as error:
        found.unreachable = True
        found.problems.append(str(error))
    return found


def survey_pause_seconds(key: str, incomplete: int, survey_seconds: float, *, share: float = 0.5) -> float:
    """How long after a survey the next one follows: soon after one that was incomplete, which trouble of a moment was.

    Args:
        key: the member, for the spread.
        incomplete: surveys in a row, up to this one, that were incomplete.
        survey_seconds: the time between surveys.
        share: 0 to 1, for the spread between surveys that are complete.
    """
    if incomplete:
        return delay_seconds(key, incomplete - 1, first=min(_AGAIN_SECONDS, survey_seconds), maximum=survey_seconds)
    return survey_seconds * (0.9 + 0.2 * share)


def surveyed(observation: ClusterObservation, found: Survey) -> ClusterObservation:
    """The observation after a survey; what could not be found out stays as it was."""
    if found.kubernetes_version is None:
        return observation
    return dataclasses.replace(observation, kubernetes_version=found.kubernetes_version)


def counted(observation: ClusterObservation, reading: RoomReading) -> ClusterObservation:
    """The observation after nodes were read."""
    summary = reading.summary
    return dataclasses.replace(
        observation,
        node_count=summary.node_count,
        ready_node_count=summary.ready_node_count,
        allocatable=summary.allocatable,
    )


def room_pause_seconds(taken_seconds: float, survey_seconds: float) -> float:
    """How long after a reading that took so long the next one may begin: reading keeps to its share of all time.

    A reading that failed counts like one that did not: it was as much work.
    """
    return max(survey_seconds - taken_seconds, taken_seconds * (1 / ROOM_SHARE - 1), 0.0)


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


async def _missing(member: Member, rights: Iterable[Right]) -> tuple[Right, ...]:
    missing = set()
    for right in sorted({*rights, *member.refusals.missing()}):
        if await inspect.may(member.client, right):
            member.refusals.granted(right)
        else:
            missing.add(right)
    return tuple(sorted(missing))
