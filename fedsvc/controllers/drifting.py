"""Writes what drifted where it is only reported: the fields, both values, who; and that it is over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fedsvc.controllers import metrics
from fedsvc.controllers.index import Entry
from fedsvc.controllers.observing import Finding, drift_rows, find_drift, gone_row, who_changed
from fedsvc.controllers.session import MemberSession
from fedsvc.model.unit import DriftMode, FieldPolicy, WorkState
from fedsvc.model.work import WorkObservation
from fedsvc.rendering.canonical import load_json
from fedsvc.rendering.fieldpaths import remove_field
from fedsvc.rendering.ownership import drift_report
from fedsvc.store import work_index, works
from fedsvc.store.store import Store, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What came of comparing.

    Attributes:
        changed: whose report changed: to be observed anew, since the report is part of an observation.
        to_correct: of which only fields differ that are to be put back.
    """

    changed: list[tuple[Entry, dict[str, Any]]]
    to_correct: list[tuple[Entry, dict[str, Any]]]


async def write_reports(
    store: Store, session: MemberSession, seen: dict[int, tuple[Entry, dict[str, Any] | None]]
) -> Reports:
    """Compare objects with what they were last made to hold, and write where their works stand.

    Args:
        store: where it is written.
        session: the member.
        seen: by work, its entry and the object as it was last seen; None: somebody deleted it.
    """
    changed: list[tuple[Entry, dict[str, Any] | None]] = []
    to_correct: list[tuple[Entry, dict[str, Any]]] = []
    async with store.transaction() as tx:
        manifests = await work_index.applied_manifests(tx, list(seen))
        for work_id, (entry, live) in seen.items():
            drifted = live is None or find_drift(entry, live) is Finding.DRIFTED
            rows = _rows(entry, live, manifests.get(work_id), tx.now) if drifted else ()
            if live is not None and rows and _may_correct(entry, rows):
                to_correct.append((entry, live))
                rows = ()
            elif rows:
                entry.reported = True
                await _write_drift(tx, session, entry, live, len(rows))
            elif drifted:
                # The values are as they should be again, yet owned by whoever put them there: an apply shares them.
                await works.mark_drifted(tx, [work_id], reason="DriftEnded", message="", deleted=False)
                entry.reported = False
            else:
                await works.set_state(tx, [work_id], state=WorkState.APPLIED, reason="", message="")
            if rows != entry.drift_rows:
                entry.drift_rows = rows
                changed.append((entry, live))
        await works.write_observations(tx, [_gone(entry) for entry, live in changed if live is None])
    session.wake()
    return Reports(changed=[(entry, live) for entry, live in changed if live is not None], to_correct=to_correct)


async def _write_drift(
    tx: Transaction, session: MemberSession, entry: Entry, live: dict[str, Any] | None, count: int
) -> None:
    who = who_changed(live) if live is not None else "somebody"
    what = "deleted it there" if live is None else f"changed {count} of its fields there"
    why = "the policy of the field" if entry.drift is DriftMode.CORRECT else f"the drift mode {entry.drift}"
    message = f"{who} {what}; {why} leaves it so"
    await works.set_state(tx, [entry.id], state=WorkState.DRIFTED, reason="DriftDetected", message=message)
    session.events.warning(entry.unit_name, "DriftDetected", f"{entry.key}: {message}", cluster=session.cluster)
    metrics.DRIFTS.labels(session.cluster, "reported").inc()


def _rows(
    entry: Entry, live: dict[str, Any] | None, manifest: bytes | None, now: datetime
) -> tuple[dict[str, Any], ...]:
    moment = now.isoformat(timespec="seconds")
    if live is None:
        return gone_row(entry.key, entry.drift_rows, now=moment)
    if manifest is None:
        return ()
    desired = load_json(manifest)
    for path in entry.handling.ignored:
        remove_field(desired, path)
    return drift_rows(entry.key, drift_report(desired, live), entry.drift_rows, now=moment)


def _may_correct(entry: Entry, rows: Iterable[dict[str, Any]]) -> bool:
    """Whether an apply puts all of it right: no field is to be left to whoever changed it."""
    if not entry.handling.judges:
        return False
    mode = FieldPolicy.FORCE if entry.drift is DriftMode.CORRECT else FieldPolicy.FAIL
    return all((entry.handling.of_path(row["path"]) or mode) is FieldPolicy.FORCE for row in rows)


def _gone(entry: Entry) -> WorkObservation:
    return WorkObservation(
        id=entry.id,
        member_uid="",
        health="Degraded",
        health_reason="Deleted",
        health_message="somebody deleted it in the member",
        status={},
        desired_replicas=None,
        ready_replicas=None,
        drift=entry.drift_rows,
    )
