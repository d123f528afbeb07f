"""Record sets as objects of ExternalDNS' kind DNSEndpoint (externaldns.k8s.io/v1alpha1): one object a name.

ExternalDNS leaves out, with no more than a line in its log, what has a target that ends with a dot: names in data have
none.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT

from fedsvc_dns.providers import wire
from fedsvc_dns.providers.contract import Key
from fedsvc_dns.providers.marks import MARK_TTL_SECONDS, zone_mark
from fedsvc_dns.records import RecordSet

API_VERSION: Final = "externaldns.k8s.io/v1alpha1"
KIND: Final = "DNSEndpoint"
TYPES: Final = frozenset(("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"))
"""Types that it knows; all but the first three only where --managed-record-types names them."""
ZONE_LABEL: Final = "dns.fedsvc.io/zone"
STATE_ANNOTATION: Final = "dns.fedsvc.io/state"
NAME_ANNOTATION: Final = "dns.fedsvc.io/name"
_ENDING_IN_NAMES: Final = frozenset(("CNAME", "MX", "NS", "PTR", "SRV"))
_SLUG: Final = re.compile(r"[^a-z0-9]+")
_MAX_SLUG: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An object as it is in the cluster.

    Attributes:
        object_name: of the object.
        uid: of it.
        version: its resource version.
        sets: that it stands for, by name and type.
        unread: why not all of it could be read, where that is so: then it is to be written anew.
    """

    object_name: str
    uid: str
    version: str
    sets: Mapping[Key, RecordSet] = field(default_factory=dict)
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What is of a zone in a namespace.

    Attributes:
        ours: objects with the zone's label, by the name that they are for; the mark's has the name of the mark.
        others: names that objects without it stand for, with the name of the object.
    """

    ours: Mapping[str, Held]
    others: Mapping[str, str]

    @property
    def sets(self) -> dict[Key, RecordSet]:
        """All record sets of ours, the mark too."""
        return {key: one for held in self.ours.values() for key, one in held.sets.items()}


def zone_value(origin: str) -> str:
    """What the label of all objects of a zone says: a domain may be longer than a label."""
    return hashlib.sha256(origin.encode()).hexdigest()[:16]


def object_name(name: str) -> str:
    """The name of the object of a name: readable, and another one for each."""
    slug = _SLUG.sub("-", name).strip("-")[:_MAX_SLUG].strip("-")
    return f"{slug or 'root'}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def object_of(name: str, sets: Iterable[RecordSet], *, origin: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The object of a name.

    Raises:
        ValueError: a type or datum is none that ExternalDNS takes.
    """
    endpoints = [
        {
            "dnsName": one.name.removesuffix("."),
            "recordType": one.type,
            "recordTTL": one.ttl_seconds,
            "targets": [_target(one, value) for value in one.values],
        }
        for one in sorted(sets, key=lambda one: one.type)
    ]
    return _object(name, endpoints, {NAME_ANNOTATION: name}, origin=origin, labels=labels)


def mark_object(value: str, *, origin: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The object that says whose a zone is, and who wrote last; it stands for no name."""
    return _object(zone_mark(origin), [], {STATE_ANNOTATION: value}, origin=origin, labels=labels)


def _object(
    name: str,
    endpoints: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, str],
    *,
    origin: str,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": object_name(name),
            "labels": {**labels, ZONE_LABEL: zone_value(origin)},
            "annotations": dict(annotations),
        },
        "spec": {"endpoints": list(endpoints)},
    }


def read_objects(found: Iterable[Mapping[str, Any]], origin: str) -> Objects:
    """What of a zone there is among the objects of a namespace."""
    ours: dict[str, Held] = {}
    others: dict[str, str] = {}
    for one in found:
        metadata = one["metadata"]
        annotations = metadata.get("annotations") or {}
        endpoints = (one.get("spec") or {}).get("endpoints") or []
        if (metadata.get("labels") or {}).get(ZONE_LABEL) != zone_value(origin):
            others.update((_name(endpoint), metadata["name"]) for endpoint in endpoints)
            continue
        state = annotations.get(STATE_ANNOTATION)
        sets, unread = ([_state_set(state, origin)], "") if state is not None else _sets(endpoints)
        name = zone_mark(origin) if state is not None else annotations.get(NAME_ANNOTATION, "")
        ours[name] = Held(
            object_name=metadata["name"],
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            sets={one.key: one for one in sets},
            unread=unread,
        )
    return Objects(ours=ours, others=others)


def _state_set(value: str, origin: str) -> RecordSet:
    """The mark in the form that name servers have it in."""
    return RecordSet(name=zone_mark(origin), type="TXT", ttl_seconds=MARK_TTL_SECONDS, values=(value,))


def _sets(endpoints: Iterable[Mapping[str, Any]]) -> tuple[list[RecordSet], str]:
    sets: list[RecordSet] = []
    for endpoint in endpoints:
        type_ = str(endpoint.get("recordType", ""))
        values = tuple(_value(type_, target) for target in endpoint.get("targets") or ())
        ttl = int(endpoint.get("recordTTL") or 0)
        try:
            sets.append(wire.canonical(RecordSet(name=_name(endpoint), type=type_, ttl_seconds=ttl, values=values)))
        except ValueError as error:
            return sets, str(error)
    return sets, ""


def _name(endpoint: Mapping[str, Any]) -> str:
    return f"{str(endpoint.get('dnsName', '')).lower().removesuffix('.')}."


def _target(one: RecordSet, value: str) -> str:
    if one.type not in TYPES:
        raise ValueError(f"{one.name} {one.type}: ExternalDNS has no records of type {one.type} from objects")
    if one.type == "TXT":
        text = _text(value)
        if text.endswith("."):
            raise ValueError(f"{one.name} TXT: ExternalDNS takes no text that ends with a dot")
        return text
    return value.removesuffix(".") if one.type in _ENDING_IN_NAMES else value


def _text(value: str) -> str:
    rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, value)
    assert isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)
    try:
        return b"".join(rdata.strings).decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"TXT {value}: ExternalDNS takes plain text only") from error


def _value(type_: str, target: str) -> str:
    if type_ != "TXT":
        return f"{target}." if type_ in _ENDING_IN_NAMES else target
    octets = target.encode()
    parts = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, parts).to_text()
