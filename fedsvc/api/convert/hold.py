"""Holds as protobuf."""

from typing import Final

from fedsvc.api.convert.common import inverted, timestamp
from fedsvc.model.hold import Hold, HoldKind, HoldScope
from fedsvc.v1 import hold_pb2

_KINDS: Final = {
    HoldKind.PAUSE: hold_pb2.HOLD_KIND_PAUSE,
    HoldKind.FREEZE: hold_pb2.HOLD_KIND_FREEZE,
    HoldKind.BREAKER: hold_pb2.HOLD_KIND_BREAKER,
    HoldKind.HEALTH: hold_pb2.HOLD_KIND_HEALTH,
}
_SCOPES: Final = {
    HoldScope.EVERYTHING: hold_pb2.HOLD_SCOPE_EVERYTHING,
    HoldScope.CHANGES: hold_pb2.HOLD_SCOPE_CHANGES,
    HoldScope.REMOVALS: hold_pb2.HOLD_SCOPE_REMOVALS,
    HoldScope.AUTOMATION: hold_pb2.HOLD_SCOPE_AUTOMATION,
}
READ_SCOPES: Final = inverted(_SCOPES)


def hold_message(hold: Hold) -> hold_pb2.Hold:
    """A hold as protobuf."""
    return hold_pb2.Hold(
        subject=hold.subject,
        kind=_KINDS[hold.kind],
        scope=_SCOPES[hold.scope],
        reason=hold.reason,
        author=hold.author,
        create_time=timestamp(hold.create_time),
        end_time=timestamp(hold.end_time),
        clusters=sorted(hold.clusters or ()),
        namespaces=sorted(hold.namespaces or ()),
        thawed=sorted(hold.thawed),
        units=sorted(hold.units or ()),
    )
