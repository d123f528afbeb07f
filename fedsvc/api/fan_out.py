"""Asking many members at once: each with its own deadline, so many at a time, and what each says as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from fedsvc.members.errors import MemberError, MemberSettingsError, MemberStatusError, MemberUnreachableError
from fedsvc.members.refusals import is_want_of_rights, joining_again, right_of_request
from fedsvc.members.registry import Member, Members
from fedsvc.model.cluster import Cluster

T = TypeVar("T")

AT_ONCE: Final = 32
"""Members that one call asks at the same time; the others wait for their turn, and their time begins with it."""

_MAX_MESSAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a member did not answer."""

    reason: str  # constant CamelCase word, see MemberAnswer.reason
    message: str  # sentence for people


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Generic[T]):
    """What came of asking one member: a value or a failure."""

    cluster: str
    value: T | None = None
    failure: Failure | None = None


async def fan_out(
    members: Members,
    clusters: Iterable[Cluster],
    ask: Callable[[Member], Awaitable[T]],
    *,
    seconds: float,
    at_once: int = AT_ONCE,
) -> AsyncGenerator[Said[T], None]:
    """What each member says, in the order of their answers.

    A member that does not answer within `seconds` of its turn, or fails, is told of as such. Closing the iterator ends
    what is still being asked.
    """
    room = asyncio.Semaphore(at_once)
    answers: asyncio.Queue[Said[T] | Exception] = asyncio.Queue()

    async def one(cluster: Cluster) -> None:
        async with room:
            try:
                async with asyncio.timeout(seconds):
                    value = await ask(members.member(cluster))
            except TimeoutError:
                answers.put_nowait(Said(cluster=cluster.name, failure=too_late(seconds)))
            except MemberError as error:
                answers.put_nowait(Said(cluster=cluster.name, failure=failure_of(cluster.name, error)))
            except Exception as error:  # noqa: BLE001 - a defect is the caller's to raise, who would wait for ever
                answers.put_nowait(error)
            else:
                answers.put_nowait(Said(cluster=cluster.name, value=value))

    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(one(cluster), name=f"ask-{cluster.name}") for cluster in clusters]
    try:
        for _ in tasks:
            answer = await answers.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer
    finally:
        await end(tasks)


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def too_late(seconds: float) -> Failure:
    """Of a member that let its time pass."""
    return Failure(reason="DeadlinePassed", message=f"it did not answer within {seconds:g} s")


def failure_of(cluster: str, error: MemberError) -> Failure:
    """Of a member that failed; where it wants rights, how to grant them."""
    message = str(error)[:_MAX_MESSAGE]
    if isinstance(error, MemberUnreachableError | MemberSettingsError):
        return Failure(reason="MemberUnreachable", message=message)
    if not isinstance(error, MemberStatusError):
        return Failure(reason="MemberError", message=message)
    if error.code == 401:
        again = f"join it again: {joining_again(cluster, ())}"
        return Failure(reason="CredentialsInvalid", message=f"it refuses our credential ({message}); {again}")
    if is_want_of_rights(error):
        right = right_of_request(error.method, error.path)
        wanted = f"fedsvc may not {right} there" if right is not None else "fedsvc lacks the right to it there"
        again = joining_again(cluster, () if right is None else (right,))
        return Failure(
            reason="RightsMissing",
            message=f"{wanted}; joining again renews the rights: {again}"
            " (a cluster joined with a FILE of rights needs them in it)",
        )
    return Failure(reason="MemberError", message=message)
