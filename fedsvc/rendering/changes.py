"""What one object has and another has not, all of it: of a live object, and of what an apply would make of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.fieldpaths import FieldPath, is_within, parse_field_path
from fedsvc.rendering.listkeys import is_set, keyed_items
from fedsvc.rendering.ownership import owners_of
from fedsvc.rendering.patch import json_equal
from fedsvc.rendering.paths import child_path

# What the API server writes with every change, and of which nobody says what it shall be.
_UNSAID: Final = (
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.uid",
    "metadata.creationTimestamp",
    "status",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field that would be another.

    Attributes:
        path: as people read it: ``spec.template.spec.containers[name=web].image``.
        before: the value there is; None where there is none.
        after: the value there would be; None where there would be none.
        managers: who owns it now, sorted.
    """

    path: str
    before: Any
    after: Any
    managers: tuple[str, ...]


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], *, ignored: tuple[FieldPath, ...] = ()
) -> list[Change]:
    """The fields in which two states of an object differ, sorted by path; `ignored` ones and all below are left out.

    What API servers write by themselves (versions, times, the status) is no difference.
    """
    found = [
        Change(path=path, before=old, after=new, managers=owners_of(before, path))
        for path, old, new in _compare("", "", before, after)
        if not path.startswith(_UNSAID) and not _is_ignored(path, ignored)
    ]
    return sorted(found, key=lambda change: change.path)


def _is_ignored(path: str, ignored: tuple[FieldPath, ...]) -> bool:
    if not ignored:
        return False
    try:
        field = parse_field_path(path)
    except ValueError:
        return False
    return any(is_within(field, rule) for rule in ignored)


def _compare(path: str, field: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _compare(child_path(path, name), name, before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(path, field, before, after)
    elif isinstance(before, dict) and after is None and before:
        # Field by field, so that it is seen whose each was.
        for name, value in before.items():
            yield from _compare(child_path(path, name), name, value, None)
    elif isinstance(after, dict) and before is None and after:
        for name, value in after.items():
            yield from _compare(child_path(path, name), name, None, value)
    elif not json_equal(before, after) and (before or after or before != after):
        yield path, before, after


def _compare_lists(path: str, field: str, before: list[Any], after: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    if is_set(field):
        yield from ((f"{path}[={item}]", item, None) for item in before if item not in after)
        yield from ((f"{path}[={item}]", None, item) for item in after if item not in before)
        return
    old, new = keyed_items(field, before), keyed_items(field, after)
    if old is not None and new is not None:
        for key in dict.fromkeys((*old, *new)):
            if key in old and key in new:
                yield from _compare(f"{path}[{key}]", "", old[key], new[key])
            else:
                yield f"{path}[{key}]", old.get(key), new.get(key)
    elif len(before) != len(after):
        yield path, before, after
    else:
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _compare(f"{path}[{index}]", "", one, other)
