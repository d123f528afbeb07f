"""Collects what one member says of its works: status and health in batches, drift at once.

Watches (`watching`) hand objects in; the propagator hands in the answers of its applies, so a new object is known
before its first event. What is seen of a work that is being acted on waits until the act has ended: only then it can be
told whether it was us.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.backoff import delay_seconds
from fedsvc.controllers.drifting import write_reports
from fedsvc.controllers.group_writing import GroupWriter, Report, Reporter
from fedsvc.controllers.index import Entry, GroupVersionKind, Place, Seen
from fedsvc.controllers.observing import Finding, find_drift, observe, who_changed
from fedsvc.controllers.session import MemberSession, object_uid, object_version
from fedsvc.controllers.storing import write
from fedsvc.controllers.strangers import Strangers
from fedsvc.controllers.wakeups import Wakeups
from fedsvc.controllers.watching import DEFAULT_NAMESPACE, KindWatches
from fedsvc.model.unit import DriftMode
from fedsvc.model.work import WorkObservation
from fedsvc.store import works
from fedsvc.store.store import Store, Transaction

_log = structlog.get_logger(__name__)

_FIGHT_SECONDS: Final = 60.0
_MAX_BATCH: Final = 500


class Collector:
    """The collection of one member. `gone` is called with works whose object is no longer there, if it was to go."""

    def __init__(self, store: Store, session: MemberSession, writer: GroupWriter) -> None:
        self._store = store
        self._session = session
        self._settings = session.settings
        self._gone: Callable[[int], None] = lambda _: None
        self._observations: dict[int, WorkObservation] = {}
        self._listed: set[Place] = set()  # since observations were last taken to be written
        self._listed_with: set[Place] = set()  # those of them whose observations are being written
        self._reporter = Reporter(writer, take=self._take, stored=self._stored)
        self._drifted: Wakeups[int] = Wakeups()
        self._reports: dict[int, dict[str, Any] | None] = {}  # work to the object as it was seen; None: deleted
        self._to_report: Wakeups[int] = Wakeups()
        self._strangers = Strangers(session)

    def tell_gone(self, gone: Callable[[int], None]) -> None:
        """Call `gone` with the id of each work whose object was to go and is gone."""
        self._gone = gone

    async def run(self) -> None:
        """Collect until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, lists make up for what was lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(KindWatches(self._session, self).run(), name=f"watches-{self._session.cluster}")
            group.create_task(self._reporter.run(), name=f"observations-{self._session.cluster}")
            group.create_task(self._write_drifts(), name=f"drifts-{self._session.cluster}")
            group.create_task(self._write_reports(), name=f"reports-{self._session.cluster}")
            group.create_task(self._strangers.run(), name=f"strangers-{self._session.cluster}")

    # --- what comes in: called by watches and the propagator, never waits ---------------------------------------------

    def saw(self, gvk: GroupVersionKind, live: dict[str, Any], *, deleted: bool = False) -> int | None:
        """Take note of an object of a list or an event; gives the id of its work, None where it has none."""
        self._session.definitions.saw(gvk, live, deleted=deleted)
        entry = self._entry_of(gvk, live)
        if entry is None:
            self._strangers.saw(gvk, live, deleted=deleted)
            return None
        if entry.key.version != gvk[1]:
            return entry.id  # another watch sees it in the version that its work is written in
        if entry.in_flight:
            entry.waiting = Seen(live=live, deleted=deleted)
        elif deleted:
            self._saw_deletion(entry, live)
        else:
            self._saw_object(entry, live)
        return entry.id

    def settled(self, entry: Entry, live: dict[str, Any] | None) -> None:
        """The propagator has acted on a work; `live` is the object as the member answered, where it did."""
        if self._session.index.get(entry.id) is None:  # it is removed: nobody asks for a report on it any more
            self._reports.pop(entry.id, None)
        if live is not None:
            self._observe(entry, live)
        waiting, entry.waiting = entry.waiting, None
        if waiting is None:
            return
        if waiting.deleted:
            self._saw_deletion(entry, waiting.live)
        elif live is None or object_version(waiting.live) > object_version(live):
            self._saw_object(entry, waiting.live)

    def result_stored(self, entry: Entry) -> None:
        """What came of acting on a work is stored: a report on it that waited for that may be written."""
        if entry.id in self._reports:
            self._to_report.add(entry.id)

    def listed(self, gvk: GroupVersionKind, namespace: str, seen: Collection[int], version: int) -> None:
        """A list of a kind, in a namespace or (empty) everywhere, is complete: works not in it lost their object."""
        for entry in self._session.index.of_kind(gvk):
            if entry.id in seen or entry.in_flight:
                continue
            if namespace and (entry.key.namespace or DEFAULT_NAMESPACE) != namespace:
                continue
            self._session.definitions.forget(entry.key)
            if entry.removal:
                self._gone(entry.id)
            elif entry.ownership_digest is not None and entry.object_version <= version:
                self._drift(entry, None, "somebody")
        self._listed.add((gvk, namespace))
        self._reporter.ready()

    def _entry_of(self, gvk: GroupVersionKind, live: dict[str, Any]) -> Entry | None:
        metadata = live.get("metadata")
        if not isinstance(metadata, dict):
            return None
        group, _, kind = gvk
        identity = (group, kind, str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
        return self._session.index.of_object(identity)

    def _saw_object(self, entry: Entry, live: dict[str, Any]) -> None:
        self._observe(entry, live)
        match find_drift(entry, live):
            case Finding.DRIFTED:
                self._drift(entry, live, who_changed(live))
            case Finding.SAME if entry.reported:
                entry.reported = False
                self._report(entry, live)
            case _:
                pass

    def _saw_deletion(self, entry: Entry, live: dict[str, Any]) -> None:
        if entry.removal:
            self._gone(entry.id)
        elif entry.recreating:
            self._correct(entry, None, "fedsvc, to make it anew,")
        elif entry.ownership_digest is not None and object_uid(live) == entry.member_uid:
            self._drift(entry, None, "somebody")

    def _observe(self, entry: Entry, live: dict[str, Any]) -> None:
        try:
            observed = observe(entry, live, self._session.rules.get(entry.key.group_kind))
        except Exception:  # noqa: BLE001 - a member may say anything; one object that makes no sense stops no other
            _log.exception("object_not_understood", cluster=self._session.cluster, object=str(entry.key))
            return
        if observed.digest != entry.seen:
            entry.seen = observed.digest
            self._observations[entry.id] = observed.observation
            self._reporter.ready()

    def _drift(self, entry: Entry, live: dict[str, Any] | None, who: str) -> None:
        if live is not None and entry.handling.judges:
            self._report(entry, live)  # the fields that differ say what becomes of it
        elif entry.drift is not DriftMode.CORRECT:
            if live is None and entry.reported:
                return
            entry.reported = True
            self._report(entry, live)
        else:
            self._correct(entry, live, who)

    def _correct(self, entry: Entry, live: dict[str, Any] | None, who: str) -> None:
        if not entry.corrected_from:
            entry.corrected_from, entry.deleted = who, live is None
            self._drifted.add(entry.id)

    def _report(self, entry: Entry, live: dict[str, Any] | None) -> None:
        self._reports[entry.id] = live
        if not entry.unstored:  # where it stands after the last act is written first, or it would hide this
            self._to_report.add(entry.id)

    # --- what goes out ------------------------------------------------------------------------------------------------

    def _take(self) -> Report:
        taken, self._observations = self._observations, {}
        self._listed_with, self._listed = self._listed, set()
        return Report(observations=list(taken.values()))

    def _stored(self, report: Report) -> None:
        metrics.OBSERVATIONS.labels(self._session.cluster).inc(len(report.observations))
        listed, self._listed_with = self._listed_with, set()
        for place in listed:
            self._session.was_read(place)

    async def _write_drifts(self) -> None:
        """Make drifted works dirty, those that are fought over with growing delays."""
        while True:
            ids = await self._drifted.take(limit=_MAX_BATCH)
            entries = [entry for work_id in ids if (entry := self._session.index.get(work_id)) is not None]
            now = time.monotonic()
            delays = {entry.id: self._delay_of(entry, now) for entry in entries}
            # Kept now: a correction that is under way may end, and forget who it was, while this is written.
            words = {entry.id: _drift_words(entry, delays[entry.id]) for entry in entries}
            await write(self._store, partial(self._mark_all, entries=entries, words=words, delays=delays))
            for entry in entries:
                self._tell_drift(entry, *words[entry.id], contested=delays[entry.id] > 0)
            self._session.wake()

    async def _mark_all(
        self,
        tx: Transaction,
        entries: Sequence[Entry],
        words: Mapping[int, tuple[str, str]],
        delays: Mapping[int, float],
    ) -> None:
        for entry in entries:
            reason, message = words[entry.id]
            await works.mark_drifted(
                tx, [entry.id], reason=reason, message=message, deleted=entry.deleted, delay_seconds=delays[entry.id]
            )

    def _tell_drift(self, entry: Entry, reason: str, message: str, *, contested: bool) -> None:
        metrics.DRIFTS.labels(self._session.cluster, "contested" if contested else "corrected").inc()
        self._session.events.warning(entry.unit_name, reason, message, cluster=self._session.cluster)

    def _delay_of(self, entry: Entry, now: float) -> float:
        while entry.corrections and now - entry.corrections[0] > _FIGHT_SECONDS:
            entry.corrections.popleft()
        entry.corrections.append(now)
        over = len(entry.corrections) - self._settings.contested_corrections
        return delay_seconds(f"work-{entry.id}", over - 1, first=2.0, maximum=300.0) if over > 0 else 0.0

    async def _write_reports(self) -> None:
        while True:
            ids = await self._to_report.take(limit=_MAX_BATCH)
            seen = {
                entry.id: (entry, self._reports.pop(work_id))
                for work_id in ids
                if (entry := self._session.index.get(work_id)) is not None
                and not entry.unstored
                and work_id in self._reports
            }
            reports = await write_reports(self._store, self._session, seen)
            for entry, live in reports.changed:
                self._observe(entry, live)
            for entry, live in reports.to_correct:
                self._correct(entry, live, who_changed(live))


def _drift_words(entry: Entry, delay: float) -> tuple[str, str]:
    """Reason and message of a drift that is put right, after `delay` seconds where it is fought over."""
    deed = "deleted" if entry.deleted else "changed what is fedsvc's in"
    message = f"{entry.corrected_from} {deed} {entry.key}"
    if delay:
        return "Contested", f"{message}; again and again, so the next correction waits {delay:.0f} s"
    return "DriftDetected", message
