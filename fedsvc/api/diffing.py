"""What an apply of a unit would change in its members: each is asked by dry runs, with a deadline of its own."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from fedsvc.api.fan_out import fan_out
from fedsvc.api.limits import MAX_UNIT_RESOURCES
from fedsvc.members.comparing import ObjectDifference, compare, without_body
from fedsvc.members.registry import Member, Members
from fedsvc.model.cluster import Cluster
from fedsvc.model.work import DirtyWork
from fedsvc.store import works
from fedsvc.store.store import Store

MAX_DIFFERENCES: Final = 1_000
"""Objects of one cluster that are told of."""

_AT_ONCE: Final = 8  # requests to one member; its other users go on meanwhile


@dataclass(slots=True, kw_only=True)
class ClusterDifferences:
    """What was found on one cluster.

    Attributes:
        cluster: its name.
        work_count: works of the unit there.
        compared_count: those that were compared.
        differences: objects that differ, in the order of their keys.
        trouble: why not all were compared, or not all are told of; empty where they are.
    """

    cluster: str
    work_count: int = 0
    compared_count: int = 0
    differences: list[ObjectDifference] = field(default_factory=list)
    trouble: str = ""


async def diff_unit(
    store: Store, members: Members, unit_uid: str, clusters: Sequence[Cluster], *, seconds: float
) -> list[ClusterDifferences]:
    """What differs, by cluster.

    Args:
        store: where what shall be is.
        members: connections to the members.
        unit_uid: of the unit.
        clusters: which to ask.
        seconds: that each has to answer in; what it said by then counts.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    found = {cluster.name: ClusterDifferences(cluster=cluster.name) for cluster in clusters}

    async def ask(member: Member) -> None:
        until = time.monotonic() + seconds
        result = found[member.name]
        async with store.reader() as tx:
            wanted = await works.of_unit_on(tx, unit_uid, member.name, limit=MAX_UNIT_RESOURCES)
        result.work_count = len(wanted)
        await _compare_all(member, wanted, result, seconds=max(until - time.monotonic(), 0.001))

    # Deadlines are kept within, so that what was found by then is not lost; the outer one is for a read that hangs.
    async with aclosing(fan_out(members, clusters, ask, seconds=seconds + 1)) as answers:
        async for said in answers:
            if said.failure is not None:
                found[said.cluster].trouble = said.failure.message
    return [found[name] for name in sorted(found)]


async def _compare_all(
    member: Member, wanted: Sequence[DirtyWork], result: ClusterDifferences, *, seconds: float
) -> None:
    waiting = iter(wanted)
    differing: dict[int, ObjectDifference] = {}

    async def work_off() -> None:
        for work in waiting:
            difference = await compare(member, work)
            result.compared_count += 1
            if difference is not None:
                differing[work.id] = without_body(difference)

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(wanted))):
                group.create_task(work_off(), name=f"diff-{member.name}")
    except TimeoutError:
        result.trouble = (
            f"it did not answer within {seconds:.0f} s: {result.compared_count} of {len(wanted)} objects were compared"
        )
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from group_error
    finally:
        ordered = [differing[work.id] for work in wanted if work.id in differing]
        result.differences = ordered[:MAX_DIFFERENCES]
    if len(ordered) > MAX_DIFFERENCES and not result.trouble:
        result.trouble = f"{len(ordered)} objects differ; the first {MAX_DIFFERENCES} are shown"
