"""Pure: what an object in a member says of its work: health, status, replicas, whether what is ours was changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fedsvc.controllers.index import Entry
from fedsvc.controllers.session import object_uid, object_version
from fedsvc.model.work import WorkObservation
from fedsvc.rendering.canonical import canonical_json, digest
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.marks import FIELD_MANAGER, is_managed
from fedsvc.rendering.ownership import DriftReport, is_as_left, our_time
from fedsvc.rendering.status import health, reflect, replica_counts
from fedsvc.rendering.status.rules import CompiledRule
from fedsvc.rendering.takeover import controller_title, writers_of

_MASKED: Final = "***"
_MAX_DRIFTED_FIELDS: Final = 50
_METADATA: Final = "metadata"


class Finding(StrEnum):
    """What an object's ownership says."""

    SAME = "same"  # what is ours is as we left it
    UNKNOWN = "unknown"  # nothing to compare with: not applied yet, being acted on, or seen before our last apply
    DRIFTED = "drifted"  # somebody changed what is ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen of an object."""

    observation: WorkObservation
    digest: bytes  # equal observations have equal ones


def observe(entry: Entry, live: Mapping[str, Any], rule: CompiledRule | None = None) -> Observed:
    """Reduce a live object to what is kept of it, by the rule of its kind where there is one, with the drift report."""
    key = entry.key
    verdict = health(key, live)
    if rule is not None:
        judged = rule.judge(live, otherwise=verdict)
        verdict, counts, status = judged.health, judged.counts, judged.status
    else:
        counts, status = replica_counts(key, live), reflect(key, live)
    observation = WorkObservation(
        id=entry.id,
        member_uid=object_uid(live),
        health=verdict.state.value,
        health_reason=verdict.reason,
        health_message=verdict.message,
        status=status,
        desired_replicas=None if counts is None else counts[0],
        ready_replicas=None if counts is None else counts[1],
        drift=entry.drift_rows,
        # What has no status says the same of whatever it is made to hold.
        applied_digest=entry.applied_digest if status else None,
    )
    parts = [
        observation.member_uid,
        observation.health,
        observation.health_reason,
        observation.health_message,
        status,
        list(counts) if counts is not None else None,
        list(entry.drift_rows),
        (observation.applied_digest or b"").hex(),
    ]
    return Observed(observation=observation, digest=digest(canonical_json(parts)))


def find_drift(entry: Entry, live: Mapping[str, Any]) -> Finding:
    """Compare what we own in a live object with what we owned after our last apply."""
    if entry.in_flight or entry.removal or entry.ownership_digest is None:
        return Finding.UNKNOWN
    if object_uid(live) == entry.member_uid and object_version(live) < entry.object_version:
        return Finding.UNKNOWN
    if object_uid(live) != entry.member_uid or not is_managed(live):
        return Finding.DRIFTED  # made anew by somebody, or our mark was taken off
    return Finding.SAME if is_as_left(live, entry.ownership_digest) else Finding.DRIFTED


def who_changed(live: Mapping[str, Any]) -> str:
    """Who wrote to an object last, if not we, as words for a message."""
    manager, time = next(iter(writers_of(live, but=FIELD_MANAGER)), (None, ""))
    if our_time(live) > time:
        return "another fedsvc, or a replica that leads no more,"
    if manager is None:
        return "somebody"
    tool = controller_title(live, manager)
    return (
        f"field manager {manager} ({tool} still keeps this object: take it out there)"
        if tool
        else (f"field manager {manager}")
    )


def drift_rows(
    key: ObjectKey, report: DriftReport, before: Sequence[Mapping[str, Any]] = (), *, now: str = ""
) -> tuple[dict[str, Any], ...]:
    """A drift report as it is stored; values of Secrets are masked.

    Args:
        key: of the object.
        report: what differs.
        before: the rows that are stored, which know since when.
        now: RFC 3339 text, for what was not seen to differ before.
    """
    first_seen = {row["path"]: row.get("first_seen", now) for row in before}
    rows = []
    for field in report.fields[:_MAX_DRIFTED_FIELDS]:
        masked = key.group_kind == ("", "Secret") and not field.path.startswith(_METADATA)
        rows.append(
            {
                "path": field.path,
                "desired": _MASKED if masked else field.desired,
                "live": None if field.live_absent else _MASKED if masked else field.live,
                "manager": field.manager or "",
                "written": field.written,
                "first_seen": first_seen.get(field.path, now),
            }
        )
    return tuple(rows)


def gone_row(key: ObjectKey, before: Sequence[Mapping[str, Any]] = (), *, now: str = "") -> tuple[dict[str, Any], ...]:
    """The drift report of an object that somebody deleted."""
    since = next((row.get("first_seen", now) for row in before if row["path"] == ""), now)
    return ({"path": "", "desired": str(key), "live": None, "manager": "", "written": "", "first_seen": since},)
