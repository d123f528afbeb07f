"""Pure: what of a change set a zone may take, name by name, told from what the zone holds.

A server's NOERROR is no proof: RFC 2136 section 3.4.2.2 has it skip a CNAME beside other data without a word, and much
at the apex. So it is found out here, before anything is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fedsvc_dns.providers.contract import ChangeSet, Key, Reason, Refusal
from fedsvc_dns.providers.marks import (
    MARK_TTL_SECONDS,
    NO_AFFIXES,
    ForeignMarks,
    foreign_owners,
    is_mark,
    record_mark,
    record_mark_value,
    record_owner,
)
from fedsvc_dns.records import RecordSet, is_within

_SERVERS_OWN = frozenset(("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "KEY", "ZONEMD"))
"""Types that a signing server keeps itself."""
_NOT_RECORDS = frozenset(("ANY", "AXFR", "IXFR", "OPT", "TSIG", "TKEY", "MAILA", "MAILB", "NXNAME"))
_BESIDE_CNAME = frozenset(("RRSIG", "NSEC", "KEY"))
"""What RFC 4034 and RFC 2181 section 10.1 let stand beside a CNAME."""


class Ownership(StrEnum):
    """How much of a zone is fedsvc's: all of it, or the record sets that it has marked, one by one."""

    ZONE = "ZONE"
    RECORDS = "RECORDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who asks.

    Attributes:
        origin: of the zone.
        owner: the installation of fedsvc.
        ownership: what is its own.
        adopts: whether record sets that nobody has marked become its own where a change set puts them as they are.
        foreign_marks: how others mark names.
        take_over: other installations of fedsvc whose marks count as ours.
    """

    origin: str
    owner: str
    ownership: Ownership
    adopts: bool = False
    foreign_marks: ForeignMarks = NO_AFFIXES
    take_over: frozenset[str] = frozenset()

    def owns_as(self, owner: str | None) -> bool:
        """Whether what an owner has marked is ours."""
        return owner is not None and (owner == self.owner or owner in self.take_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameChange:
    """What is to be done at one name, marks included: it goes in one message, or not at all.

    Attributes:
        name: that it is asked for.
        deletes: name and type of what goes.
        puts: what takes the place of what is there.
    """

    name: str
    deletes: tuple[Key, ...]
    puts: tuple[RecordSet, ...]


def judge(
    changes: ChangeSet, record_sets: Mapping[Key, RecordSet], holder: Holder
) -> tuple[tuple[NameChange, ...], tuple[Refusal, ...]]:
    """Divide a change set into what may be sent and what is refused, in its order; what is so already is neither.

    Args:
        changes: canonical, as `wire.canonical` makes it.
        record_sets: what the zone holds.
        holder: who asks.
    """
    asked: dict[str, tuple[list[RecordSet], list[Key]]] = {}
    for record_set in changes.puts:
        asked.setdefault(record_set.name, ([], []))[0].append(record_set)
    for key in dict.fromkeys(changes.deletes):
        asked.setdefault(key[0], ([], []))[1].append(key)

    held = _HeldTypes(record_sets)
    foreign = foreign_owners(record_sets.values(), holder.foreign_marks)
    accepted: list[NameChange] = []
    refused: list[Refusal] = []
    for name, (puts, deletes) in asked.items():
        found = (
            _forbidden(name, [*(record_set.key for record_set in puts), *deletes], holder)
            or _marked_by_others(name, foreign)
            or _foreign(name, puts, deletes, record_sets, holder)
            or _cname_beside_data(name, puts, deletes, held)
        )
        if found is not None:
            refused.append(found)
            continue
        change = _difference(name, puts, deletes, record_sets, holder)
        if change.puts or change.deletes:
            accepted.append(change)
    return tuple(accepted), tuple(refused)


def is_servers_own(key: Key, origin: str) -> bool:
    """Whether a record set is one that name servers keep by themselves, or a mark of ours."""
    name, type_ = key
    return is_mark(name) or _forbidden_type(name, type_, at_apex=name == origin) is not None


class _HeldTypes:
    """The types that there are at names; told without a look at the whole zone where nobody asks for an alias."""

    def __init__(self, record_sets: Mapping[Key, RecordSet]) -> None:
        self._record_sets = record_sets
        self._all: dict[str, set[str]] | None = None

    def at(self, name: str, *, alias: bool) -> set[str]:
        """All types at a name; where it is to be no alias it is enough to know whether it is one."""
        if not alias:
            return {"CNAME"} if (name, "CNAME") in self._record_sets else set()
        if self._all is None:
            self._all = {}
            for held, type_ in self._record_sets:
                self._all.setdefault(held, set()).add(type_)
        return self._all.get(name, set())


def _forbidden(name: str, keys: list[Key], holder: Holder) -> Refusal | None:
    reason, message = None, ""
    if not is_within(name, holder.origin):
        reason, message = Reason.NOT_IN_ZONE, f"{name} is not of the zone {holder.origin}"
    elif "\\" in name:
        reason = Reason.INVALID
        message = f"{name}: names are written plainly here, without the escapes of RFC 1035 section 5.1"
    elif is_mark(name):
        reason = Reason.PROTECTED
        message = f"{name}: names that begin with _fedsvc- are kept for the marks of ownership"
    if reason is not None:
        return Refusal(name=name, reason=reason, message=message)
    found = (_forbidden_type(name, type_, at_apex=name == holder.origin) for _, type_ in keys)
    return next((refusal for refusal in found if refusal is not None), None)


def _marked_by_others(name: str, foreign: Mapping[str, str]) -> Refusal | None:
    if name not in foreign:
        return None
    message = f"{name} is marked as that of {foreign[name]}; remove it there, with its mark, before it can be ours"
    return Refusal(name=name, reason=Reason.FOREIGN, message=message)


def _forbidden_type(name: str, type_: str, *, at_apex: bool) -> Refusal | None:
    if type_ in _NOT_RECORDS:
        message = f"{name} {type_}: {type_} is no type of records in a zone"
        return Refusal(name=name, reason=Reason.INVALID, message=message)
    if type_ == "SOA" or type_ in _SERVERS_OWN or (type_ == "NS" and at_apex):
        where = "at the apex " if type_ == "NS" else ""
        message = f"{name} {type_}: {type_} records {where}are kept by the name server itself"
        return Refusal(name=name, reason=Reason.PROTECTED, message=message)
    if type_ == "CNAME" and at_apex:
        message = f"{name} CNAME: a zone has SOA and NS at its apex, and so no CNAME; give addresses"
        return Refusal(name=name, reason=Reason.CNAME_BESIDE_DATA, message=message)
    return None


def _foreign(
    name: str, puts: list[RecordSet], deletes: list[Key], record_sets: Mapping[Key, RecordSet], holder: Holder
) -> Refusal | None:
    wanted = {record_set.key: record_set for record_set in puts}
    for key in (*wanted, *deletes):
        owner = record_owner(key, record_sets, holder.origin)
        if owner is not None and not holder.owns_as(owner):
            message = f"{name} {key[1]} is marked as that of the owner {owner}, not of {holder.owner}"
            return Refusal(name=name, reason=Reason.FOREIGN, message=message)
        held = record_sets.get(key)
        if holder.ownership is Ownership.ZONE or held is None or owner is not None:
            continue
        if holder.adopts and wanted.get(key) == held:
            continue
        message = f"{name} {key[1]} is there and nobody's mark is on it; " + (
            "it is adopted where it is put with the TTL and data that it has"
            if holder.adopts
            else "adopt it, or remove it"
        )
        return Refusal(name=name, reason=Reason.FOREIGN, message=message)
    return None


def _cname_beside_data(name: str, puts: list[RecordSet], deletes: list[Key], held: _HeldTypes) -> Refusal | None:
    wanted = {record_set.type for record_set in puts}
    types = (held.at(name, alias="CNAME" in wanted) - {type_ for _, type_ in deletes}) | wanted
    if "CNAME" not in types:
        return None
    beside = sorted(types - _BESIDE_CNAME - {"CNAME"})
    if not beside:
        return None
    message = (
        f"{name} would have a CNAME beside {', '.join(beside)}: delete the one or the other (RFC 2181 section 10.1)"
    )
    return Refusal(name=name, reason=Reason.CNAME_BESIDE_DATA, message=message)


def _difference(
    name: str, puts: list[RecordSet], deletes: list[Key], record_sets: Mapping[Key, RecordSet], holder: Holder
) -> NameChange:
    """What is not so yet; marks go and come with what they mark."""
    new = [record_set for record_set in puts if record_sets.get(record_set.key) != record_set]
    gone = [key for key in deletes if key in record_sets]
    if holder.ownership is Ownership.RECORDS:
        new.extend(
            _mark(record_set.key, holder)
            for record_set in puts
            if record_owner(record_set.key, record_sets, holder.origin) != holder.owner
        )
        gone.extend(
            (record_mark(key, holder.origin), "TXT")
            for key in deletes
            if holder.owns_as(record_owner(key, record_sets, holder.origin))
        )
    return NameChange(name=name, deletes=tuple(gone), puts=tuple(new))


def _mark(key: Key, holder: Holder) -> RecordSet:
    return RecordSet(
        name=record_mark(key, holder.origin),
        type="TXT",
        ttl_seconds=MARK_TTL_SECONDS,
        values=(record_mark_value(holder.owner),),
    )
