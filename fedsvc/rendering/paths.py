"""The two spellings of a place in an object: for people (``spec.ports[0]``) and as JSON Pointer (RFC 6901)."""

import re
from collections.abc import Sequence
from typing import Final

_PLAIN: Final = re.compile(r"^[A-Za-z_$][A-Za-z0-9_$-]*$")


def child_path(path: str, name: str | int) -> str:
    """The place below `path`, as people read it: ``spec.ports[0]``, ``metadata.labels["app.kubernetes.io/name"]``."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    if _PLAIN.match(name):
        return f"{path}.{name}" if path else name
    return f'{path}["{name}"]'


def human_path(segments: Sequence[str | int]) -> str:
    """A whole path as people read it."""
    path = ""
    for segment in segments:
        path = child_path(path, segment)
    return path


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON Pointer, unescaped (RFC 6901 section 4).

    Raises:
        ValueError: with what is wrong with it.
    """
    if pointer == "":
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"a JSON Pointer begins with '/': write '/{pointer.replace('.', '/')}'")
    tokens = pointer[1:].split("/")
    for token in tokens:
        if re.search(r"~(?![01])", token):
            raise ValueError(f"'~' in a JSON Pointer is written '~0' (and '/' within a name '~1'); see '{token}'")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def make_pointer(segments: Sequence[str | int]) -> str:
    """The JSON Pointer of a path (RFC 6901 section 3)."""
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)
