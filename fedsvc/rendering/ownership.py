"""Who owns what in a live object, read from managedFields (KEP-555, server-side apply).

The doctrine of drift: an API server takes a field from its owners when another manager changes its value. So as long as
our manager's Apply entry holds the same fields as after our last apply, nobody has changed anything that is ours;
whatever else happened to the object is others' business. One hash of that entry's fieldsV1 tells, for each watch event.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedsvc.rendering.canonical import JsonObject, canonical_json, digest
from fedsvc.rendering.difference import differences
from fedsvc.rendering.listkeys import key_text
from fedsvc.rendering.marks import FIELD_MANAGER
from fedsvc.rendering.paths import child_path


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedField:
    """One owned field that somebody changed.

    Attributes:
        path: as people read it.
        desired: what we want there.
        live: what stands there; None where the field is gone.
        live_absent: True where the field is gone.
        manager: the field manager that owns it now; None where nobody does.
        written: when that manager last wrote to the object, RFC 3339; empty where it is not known.
    """

    path: str
    desired: Any
    live: Any
    live_absent: bool
    manager: str | None
    written: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """All owned fields that are not as desired; empty where values are right (ownership alone may have been lost)."""

    fields: tuple[DriftedField, ...]


def our_fields(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> JsonObject | None:
    """The fieldsV1 of our manager's Apply entry (of the object itself, no subresource); None where there is none."""
    entry = _our_entry(live, manager)
    fields = None if entry is None else entry.get("fieldsV1")
    return fields if isinstance(fields, dict) else None


def our_time(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> str:
    """When our manager's applies changed the object last, RFC 3339; empty where that is not told."""
    entry = _our_entry(live, manager)
    return "" if entry is None else str(entry.get("time") or "")


def ownership_digest(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> bytes | None:
    """The SHA-256 of our fieldsV1 and their time, to be compared with what it was after our last apply.

    None where we own nothing. Missing or different means drift. The time tells of values that were changed in our name,
    as by a replica that leads no more: who owns the fields is then the same. An apply that changes nothing leaves it.
    Cheap: it runs on each watch event.
    """
    fields = our_fields(live, manager)
    return None if fields is None else digest(canonical_json([fields, our_time(live, manager)]))


def is_as_left(live: Mapping[str, Any], left: bytes) -> bool:
    """Whether what we own is as it was when `left` was its `ownership_digest`, or that of releases without the time."""
    fields = our_fields(live)
    return fields is not None and left in (ownership_digest(live), digest(canonical_json(fields)))


def other_owner(live: Mapping[str, Any], path: str, manager: str = FIELD_MANAGER) -> str | None:
    """The other manager that owns `path` (written as `Difference.path`) or something below or right above it.

    Of several the latest writer; a manager of exactly this path goes before all others. None where nobody owns it.
    """
    return _other_writer(live, path, manager)[0]


def _other_writer(live: Mapping[str, Any], path: str, manager: str) -> tuple[str | None, str]:
    best: tuple[bool, str, str] | None = None
    for entry in _entries(live):
        fields = entry.get("fieldsV1")
        if _is_ours(entry, manager) or not isinstance(fields, dict):
            continue
        owned = set(_leaves("", fields))
        exact = path in owned
        if exact or any(_is_below(leaf, path) or _is_below(path, leaf) for leaf in owned):
            candidate = (exact, str(entry.get("time", "")), str(entry.get("manager", "")))
            best = candidate if best is None else max(best, candidate)
    return (None, "") if best is None else (best[2], best[1])


def owners_of(live: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """All managers, ourselves among them, that own `path` or something below it, sorted."""
    return tuple(
        sorted(
            {
                str(entry.get("manager"))
                for entry in _entries(live)
                if isinstance(fields := entry.get("fieldsV1"), dict)
                and any(leaf == path or _is_below(leaf, path) for leaf in _leaves("", fields))
            }
        )
    )


def drift_report(desired: Mapping[str, Any], live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> DriftReport:
    """What somebody changed of ours, field by field, and who."""
    fields = []
    for difference in differences(desired, live):
        owner, written = _other_writer(live, difference.path, manager)
        fields.append(
            DriftedField(
                path=difference.path,
                desired=difference.desired,
                live=difference.live,
                live_absent=difference.live_absent,
                manager=owner,
                written=written,
            )
        )
    return DriftReport(fields=tuple(fields))


def _entries(live: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    metadata = live.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, dict) else None
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, dict))


def _our_entry(live: Mapping[str, Any], manager: str) -> Mapping[str, Any] | None:
    return next((entry for entry in _entries(live) if _is_ours(entry, manager)), None)


def _is_ours(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _leaves(path: str, fields: JsonObject) -> Iterator[str]:
    for element, children in fields.items():
        place = _place(path, element)
        if isinstance(children, dict) and children:
            yield from _leaves(place, children)
        else:
            yield place


def _place(path: str, element: str) -> str:
    """The path of an element of fieldsV1 (f: field, k: key of a list map, v: value of a set, i: index, .: itself)."""
    form, _, text = element.partition(":")
    if form == "f":
        return child_path(path, text)
    if form == "k":
        key = _parsed(text)
        return f"{path}[{key_text(key) if isinstance(key, dict) else key}]"
    if form == "v":
        return f"{path}[={_parsed(text)}]"
    return f"{path}[{text}]" if form == "i" else path


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # only a broken API server writes such an element; it still has a name to show


def _is_below(path: str, ancestor: str) -> bool:
    return len(path) > len(ancestor) and path.startswith(ancestor) and path[len(ancestor)] in ".["
