"""Pure: what of a zone that was read anew is not believed, and what of it others changed."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from fedsvc_dns.providers.contract import Key, TransferError
from fedsvc_dns.records import RecordSet

_SHRUNK_FROM = 20
"""Record sets; a smaller zone may lose half of them without suspicion."""


def check_shrunk(
    origin: str, known: Mapping[Key, RecordSet], after: Mapping[Key, RecordSet], ours: AbstractSet[Key]
) -> None:
    """Refuse a zone that lost more than half of what is not ours.

    Args:
        origin: of the zone.
        known: what it held.
        after: what it is said to hold.
        ours: what we changed.

    Raises:
        TransferError: it did.
    """
    before = len(known.keys() - ours)
    left = len(after.keys() - ours)
    if before >= _SHRUNK_FROM and 2 * left < before:
        raise TransferError(
            f"{origin} had {before} record sets and is said to have {left}: not believed;"
            " read it with may_shrink if it is so"
        )


def drifted(
    held: Mapping[Key, RecordSet], found: Mapping[Key, RecordSet | None], ours: AbstractSet[Key]
) -> tuple[Key, ...]:
    """What others changed: what was found otherwise than it was held, and is not ours."""
    return tuple(sorted(key for key, one in found.items() if key not in ours and held.get(key) != one))


def gone(held: Iterable[Key], after: Mapping[Key, RecordSet]) -> dict[Key, RecordSet | None]:
    """What was held and is not there any more, as `drifted` takes it."""
    return {key: None for key in held if key not in after}
