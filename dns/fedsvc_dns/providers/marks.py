"""Pure: the TXT records that say whose a zone, or a record set in it, is; ours, ExternalDNS' and octoDNS'.

Ours are `_fedsvc-zone.ZONE` where the zone is owned whole, else `_fedsvc-records-OWNER.ZONE` and one
`_fedsvc-TYPE.NAME` for each record set. The first two carry the fence of the last writer, and are the prerequisite of
each update.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fedsvc_dns.providers.contract import Fence, Key
from fedsvc_dns.records import RecordSet

PREFIX = "_fedsvc-"
MARK_TTL_SECONDS = 10
_OWNER = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_WRITER = re.compile(r"[a-z0-9]{1,32}")
_MAX_NAME_TEXT = 254
"""Of a name with its last dot; RFC 1035's 255 octets count the root's too."""
_OCTODNS = '"*octodns*"'
_OCTODNS_LABEL = "_owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the mark of a zone says: who owns it, and who wrote last.

    Attributes:
        owner: the installation of fedsvc.
        fence: of the last change.
        step: counts the messages that a change set took.
        writer: something of the process that wrote, so that no two write the same value.
    """

    owner: str
    fence: Fence
    step: int
    writer: str

    def value(self) -> str:
        """The data of its TXT record."""
        fence = self.fence
        return (
            f'"heritage=fedsvc,owner={self.owner},epoch={fence.epoch},generation={fence.generation},'
            f'step={self.step},writer={self.writer}"'
        )


def check_owner(owner: str) -> str:
    """An owner's name as it is used in names and data.

    Raises:
        ValueError: it is not fit for that.
    """
    if not _OWNER.fullmatch(owner):
        raise ValueError(f"owner {owner!r}: 1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit")
    return owner


def state_of(value: str) -> State | None:
    """What a TXT record says, or None where it is no mark of a zone."""
    fields = _fields(value)
    if fields.get("heritage") != "fedsvc" or not _WRITER.fullmatch(fields.get("writer", "")):
        return None
    try:
        fence = Fence(epoch=int(fields["epoch"]), generation=int(fields["generation"]))
        return State(owner=fields["owner"], fence=fence, step=int(fields["step"]), writer=fields["writer"])
    except (KeyError, ValueError):
        return None


def zone_mark(origin: str) -> str:
    """The name of the mark of a zone that is owned whole."""
    return f"{PREFIX}zone.{_below(origin)}"


def records_mark(origin: str, owner: str) -> str:
    """The name of the mark of an owner of some records of a zone."""
    return f"{PREFIX}records-{owner}.{_below(origin)}"


def is_mark(name: str) -> bool:
    """Whether a name is one that fedsvc keeps for its marks."""
    return name.startswith(PREFIX)


def record_mark(key: Key, origin: str) -> str:
    """The name of the mark of a record set; under the zone itself, by a digest, where it would be too long."""
    name, type_ = key
    mark = f"{PREFIX}{type_.lower()}.{name.replace('*', '_wildcard', 1) if name.startswith('*') else name}"
    if len(mark) <= _MAX_NAME_TEXT:
        return mark
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{PREFIX}{type_.lower()}-{digest}.{_below(origin)}"


def record_mark_value(owner: str) -> str:
    """The data of the mark of a record set."""
    return f'"heritage=fedsvc,owner={owner}"'


def record_owner(key: Key, record_sets: Mapping[Key, RecordSet], origin: str) -> str | None:
    """Which installation of fedsvc has marked a record set as its own."""
    found = record_sets.get((record_mark(key, origin), "TXT"))
    for value in found.values if found else ():
        fields = _fields(value)
        if fields.get("heritage") == "fedsvc":
            return fields.get("owner", "")
    return None


def zone_states(record_sets: Iterable[RecordSet], origin: str) -> dict[str, State]:
    """All marks of a zone, by name: of its one owner, or of those who own records in it."""
    states: dict[str, State] = {}
    whole, some = zone_mark(origin), f"{PREFIX}records-"
    for record_set in record_sets:
        if record_set.type == "TXT" and (record_set.name == whole or record_set.name.startswith(some)):
            state = state_of(record_set.values[0])
            if state is not None:
                states[record_set.name] = state
    return states


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignMarks:
    """How others mark names here: ExternalDNS by `--txt-prefix` and `--txt-suffix`, where it is run with them."""

    txt_prefix: str = ""
    txt_suffix: str = ""


NO_AFFIXES = ForeignMarks()


def foreign_owners(record_sets: Iterable[RecordSet], marks: ForeignMarks) -> dict[str, str]:
    """Names that ExternalDNS or octoDNS have marked as their own, with who it is.

    ExternalDNS marks a name by a TXT record at the name itself, or at the name with its type before the first label;
    octoDNS by one at `_owner.TYPE.NAME`. Marks that ExternalDNS encrypts cannot be told from other text.
    """
    owners: dict[str, str] = {}
    for record_set in record_sets:
        if record_set.type != "TXT":
            continue
        for value in record_set.values:
            fields = _fields(value)
            if fields.get("heritage") == "external-dns":
                who = f"ExternalDNS (owner {fields.get('external-dns/owner', 'unknown')})"
                owners.update(dict.fromkeys(_marked_by_external_dns(record_set.name, marks), who))
            elif value == _OCTODNS and record_set.name.startswith(f"{_OCTODNS_LABEL}."):
                marked = record_set.name.split(".", 2)[2]
                owners[marked.replace("_wildcard", "*", 1) if marked.startswith("_wildcard.") else marked] = "octoDNS"
    return owners


_EXTERNAL_DNS_TYPES = re.compile(r"(a|aaaa|cname|ns|srv|txt|mx|ptr|naptr)-(?=.)")


def _marked_by_external_dns(mark: str, marks: ForeignMarks) -> list[str]:
    """The names that one of its marks may speak of: with and without the type, as older and newer versions write it."""
    label, rest = mark.split(".", 1)
    bare = label.removeprefix(marks.txt_prefix).removesuffix(marks.txt_suffix)
    untyped = [_EXTERNAL_DNS_TYPES.sub("", one, count=1) for one in (label, bare)]
    found = {label, bare, *untyped, *(one.removeprefix(marks.txt_prefix) for one in untyped)}
    names = [f"{one}.{rest}" for one in sorted(found) if one]
    if marks.txt_prefix.endswith("."):  # a prefix may be labels of its own
        bare = mark.removeprefix(marks.txt_prefix)
        names += [bare, _EXTERNAL_DNS_TYPES.sub("", bare, count=1)] if bare != mark else []
    return names


def _fields(value: str) -> dict[str, str]:
    parts = value.strip('"').split(",")
    return dict(part.split("=", 1) for part in parts if "=" in part)


def _below(origin: str) -> str:
    return "" if origin == "." else origin
