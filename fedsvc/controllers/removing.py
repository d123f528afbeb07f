"""Making a member no longer hold one work: deletion, or leaving the object behind without our marks.

Only an object that carries our mark is touched, and only the very object that was looked at (uid precondition). What
was never applied and may not even be looked at needs no removal: rights that let us create it let us look at it too, so
it is not there either where a crash kept the result of a try from being stored.

An object that is not there may still come: its creation may be on its way, sent by a process that was killed, or by us
and not answered. Once its work is gone nobody would know of it, so as long as that can be the work stays and looks once
more. (A change on its way makes nothing: it is for the very object that was there.)

A namespace, or a definition of a kind, is not deleted while others are in it that would go with it: see `contents`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fedsvc.controllers import outcomes
from fedsvc.controllers.backoff import delay_seconds
from fedsvc.controllers.contents import MAX_SHOWN, is_container, occupants
from fedsvc.controllers.outcomes import Outcome
from fedsvc.controllers.session import MemberSession, is_terminating, metadata_of, object_uid
from fedsvc.members.api_table import ApiResource
from fedsvc.members.client import PatchType, PropagationPolicy
from fedsvc.members.errors import KindNotServedError, MemberStatusError
from fedsvc.members.refusals import is_want_of_rights
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import WorkState
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.marks import (
    FIELD_MANAGER,
    MANAGED_LABEL,
    UNIT_ANNOTATION,
    UNIT_UID_ANNOTATION,
    is_managed,
    owner_of,
)

_ORPHANING_MANAGER: Final = "fedsvc-orphan"
_FIRST_LOOK_SECONDS: Final = 1.0
_MAX_LOOK_SECONDS: Final = 30.0
_POLICIES: Final = {
    ObjectDeletion.BACKGROUND: PropagationPolicy.BACKGROUND,
    ObjectDeletion.FOREGROUND: PropagationPolicy.FOREGROUND,
}


class RemovalHeldError(Exception):
    """An object is not to be deleted before somebody confirms it."""


Authorise = Callable[[DirtyWork, str], Awaitable[None]]
"""Called with a work and the uid of an object that nobody counted when its removal was decided.

Raises:
    RemovalHeldError: it is to stay for now.
"""


async def remove_work(session: MemberSession, work: DirtyWork, *, authorise: Authorise) -> Outcome | None:
    """Remove one work; None when the object is gone, or no longer ours to remove.

    Args:
        session: the member.
        work: the work.
        authorise: called before an object is deleted that was never known to be there.

    Raises:
        MemberError: whatever `outcomes` has words for.
        WriteHeldError: nothing may be removed for it now.
        RemovalHeldError: somebody is to confirm it first.
    """
    resource = await _resource(session, work.key)
    if resource is None:
        return None  # with the kind all its objects went
    path = resource.path(namespace=work.key.namespace or "default", name=work.key.name)
    try:
        live = await _look(session, path)
    except MemberStatusError as error:
        if not _was_never_there(work, error):
            raise
        message = f"{work.key} was never applied and may not be looked at there, so nothing is removed: {error.message}"
        session.events.warning(work.unit_name, "NeverApplied", message, cluster=session.cluster)
        return None
    return _gone(session) if live is None else await _remove(session, work, path, live, authorise)


async def _resource(session: MemberSession, key: ObjectKey) -> ApiResource | None:
    """How objects of the kind are served, in whatever version: to delete one takes no schema. None: not at all.

    Raises:
        MemberError: that cannot be found out now.
    """
    try:
        return await session.resource(key.gvk)
    except KindNotServedError as error:
        if error.note:
            raise
        return (
            await session.resource((key.group, error.served_versions[0], key.kind)) if error.served_versions else None
        )


def _was_never_there(work: DirtyWork, error: MemberStatusError) -> bool:
    was_applied = bool(work.member_uid) or work.applied_digest is not None
    return not was_applied and is_want_of_rights(error)


async def _remove(
    session: MemberSession, work: DirtyWork, path: str, live: dict[str, Any], authorise: Authorise
) -> Outcome | None:
    owner = owner_of(live)
    if not is_managed(live) or owner is None or owner.unit_uid not in (work.unit_uid, work.former_unit_uid):
        return None  # somebody took our mark off: hands off
    if work.removal is ObjectDeletion.ORPHAN:
        return await _orphan(session, work, path, live)
    if is_terminating(live):
        return _waiting(work, live)
    if not work.member_uid:
        await authorise(work, object_uid(live))
    if is_container(work.key) and (others := await occupants(session, work.key, live)):
        return _occupied(work, others)
    return await _delete(session, work, path, object_uid(live))


async def _look(session: MemberSession, path: str) -> dict[str, Any] | None:
    """The object; None where it is not there."""
    try:
        async with session.deadline(f"GET {path}"):
            return await session.member.client.get(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise
        return None


async def _delete(session: MemberSession, work: DirtyWork, path: str, uid: str) -> Outcome | None:
    policy = _POLICIES[work.removal or ObjectDeletion.BACKGROUND]
    await session.may_write(work)
    try:
        async with session.deadline(f"DELETE {path}"):
            answer = await session.member.client.delete(path, propagation=policy, uid=uid, guard=session.guard(work))
    except MemberStatusError as error:
        if error.code == 404:
            return _gone(session)
        raise
    # A Status says that it is gone; the object itself that finalizers or dependents still hold it.
    return _waiting(work, answer) if is_terminating(answer) else _gone(session)


async def _orphan(session: MemberSession, work: DirtyWork, path: str, live: dict[str, Any]) -> Outcome | None:
    """Take off marks and ownership in one patch, for this version of the object alone."""
    metadata = metadata_of(live)
    entries = metadata.get("managedFields")
    others = (
        [entry for entry in entries if isinstance(entry, dict) and entry.get("manager") != FIELD_MANAGER]
        if isinstance(entries, list)
        else []
    )
    patch = {
        "metadata": {
            "resourceVersion": metadata.get("resourceVersion"),
            "labels": {MANAGED_LABEL: None},
            "annotations": {UNIT_ANNOTATION: None, UNIT_UID_ANNOTATION: None},
            # One empty entry is how an API server is told to drop them all.
            "managedFields": others or [{}],
        }
    }
    await session.may_write(work)
    try:
        async with session.deadline(f"PATCH {path}"):
            await session.member.client.patch(
                path,
                canonical_json(patch),
                patch_type=PatchType.MERGE,
                field_manager=_ORPHANING_MANAGER,
                guard=session.guard(work),
            )
    except MemberStatusError as error:
        if error.code == 404:
            return None
        if error.code == 409:
            return outcomes.retrying("Conflict", error.message, key=f"work-{work.id}", attempts=0)
        raise
    return None


def _gone(session: MemberSession) -> Outcome | None:
    """It is not there: None where that is the end of it."""
    wait = session.doubt_seconds
    if not wait:
        return None
    message = "it is not there; a write that was not answered may still make it, so it is looked for once more"
    return Outcome(state=WorkState.REMOVING, reason="LateWrites", message=message, retry_after_seconds=wait)


def _occupied(work: DirtyWork, others: Sequence[str]) -> Outcome:
    more = " and more" if len(others) > MAX_SHOWN else ""
    message = (
        f"it stays, since others would go with it: {', '.join(others[:MAX_SHOWN])}{more} - remove or move these, or "
        "leave it there: --cascade orphan, or fedctl release"
    )
    wait = delay_seconds(f"work-{work.id}", work.attempts, first=_FIRST_LOOK_SECONDS, maximum=_MAX_LOOK_SECONDS)
    return Outcome(state=WorkState.REMOVING, reason="Occupied", message=message, retry_after_seconds=wait)


def _waiting(work: DirtyWork, live: dict[str, Any]) -> Outcome:
    names = metadata_of(live).get("finalizers")
    finalizers = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    held = f"; it is held by {', '.join(finalizers[:5])}" if finalizers else ""
    wait = delay_seconds(f"work-{work.id}", work.attempts, first=_FIRST_LOOK_SECONDS, maximum=_MAX_LOOK_SECONDS)
    return Outcome(
        state=WorkState.REMOVING,
        reason="BeingDeleted",
        message=f"it is being deleted there{held}",
        retry_after_seconds=wait,
    )
