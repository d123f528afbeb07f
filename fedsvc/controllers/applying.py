"""Making a member hold one work: server-side apply, with the question of whose the object is settled before writing.

==================  =========================================================================================
the object is       done
==================  =========================================================================================
not ours yet        applied so that it can only be created; where it exists, it is looked at: ours after all (a
                    crash before the result was stored): applied with force; somebody else's: by conflict mode -
                    abort: Failed; adopt: applied without force, fields of others with other values: Failed;
                    overwrite: applied with force at once
ours, correct       applied with force
ours, other drift   applied without force; fields that others took: Drifted
modes
==================  =========================================================================================
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from fedsvc.controllers import outcomes
from fedsvc.controllers.outcomes import Outcome
from fedsvc.controllers.session import MemberSession, is_terminating, managers_of
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.unit import ConflictMode, DriftMode
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.canonical import canonical_json, load_json
from fedsvc.rendering.compatibility import served_alternative, with_api_version
from fedsvc.rendering.marks import FIELD_MANAGER, MARK_DOMAIN, is_managed, owner_of

CREATED_FOR_LABEL: Final = f"{MARK_DOMAIN}/created-for"
"""On namespaces that were made for a unit and are nobody's work: they are never deleted by us."""

_MAX_LABEL: Final = 63
_SHOWN_MANAGERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The member holds the work; `live` is the object as it answered."""

    live: dict[str, Any]
    adopted: bool  # it existed before, and was somebody else's


async def apply_work(session: MemberSession, work: DirtyWork) -> Applied | Outcome:
    """Apply one work.

    Raises:
        MemberError: whatever `outcomes` has words for.
    """
    if work.body is None:
        message = "the manifest that the member shall hold is not in the store any more: apply the unit again"
        return outcomes.failed("ManifestMissing", message, key=f"work-{work.id}")
    resource = await session.resource(work.key.gvk)
    path = resource.path(namespace=work.key.namespace or "default", name=work.key.name)
    if resource.version != work.key.version:
        served = {(resource.group, resource.version, resource.kind)}
        api_version = served_alternative(work.key, served, load_json(work.body))
        if api_version is None:
            message = f"the cluster serves it in {resource.version} only, where this object would mean something else"
            return outcomes.failed("KindNotServed", message, key=f"work-{work.id}")
        work = replace(work, body=with_api_version(work.body, api_version))
    if work.member_uid:
        return await _apply_ours(session, work, path)
    if work.conflict is ConflictMode.OVERWRITE:
        return Applied(live=await _send(session, work, path, force=True), adopted=False)
    try:
        return Applied(live=await _send(session, work, path, force=False, create_only=True), adopted=False)
    except MemberStatusError as error:
        may_create = outcomes.is_version_refused(error)
        if not may_create and not outcomes.is_taken(error):
            raise
    return await _apply_existing(session, work, path, may_create=may_create)


async def _apply_ours(session: MemberSession, work: DirtyWork, path: str) -> Applied | Outcome:
    try:
        live = await _send(session, work, path, force=work.drift is DriftMode.CORRECT)
    except MemberStatusError as error:
        if work.drift is DriftMode.CORRECT or not error.field_conflicts:
            raise
        # The template cannot be applied as a whole without taking back what others took: the mode says to leave it.
        return outcomes.drifted(f"other managers own fields of it: {outcomes.conflict_text(error)}")
    return Applied(live=live, adopted=False)


async def _apply_existing(session: MemberSession, work: DirtyWork, path: str, *, may_create: bool) -> Applied | Outcome:
    key = f"work-{work.id}"
    try:
        async with session.deadline(f"GET {path}"):
            live = await session.member.client.get(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise
        if may_create:
            # Not atomic as the other way is, but without force: what somebody makes in between keeps its values.
            return Applied(live=await _send(session, work, path, force=False), adopted=False)
        message = "the object existed when it was to be created, and is gone now"
        return outcomes.retrying("Conflict", message, key=key, attempts=work.attempts)
    if is_terminating(live):
        message = "an object of that name is being deleted there; it is created when that one is gone"
        return outcomes.retrying("BeingDeleted", message, key=key, attempts=min(work.attempts, 4))
    owner = owner_of(live)
    if owner is not None and owner.unit_uid == work.unit_uid:
        return Applied(live=await _send(session, work, path, force=True), adopted=False)
    if is_managed(live) and owner is not None:
        # Our field manager has one name everywhere, so an apply would take it from the other fedsvc without a conflict.
        whose = f"managed by fedsvc for unit {owner.unit_namespace}/{owner.unit_name} (uid {owner.unit_uid})"
        return outcomes.failed("ObjectExists", f"it exists there already: {whose}", key=key)
    if work.conflict is ConflictMode.ADOPT:
        return Applied(live=await _send(session, work, path, force=False), adopted=True)
    managers = list(managers_of(live, but=FIELD_MANAGER))[:_SHOWN_MANAGERS]
    whose = f"written by {', '.join(managers)}" if managers else "written by nobody that is known"
    message = (
        f"it exists there already and is not managed by fedsvc ({whose}): delete it there, or set "
        "propagation.conflict to adopt (take it over where values agree) or overwrite (take it over as it should be)"
    )
    return outcomes.failed("ObjectExists", message, key=key)


async def _send(
    session: MemberSession, work: DirtyWork, path: str, *, force: bool, create_only: bool = False
) -> dict[str, Any]:
    """One server-side apply; where the namespace is missing it is made, and the apply sent again."""
    assert work.body is not None, "a work that is to be applied has a manifest"
    client = session.member.client
    try:
        async with session.deadline(f"PATCH {path}"):
            live = await client.apply(path, work.body, force=force, create_only=create_only)
    except MemberStatusError as error:
        if error.kind_absent:
            # It was served when the table was read: look again before the next try.
            session.member.discovery.invalidate()
        namespace = outcomes.missing_namespace(error)
        if not namespace or namespace != work.key.namespace:
            raise
        await _make_namespace(session, namespace, work)
        async with session.deadline(f"PATCH {path}"):
            live = await client.apply(path, work.body, force=force, create_only=create_only)
    return live


async def _make_namespace(session: MemberSession, namespace: str, work: DirtyWork) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    labels = {CREATED_FOR_LABEL: _label_of_unit(work.unit_name)}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    try:
        async with session.deadline(f"PATCH {path}"):
            await session.member.client.apply(path, canonical_json(manifest), force=False, create_only=True)
    except MemberStatusError as error:
        if not outcomes.is_taken(error):
            raise
        return  # made by another work, or by somebody else, in this moment
    session.events.normal(
        work.unit_name, "NamespaceCreated", f"made namespace {namespace}, which was missing", cluster=session.cluster
    )


def _label_of_unit(unit_name: str) -> str:
    # "namespaces/shop/units/web" as a label value: no slash, at most 63 characters, ends with a letter or digit.
    _, namespace, _, name = unit_name.split("/")
    return f"{namespace}.{name}"[:_MAX_LABEL].rstrip("-_.")
