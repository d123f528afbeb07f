"""Making a member hold one work: server-side apply, with the question of whose the object is settled before writing.

==================  =========================================================================================
the object is       done
==================  =========================================================================================
not ours yet        applied so that it can only be created; where it exists, it is looked at: ours after all (a
                    crash before the result was stored): applied with force; somebody else's: by conflict mode -
                    abort: Failed; adopt: applied without force, fields of others with other values: Failed;
                    overwrite: applied with force at once. Where the fields of other tools are to become ours,
                    they are made so before
ours, correct       applied with force, to the very object that we applied last
ours, other drift   likewise without force; fields that others took: Drifted
modes
ours, but gone, or  as one that is not ours yet: what somebody made in its place meanwhile is not overwritten
another is there
==================  =========================================================================================

Rules of single fields come before the modes: see `fields`. What cannot be changed is made anew where that is confirmed:
see `recreating`.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from fedsvc.controllers import fields, outcomes
from fedsvc.controllers.outcomes import Outcome
from fedsvc.controllers.recreating import recreate
from fedsvc.controllers.session import MemberSession, is_terminating, metadata_of, object_uid
from fedsvc.members.client import PatchType
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.unit import ConflictMode, DriftMode, FieldPolicy, ImmutableMode
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.canonical import canonical_json, load_json
from fedsvc.rendering.compatibility import served_alternative, with_api_version
from fedsvc.rendering.marks import FIELD_MANAGER, MARK_DOMAIN, is_managed, owner_of
from fedsvc.rendering.takeover import TOOLS, managers_of, migrated_fields, migrated_managers, tools_of

CREATED_FOR_LABEL: Final = f"{MARK_DOMAIN}/created-for"
"""On namespaces that were made for a unit and are nobody's work: they are never deleted by us."""

_MAX_LABEL: Final = 63
_SHOWN_MANAGERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The member holds the work; `live` is the object as it answered."""

    live: dict[str, Any]
    adopted: bool = False  # it existed before, and was somebody else's
    migrated: tuple[str, ...] = ()  # field managers whose fields became ours
    recreated: bool = False  # the object of before was deleted for it


async def apply_work(session: MemberSession, work: DirtyWork) -> Applied | Outcome:
    """Apply one work.

    Raises:
        MemberError: whatever `outcomes` has words for.
        WriteHeldError: nothing may be written for it now.
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
    try:
        return await _apply(session, work, path)
    except MemberStatusError as error:
        if outcomes.is_other_object(error):
            message = "the object that was looked at is gone, or another one has taken its place"
            return outcomes.retrying("Conflict", message, key=f"work-{work.id}", attempts=work.attempts)
        recreates = work.handling.immutable is ImmutableMode.RECREATE and outcomes.is_immutable_change(error)
        if not recreates:
            raise
        done = await recreate(session, work, path, error)
    if isinstance(done, Outcome):
        return done
    return Applied(live=await _create(session, work, path), recreated=True)


async def _apply(session: MemberSession, work: DirtyWork, path: str) -> Applied | Outcome:
    if work.member_uid:
        done = await _apply_ours(session, work, path, work.member_uid, force=work.drift is DriftMode.CORRECT)
        if done is not None:
            return done
    if work.conflict is ConflictMode.OVERWRITE and not (work.handling.rules or work.handling.migrate):
        return Applied(live=await _send(session, work, path, force=True), adopted=False)
    try:
        return Applied(live=await _create(session, work, path))
    except MemberStatusError as error:
        may_create = outcomes.is_version_refused(error)
        if not may_create and not outcomes.is_taken(error):
            raise
    return await _apply_existing(session, work, path, may_create=may_create)


async def _create(session: MemberSession, work: DirtyWork, path: str) -> dict[str, Any]:
    """Make an object that is not there, with the fields, too, that are left to others from then on."""
    live = await _send(session, work, path, force=False, create_only=True)
    return await fields.let_go(session, work, path, live)


async def _apply_ours(
    session: MemberSession, work: DirtyWork, path: str, uid: str, *, force: bool
) -> Applied | Outcome | None:
    """Apply to the object of this uid, which is ours; None where it is not there any more."""
    try:
        if work.handling.ignored:
            live = await _look(session, path)
            if live is None or object_uid(live) != uid:
                return None
            await fields.let_go(session, work, path, live)
        return Applied(live=await _send_known(session, work, path, force=force, uid=uid))
    except MemberStatusError as error:
        if outcomes.is_other_object(error):
            return None
        if not error.field_conflicts:
            raise
        # Conflicts are found before it is seen that it is another object.
        live = await _look(session, path)
        if live is None or object_uid(live) != uid:
            return None
        # The template cannot be applied as a whole without taking back what others took: mode or rule says to leave it.
        return outcomes.drifted(_owned_by_others(work, error))


async def _apply_existing(session: MemberSession, work: DirtyWork, path: str, *, may_create: bool) -> Applied | Outcome:
    key = f"work-{work.id}"
    live = await _look(session, path)
    if live is None:
        if may_create:
            # Not atomic as the other way is, but without force: what somebody makes in between keeps its values.
            made = await _send(session, work, path, force=False)
            return Applied(live=await fields.let_go(session, work, path, made))
        message = "the object existed when it was to be created, and is gone now"
        return outcomes.retrying("Conflict", message, key=key, attempts=work.attempts)
    if is_terminating(live):
        message = "an object of that name is being deleted there; it is created when that one is gone"
        return outcomes.retrying("BeingDeleted", message, key=key, attempts=min(work.attempts, 4))
    owner = owner_of(live)
    if owner is not None and owner.unit_uid in (work.unit_uid, work.former_unit_uid or work.unit_uid):
        was_applied = work.applied_digest is not None
        force = work.drift is DriftMode.CORRECT or not was_applied
        done = await _apply_ours(session, work, path, object_uid(live), force=force)
        return done or outcomes.retrying(
            "Conflict", "another object took its place just now", key=key, attempts=work.attempts
        )
    if is_managed(live) and owner is not None and work.conflict is not ConflictMode.OVERWRITE:
        # Our field manager has one name everywhere, so an apply would take it from the other fedsvc without a conflict.
        whose = f"managed by fedsvc for unit {owner.unit_namespace}/{owner.unit_name} (uid {owner.unit_uid})"
        return outcomes.failed("ObjectExists", f"it exists there already: {whose}", key=key)
    if work.conflict is ConflictMode.ABORT:
        return outcomes.failed("ObjectExists", _whose(live), key=key)
    return await _take_over(session, work, path, live)


async def _take_over(session: MemberSession, work: DirtyWork, path: str, live: dict[str, Any]) -> Applied | Outcome:
    managers = migrated_managers(live, work.handling.migrate)
    if managers:
        await session.may_write(work)
        await _migrate(session, work, path, live, managers)
    try:
        force = work.conflict is ConflictMode.OVERWRITE
        made = await _send_known(session, work, path, force=force, uid=object_uid(live))
    except MemberStatusError as error:
        if not error.field_conflicts:
            raise
        message = f"{_owned_by_others(work, error)}; {_taking_advice(live, work)}"
        return outcomes.failed("FieldConflict", message, key=f"work-{work.id}")
    return Applied(live=made, adopted=True, migrated=managers)


async def _migrate(
    session: MemberSession, work: DirtyWork, path: str, live: dict[str, Any], managers: tuple[str, ...]
) -> None:
    """Make what other managers own ours, in this version of the object alone: values stay as they are."""
    version = metadata_of(live).get("resourceVersion")
    patch = {"metadata": {"resourceVersion": version, "managedFields": migrated_fields(live, managers)}}
    async with session.deadline(f"PATCH {path}"):
        await session.member.client.patch(
            path, canonical_json(patch), patch_type=PatchType.MERGE, guard=session.guard(work)
        )


async def _look(session: MemberSession, path: str) -> dict[str, Any] | None:
    try:
        async with session.deadline(f"GET {path}"):
            return await session.member.client.get(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise
        return None


def _whose(live: dict[str, Any]) -> str:
    managers = managers_of(live, but=FIELD_MANAGER)[:_SHOWN_MANAGERS]
    whose = f"written by {', '.join(managers)}" if managers else "written by nobody that is known"
    tools = tools_of(live)
    kept = f", kept by {' and '.join(TOOLS[name].title for name in tools)}" if tools else ""
    migrate = f", with propagation.migrate: [{', '.join(tools)}] if it shall let go of it" if tools else ""
    return (
        f"it exists there already and is not managed by fedsvc ({whose}{kept}): delete it there, or set "
        "propagation.conflict to adopt (take it over where values agree) or overwrite (take it over as it should be)"
        f"{migrate}"
    )


def _owned_by_others(work: DirtyWork, error: MemberStatusError) -> str:
    """Say which fields are in the way; of those that single out by a rule only these."""
    ruled = [cause for cause in error.field_conflicts if work.handling.of_conflict(cause.field) is FieldPolicy.FAIL]
    text = f"other managers own fields with other values: {outcomes.conflict_text(error, ruled or None)}"
    return f"{text}; the policy of the field is fail" if ruled else text


def _taking_advice(live: dict[str, Any], work: DirtyWork) -> str:
    tools = [name for name in tools_of(live) if name not in work.handling.migrate]
    advice = "take them over with conflict: overwrite, or give the field a policy (propagation.fields)"
    return f"{advice}, or all that a tool wrote with propagation.migrate: [{', '.join(tools)}]" if tools else advice


async def _send_known(session: MemberSession, work: DirtyWork, path: str, *, force: bool, uid: str) -> dict[str, Any]:
    """Apply to the object of this uid: without the fields that are left to others, and by the rules of the rest.

    Raises:
        MemberStatusError: with the conflicts, where a field that somebody else owns is not to be taken; or since it is
            not there any more.
    """
    work = fields.without_ignored(work)
    if not work.handling.judges:
        return await _send(session, work, path, force=force, uid=uid)
    try:
        return await _send(session, work, path, force=False, uid=uid)
    except MemberStatusError as error:
        if not fields.may_force(work.handling, error, otherwise=force):
            raise
    # Between two requests somebody may take another field: what was judged is what this version of the object says.
    live = await _look(session, path)
    version = "" if live is None else str(metadata_of(live).get("resourceVersion") or "")
    fixed = replace(work, body=fields.at_version(work, version))
    try:
        return await _send(session, fixed, path, force=False, uid=uid)
    except MemberStatusError as error:
        if not fields.may_force(work.handling, error, otherwise=force):
            raise
    return await _send(session, fixed, path, force=True, uid=uid)


async def _send(
    session: MemberSession, work: DirtyWork, path: str, *, force: bool, create_only: bool = False, uid: str = ""
) -> dict[str, Any]:
    """One server-side apply; where the namespace is missing it is made, and the apply sent again."""
    assert work.body is not None, "a work that is to be applied has a manifest"
    client = session.member.client
    await session.may_write(work)
    try:
        async with session.deadline(f"PATCH {path}"):
            live = await client.apply(
                path, work.body, force=force, create_only=create_only, uid=uid, guard=session.guard(work)
            )
    except MemberStatusError as error:
        if error.kind_absent:
            # It was served when the table was read: look again before the next try.
            session.member.discovery.invalidate()
        namespace = outcomes.missing_namespace(error)
        if not namespace or namespace != work.key.namespace:
            raise
        await session.may_write(work)
        await _make_namespace(session, namespace, work)
        await session.may_write(work)
        async with session.deadline(f"PATCH {path}"):
            live = await client.apply(
                path, work.body, force=force, create_only=create_only, uid=uid, guard=session.guard(work)
            )
    return live


async def _make_namespace(session: MemberSession, namespace: str, work: DirtyWork) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    labels = {CREATED_FOR_LABEL: _label_of_unit(work.unit_name)}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    try:
        async with session.deadline(f"PATCH {path}"):
            await session.member.client.apply(
                path, canonical_json(manifest), force=False, create_only=True, guard=session.guard(work)
            )
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
