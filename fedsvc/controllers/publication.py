"""Pure: what is to be done that a name server of others has a zone as it was planned."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from fedsvc_dns.providers.contract import ChangeSet, Fence, Key, Refusal, ZoneContent
from fedsvc_dns.providers.judging import is_servers_own
from fedsvc_dns.records import RecordSet

SHOWN = 20
_MESSAGE_SIZE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a zone on a server differs from what was planned.

    Attributes:
        puts: what the server has not so, or what was there before anything was written.
        deletes: what was written and is not wanted any more.
        gone: what was written, is not wanted, and is not there either.
        strangers: how many record sets others put there.
    """

    puts: tuple[RecordSet, ...]
    deletes: tuple[Key, ...]
    gone: frozenset[Key]
    strangers: int

    @property
    def count(self) -> int:
        """Record sets that are to be written."""
        return len(self.puts) + len(self.deletes)

    def change_set(self, fence: Fence) -> ChangeSet:
        """As a provider takes it."""
        return ChangeSet(fence=fence, puts=self.puts, deletes=self.deletes)


def difference(
    planned: Mapping[Key, RecordSet], content: ZoneContent, noted: AbstractSet[Key], *, origin: str
) -> Difference:
    """Return how a zone on a server differs from what was planned.

    Only what was written from here is ever deleted: what others put into the zone is theirs.

    Args:
        planned: what it shall hold, in canonical form.
        content: what it holds.
        noted: what was written there, or may have been.
        origin: of the zone.
    """
    held = content.record_sets
    left = noted - planned.keys()
    return Difference(
        puts=tuple(one for key, one in sorted(planned.items()) if key not in noted or held.get(key) != one),
        deletes=tuple(sorted(key for key in left if key in held)),
        gone=frozenset(key for key in left if key not in held),
        strangers=sum(1 for key in held if key not in planned and key not in noted and not is_servers_own(key, origin)),
    )


def forgotten(found: Difference, noted: AbstractSet[Key], refused: Collection[Refusal]) -> frozenset[Key]:
    """What need not be remembered after a change: what was deleted, and what was refused and never written."""
    names = {one.name for one in refused}
    deleted = {key for key in found.deletes if key[0] not in names}
    never = {one.key for one in found.puts if one.name in names and one.key not in noted}
    return frozenset(found.gone | deleted | never)


def refusal_lines(refused: Collection[Refusal]) -> tuple[str, ...]:
    """The first names that were refused, with the reason."""
    listed = sorted(refused, key=lambda one: one.name)[:SHOWN]
    return tuple(f"{one.reason.value}: {shortened(one.message)}" for one in listed)


def shortened(message: str) -> str:
    """A message of a size that is stored."""
    return message if len(message) <= _MESSAGE_SIZE else f"{message[: _MESSAGE_SIZE - 1]}\u2026"
