"""The times of detection, all stretched alike by one number: how soon a lost member is found to be so.

Their proportions are what keeps verdicts apart: where fedsvc is cut off, the others are in doubt before the first
member is left, whatever each of them does with what is sent to it.
"""

from dataclasses import dataclass

from fedsvc.detection import DEFAULT_DETECT_SECONDS, share_of
from fedsvc.health.verdict import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How often a member is asked, how long it has, and when it is lost."""

    probe_seconds: float
    probe_again_seconds: float  # in doubt
    probe_timeout_seconds: float
    look_seconds: float  # between looks at the fleet as a whole, and at our own sight
    limits: Limits


def detection(detect_seconds: float = DEFAULT_DETECT_SECONDS) -> Detection:
    """The times by which a member that is gone is Unreachable within so many seconds, whatever becomes of requests."""
    share = share_of(detect_seconds)
    return Detection(
        probe_seconds=5.0 * share,
        probe_again_seconds=2.0 * share,
        probe_timeout_seconds=3.0 * share,
        look_seconds=5.0 * share,
        limits=Limits(unreachable_seconds=9.0 * share),
    )
