"""Paths of fields as people write them, and where they meet manifests, managedFields and the words of API servers.

``spec.template.spec.containers[name=web].image``, ``metadata.labels["example.com/tier"]``, ``spec.args[0]``,
``metadata.finalizers[=example.com/hold]``, and ``*`` for any one field or item: the form in which drift is reported.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.listkeys import key_default

_MAX_ELEMENTS: Final = 64
_STEP: Final = re.compile(
    r"\.?(?:(?P<field>[^.\[\]\"/]+)|\[(?:(?P<quoted>\"(?:[^\"\\]|\\.)*\")|(?P<index>\d+)|(?P<any>\*)|=(?P<value>[^\]]+)"
    r"|(?P<key>[^\]=]+=[^\]]*))\])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One step of a path: a field, an item of a list by its key, by its value or by its place, or any of these."""

    field: str | None = None
    key: tuple[tuple[str, str], ...] | None = None  # of an item in a list map, values as text
    value: str | None = None  # of an item in a set, as text
    index: int | None = None

    @property
    def is_any(self) -> bool:
        """Whether it stands for any field or item."""
        return self == _ANY


_ANY: Final = Element()
FieldPath = tuple[Element, ...]


@lru_cache(maxsize=4096)
def parse_field_path(text: str) -> FieldPath:
    """A path as people write it; a dot in front, as API servers put it, is no harm.

    Raises:
        ValueError: with what is wrong with it and what would be right.
    """
    if not text:
        raise ValueError("is empty: name a field, for example spec.replicas")
    if text.startswith("/"):
        raise ValueError(f"is a JSON Pointer; fields are written with dots here: {text.strip('/').replace('/', '.')}")
    elements: list[Element] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        between = found is not None and (place == 0 or text[place] in ".[")
        if found is None or not between:
            raise ValueError(
                f"cannot be read from {text[place:]!r} on: write it as spec.replicas, containers[name=web].image or "
                'metadata.labels["example.com/tier"]'
            )
        elements.append(_element(found))
        place = found.end()
    if len(elements) > _MAX_ELEMENTS:
        raise ValueError(f"has {len(elements)} steps; at most {_MAX_ELEMENTS} are accepted")
    return tuple(elements)


def remove_field(manifest: JsonObject, path: FieldPath) -> bool:
    """Take a field, or all that a path with ``*`` means, out of an object, in place; whether there was any."""
    return _remove(manifest, "", path)


def values_at(container: Any, path: FieldPath) -> Iterator[Any]:
    """All values that a path means in an object; none where it leads nowhere."""
    if not path:
        yield container
        return
    for place in _places(container, path[0]):
        yield from values_at(container[place], path[1:])


def is_within(path: FieldPath, rule: FieldPath) -> bool:
    """Whether a path is what `rule` names, or below it."""
    return len(path) >= len(rule) and all(_means(wanted, given) for wanted, given in zip(rule, path, strict=False))


def names_conflict(rule: FieldPath, conflict: str) -> bool:
    """Whether a field as an API server writes it in a conflict is what `rule` names, or below it.

    There names of fields are not quoted (``.metadata.labels.example.com/tier``), so the text cannot be taken apart.
    """
    return _conflict_pattern(rule).match(conflict if conflict.startswith((".", "[")) else f".{conflict}") is not None


def owns(fields: Mapping[str, Any], path: FieldPath) -> bool:
    """Whether a fieldsV1 (KEP-555) holds the field, or something below it."""
    return without_ownership(fields, path) != fields


def without_ownership(fields: Mapping[str, Any], path: FieldPath) -> JsonObject:
    """A fieldsV1 without the field and all below it."""
    head, rest = path[0], path[1:]
    left: JsonObject = {}
    for name, children in fields.items():
        if name == "." or not _means(head, _owned_element(name)):
            left[name] = children
        elif rest and isinstance(children, dict) and children:
            below = without_ownership(children, rest)
            if below:
                left[name] = below
        elif rest:
            left[name] = children
    return left


def _element(found: re.Match[str]) -> Element:
    if found["field"] is not None:
        return _ANY if found["field"] == "*" else Element(field=found["field"])
    if found["quoted"] is not None:
        return Element(field=json.loads(found["quoted"]))
    if found["index"] is not None:
        return Element(index=int(found["index"]))
    if found["value"] is not None:
        return Element(value=_unquoted(found["value"]))
    if found["key"] is not None:
        pairs = [part.partition("=") for part in found["key"].split(",")]
        if not all(middle and name.strip() for name, middle, _ in pairs):
            raise ValueError(f"has [{found['key']}], which is no key of an item: write [name=web]")
        return Element(key=tuple(sorted((name.strip(), _unquoted(value)) for name, _, value in pairs)))
    return _ANY


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _means(rule: Element, given: Element) -> bool:
    if rule.is_any:
        return True
    if rule.key is not None:
        return given.key is not None and set(rule.key) <= set(given.key)
    return rule == given


def _owned_element(name: str) -> Element:
    form, _, text = name.partition(":")
    if form == "f":
        return Element(field=text)
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text
    if form == "k" and isinstance(parsed, dict):
        return Element(key=tuple(sorted((key, _text(value)) for key, value in parsed.items())))
    if form == "i" and isinstance(parsed, int):
        return Element(index=parsed)
    return Element(value=_text(parsed))


def _remove(container: Any, field: str, path: FieldPath) -> bool:
    head, rest = path[0], path[1:]
    removed = False
    # From the end, so that places of items in lists stay true.
    for place in reversed(list(_places(container, head))):
        if rest:
            below = field if isinstance(place, int) else place
            removed = _remove(container[place], below, rest) or removed
        else:
            del container[place]
            removed = True
    return removed


def _places(container: Any, element: Element) -> Iterator[Any]:
    if isinstance(container, dict):
        yield from (name for name in container if element.is_any or element.field == name)
    elif isinstance(container, list):
        yield from (index for index, item in enumerate(container) if _is_item(element, index, item))


def _is_item(element: Element, index: int, item: Any) -> bool:
    if element.is_any or element.index == index:
        return True
    if element.value is not None:
        return element.value == _text(item)
    return (
        element.key is not None
        and isinstance(item, dict)
        and all(_text(item.get(name, key_default(name))) == value for name, value in element.key)
    )


@lru_cache(maxsize=4096)
def _conflict_pattern(path: Sequence[Element]) -> re.Pattern[str]:
    return re.compile("".join(map(_pattern_of, path)) + r"(?=\Z|[.\[])")


def _pattern_of(element: Element) -> str:
    if element.field is not None:
        return r"\." + re.escape(element.field)
    if element.index is not None:
        return rf"\[{element.index}\]"
    if element.value is not None:
        return rf'\[="?{re.escape(element.value)}"?\]'
    if element.key is not None:
        parts = (rf'(?=[^\]]*?(?<=[\[,]){re.escape(name)}="?{re.escape(value)}"?[,\]])' for name, value in element.key)
        return rf"\[{''.join(parts)}[^\]]*\]"
    return r"(?:\.[^\[]+?|\[[^\]]*\])"
