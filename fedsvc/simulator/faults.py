"""Faults of one cluster: what is wrong with it now, set by tests, the demo, or over the control address."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any


class Outage(StrEnum):
    """How a cluster is gone."""

    NONE = "none"
    REFUSED = "refused"  # the connection is closed at once
    BLACK_HOLE = "black-hole"  # requests are accepted and never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Everything that can be wrong; the default is nothing."""

    outage: Outage = Outage.NONE
    latency_seconds: float = 0.0  # before every answer
    error_status: int = 0  # 401, 403, 410, 429, 500, 503, ...: answer with it instead of working
    error_share: float = 1.0  # of requests that get error_status, 0 to 1
    error_count: int = -1  # how many more requests get it; -1: no limit
    retry_after_seconds: int = 0  # sent with error_status
    garbage: bool = False  # answer 200 with bytes that are no JSON
    not_ready: bool = False  # /readyz and /livez answer 500
    clock_skew_seconds: float = 0.0  # of the Date header, timestamps and token expiry
    credentials_revoked: bool = False  # 401 to everybody
    broken_group: str = ""  # an API group that is listed and answers 503, as where the service behind it is gone
    watch_silence: bool = False  # watches stay open and tell nothing
    repeat_events: bool = False  # watches tell everything twice
    reverse_events: bool = False  # watches tell what comes at once from the newest to the oldest
    late_write_seconds: float = 0.0  # writes are done so much later, also for a caller who is gone by then
    lost_share: float = 0.0  # of writes that are done and whose answer never arrives, 0 to 1
    reject_writes: str = ""  # refuse all writes with 403 and this message, as an admission webhook would


class FaultError(ValueError):
    """A fault's description cannot be read; the message names the field and what would be right."""


def read_faults(document: Any, base: Faults) -> Faults:
    """Change faults by a JSON document; fields that are left out stay.

    Raises:
        FaultError: an unknown field or a value of the wrong type.
    """
    if not isinstance(document, dict):
        raise FaultError("faults: must be an object")
    known = {item.name: getattr(base, item.name) for item in fields(Faults)}
    changes: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            raise FaultError(f"faults.{name}: unknown; known are {', '.join(sorted(known))}")
        if name == "outage":
            if value not in set(Outage):
                raise FaultError(f"faults.outage: must be one of {', '.join(sorted(Outage))}, not {value!r}")
            changes[name] = Outage(value)
        elif isinstance(known[name], float) and isinstance(value, int | float) and not isinstance(value, bool):
            changes[name] = float(value)
        elif type(value) is type(known[name]):
            changes[name] = value
        else:
            raise FaultError(f"faults.{name}: must be a {type(known[name]).__name__}, not {value!r}")
    return replace(base, **changes)


class FaultGate:
    """Decides for each request whether an injected error answers it; shares are exact, not random."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._debt = 0.0
        self._lost_debt = 0.0
        self.listeners: list[Callable[[], None]] = []

    def change(self, faults: Faults) -> None:
        """Set what is wrong from now on."""
        self.faults = faults
        self._debt = self._lost_debt = 0.0
        for listener in self.listeners:
            listener()

    def take_error(self) -> int:
        """The status to answer the next request with, or 0 to let it through."""
        faults = self.faults
        if not faults.error_status or faults.error_count == 0:
            return 0
        self._debt += faults.error_share
        if self._debt < 1.0 - 1e-9:
            return 0
        self._debt -= 1.0
        if faults.error_count > 0:
            self.faults = replace(faults, error_count=faults.error_count - 1)
        return faults.error_status

    def take_loss(self) -> bool:
        """Whether the answer of the next write that is done is lost."""
        self._lost_debt += self.faults.lost_share
        if self._lost_debt < 1.0 - 1e-9:
            return False
        self._lost_debt -= 1.0
        return True
