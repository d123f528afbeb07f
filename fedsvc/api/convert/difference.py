"""What an apply would change in members, as protobuf; values of Secrets are masked."""

from collections.abc import Iterable
from typing import Final

from fedsvc.api.convert.common import ref_message
from fedsvc.api.convert.masking import shown_value
from fedsvc.members.comparing import DifferenceType, ObjectDifference
from fedsvc.rendering.changes import Change
from fedsvc.rendering.identity import ObjectKey
from fedsvc.v1 import ownership_service_pb2 as pb

MAX_FIELDS: Final = 500
"""Of one object; what is beyond it is told of by one entry that names no value."""

_TYPES: Final = {
    DifferenceType.ADDED: pb.DIFFERENCE_TYPE_ADDED,
    DifferenceType.CHANGED: pb.DIFFERENCE_TYPE_CHANGED,
    DifferenceType.REMOVED: pb.DIFFERENCE_TYPE_REMOVED,
    DifferenceType.FOREIGN: pb.DIFFERENCE_TYPE_FOREIGN,
}


def difference_message(difference: ObjectDifference) -> pb.ObjectDifference:
    """What would change in one object."""
    work = difference.work
    return pb.ObjectDifference(
        cluster=work.cluster,
        ref=ref_message(work.key),
        type=_TYPES[difference.type],
        fields=list(_field_messages(work.key, difference.fields)),
        refusal=difference.refusal,
        work=f"works/{work.id}",
    )


def _field_messages(key: ObjectKey, fields: tuple[Change, ...]) -> Iterable[pb.FieldDifference]:
    for change in fields[:MAX_FIELDS]:
        yield pb.FieldDifference(
            path=change.path,
            desired_json=shown_value(key, change.after),
            live_json=shown_value(key, change.before),
            managers=change.managers,
        )
    if len(fields) > MAX_FIELDS:
        yield pb.FieldDifference(path=f"(and {len(fields) - MAX_FIELDS} more fields)")
