"""Holds: the rows of `hold`, which people ask for, and the freeze windows that are on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from fedsvc.errors import NotFoundError
from fedsvc.health import Health, Verdict
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.freeze import FreezeWindow, next_change, span_at
from fedsvc.model.hold import FLEET_SUBJECT, Hold, HoldKind, HoldScope
from fedsvc.store import clusters
from fedsvc.store.codec import from_json
from fedsvc.store.sql import text
from fedsvc.store.storable import storable_text
from fedsvc.store.store import Look, Transaction
from fedsvc_placement import matches_cluster

_COLUMNS: Final = (
    "subject, scope, origin, reason, author, create_time, end_time, CASE WHEN subject LIKE 'regions/%' THEN ARRAY(SELECT"
    " c.name FROM cluster c WHERE 'regions/' || c.region = hold.subject) END AS clusters"
)
_IN_FORCE: Final = "(end_time IS NULL OR end_time > now())"
_ON_AUTOMATION: Final = text(
    f"SELECT {_COLUMNS} FROM hold WHERE scope = 'Automation' AND {_IN_FORCE} ORDER BY subject, scope, origin"
)
# One statement: it is asked before the writes to members, and again as long as there are some.
_STANDING: Final = text(
    "SELECT 'Settings' AS part, now() AS now, coalesce((SELECT epoch || ' ' || holder FROM lease WHERE name = :lease), '')"
    " AS subject, '' AS scope, '' AS origin, '' AS reason, '' AS author,"
    " now() AS create_time, CAST(NULL AS timestamptz) AS end_time, CAST(NULL AS text[]) AS clusters,"
    " (SELECT spec FROM fleet) AS value"
    f" UNION ALL SELECT 'Hold', now(), {_COLUMNS}, NULL FROM hold WHERE {_IN_FORCE}"
    " UNION ALL SELECT 'Trouble', now(), name, '', '', '', '', now(), NULL, NULL, observation -> 'health' FROM cluster"
    " WHERE observation -> 'health' ->> 'verdict' = ANY(CAST(:verdicts AS text[])) ORDER BY subject, scope, origin"
)
_OWNERS: Final = (
    "(SELECT uid FROM unit WHERE 'namespaces/' || namespace || '/units/' || name = :subject),"
    " (SELECT name FROM cluster WHERE 'clusters/' || name = :subject)"
)
_PUT: Final = text(
    "INSERT INTO hold (subject, scope, origin, unit_uid, cluster, reason, author, end_time)"
    f" VALUES (:subject, :scope, :origin, {_OWNERS}, :reason, :author, CAST(:end AS timestamptz))"
    " ON CONFLICT (subject, scope, origin) DO UPDATE SET reason = EXCLUDED.reason, author = EXCLUDED.author,"
    " end_time = EXCLUDED.end_time, create_time = CASE WHEN hold.end_time <= now() THEN now() ELSE hold.create_time END"
    " RETURNING unit_uid IS NOT NULL OR cluster IS NOT NULL"
    " OR EXISTS (SELECT 1 FROM cluster c WHERE 'regions/' || c.region = hold.subject) AS is_known, create_time"
)
_THAW: Final = text(
    "INSERT INTO thaw (subject, window_name, unit_uid, cluster, reason, author, end_time)"
    f" VALUES (:subject, :window, {_OWNERS}, :reason, :author, CAST(:end AS timestamptz))"
    " ON CONFLICT (subject, window_name) DO UPDATE SET reason = EXCLUDED.reason, author = EXCLUDED.author,"
    " end_time = EXCLUDED.end_time, create_time = now()"
)
_THAWS: Final = text("SELECT subject, window_name FROM thaw WHERE end_time > now()")
_NEXT_THAW_END: Final = text("SELECT min(end_time) FROM thaw WHERE end_time > now()")
_END: Final = text(
    "DELETE FROM hold WHERE subject = :subject AND (:scope = '' OR scope = :scope) AND origin = :origin"
    f" RETURNING {_COLUMNS}"
)
_AUTOMATION_CHANGED: Final = text("UPDATE automation SET version = version + 1, update_time = now()")
_KINDS: Final = {"Person": HoldKind.PAUSE, "Breaker": HoldKind.BREAKER}
_ORIGINS: Final = {kind: origin for origin, kind in _KINDS.items()}
_TROUBLED: Final = tuple(verdict.value for verdict in Verdict if verdict not in (Verdict.HEALTHY, Verdict.UNKNOWN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The holds that are in force, and when that changes by itself."""

    now: datetime  # the database's
    leader: tuple[int, str] | None = None  # epoch and holder of the lease that was asked for
    holds: tuple[Hold, ...] = ()
    next_change_time: datetime | None = None


async def put(
    tx: Transaction,
    *,
    subject: str,
    scope: HoldScope,
    reason: str,
    end_time: datetime | None,
    author: str,
    kind: HoldKind = HoldKind.PAUSE,
) -> Hold:
    """Hold something from now on; a hold of that scope and kind that is there already is replaced, and keeps its begin.

    Raises:
        NotFoundError: there is no such cluster or unit, or no cluster in such a region.
    """
    values = {
        "subject": subject,
        "scope": scope.value,
        "origin": _ORIGINS[kind],
        "reason": storable_text(reason),
        "author": author,
        "end": end_time,
    }
    row = (await tx.execute(_PUT, values)).one()
    if subject != FLEET_SUBJECT and not row.is_known:
        raise NotFoundError(subject)
    await _changed(tx, subject, {scope})
    return Hold(
        subject=subject,
        kind=kind,
        scope=scope,
        reason=reason,
        author=author,
        create_time=row.create_time,
        end_time=end_time,
    )


async def end(tx: Transaction, *, subject: str, scope: HoldScope | None, kind: HoldKind = HoldKind.PAUSE) -> list[Hold]:
    """End the holds of a subject and kind, those of one scope or all; gives those that there were."""
    values = {"subject": subject, "scope": "" if scope is None else scope.value, "origin": _ORIGINS[kind]}
    ended = [_from_row(row) for row in await tx.execute(_END, values)]
    if ended:
        await _changed(tx, subject, {hold.scope for hold in ended})
    return ended


async def on_automation(look: Look) -> list[Hold]:
    """The holds that keep automation from acting."""
    return [_from_row(row) for row in await look.execute(_ON_AUTOMATION)]


async def thaw(tx: Transaction, *, subject: str, window: str, reason: str, end_time: datetime, author: str) -> None:
    """Let a freeze window through what is written for a subject that exists, until a time."""
    values = {"subject": subject, "window": window, "reason": storable_text(reason), "author": author, "end": end_time}
    await tx.execute(_THAW, values)
    _record(tx, subject)


async def standing(look: Look, *, lease: str = "") -> Standing:
    """What is held now, the clock being the database's; and who has a lease, where one is named."""
    rows = (await look.execute(_STANDING, {"verdicts": list(_TROUBLED), "lease": lease})).all()
    pauses = [_from_row(row) for row in rows if row.part == "Hold"]
    troubles = [hold for row in rows if row.part == "Trouble" and (hold := _trouble(row)) is not None]
    (settings,) = (row for row in rows if row.part == "Settings")
    epoch, _, holder = settings.subject.partition(" ")
    windows = () if settings.value is None else from_json(FleetSpec, settings.value).freezes
    now: datetime = settings.now
    freezes = await _resolved(look, [window for window in windows if span_at(window, now) is not None], now)
    ends = [pause.end_time for pause in pauses if pause.end_time is not None]
    if freezes:
        ends += [time for (time,) in await look.execute(_NEXT_THAW_END) if time is not None]
    change = next_change(windows, now)
    return Standing(
        now=now,
        leader=(int(epoch), holder) if epoch else None,
        holds=(*pauses, *freezes, *troubles),
        next_change_time=min([*ends, *([change] if change is not None else [])], default=None),
    )


def _trouble(row: Any) -> Hold | None:
    """Nothing is removed from a member of which nobody knows how it is."""
    health = from_json(Health, row.value)
    if health.may_be_removed_from:
        return None
    return Hold(
        subject=f"clusters/{row.subject}",
        kind=HoldKind.HEALTH,
        scope=HoldScope.REMOVALS,
        reason=f"it is {health.verdict}{f' ({health.message})' if health.message else ''}",
        create_time=health.since or row.now,
    )


async def _resolved(look: Look, windows: Sequence[FreezeWindow], now: datetime) -> list[Hold]:
    """The windows that are on, as holds."""
    if not windows:
        return []
    thaws: dict[str, set[str]] = {}
    for row in await look.execute(_THAWS):
        thaws.setdefault(row.window_name, set()).add(row.subject)
    members = [one.snapshot() for one in await clusters.list_all(look)] if any(one.clusters for one in windows) else []
    found = []
    for window in windows:
        span = span_at(window, now)
        assert span is not None, "only windows that are on are given"
        hold = Hold(
            subject=FLEET_SUBJECT,
            kind=HoldKind.FREEZE,
            scope=HoldScope.CHANGES,
            reason=window.name,
            create_time=span.start,
            end_time=span.end,
            namespaces=frozenset(window.namespaces) if window.namespaces else None,
            units=frozenset(window.units) if window.units else None,
            thawed=frozenset(thaws.get(window.name, ())),
        )
        if window.clusters is not None:
            names = (member.name for member in members if matches_cluster(window.clusters, member))
            hold = replace(hold, clusters=frozenset(names))
        found.append(hold)
    return found


def _from_row(row: Any) -> Hold:
    return Hold(
        subject=row.subject,
        kind=_KINDS[row.origin],
        scope=HoldScope(row.scope),
        reason=row.reason,
        author=row.author,
        create_time=row.create_time,
        end_time=row.end_time,
        clusters=None if row.clusters is None else frozenset(row.clusters),
    )


async def _changed(tx: Transaction, subject: str, scopes: Collection[HoldScope]) -> None:
    if HoldScope.AUTOMATION in scopes:
        # Decisions that were made by what automation was allowed before are not stored any more.
        await tx.execute(_AUTOMATION_CHANGED)
    _record(tx, subject)


def _record(tx: Transaction, subject: str) -> None:
    tx.record("hold", subject)
    if subject.startswith("clusters/"):
        tx.record("cluster", subject)  # what is said of it changes
