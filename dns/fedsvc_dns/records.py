"""Pure: record sets, the common language of planner, providers and server.

Names are absolute, in lower case and A-label form, with their last dot; data is text in the presentation format of its
type (RFC 1035 section 5.1), names in it absolute. Two record sets that say the same are equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_TTL_SECONDS = 2**31 - 1
"""RFC 2181 section 8."""
_MAX_NAME_OCTETS = 255
_MAX_LABEL_OCTETS = 63


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RecordSet:
    """All records of one name and type: a set with one TTL (RFC 2181 section 5).

    Attributes:
        name: whose records they are.
        type: mnemonic of the type, in capital letters.
        ttl_seconds: how long resolvers may keep them.
        values: data of each record, sorted, each once; never empty.
    """

    name: str
    type: str
    ttl_seconds: int
    values: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Name and type: what there is one set of in a zone."""
        return self.name, self.type


def record_set(name: str, type_: str, values: Iterable[str], *, ttl_seconds: int) -> RecordSet:
    """A record set from parts as they come: the values in any order, also twice.

    Raises:
        ValueError: it has no values, the name is none, or the TTL is out of range.
    """
    kept = tuple(sorted(set(values)))
    if not kept:
        raise ValueError(f"{name} {type_}: a record set has at least one record")
    if not 0 <= ttl_seconds <= MAX_TTL_SECONDS:
        raise ValueError(f"{name} {type_}: a TTL is between 0 and {MAX_TTL_SECONDS} seconds, not {ttl_seconds}")
    if type_ == "CNAME" and len(kept) > 1:
        raise ValueError(f"{name} CNAME: a name has one canonical name, not {len(kept)} (RFC 2181 section 10.1)")
    return RecordSet(name=normal_name(name), type=type_.upper(), ttl_seconds=ttl_seconds, values=kept)


def normal_name(name: str) -> str:
    """A name in the form that all of this package uses.

    Raises:
        ValueError: it is no name of at most 255 octets with labels of 1 to 63 ASCII octets.
    """
    lowered = name.lower()
    absolute = lowered if lowered.endswith(".") else f"{lowered}."
    if name == ".":
        return name
    labels = absolute[:-1].split(".")
    for label in labels:
        if not 1 <= len(label) <= _MAX_LABEL_OCTETS or not label.isascii() or not label.isprintable() or " " in label:
            raise ValueError(f"{name!r} is no name: the label {label!r} is not of 1 to 63 printable ASCII characters")
    if len(absolute) + 1 > _MAX_NAME_OCTETS:
        raise ValueError(f"{name!r} is no name: it has {len(absolute) + 1} octets, of at most {_MAX_NAME_OCTETS}")
    return absolute


def is_within(name: str, origin: str) -> bool:
    """Whether a name is that of a zone or below it, label by label; both in normal form."""
    return origin in (".", name) or name.endswith(f".{origin}")
