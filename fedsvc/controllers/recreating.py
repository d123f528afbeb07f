"""Making an object anew whose template changes what cannot be changed: only where that was confirmed."""

from typing import Final

from fedsvc.controllers import outcomes
from fedsvc.controllers.outcomes import Outcome
from fedsvc.controllers.session import MemberSession, is_terminating, object_uid
from fedsvc.members.client import PropagationPolicy
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.handling import RECREATION_UNCONFIRMED
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.marks import is_managed, owner_of

RECREATING: Final = "Recreating"
"""The reason of works whose object is on its way out, to be made anew."""

_WITH_PODS: Final = ("apps", "batch")


async def recreate(session: MemberSession, work: DirtyWork, path: str, refusal: MemberStatusError) -> Outcome | None:
    """Delete the object so that it can be made anew; None once it is gone.

    Args:
        session: the member.
        work: the work.
        path: of the object.
        refusal: what the member said to the apply.

    Raises:
        MemberError: whatever `outcomes` has words for.
        WriteHeldError: nothing may be removed for it now.
    """
    key = f"work-{work.id}"
    if not work.is_recreation_confirmed:
        unit = "/".join(work.unit_name.split("/")[1::2])
        advice = (
            "it is deleted and made anew once that is confirmed: "
            f"fedctl recreate {unit} {work.key.kind.lower()}/{work.key.name}"
        )
        return outcomes.failed(RECREATION_UNCONFIRMED, outcomes.immutable_text(refusal, advice), key=key)
    client = session.member.client
    async with session.deadline(f"GET {path}"):
        live = await client.get(path)
    owner = owner_of(live)
    if not is_managed(live) or owner is None or owner.unit_uid not in (work.unit_uid, work.former_unit_uid):
        return outcomes.failed("ObjectExists", "it is not managed by this unit any more, so it is not deleted", key=key)
    if not is_terminating(live):
        await session.may_write(work, deletes=True)
        async with session.deadline(f"DELETE {path}"):
            live = await client.delete(
                path,
                propagation=_policy(work.key),
                uid=object_uid(live),
                guard=session.guard(work, deletes=True),
            )
        message = f"deleted {work.key} to make it anew with what cannot be changed in it"
        session.events.warning(work.unit_name, RECREATING, message, cluster=session.cluster)
    if is_terminating(live):
        message = "it is being deleted there, to be made anew"
        return outcomes.retrying(RECREATING, message, key=key, attempts=min(work.attempts, 3))
    return None


def _policy(key: ObjectKey) -> PropagationPolicy:
    # Pods of the old object are to be gone before the new one comes and could take them for its own.
    return PropagationPolicy.FOREGROUND if key.group in _WITH_PODS else PropagationPolicy.BACKGROUND
