"""``metadata.managedFields``: who owns which field, and how applies and updates move ownership (KEP-555). Pure.

Time is an argument (an RFC 3339 text), objects are never changed. Bodies carry no ``apiVersion`` and ``kind`` here: the
store keeps them beside the object.
"""

from dataclasses import dataclass, replace
from typing import Any

from fedsvc.simulator.fields import FieldSet, difference, intersection, path_text, paths, union
from fedsvc.simulator.schema import Schema
from fedsvc.simulator.typed import changed_and_removed, field_set, merge, prune

Body = dict[str, Any]

APPLY = "Apply"
UPDATE = "Update"
BEFORE_FIRST_APPLY = "before-first-apply"

# Nobody owns these: the server writes them, or they are the object's identity.
_UNOWNED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            f"f:{name}": {}
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who writes: the identity under which ownership is kept."""

    name: str
    operation: str  # APPLY or UPDATE
    api_version: str
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """An applier is the same one in every API version, an updater is not."""
        return (self.name, self.operation, "" if self.operation == APPLY else self.api_version, self.subresource)

    def text(self) -> str:
        """How conflict messages name it."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == APPLY else f"{text} using {self.api_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One manager and what it owns."""

    manager: Manager
    fields: FieldSet
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One field that another manager owns."""

    manager: str  # as Manager.text()
    field: str  # as fields.path_text()


class ConflictError(Exception):
    """An apply without force would change fields of others."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        super().__init__(_conflict_message(conflicts))
        self.conflicts = conflicts


Entries = dict[tuple[str, str, str, str], Entry]


def apply(live: Body | None, config: Body, *, schema: Schema, manager: Manager, force: bool, now: str) -> Body:
    """Apply a configuration: the object that results, with its new managedFields.

    Args:
        live: The object there is, or None to create it.
        config: What the applier wants, without managedFields, resourceVersion and uid.
        schema: The kind's shape.
        manager: Who applies.
        force: Take over fields of others instead of failing.
        now: RFC 3339 text for entries that change.

    Raises:
        ConflictError: others own fields that would change, and ``force`` is off.
        SchemaError: an item of a keyed list lacks its key.
    """
    entries = decode(live)
    bare = without_managed_fields(live or {"metadata": {}})
    if live is not None and not entries:
        entries = _before_first_apply(bare, schema, manager, now)
    previous = entries.get(manager.key)
    sent = field_set(config, schema)
    own = difference(sent, _UNOWNED)
    merged = merge(bare, config, schema)
    if previous is not None:
        managed = sent  # with the identity in it: the name keeps metadata alive when the last label goes
        for key, entry in entries.items():
            if key != manager.key:
                managed = union(managed, entry.fields)
        merged = prune(merged, previous.fields, managed, schema)
    changed, removed = changed_and_removed(bare, merged, schema)
    others = {key: entry for key, entry in entries.items() if key != manager.key}
    if not force:
        _check_conflicts(others, changed)
    entries = _take_away(others, union(changed, removed))
    unchanged = previous is not None and not changed and not removed
    if own:
        entries[manager.key] = Entry(
            manager=manager, fields=own, time=previous.time if unchanged and previous is not None else now
        )
    return with_managed_fields(merged, entries)


def update(live: Body | None, new: Body, *, schema: Schema, manager: Manager, now: str, blank: Body) -> Body:
    """Record an ordinary write: the new object with its managedFields.

    Args:
        live: The object there was, or None on create.
        new: The object as it will be; managedFields in it are taken over if there are any (a client may edit them).
        schema: The kind's shape.
        manager: Who writes.
        now: RFC 3339 text for the entry if it changes.
        blank: What an empty object of the kind looks like to the server; compared with on create.
    """
    sent = new.get("metadata", {}).get("managedFields")
    bare = without_managed_fields(new)
    if sent == [{}]:
        return bare  # the documented way to clear ownership
    entries = decode(new) if sent else decode(live)
    if live is not None and not entries:
        return bare  # not tracked until somebody applies
    before = without_managed_fields(live) if live is not None else blank
    changed, removed = changed_and_removed(before, bare, schema)
    previous = entries.get(manager.key)
    others = {key: entry for key, entry in entries.items() if key != manager.key}
    kept = _take_away(others, union(changed, removed))
    had = previous.fields if previous is not None else {}
    own = difference(difference(union(had, changed), removed), _UNOWNED)
    if own:
        time = previous.time if previous is not None and own == had else now
        kept[manager.key] = Entry(manager=manager, fields=own, time=time)
    return with_managed_fields(bare, kept)


def decode(body: Body | None) -> Entries:
    """Read managedFields; entries that are not well formed are left out."""
    out: Entries = {}
    for item in (body or {}).get("metadata", {}).get("managedFields") or ():
        fields = item.get("fieldsV1") if isinstance(item, dict) else None
        if not isinstance(fields, dict) or item.get("operation") not in {APPLY, UPDATE}:
            continue
        manager = Manager(
            name=item.get("manager", ""),
            operation=item["operation"],
            api_version=item.get("apiVersion", ""),
            subresource=item.get("subresource", ""),
        )
        out[manager.key] = Entry(manager=manager, fields=fields, time=item.get("time", ""))
    return out


def encode(entries: Entries) -> list[dict[str, Any]]:
    """Write managedFields in the server's order: applies first, then by time and name."""
    ordered = sorted(
        entries.values(),
        key=lambda entry: (entry.manager.operation, entry.time, entry.manager.name, entry.manager.api_version),
    )
    return [_encode_entry(entry) for entry in ordered]


def without_managed_fields(body: Body) -> Body:
    """The same object without managedFields."""
    metadata = body.get("metadata") or {}
    if "managedFields" not in metadata:
        return body
    return {**body, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def with_managed_fields(body: Body, entries: Entries) -> Body:
    """The same object with these managedFields."""
    if not entries:
        return without_managed_fields(body)
    return {**body, "metadata": {**body.get("metadata", {}), "managedFields": encode(entries)}}


def _encode_entry(entry: Entry) -> dict[str, Any]:
    manager = entry.manager
    out: dict[str, Any] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields,
    }
    if manager.subresource:
        out["subresource"] = manager.subresource
    return out


def _before_first_apply(bare: Body, schema: Schema, manager: Manager, now: str) -> Entries:
    """An object that was never tracked: all there is belongs to a stand-in, so that the first apply can conflict."""
    stand_in = replace(manager, name=BEFORE_FIRST_APPLY, operation=UPDATE, subresource="")
    fields = difference(field_set(bare, schema), _UNOWNED)
    return {stand_in.key: Entry(manager=stand_in, fields=fields, time=now)} if fields else {}


def _check_conflicts(others: Entries, changed: FieldSet) -> None:
    conflicts = [
        Conflict(manager=entry.manager.text(), field=path_text(path))
        for entry in sorted(others.values(), key=lambda entry: entry.manager.key)
        for path in paths(intersection(entry.fields, changed))
    ]
    if conflicts:
        raise ConflictError(conflicts)


def _take_away(entries: Entries, fields: FieldSet) -> Entries:
    if not fields:
        return dict(entries)
    out: Entries = {}
    for key, entry in entries.items():
        left = difference(entry.fields, fields)
        if left:
            out[key] = entry if left == entry.fields else replace(entry, fields=left)
    return out


def _conflict_message(conflicts: list[Conflict]) -> str:
    by_manager: dict[str, list[str]] = {}
    for conflict in conflicts:
        by_manager.setdefault(conflict.manager, []).append(conflict.field)
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: conflict with {conflicts[0].manager}: {conflicts[0].field}"
    parts = []
    for manager, names in by_manager.items():
        if len(names) == 1:
            parts.append(f"conflict with {manager}: {names[0]}")
        else:
            parts.append(f"conflicts with {manager}:\n" + "\n".join(f"- {name}" for name in names))
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(parts)
