"""The audit: the rows of `audit`, each written in the transaction that did what it tells of.

Nothing of it is ever changed, but that a refusal is counted, and told to be over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from fedsvc.model.audit import (
    SAME,
    AuditKind,
    AuditOutcome,
    AuditRecord,
    NewRecord,
    RefusalChanges,
    Refused,
    refusal_changes,
)
from fedsvc.store.sql import Statement, text
from fedsvc.store.storable import storable_json, storable_text
from fedsvc.store.store import Look, Transaction

_COLUMNS: Final = (
    "id, kind, outcome, reason, message, author, unit, units, cluster, region, revision, epoch, evidence, count,"
    " create_time, update_time, end_time"
)
# The cluster tells its region and the unit its revision, as they are in this transaction.
_ADD: Final = text(
    "INSERT INTO audit (kind, outcome, reason, message, author, unit, units, cluster, region, revision, epoch, evidence, end_time)"
    " SELECT i.kind, i.outcome, i.reason, i.message, i.author, i.unit, ARRAY(SELECT jsonb_array_elements_text(i.units)),"
    " i.cluster, coalesce(nullif(i.region, ''), c.region, ''), coalesce(u.revision, 0), :epoch, i.evidence,"
    " CASE WHEN :is_moment AND i.outcome = 'Refused' THEN now() END"
    " FROM ROWS FROM (jsonb_to_recordset(CAST(:rows AS jsonb)) AS (kind text, outcome text, reason text, message text,"
    " author text, unit text, units jsonb, cluster text, region text, evidence jsonb)) WITH ORDINALITY"
    " AS i (kind, outcome, reason, message, author, unit, units, cluster, region, evidence, place)"
    " LEFT JOIN cluster c ON c.name = i.cluster"
    " LEFT JOIN unit u ON u.namespace = split_part(i.unit, '/', 2) AND u.name = split_part(i.unit, '/', 4) ORDER BY i.place"
)
# A record of a cluster has its region, which is none of what tells it apart.
_KEPT: Final = (
    "SELECT DISTINCT ON (kind, unit, cluster, asked_region, reason) id, kind, unit, cluster, asked_region AS region, reason,"
    " message, units, end_time FROM (SELECT *, CASE WHEN cluster = '' THEN region ELSE '' END AS asked_region FROM audit"
    " WHERE {which}) a ORDER BY kind, unit, cluster, asked_region, reason, id DESC"
)
_REFUSED: Final = text(
    _KEPT.format(which="outcome = 'Refused' AND (end_time IS NULL OR update_time > now() - CAST(:same AS interval))")
)
_OF_LATE: Final = text(
    _KEPT.format(
        which="kind || ' ' || outcome = ANY(CAST(:sorts AS text[])) AND update_time > now() - CAST(:same AS interval)"
    )
)
_INPUT: Final = "jsonb_to_recordset(CAST(:rows AS jsonb)) AS i (id bigint, message text, units jsonb, evidence jsonb) WHERE audit.id = i.id"
_AGAIN: Final = text(
    "UPDATE audit SET count = count + 1, update_time = now(), end_time = CASE WHEN :is_moment AND outcome = 'Refused' THEN now() END,"
    " epoch = :epoch, message = i.message, evidence = i.evidence,"
    f" units = ARRAY(SELECT jsonb_array_elements_text(i.units)) FROM {_INPUT}"
)
_TELL: Final = text(
    "UPDATE audit SET update_time = now(), message = i.message, evidence = i.evidence,"
    f" units = ARRAY(SELECT jsonb_array_elements_text(i.units)) FROM {_INPUT}"
)
_END: Final = text(
    "UPDATE audit SET update_time = now(), end_time = now() WHERE id = ANY(CAST(:ids AS bigint[])) AND end_time IS NULL"
)
_ANY_LASTING: Final = text("SELECT EXISTS (SELECT 1 FROM audit WHERE outcome = 'Refused' AND end_time IS NULL)")
_CONDITIONS: Final = {
    "unit": "(unit = :unit OR units @> ARRAY[CAST(:unit AS text)])",
    "cluster": "cluster = :cluster",
    "region": "region = :region",
    "kind": "kind = :kind",
    "outcome": "outcome = :outcome",
    "author": "author = :author",
    "begin": "update_time >= CAST(:begin AS timestamptz)",
    "end": "create_time < CAST(:end AS timestamptz)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which records are wanted; what is not said is not looked at."""

    unit: str = ""  # in the API; also where it is one of several
    cluster: str = ""
    region: str = ""
    kind: AuditKind | None = None
    outcome: AuditOutcome | None = None
    author: str | None = None  # empty: automation alone
    begin: datetime | None = None  # the last time was not before
    end: datetime | None = None  # the first time was before

    def values(self) -> dict[str, Any]:
        """The parameters that it takes, by name."""
        found: dict[str, Any] = {"unit": self.unit, "cluster": self.cluster, "region": self.region}
        found = {name: value for name, value in found.items() if value}
        if self.kind is not None:
            found["kind"] = self.kind.value
        if self.outcome is not None:
            found["outcome"] = self.outcome.value
        for name in ("author", "begin", "end"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        return found


async def add(tx: Transaction, records: Iterable[NewRecord]) -> None:
    """Keep what this transaction does."""
    await _add(tx, list(records), is_moment=False)


async def count(tx: Transaction, records: Sequence[NewRecord]) -> None:
    """Keep what this transaction does or refuses just now; what was likewise, for the same reason, of late is counted."""
    if not records:
        return
    sorts = sorted({f"{one.kind} {one.outcome}" for one in records})
    rows = await tx.execute(_OF_LATE, {"sorts": sorts, "same": SAME})
    places = {((row.kind, row.unit, row.cluster, row.region), row.reason): row.id for row in rows}
    known = [(places[place], one) for one in records if (place := (one.matter, one.reason)) in places]
    await _add(tx, [one for one in records if (one.matter, one.reason) not in places], is_moment=True)
    await _change(tx, _AGAIN, known, is_moment=True, epoch=tx.epoch)


async def follow_refusals(tx: Transaction, now_refused: Iterable[NewRecord]) -> RefusalChanges:
    """Keep that just this is refused from now on, until it is said otherwise; gives what that changed."""
    kept = [Refused(**row) for row in await tx.execute(_REFUSED, {"same": SAME})]
    found = refusal_changes(now_refused, kept, tx.now)
    await add(tx, found.begin)
    await _change(tx, _AGAIN, found.again, is_moment=False, epoch=tx.epoch)
    await _change(tx, _TELL, found.tell)
    if found.end:
        await tx.execute(_END, {"ids": list(found.end)})
    return found


async def any_refused(look: Look) -> bool:
    """Whether some refusal is not over."""
    return bool((await look.execute(_ANY_LASTING)).scalar_one())


async def list_page(look: Look, wanted: AuditFilter, *, before: tuple[datetime, int], limit: int) -> list[AuditRecord]:
    """Records by their last time, the newest first: those before a time and id."""
    values = wanted.values()
    statement = _list_statement(tuple(values))
    rows = await look.execute(statement, {**values, "before": before[0], "before_id": before[1], "limit": limit})
    return [_record(row) for row in rows]


@lru_cache(maxsize=512)
def _list_statement(names: tuple[str, ...]) -> Statement:
    conditions = "".join(f" AND {_CONDITIONS[name]}" for name in names)
    return text(
        f"SELECT {_COLUMNS} FROM audit WHERE (update_time, id) < (CAST(:before AS timestamptz), :before_id){conditions}"
        " ORDER BY update_time DESC, id DESC LIMIT :limit"
    )


async def _add(tx: Transaction, records: Sequence[NewRecord], *, is_moment: bool) -> None:
    if records:
        rows = storable_json([_row(one) for one in records])
        await tx.execute(_ADD, {"rows": rows, "epoch": tx.epoch, "is_moment": is_moment})


async def _change(tx: Transaction, statement: Statement, found: Sequence[tuple[int, NewRecord]], **values: Any) -> None:
    if found:
        rows = [_row(one) | {"id": id_} for id_, one in found]
        await tx.execute(statement, {"rows": storable_json(rows), **values})


def _row(one: NewRecord) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "outcome": one.outcome.value,
        "reason": one.reason,
        "message": storable_text(one.message),
        "author": one.author,
        "unit": one.unit,
        "units": list(one.units),
        "cluster": one.cluster,
        "region": one.region,
        "evidence": dict(one.evidence),
    }


def _record(row: Any) -> AuditRecord:
    own = {"kind": AuditKind(row.kind), "outcome": AuditOutcome(row.outcome), "units": tuple(row.units)}
    return AuditRecord(**{**row, **own})
