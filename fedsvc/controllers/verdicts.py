"""Pure: from what a look at a member found to its conditions.

Kinds of trouble are kept apart: a member that refuses our credentials is reachable; one that does not answer says
nothing about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fedsvc.members.errors import MemberError, MemberGarbageError, MemberStatusError, MemberUnreachableError
from fedsvc.model.cluster import Capacity, Condition, ConditionStatus

FAILURES_TO_FLIP: Final = 3
"""So many looks in a row must fail before a member that answered counts as unreachable."""

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
Finding = tuple[ConditionStatus, str, str]  # status, reason, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a member."""

    readiness: int | None = None  # HTTP status of /readyz; None: no answer
    credentials: int | None = None  # HTTP status of a request with our credentials; None: not asked
    error: MemberError | None = None  # why there was no answer, or why the credentials were refused
    skew_seconds: float = 0.0  # of the member's clock against ours


def judge(look: Look, *, failures: int, missing_rights: Sequence[str], answered_before: bool) -> dict[str, Finding]:
    """The conditions that a look leads to; one that is left out stays as it is.

    Args:
        look: what was found.
        failures: looks in a row without an answer, this one included.
        missing_rights: what the member refused us lately, as people read it.
        answered_before: whether it was reachable so far; a new member is told at once that it is not.
    """
    if look.readiness is None and look.credentials is None:
        if answered_before and failures < FAILURES_TO_FLIP:
            return {}
        reason, message = _no_answer(look.error)
        unknown = (UNKNOWN, "NoAnswer", "the member does not answer")
        return {"Reachable": (FALSE, reason, message), "Ready": unknown, "CredentialsValid": unknown}
    found: dict[str, Finding] = {"Reachable": (TRUE, "Answers", "the API server answers")}
    if look.readiness == 200:
        found["Ready"] = (TRUE, "Ready", "the API server says that it is ready")
    elif look.readiness in (401, 403):
        found["Ready"] = (UNKNOWN, "NotTold", "the API server does not tell us whether it is ready")
    else:
        found["Ready"] = (FALSE, "NotReady", f"the API server says that it is not ready (HTTP {look.readiness})")
    if look.credentials == 401:
        words = f"the cluster refuses fedsvc's credentials: {look.error}. Join it again: fedctl join"
        found["CredentialsValid"] = (FALSE, "Refused", words)
        found["Ready"] = (FALSE, "CredentialsRefused", "nothing can be applied: the credentials are refused")
    elif look.credentials is not None:
        skew = f"; its clock is off by {look.skew_seconds:.0f} s" if abs(look.skew_seconds) > 30 else ""
        found["CredentialsValid"] = (TRUE, "Accepted", f"the cluster accepts fedsvc's credentials{skew}")
    if missing_rights:
        shown = "; ".join(missing_rights[:5]) + (
            f"; and {len(missing_rights) - 5} more" if len(missing_rights) > 5 else ""
        )
        found["RightsSufficient"] = (FALSE, "Forbidden", f"fedsvc may not: {shown}. Join again with other --rights")
    elif look.credentials is not None and look.credentials != 401:
        found["RightsSufficient"] = (TRUE, "NothingRefused", "nothing was refused")
    return found


def merged(before: Sequence[Condition], found: dict[str, Finding], now: datetime) -> tuple[Condition, ...]:
    """The conditions after a look; a transition time moves only when the status does."""
    result = {condition.type: condition for condition in before}
    for type_, (status, reason, message) in found.items():
        old = result.get(type_)
        since = old.last_transition_time if old is not None and old.status is status else now
        result[type_] = Condition(type=type_, status=status, reason=reason, message=message, last_transition_time=since)
    return tuple(result[type_] for type_ in sorted(result))


def _no_answer(error: MemberError | None) -> tuple[str, str]:
    if isinstance(error, MemberUnreachableError):
        return f"{error.kind.value.capitalize()}", str(error)
    if isinstance(error, MemberGarbageError):
        return "Garbage", str(error)
    if isinstance(error, MemberStatusError):
        return "Status", str(error)
    return "NoAnswer", str(error or "the member does not answer")


def nodes_of(items: Sequence[dict[str, Any]]) -> tuple[int, int, Capacity]:
    """Nodes, ready nodes, and what the ready, schedulable ones can hold."""
    ready = 0
    cpu = memory = pods = 0
    for node in items:
        conditions = node.get("status", {}).get("conditions", [])
        if not any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions):
            continue
        ready += 1
        if node.get("spec", {}).get("unschedulable"):
            continue
        allocatable = node.get("status", {}).get("allocatable", {})
        cpu += int(quantity(allocatable.get("cpu", "0")) * 1000)
        memory += int(quantity(allocatable.get("memory", "0")))
        pods += int(quantity(allocatable.get("pods", "0")))
    return len(items), ready, Capacity(cpu_millicores=cpu, memory_bytes=memory, pods=pods)


_SUFFIXES: Final = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50,
}  # fmt: skip


def quantity(text: object) -> float:
    """A Kubernetes quantity ("500m", "2Gi") as a number; 0 where it is none."""
    word = str(text).strip()
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if word.endswith(suffix):
            return _number(word.removesuffix(suffix)) * _SUFFIXES[suffix]
    return _number(word)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0
