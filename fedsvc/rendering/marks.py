"""The names by which fedsvc knows its own objects in a member cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FIELD_MANAGER: Final = "fedsvc"
"""The one field manager of every server-side apply."""

MARK_DOMAIN: Final = "fedsvc.io"
"""Labels and annotations below this domain are written by fedsvc alone."""

MANAGED_LABEL: Final = f"{MARK_DOMAIN}/managed"
MANAGED_VALUE: Final = "true"
MANAGED_SELECTOR: Final = f"{MANAGED_LABEL}={MANAGED_VALUE}"
"""The label selector of every list and watch in a member."""

UNIT_ANNOTATION: Final = f"{MARK_DOMAIN}/unit"
"""``namespace/name`` of the unit that owns the object."""

UNIT_UID_ANNOTATION: Final = f"{MARK_DOMAIN}/unit-uid"
"""Tells a unit from an earlier one of the same name, and this fedsvc from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerMark:
    """Which unit an object in a member belongs to."""

    unit_namespace: str
    unit_name: str
    unit_uid: str

    def annotations(self) -> dict[str, str]:
        """The annotations that say so."""
        return {UNIT_ANNOTATION: f"{self.unit_namespace}/{self.unit_name}", UNIT_UID_ANNOTATION: self.unit_uid}


def is_managed(live: Mapping[str, Any]) -> bool:
    """Whether a live object carries the managed label."""
    metadata = live.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and labels.get(MANAGED_LABEL) == MANAGED_VALUE


def owner_of(live: Mapping[str, Any]) -> OwnerMark | None:
    """The owner that a live object's annotations name; None where there is none or it cannot be read."""
    metadata = live.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        return None
    unit, uid = annotations.get(UNIT_ANNOTATION), annotations.get(UNIT_UID_ANNOTATION)
    if not isinstance(unit, str) or not isinstance(uid, str) or not uid:
        return None
    namespace, slash, name = unit.partition("/")
    if not slash or not namespace or not name:
        return None
    return OwnerMark(unit_namespace=namespace, unit_name=name, unit_uid=uid)
