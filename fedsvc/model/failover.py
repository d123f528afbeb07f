"""Pure: what becomes of a unit whose cluster is lost, and what is remembered of it."""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from fedsvc.health.verdict import UNREACHABLE_TAINT
from fedsvc.model.ailing import UnhealthyPolicy
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failback import FailbackPolicy
from fedsvc.model.floor import Floor
from fedsvc.model.roles import RolePolicy
from fedsvc_placement.model import Effect, Placement, Toleration, TolerationOperator

DEFAULT_TOLERATION_SECONDS: Final = 30
LEAST_TOLERATION_SECONDS: Final = 5
"""Nobody leaves a lost cluster before. Where fedsvc is cut off, some member is the first to seem lost: until then the
others are in doubt, too, and the breaker is open, whatever each of them does with what is sent to it. It is as much
longer or shorter as detection is."""

MEMBER_LOST: Final = "MemberLost"
"""Why works are held that a unit left on a lost cluster: nothing is known of them before it is back."""

AWAITING_REPLACEMENT: Final = "AwaitingReplacement"
"""Why works are held that a unit leaves on a cluster which is being emptied: what takes their place is not ready."""

_ANY_TAINT: Final = Toleration(
    # For a time, a century: without one it would bring the unit to clusters that others have to leave.
    operator=TolerationOperator.EXISTS,
    effect=Effect.NO_EXECUTE,
    toleration_seconds=100 * 365 * 86_400,
)


class FailoverMode(StrEnum):
    """Whether a unit leaves a cluster that is lost, or where it is unhealthy."""

    AUTO = "auto"  # by itself, when its toleration is over
    MANUAL = "manual"  # when somebody asks for it
    NEVER = "never"  # neither by itself nor for any taint; only when somebody names the unit


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverPolicy:
    """What a unit asks for."""

    mode: FailoverMode = FailoverMode.AUTO
    toleration_seconds: int = DEFAULT_TOLERATION_SECONDS  # from the verdict that a cluster is lost
    priority: int = 0  # of several units that need a place the higher ones are decided first
    failback: FailbackPolicy = field(default_factory=FailbackPolicy)
    floor: Floor | None = None
    unhealthy: UnhealthyPolicy | None = None  # whether it leaves a cluster that is well; None: it does not
    roles: RolePolicy | None = None  # that it is primary on one cluster and replica on the others; None: it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """One unit that left one cluster, which was lost, or as somebody asked."""

    id: int
    unit_name: str  # in the API
    cluster: str
    targets: tuple[str, ...]  # clusters that hold more of it from then on
    priority: int
    message: str
    trouble_time: datetime | None  # the first bad finding
    detect_time: datetime | None  # the verdict
    decide_time: datetime
    place_time: datetime | None  # all targets hold it
    ready_time: datetime | None  # and it is healthy there
    clean_time: datetime | None  # what was left on the lost cluster is gone, or is wanted again
    return_time: datetime | None = None  # it was decided that it takes back what it left
    is_named: bool = False  # it had names when it left
    traffic_time: datetime | None = None  # these give addresses of where it is, and none of `cluster`
    cause: DepartureCause = DepartureCause.LOST
    author: str = ""  # who asked for it


def tolerating(placement: Placement, policy: FailoverPolicy, *, is_held: bool, detect_share: float = 1.0) -> Placement:
    """The placement with what a unit bears of a lost cluster; what it says itself of that taint counts instead.

    Whatever is said, it bears that for `LEAST_TOLERATION_SECONDS`.

    Args:
        placement: as it is written.
        policy: of the unit.
        is_held: whether somebody keeps automation from moving it.
        detect_share: by how much detection takes longer than by default.
    """
    least = math.ceil(LEAST_TOLERATION_SECONDS * detect_share)
    stays = is_held or policy.mode is not FailoverMode.AUTO
    if not stays and any(_is_for_lost(one) for one in placement.tolerations):
        return replace(placement, tolerations=tuple(_at_least(one, least) for one in placement.tolerations))
    toleration = Toleration(
        key=UNREACHABLE_TAINT,
        operator=TolerationOperator.EXISTS,
        effect=Effect.NO_EXECUTE,
        toleration_seconds=None if stays else max(least, policy.toleration_seconds),
    )
    own = placement.tolerations
    if policy.mode is FailoverMode.NEVER:
        own = (*(one for one in own if one.toleration_seconds is None), _ANY_TAINT)
    return replace(placement, tolerations=(toleration, *own))  # the first of several counts


def _is_for_lost(toleration: Toleration) -> bool:
    return toleration.key in ("", UNREACHABLE_TAINT) and toleration.effect in (None, Effect.NO_EXECUTE)


def _at_least(toleration: Toleration, least_seconds: int) -> Toleration:
    seconds = toleration.toleration_seconds
    if seconds is None or seconds >= least_seconds or not _is_for_lost(toleration):
        return toleration
    return replace(toleration, toleration_seconds=least_seconds)
