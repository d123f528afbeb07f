"""Pure: what every provider of zones does, and the words it answers in.

A provider makes one zone hold what was planned. It refuses what it must, name by name, and tells so; what it cannot
know it reads back. A change set carries the fence of its writer: one that is late never overwrites a newer one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fedsvc_dns.records import RecordSet

Key = tuple[str, str]
"""Name and type of a record set."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fence:
    """What tells an older writer from a newer one: first by epoch, then by generation.

    Attributes:
        epoch: raised each time another process becomes the zone's writer.
        generation: of the plan; raised with each plan of the zone.
    """

    epoch: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What shall be different in a zone; what it does not name stays.

    Attributes:
        fence: whose change it is.
        puts: record sets that the zone shall have exactly so, TTL included; what is urgent first, where there is much.
        deletes: name and type of those it shall not have.
    """

    fence: Fence
    puts: tuple[RecordSet, ...] = ()
    deletes: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: a name and type is put twice, or put and deleted.
        """
        keys = [record_set.key for record_set in self.puts]
        keys.extend(set(self.deletes))
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"{twice[0]} {twice[1]} is in the change set twice")


class Mode(StrEnum):
    """What may be done to a zone.

    READ_ONLY: nothing; to look at it before it is taken over. ADOPT: as WRITE, and what nobody has marked becomes ours
    where a change set puts it as it is. WRITE: what is ours, and what is not there yet.
    """

    READ_ONLY = "READ_ONLY"
    ADOPT = "ADOPT"
    WRITE = "WRITE"


class Reason(StrEnum):
    """Why a provider does not do what a change set says of a name."""

    NOT_IN_ZONE = "NOT_IN_ZONE"
    INVALID = "INVALID"
    PROTECTED = "PROTECTED"
    FOREIGN = "FOREIGN"
    CNAME_BESIDE_DATA = "CNAME_BESIDE_DATA"
    TOO_BIG = "TOO_BIG"
    UNSUPPORTED = "UNSUPPORTED"
    SERVER_REFUSED = "SERVER_REFUSED"
    NOT_TAKEN = "NOT_TAKEN"
    NOT_TRIED = "NOT_TRIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A name that keeps what it had, all of it: a name is changed whole or not at all.

    Attributes:
        name: which one.
        reason: for programs.
        message: for people: what is wrong, and what would be right where that is known.
    """

    name: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneContent:
    """What a zone holds, as its server said.

    Attributes:
        serial: of its SOA.
        record_sets: all but the SOA, by name and type, marks of ownership included.
        drifted: what is different from what this provider last knew, and not by its own doing; empty at its first look.
    """

    serial: int
    record_sets: Mapping[Key, RecordSet]
    drifted: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a change set.

    Attributes:
        serial: of the zone afterwards.
        written: names that were changed, sorted; those that were right already are not among them.
        refused: names that were not, sorted.
    """

    serial: int
    written: tuple[str, ...]
    refused: tuple[Refusal, ...]


class Provider(Protocol):
    """One zone at one place. Its methods raise `ProviderError`s, and have deadlines of their own."""

    async def read(self) -> ZoneContent:
        """What the zone holds now."""
        ...

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Make the zone hold it, as far as it may.

        A second time it changes nothing.

        Raises:
            StaleWriterError: a newer writer has been here.
        """
        ...


class ProviderError(Exception):
    """The zone is as it was, or what became of a change set is not known: reading tells."""


class StaleWriterError(ProviderError):
    """A newer writer has been here; give up, or take the zone over with a newer epoch."""


class ZoneNotOursError(ProviderError):
    """The zone is somebody else's, or nobody's and not empty."""


class ReadOnlyZoneError(ProviderError):
    """The provider is told to write nothing."""


class CredentialsError(ProviderError):
    """The server does not accept our signatures, or we not its."""


class ServerRefusedError(ProviderError):
    """The server refuses to be read or written at all."""


class UnreachableError(ProviderError):
    """No answer in time. What was sent last may have been done."""


class TransferError(ProviderError):
    """A zone was not transferred whole; what came of it is not to be believed."""
