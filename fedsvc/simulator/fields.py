"""Sets of field paths in the format ``fieldsV1``: the algebra of ownership, pure.

A set is the nested dict the API shows: an entry ``{}`` is a member; an entry with entries of its own is a member too only
if it has ``"."``. The outermost dict stands for the object itself, which is never a member.
"""

from collections.abc import Iterator
from typing import Any

FieldSet = dict[str, Any]  # "f:name" | 'k:{...}' | "v:..." | "i:0" to FieldSet, and "." to {}

SELF = "."


def is_member(node: FieldSet | None) -> bool:
    """Whether an entry is in the set itself (not only something beneath it)."""
    return node is not None and (not node or SELF in node)


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths in either set."""
    if not left:
        return right
    if not right:
        return left
    out = dict(left)
    for element, node in right.items():
        mine = out.get(element)
        if mine is None:
            out[element] = node
        elif element != SELF and mine is not node:
            out[element] = _join(
                member=is_member(mine) or is_member(node), children=union(_children(mine), _children(node))
            )
    return out


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of the left set that are not in the right one."""
    if not left or not right:
        return left
    out: FieldSet = {}
    for element, node in left.items():
        other = right.get(element)
        if other is None:
            out[element] = node
            continue
        member = is_member(node) and not is_member(other)
        children = difference(_children(node), _children(other))
        if member or children:
            out[element] = _join(member=member, children=children)
    return out


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths in both sets."""
    out: FieldSet = {}
    for element, node in left.items():
        other = right.get(element)
        if other is None:
            continue
        member = is_member(node) and is_member(other)
        children = intersection(_children(node), _children(other))
        if member or children:
            out[element] = _join(member=member, children=children)
    return out


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All members as tuples of path elements, parents before children, in a stable order."""
    for element in sorted(fields):
        if element == SELF:
            continue
        node = fields[element]
        path = (*prefix, element)
        if is_member(node):
            yield path
        yield from paths(node, path)


def from_paths(members: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> FieldSet:
    """Build a set from paths; the inverse of :func:`paths`."""
    out: FieldSet = {}
    for path in members:
        out = union(out, _single(path))
    return out


def path_text(path: tuple[str, ...]) -> str:
    """A path as the API server writes it in messages: ``.spec.containers[name="web"].image``."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = rest.removeprefix("{").removesuffix("}").split(',"')
        return "[" + ",".join(_pair_text(pair) for pair in pairs) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def _pair_text(pair: str) -> str:
    name, _, value = pair.removeprefix('"').partition('":')
    return f"{name}={value}"


def _single(path: tuple[str, ...]) -> FieldSet:
    node: FieldSet = {}
    for element in reversed(path):
        node = {element: node}
    return node


def _children(node: FieldSet) -> FieldSet:
    if SELF not in node:
        return node
    return {element: value for element, value in node.items() if element != SELF}


def _join(*, member: bool, children: FieldSet) -> FieldSet:
    if member and children:
        return {SELF: {}, **children}
    return children
