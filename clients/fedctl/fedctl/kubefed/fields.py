"""Reading fields of objects: what is wrong is noted with its path, and read as if it were not there."""

from collections.abc import Mapping, Sequence
from typing import Any

from fedctl.files.convert import Findings, unknown_field, want_text
from fedctl.files.yamltree import Path

_LARGEST = (1 << 31) - 1


def mapping(value: Any, path: Path, findings: Findings) -> Mapping[str, Any]:
    """Return an object; nothing is an empty one."""
    if value is None or isinstance(value, dict):
        return value or {}
    findings.add(path, f"an object is wanted here, not {value!r:.40}")
    return {}


def items(value: Any, path: Path, findings: Findings) -> Sequence[Any]:
    """Return a list; nothing is an empty one."""
    if value is None or isinstance(value, list):
        return value or []
    findings.add(path, f"a list is wanted here, not {value!r:.40}")
    return []


def text(fields: Mapping[str, Any], name: str, path: Path, findings: Findings) -> str:
    """Return a text; nothing is an empty one."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    findings.add((*path, name), want_text(value))
    return ""


def texts(value: Any, path: Path, findings: Findings) -> dict[str, str]:
    """Return an object of texts."""
    found = {}
    for key, one in mapping(value, path, findings).items():
        if isinstance(one, str):
            found[key] = one
        else:
            findings.add((*path, key), want_text(one))
    return found


def flag(fields: Mapping[str, Any], name: str, path: Path, findings: Findings) -> bool:
    """Return whether something is so; nothing is no."""
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    findings.add((*path, name), f"true or false is wanted here, not {value!r:.40}")
    return False


def count(fields: Mapping[str, Any], name: str, path: Path, findings: Findings) -> int | None:
    """Return a whole number of 0 or more; None for nothing."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        findings.add((*path, name), f"a whole number from 0 to {_LARGEST} is wanted here, not {value!r:.40}")
        return None
    return value


def refuse_unknown(fields: Mapping[str, Any], known: Sequence[str], path: Path, findings: Findings) -> None:
    """Note every field that is not known: what is not read must not be lost in silence."""
    for name in fields:
        if name not in known:
            findings.add((*path, name), unknown_field(str(name), dict.fromkeys(known)))
