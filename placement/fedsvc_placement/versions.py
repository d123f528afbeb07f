"""Kubernetes versions, compared by major and minor."""

import re

from fedsvc_placement.model import VersionRange

# What API servers say: v1.30.2, v1.29.4-gke.1043002, 1.27+.
_SERVED = re.compile(r"v?(\d+)\.(\d+)(?:[.+-].*)?")
_ASKED = re.compile(r"(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})")


def served_version(text: str) -> tuple[int, int] | None:
    """Return major and minor of what a cluster says of itself, None where that cannot be read."""
    found = _SERVED.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def asked_version(text: str) -> tuple[int, int] | None:
    """Return major and minor of an end of a `VersionRange`, None where it is not written as `major.minor`."""
    found = _ASKED.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def in_range(version: tuple[int, int], wanted: VersionRange) -> bool:
    """Tell whether a version is in the range.

    Raises:
        ValueError: an end of the range is not `major.minor`; `validate` tells that with its path.
    """
    at_least, below = _end(wanted.at_least), _end(wanted.below)
    return (at_least is None or version >= at_least) and (below is None or version < below)


def range_text(wanted: VersionRange) -> str:
    """Return a range in words."""
    parts = [f"at least {wanted.at_least}"] if wanted.at_least else []
    parts += [f"below {wanted.below}"] if wanted.below else []
    return " and ".join(parts) or "any"


def _end(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    version = asked_version(text)
    if version is None:
        raise ValueError(f"{text!r} is not a version such as 1.30")
    return version
