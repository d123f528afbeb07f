"""Revisions of units as protobuf, and what one changed."""

from collections.abc import Sequence
from dataclasses import fields

from fedsvc.api.convert.common import ref_message, timestamp
from fedsvc.model.unit import Resource, Unit, UnitSpec
from fedsvc.store.revisions import StoredRevision
from fedsvc.v1 import revision_pb2


def revision_message(
    unit: Unit, stored: StoredRevision, before: StoredRevision | None, clusters: Sequence[str]
) -> revision_pb2.UnitRevision:
    """A revision as protobuf.

    Args:
        unit: whose it is.
        stored: the revision.
        before: the one before it, where it is kept.
        clusters: that shall hold it.
    """
    message = revision_pb2.UnitRevision(
        name=f"{unit.resource_name}/revisions/{stored.revision}",
        revision=stored.revision,
        create_time=timestamp(stored.create_time),
        author=stored.author,
        restores=stored.restores or 0,
        current=stored.revision == unit.revision,
        clusters=clusters,
        resource_count=len(stored.resources),
    )
    if before is not None:
        message.changes.CopyFrom(_changes(before, stored))
    elif stored.revision == 1:
        message.changes.CopyFrom(revision_pb2.RevisionChanges(added=[ref_message(one.key) for one in stored.resources]))
    return message


def changed_fields(before: UnitSpec, after: UnitSpec) -> list[str]:
    """The fields of a unit's spec that differ, as documents spell them, sorted."""
    names = [one.name for one in fields(UnitSpec) if getattr(before, one.name) != getattr(after, one.name)]
    return sorted(_camel(name) for name in names)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _changes(before: StoredRevision, after: StoredRevision) -> revision_pb2.RevisionChanges:
    old, new = _by_identity(before.resources), _by_identity(after.resources)
    return revision_pb2.RevisionChanges(
        added=[ref_message(one.key) for identity, one in new.items() if identity not in old],
        changed=[
            ref_message(one.key)
            for identity, one in new.items()
            if identity in old and (old[identity].digest, old[identity].key.version) != (one.digest, one.key.version)
        ],
        removed=[ref_message(one.key) for identity, one in old.items() if identity not in new],
        fields=changed_fields(before.spec, after.spec),
    )


def _by_identity(resources: Sequence[Resource]) -> dict[tuple[str, ...], Resource]:
    return {one.key.identity: one for one in resources}
