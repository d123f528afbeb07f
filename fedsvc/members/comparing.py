"""Asking a member what an apply would change in one object: a read and a dry run, nothing is written."""

from dataclasses import dataclass, replace
from enum import StrEnum

from fedsvc.members.api_table import ApiResource
from fedsvc.members.errors import KindNotServedError, MemberStatusError
from fedsvc.members.registry import Member
from fedsvc.model.unit import ConflictMode
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.canonical import JsonObject, canonical_json, load_json
from fedsvc.rendering.changes import Change, changes
from fedsvc.rendering.compatibility import served_alternative, with_api_version
from fedsvc.rendering.difference import differences
from fedsvc.rendering.fieldpaths import remove_field
from fedsvc.rendering.marks import is_managed, owner_of
from fedsvc.rendering.ownership import owners_of


class DifferenceType(StrEnum):
    """What is to be done with an object."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDifference:
    """What an apply would change in one object.

    Attributes:
        work: of the object.
        type: what is to be done.
        fields: what would change in one that is there.
        refusal: why the member would refuse it; empty where it would not.
    """

    work: DirtyWork
    type: DifferenceType
    fields: tuple[Change, ...] = ()
    refusal: str = ""


async def compare(member: Member, work: DirtyWork) -> ObjectDifference | None:
    """What differs between what a member holds of a work and what it shall hold; None where nothing does.

    Fields that are left to others are not compared.

    Raises:
        MemberError: the member cannot be asked.
    """
    try:
        resource = await member.discovery.resource(*work.key.gvk)
    except KindNotServedError as error:
        refused = ObjectDifference(work=work, type=DifferenceType.ADDED, refusal=str(error))
        return None if work.removal is not None else refused
    path = resource.path(namespace=work.key.namespace or "default", name=work.key.name)
    live = await _read(member, path)
    if work.removal is not None:
        goes = live is not None and _is_ours(live, work)
        return ObjectDifference(work=work, type=DifferenceType.REMOVED) if goes else None
    if work.body is None:
        return None  # it could not be rendered: there is nothing to compare with, and its state says so
    body = _served_body(work.body, work, resource)
    if body is None:
        refusal = f"the cluster serves it in {resource.version} only, where it would mean something else"
        return ObjectDifference(work=work, type=DifferenceType.ADDED, refusal=refusal)
    return await _compare_wanted(member, path, replace(work, body=body), live)


async def _compare_wanted(
    member: Member, path: str, work: DirtyWork, live: JsonObject | None
) -> ObjectDifference | None:
    manifest = load_json(work.body or b"{}")
    if live is None:
        refusal = await _try_new(member, path, canonical_json(manifest), work)
        return ObjectDifference(work=work, type=DifferenceType.ADDED, refusal=refusal)
    for ignored in work.handling.ignored:
        remove_field(manifest, ignored)
    found, refusal = await _try(member, path, manifest, live, work)
    if not _is_ours(live, work):
        refusal = refusal or _foreign(live, work)
        return ObjectDifference(work=work, type=DifferenceType.FOREIGN, fields=found, refusal=refusal)
    return ObjectDifference(work=work, type=DifferenceType.CHANGED, fields=found, refusal=refusal) if found else None


def _served_body(body: bytes, work: DirtyWork, resource: ApiResource) -> bytes | None:
    if resource.version == work.key.version:
        return body
    served = {(resource.group, resource.version, resource.kind)}
    api_version = served_alternative(work.key, served, load_json(body))
    return None if api_version is None else with_api_version(body, api_version)


def _is_ours(live: JsonObject, work: DirtyWork) -> bool:
    owner = owner_of(live)
    return is_managed(live) and owner is not None and owner.unit_uid in (work.unit_uid, work.former_unit_uid)


def _foreign(live: JsonObject, work: DirtyWork) -> str:
    owner = owner_of(live)
    if is_managed(live) and owner is not None:
        return f"it is managed by fedsvc for unit {owner.unit_namespace}/{owner.unit_name}"
    if work.conflict is ConflictMode.ABORT:
        return "it is not managed by fedsvc, and propagation.conflict is abort"
    return ""


async def _read(member: Member, path: str) -> JsonObject | None:
    try:
        return await member.client.get(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise
        return None


async def _try_new(member: Member, path: str, body: bytes, work: DirtyWork) -> str:
    try:
        await member.client.apply(path, body, force=False, dry_run=True)
    except MemberStatusError as error:
        # A namespace that is missing is made before the object.
        if error.code == 404 and work.key.namespace and "namespaces " in error.message:
            return ""
        if error.code in (401, 429) or error.code >= 500:
            raise
        return error.message
    return ""


async def _try(
    member: Member, path: str, manifest: JsonObject, live: JsonObject, work: DirtyWork
) -> tuple[tuple[Change, ...], str]:
    """What an apply changes; where the member refuses even to try, what of the template it does not hold, and why."""
    try:
        after = await member.client.apply(path, canonical_json(manifest), force=True, dry_run=True)
    except MemberStatusError as error:
        if error.code in (401, 429) or error.code >= 500:
            raise
        return _missing(manifest, live), error.message
    return tuple(changes(live, after, ignored=work.handling.ignored)), ""


def _missing(manifest: JsonObject, live: JsonObject) -> tuple[Change, ...]:
    return tuple(
        Change(
            path=difference.path,
            before=None if difference.live_absent else difference.live,
            after=difference.desired,
            managers=owners_of(live, difference.path),
        )
        for difference in differences(manifest, live)
    )


def without_body(difference: ObjectDifference) -> ObjectDifference:
    """The same without the manifest, which may be large."""
    return replace(difference, work=replace(difference.work, body=None))
