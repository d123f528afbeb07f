"""Words for values: ages, states, conditions; pure."""

import datetime as dt
from collections.abc import Iterable, Mapping

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import common_pb2
from fedsvc_client.names import last_part

NONE = "-"
STALE = "*"  # stands at what is known of a cluster that is not heard

GREEN, YELLOW, RED, DIM = "green", "yellow", "red", "bright_black"

_STYLES = {
    "Ready": GREEN,
    "Applied": GREEN,
    "Healthy": GREEN,
    "True": GREEN,
    "Pending": YELLOW,
    "Applying": YELLOW,
    "Progressing": YELLOW,
    "Completed": GREEN,
    "Soaking": YELLOW,
    "WaitingForApproval": YELLOW,
    "RollingBack": YELLOW,
    "RolledBack": RED,
    "Silent": DIM,
    "Retrying": YELLOW,
    "Removing": YELLOW,
    "Deleting": YELLOW,
    "Leaving": YELLOW,
    "Cordoned": YELLOW,
    "Paused": YELLOW,
    "Held": YELLOW,
    "Suspect": YELLOW,
    "Quarantined": YELLOW,
    "Frozen": YELLOW,
    "ReadOnly": YELLOW,
    "Publishing": YELLOW,
    "Failing": RED,
    "Refused": RED,
    "Differs": RED,
    "Drifted": YELLOW,
    "Unplaced": YELLOW,
    "Warning": YELLOW,
    "Joining": YELLOW,
    "Failed": RED,
    "Degraded": RED,
    "Unreachable": RED,
    "NotReady": RED,
    "CredentialsRefused": RED,
    "RightsMissing": RED,
    "Unknown": DIM,
}


def style_of(word: str) -> str:
    """Return the colour of a state, or empty."""
    return DIM if word.endswith(STALE) else _STYLES.get(word.split(",", 1)[0], "")


def spaced(name: str) -> str:
    """Write a camelCase name as words: readyReplicas is ready replicas."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def enum_word(enum: EnumDescriptor, value: int) -> str:
    """Turn UNIT_STATE_READY into Ready; the zero value into "-"."""
    if value not in enum.values_by_number:
        return f"{value}?"  # a newer server's word
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    name = enum.values_by_number[value].name.removeprefix(prefix)
    return NONE if name == "UNSPECIFIED" else "".join(part.capitalize() for part in name.split("_"))


def seconds_since(time: Timestamp, now: dt.datetime) -> float:
    """Return the seconds between a time and now, never less than 0: clocks differ."""
    return max(0.0, (now - time.ToDatetime(dt.UTC)).total_seconds())


def span(seconds: float) -> str:
    """Write a length of time as kubectl does: 45s, 3m20s, 12m, 5h10m, 3d4h, 40d."""
    whole = int(seconds)
    if whole < 120:
        return f"{whole}s"
    minutes, second = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes}m{second}s" if second else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours, minute = divmod(minutes, 60)
    if hours < 8:
        return f"{hours}h{minute}m" if minute else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days, hour = divmod(hours, 24)
    return f"{days}d{hour}h" if days < 8 and hour else f"{days}d"


def age(time: Timestamp, now: dt.datetime) -> str:
    """Write how long ago a time is; "-" where it is not set."""
    return span(seconds_since(time, now)) if time.seconds else NONE


def moment(time: Timestamp) -> str:
    """Write a moment in UTC: 2026-11-26 18:00 UTC."""
    return f"{time.ToDatetime():%Y-%m-%d %H:%M} UTC"


def condition(conditions: Iterable[common_pb2.Condition], kind: str) -> common_pb2.Condition | None:
    """Find a condition."""
    return next((item for item in conditions if item.type == kind), None)


def condition_word(status: int) -> str:
    """Return True, False or Unknown."""
    return enum_word(common_pb2.ConditionStatus.DESCRIPTOR, status)


def labels_text(labels: Mapping[str, str]) -> str:
    """Write labels in one line, sorted."""
    return ",".join(f"{key}={value}" if value else key for key, value in sorted(labels.items())) or NONE


def one_line(text: str) -> str:
    """Put a text with line ends into one line."""
    return " ".join(text.split())


def unit_id(name: str) -> str:
    """Return the unit's own id of "namespaces/x/units/y[/...]"."""
    parts = name.split("/")
    return parts[3] if len(parts) >= 4 else last_part(name)


def namespace_id(name: str) -> str:
    """Return the namespace of "namespaces/x/units/y[/...]", or "-"."""
    parts = name.split("/")
    return parts[1] if len(parts) >= 2 and parts[0] == "namespaces" else NONE


def count(number: int, noun: str) -> str:
    """Write `1 unit` or `3 units`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def kilo(amount: int) -> str:
    """Write bytes in binary units: 15.6Gi."""
    value = float(amount)
    for unit in ("", "Ki", "Mi", "Gi", "Ti"):
        if value < 1024:
            return f"{value:.0f}{unit}" if value >= 100 or value == int(value) else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}Pi"


def cores(millicores: int) -> str:
    """Write thousandths of a core as cores."""
    return f"{millicores / 1000:g}"
