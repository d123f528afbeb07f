"""Rules of single fields, as an apply keeps them.

==========  ======================================================================================================
policy      kept by
==========  ======================================================================================================
ignore      the field is in the apply that creates the object, and in none after it. Before the next one we give up
            that we own it, else the API server would take it out of the object. Its value stays, and is its writers'
force       where somebody else owns it with another value it is taken back, also where the mode would leave it
fail        where somebody else owns it with another value nothing is written to the object
==========  ======================================================================================================
"""

from dataclasses import replace
from typing import Any

from fedsvc.controllers.session import MemberSession, metadata_of
from fedsvc.members.client import PatchType, with_resource_version
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.handling import Handling
from fedsvc.model.unit import FieldPolicy
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.canonical import canonical_json, load_json
from fedsvc.rendering.fieldpaths import owns, remove_field, without_ownership
from fedsvc.rendering.ownership import our_fields


def without_ignored(work: DirtyWork) -> DirtyWork:
    """The work without the fields that are left to others."""
    if not work.handling.ignored or work.body is None:
        return work
    manifest = load_json(work.body)
    for path in work.handling.ignored:
        remove_field(manifest, path)
    return replace(work, body=canonical_json(manifest))


def may_force(handling: Handling, error: MemberStatusError, *, otherwise: bool) -> bool:
    """Whether an apply that was refused for fields of others may be sent with force.

    Args:
        handling: the rules of the work.
        error: the refusal.
        otherwise: whether fields that no rule is of may be taken.
    """
    if not error.field_conflicts:
        return False
    policies = [handling.of_conflict(cause.field) for cause in error.field_conflicts]
    return all(otherwise if policy is None else policy is FieldPolicy.FORCE for policy in policies)


def at_version(work: DirtyWork, version: str) -> bytes:
    """The manifest of a work, to be applied to this version of the object and no other."""
    body = work.body or b""
    return with_resource_version(body, version) if version else body


async def let_go(session: MemberSession, work: DirtyWork, path: str, live: dict[str, Any]) -> dict[str, Any]:
    """Give up that we own fields which are left to others, in this version of the object; gives it as it is then.

    Raises:
        MemberError: whatever `outcomes` has words for; a lost race among them.
        WriteHeldError: nothing may be written for it now.
    """
    ours = our_fields(live)
    if ours is None or not any(owns(ours, ignored) for ignored in work.handling.ignored):
        return live
    left = ours
    for ignored in work.handling.ignored:
        left = without_ownership(left, ignored)
    metadata = metadata_of(live)
    entries = [
        {**entry, "fieldsV1": left} if entry.get("fieldsV1") is ours else entry
        for entry in metadata.get("managedFields") or ()
        if isinstance(entry, dict)
    ]
    patch = {"metadata": {"resourceVersion": metadata.get("resourceVersion"), "managedFields": entries}}
    await session.may_write(work)
    async with session.deadline(f"PATCH {path}"):
        return await session.member.client.patch(
            path, canonical_json(patch), patch_type=PatchType.MERGE, guard=session.guard(work)
        )
