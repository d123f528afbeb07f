"""Pure: what becomes of evidence on members: a verdict on each (`verdict`), and whether to act on them (`breaker`).

Neither knows a clock or does I/O: the moment is handed in, and what must outlive a restart comes out as data.
"""

from fedsvc.health.breaker import Automation, Breaker, BreakerLimits, BreakerState, FleetMember, decide
from fedsvc.health.detection import Detection, detection
from fedsvc.health.evidence import Evidence, EvidenceKind
from fedsvc.health.verdict import Health, Limits, Streak, Verdict, judge, taints_of

__all__ = [
    "Automation",
    "Breaker",
    "BreakerLimits",
    "BreakerState",
    "Detection",
    "Evidence",
    "EvidenceKind",
    "FleetMember",
    "Health",
    "Limits",
    "Streak",
    "Verdict",
    "decide",
    "detection",
    "judge",
    "taints_of",
]
