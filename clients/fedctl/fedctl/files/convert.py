"""Between documents as people write them and messages: driven by the messages' own descriptors, both ways.

Names are those of proto JSON (camelCase). Enums are words: `Divided`, `NoSchedule`; those of propagation and
topology in small letters with dashes: `if-not-drifted`, `region`. Some fields have a form of their own: see `_FORMS`.
"""

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from fedctl.files.yamltree import Path
from fedsvc.v1 import common_pb2, placement_pb2

_KEBAB = frozenset(
    (
        "AwaitedState",
        "ConflictMode",
        "DeletionMode",
        "DependencyScope",
        "DriftMode",
        "FailbackMode",
        "FailoverMode",
        "FieldPolicy",
        "ImmutableMode",
        "ObjectDeletion",
        "RolloutFailureMode",
        "RolloutSilenceMode",
        "Topology",
        "UnitRole",
    )
)
_TIMESTAMP = Timestamp.DESCRIPTOR.full_name
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_BITS = {
    FieldDescriptor.CPPTYPE_INT32: 31,
    FieldDescriptor.CPPTYPE_INT64: 63,
    FieldDescriptor.CPPTYPE_UINT32: 32,
    FieldDescriptor.CPPTYPE_UINT64: 64,
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something in a document that cannot be taken."""

    path: Path
    message: str


@dataclass(slots=True)
class Findings:
    """Everything that is wrong with a document."""

    problems: list[Wrong] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Note one thing."""
        self.problems.append(Wrong(path, message))


M = TypeVar("M", bound=Message)

Reader: TypeAlias = Callable[[Any, Path, Findings], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A field that documents write in a way of their own."""

    name: str  # in documents
    read: Reader  # to the value of the field; None where it is wrong
    write: Callable[[Any], Any]


def enum_word(enum: EnumDescriptor, number: int) -> str:
    """Return how documents write a value of an enum."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    parts = enum.values_by_number[number].name.removeprefix(prefix).split("_")
    return "-".join(parts).lower() if enum.name in _KEBAB else "".join(part.capitalize() for part in parts)


def read_message(kind: type[M], value: Any, path: Path, findings: Findings) -> M:
    """Make a message of a mapping; what is wrong goes into `findings`, and is left out."""
    message = kind()
    fill_message(message, value, path, findings)
    return message


def fill_message(message: Message, value: Any, path: Path, findings: Findings) -> None:
    """Fill a message from a mapping; null is the same as leaving a field out, as in proto JSON."""
    if not isinstance(value, dict):
        findings.add(path, f"a mapping is wanted here, not {_kind_of(value)}")
        return
    fields = _fields(message)
    for key, item in value.items():
        if key not in fields:
            findings.add((*path, key), unknown_field(key, fields))
            continue
        descriptor = fields[key]
        form = _FORMS.get(descriptor.full_name)
        if form is not None:
            taken = form.read(item, (*path, key), findings)
            if taken is not None:
                _set(message, descriptor, taken)
        elif item is not None:
            _fill(message, descriptor, item, (*path, key), findings)


# What other systems and habit call a field; in small letters.
_ALIASES: Mapping[str, str] = {
    "excludedclusters": "exclude",
    "excludeclusters": "exclude",
    "exclusions": "exclude",
    "labelselector": "clusterSelector",
    "selector": "clusterSelector",
    "clusternames": "clusters",
    "manifests": "resources",
    "templates": "resources",
}


def unknown_field(key: str, known: Mapping[str, Any]) -> str:
    """Say that a field is not known, and which may be meant."""
    folded = {name.lower(): name for name in known}
    alias = _ALIASES.get(key.lower().replace("_", ""), "")
    if alias in known:
        return f"unknown field {key!r}; did you mean {alias!r}?"
    near = difflib.get_close_matches(key.lower().replace("_", ""), folded, n=1, cutoff=0.6)
    meant = f"; did you mean {folded[near[0]]!r}?" if near else f"; known are: {', '.join(sorted(known))}"
    return f"unknown field {key!r}{meant}"


def write_message(message: Message) -> dict[str, Any]:
    """Make a mapping of a message: what is set, in the order of the message's fields."""
    written: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        form = _FORMS.get(descriptor.full_name)
        name = form.name if form is not None else descriptor.json_name
        written[name] = form.write(value) if form is not None else _write(descriptor, value)
    return written


def _fields(message: Message) -> dict[str, FieldDescriptor]:
    named = {}
    for item in message.DESCRIPTOR.fields:
        form = _FORMS.get(item.full_name)
        named[form.name if form is not None else item.json_name] = cast(
            "FieldDescriptor", item
        )  # upb has a twin of the class
    return named


def _set(message: Message, descriptor: FieldDescriptor, value: Any) -> None:
    if descriptor.is_repeated:
        getattr(message, descriptor.name).extend(value)
    elif isinstance(value, Message):
        getattr(message, descriptor.name).CopyFrom(value)
        getattr(message, descriptor.name).SetInParent()
    else:
        setattr(message, descriptor.name, value)


def _is_map(descriptor: FieldDescriptor) -> bool:
    return descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry


def _fill(message: Message, descriptor: FieldDescriptor, value: Any, path: Path, findings: Findings) -> None:
    if _is_map(descriptor):
        getattr(message, descriptor.name).update(read_texts(value, path, findings))
    elif descriptor.is_repeated:
        if not isinstance(value, list):
            findings.add(
                path, f"a list is wanted here, not {_kind_of(value)}: write [a, b] or lines that start with '- '"
            )
            return
        for index, item in enumerate(value):
            if descriptor.message_type is not None:
                added = getattr(message, descriptor.name).add()
                fill_message(added, item, (*path, index), findings)
            else:
                taken = _scalar(descriptor, item, (*path, index), findings)
                if taken is not None:
                    getattr(message, descriptor.name).append(taken)
    elif descriptor.message_type is not None:
        inner = getattr(message, descriptor.name)
        inner.SetInParent()
        if descriptor.message_type.full_name == _TIMESTAMP:
            _fill_time(inner, value, path, findings)
        else:
            fill_message(inner, value, path, findings)
    else:
        taken = _scalar(descriptor, value, path, findings)
        if taken is not None:
            setattr(message, descriptor.name, taken)


def read_texts(value: Any, path: Path, findings: Findings) -> dict[str, str]:
    """Read a mapping of text to text, as labels are."""
    if not isinstance(value, dict):
        findings.add(path, f"a mapping of text is wanted here, not {_kind_of(value)}: write {{key: value}}")
        return {}
    taken = {}
    for key, item in value.items():
        if isinstance(item, str):
            taken[key] = item
        else:
            findings.add((*path, key), want_text(item))
    return taken


def _fill_time(time: Timestamp, value: Any, path: Path, findings: Findings) -> None:
    try:
        time.FromJsonString(value)
    except (ValueError, TypeError, AttributeError):
        findings.add(path, 'a time is wanted here, for example "2026-11-24T12:00:00Z"')


def _scalar(descriptor: FieldDescriptor, value: Any, path: Path, findings: Findings) -> Any:
    if descriptor.enum_type is not None:
        return _read_enum(descriptor.enum_type, value, path, findings)
    kind = descriptor.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if isinstance(value, bool):
            return value
        findings.add(path, f"true or false is wanted here, not {_kind_of(value)}")
    elif kind in _BITS:
        return _read_int(_BITS[kind], value, path, findings)
    elif kind in _FLOATS:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        findings.add(path, f"a number is wanted here, not {_kind_of(value)}")
    elif isinstance(value, str):
        return value.encode() if descriptor.type == FieldDescriptor.TYPE_BYTES else value
    else:
        findings.add(path, want_text(value))
    return None


def _read_int(bits: int, value: Any, path: Path, findings: Findings) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        findings.add(path, f"a whole number is wanted here, not {_kind_of(value)}")
    elif not -(1 << bits) <= value < 1 << bits:
        findings.add(path, f"{value} is out of range")
    else:
        return int(value)
    return None


def _read_enum(enum: EnumDescriptor, value: Any, path: Path, findings: Findings) -> int | None:
    choices = {enum_word(enum, item.number): item.number for item in enum.values if item.number}
    folded = {word.replace("-", "").lower(): number for word, number in choices.items()}
    plain = value.replace("-", "").replace("_", "").lower() if isinstance(value, str) else ""
    if plain in folded:
        return folded[plain]
    findings.add(path, f"{value!r} is none of: {', '.join(choices)}")
    return None


def _write(descriptor: FieldDescriptor, value: Any) -> Any:
    if _is_map(descriptor):
        return dict(sorted(value.items()))
    if descriptor.is_repeated:
        return [_write_one(descriptor, item) for item in value]
    return _write_one(descriptor, value)


def _write_one(descriptor: FieldDescriptor, value: Any) -> Any:
    if descriptor.message_type is not None:
        return value.ToJsonString() if descriptor.message_type.full_name == _TIMESTAMP else write_message(value)
    if descriptor.enum_type is not None:
        known = value in descriptor.enum_type.values_by_number
        return enum_word(descriptor.enum_type, value) if known else value
    return value.decode() if isinstance(value, bytes) else value


def want_text(value: Any) -> str:
    """Say that text is wanted, and how to write it where YAML reads something else."""
    if isinstance(value, bool):
        return f"text is wanted here, and YAML reads this word as {str(value).lower()}: put it in quotes"
    if isinstance(value, int | float):
        return f'text is wanted here: put it in quotes: "{value}"'
    return f"text is wanted here, not {_kind_of(value)}"


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value) if len(repr(value)) <= 40 else "a text"


def read_manifest(value: Any, path: Path, findings: Findings) -> common_pb2.Manifest | None:
    """Pack a Kubernetes object."""
    if not isinstance(value, dict):
        findings.add(path, f"a Kubernetes object is wanted here, not {_kind_of(value)}")
        return None
    try:
        return common_pb2.Manifest(json=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    except UnicodeEncodeError:
        findings.add(path, "has half a surrogate pair, which is no character")
        return None


def write_manifest(manifest: common_pb2.Manifest) -> dict[str, Any]:
    """Unpack a Kubernetes object; where its bytes are not told, name it at least."""
    if manifest.json:
        unpacked = json.loads(manifest.json)
        assert isinstance(unpacked, dict)
        return unpacked
    ref = manifest.ref
    metadata = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}


def _read_manifests(value: Any, path: Path, findings: Findings) -> list[common_pb2.Manifest] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        findings.add(path, f"a list of Kubernetes objects is wanted here, not {_kind_of(value)}")
        return None
    read = [read_manifest(item, (*path, index), findings) for index, item in enumerate(value)]
    return [manifest for manifest in read if manifest is not None]


def _read_cluster_names(value: Any, path: Path, findings: Findings) -> placement_pb2.ClusterNames | None:
    if value is None:
        return None
    if not isinstance(value, list):
        findings.add(path, f"a list of names of clusters is wanted here, not {_kind_of(value)}: write [a, b]")
        return None
    names = placement_pb2.ClusterNames()
    for index, item in enumerate(value):
        name = item.get("name") if isinstance(item, dict) and set(item) == {"name"} else item  # KubeFed's form
        if isinstance(name, str):
            names.names.append(name)
        else:
            findings.add((*path, index), want_text(item))
    return names


def _read_listed(kind: type[M], field_name: str) -> Reader:
    """Make a reader of a list that has a message of its own in the proto: no list is not an empty one."""

    def read(value: Any, path: Path, findings: Findings) -> M | None:
        if value is None:
            return None
        inner = Findings()
        message = read_message(kind, {field_name: value}, path, inner)
        for wrong in inner.problems:
            findings.add((*path, *wrong.path[len(path) + 1 :]), wrong.message)
        return message

    return read


def _read_value(value: Any, path: Path, findings: Findings) -> bytes:
    del path, findings  # any JSON will do, null too
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _read_operation(value: Any, path: Path, findings: Findings) -> str | None:
    if isinstance(value, str):
        return value.lower()
    findings.add(path, want_text(value))
    return None


# By the full name of the field.
_FORMS: Mapping[str, _Form] = {
    "fedsvc.v1.UnitSpec.resources": _Form(
        name="resources", read=_read_manifests, write=lambda value: [write_manifest(item) for item in value]
    ),
    "fedsvc.v1.Placement.clusters": _Form(
        name="clusters", read=_read_cluster_names, write=lambda value: list(value.names)
    ),
    "fedsvc.v1.Placement.jurisdictions": _Form(
        name="jurisdictions",
        read=_read_listed(placement_pb2.Jurisdictions, "names"),
        write=lambda value: list(value.names),
    ),
    "fedsvc.v1.Stability.replace_on": _Form(
        name="replaceOn",
        read=_read_listed(placement_pb2.PlacementTriggers, "triggers"),
        write=lambda value: write_message(value).get("triggers", []),
    ),
    "fedsvc.v1.PatchOperation.value_json": _Form(name="value", read=_read_value, write=json.loads),
    "fedsvc.v1.PatchOperation.op": _Form(name="op", read=_read_operation, write=str),
    "fedsvc.v1.Work.observed_status_json": _Form(name="observedStatus", read=_read_value, write=json.loads),
    "fedsvc.v1.FederatedResource.aggregated_status_json": _Form(
        name="aggregatedStatus", read=_read_value, write=json.loads
    ),
    "fedsvc.v1.FederatedResource.manifest": _Form(name="manifest", read=read_manifest, write=write_manifest),
}
