"""What a unit is on a cluster: primary or replica; and what overrides may say of that."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_VARIABLE: Final = re.compile(r"\$\(fedsvc\.([^()]*)\)")
VARIABLES: Final = ("cluster", "primary", "proof")
"""What ``$(fedsvc.NAME)`` may name in the values of an override with a role."""


class Role(StrEnum):
    """What a unit is on one of its clusters."""

    PRIMARY = "primary"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleView:
    """The role of a unit on a cluster, and what it has to know there of the primary.

    Attributes:
        role: on this cluster.
        cluster: this one.
        primary: the cluster of the primary that it follows, or itself.
        proof: what proved that the primary before took no more writes; empty where nothing did.
    """

    role: Role
    cluster: str
    primary: str
    proof: str = ""


def filled(value: Any, view: RoleView) -> Any:
    """A JSON value with the variables in its texts replaced; names of fields stay as they are."""
    if isinstance(value, str):
        known = {"cluster": view.cluster, "primary": view.primary, "proof": view.proof}
        return _VARIABLE.sub(lambda found: known.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [filled(item, view) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, view) for name, item in value.items()}
    return value


def variables_in(value: Any) -> Iterator[str]:
    """The names of all variables in the texts of a JSON value."""
    if isinstance(value, str):
        yield from (found[1] for found in _VARIABLE.finditer(value))
    elif isinstance(value, list):
        for item in value:
            yield from variables_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from variables_in(item)
