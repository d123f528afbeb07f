"""How soon a lost member is found to be so: the one number by which all times of detection are stretched alike."""

from typing import Final

DEFAULT_DETECT_SECONDS: Final = 20.0
LEAST_DETECT_SECONDS: Final = 5.0
MOST_DETECT_SECONDS: Final = 120.0


def share_of(detect_seconds: float) -> float:
    """By how much all times of detection are longer than by default."""
    return detect_seconds / DEFAULT_DETECT_SECONDS
