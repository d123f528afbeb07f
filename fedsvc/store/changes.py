"""The change log, and places in it.

Every writing transaction puts its changes in `change` under its own transaction id. Readers take only rows whose
transaction is older than every one still running, in the order of (xid, id): a transaction that commits late is waited
for and never skipped, which a plain sequence would do.

A resume token names the change it comes after, together with that change's time, and is taken only by a log that holds
the very same change there, as a Raft follower takes entries (Ongaro and Ousterhout, "In Search of an Understandable
Consensus Algorithm", 5.3). So what was written by a server that was since restored, replaced, or failed over with a loss
is never taken for a place in what was written instead, though transaction ids are the same. The epoch beside it ends all
tokens where PostgreSQL itself knows of a new history: a recovery or promotion (timeline), a restored dump (oids).
"""

import base64
import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from fedsvc.errors import InvalidInputError, Problem, ResumeTokenExpiredError
from fedsvc.store.connection import run
from fedsvc.store.sql import text

KEPT: Final = timedelta(hours=1)
BATCH: Final = 1000
_TOKEN: Final = re.compile(r"v2\.([0-9A-F-]{0,30})\.([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """That something changed; its state is to be read."""

    kind: str  # cluster, unit, work, placement_policy, override_policy, status_policy, zone, event, fleet
    name: str  # its name in the API
    subject: str = ""  # of a work or event: the unit or cluster it is of
    deleted: bool = False


@dataclass(frozen=True, slots=True, order=True)
class ResumeToken:
    """A place in the change log: after a change, or after the last one that is no longer kept."""

    xid: int  # of the change's transaction
    id: int  # of the change
    micros: int = 0  # since 1970: the change's time
    epoch: str = ""  # of the database

    def encode(self) -> str:
        """As opaque text."""
        plain = f"v2.{self.epoch}.{self.xid}.{self.id}.{self.micros}"
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Changes in their order, and where the log goes on after them."""

    changes: tuple[Change, ...]
    token: ResumeToken
    seen_at: float = 0.0  # when this process had read it, on time.monotonic(): what is read later tells of all of it


def decode_token(encoded: str) -> ResumeToken:
    """The place that a token names.

    Raises:
        InvalidInputError: it is no token of ours.
    """
    try:
        plain = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (ValueError, binascii.Error):
        plain = ""  # told below, in the words of the caller
    found = _TOKEN.fullmatch(plain)
    if found is None:
        raise InvalidInputError(Problem(path="resume_token", message="is not a token this server gave; list again"))
    epoch, xid, number, micros = found.groups()
    return ResumeToken(int(xid), int(number), int(micros), epoch)


_INSERT = text(
    "INSERT INTO change (kind, name, subject, deleted)"
    " SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:names AS text[]), CAST(:subjects AS text[]),"
    " CAST(:deleted AS boolean[]))"
)
_XID: Final = "CAST(CAST(xid AS text) AS bigint) AS xid"
_MICROS: Final = "CAST(extract(epoch FROM create_time) * 1000000 AS bigint)"
_SETTLED: Final = "xid < pg_snapshot_xmin(pg_current_snapshot())"
_EPOCH: Final = (
    "(SELECT coalesce(current_setting('fedsvc.timeline', TRUE), '') || '-' || oid || '-' || CAST(CAST('change' AS regclass) AS oid)"
    " FROM pg_database WHERE datname = current_database())"
)
_CURRENT = text(
    f"SELECT {_XID}, id, {_MICROS} AS micros, {_EPOCH} AS epoch FROM ("
    f"(SELECT xid, id, create_time FROM change WHERE {_SETTLED} ORDER BY xid DESC, id DESC LIMIT 1)"
    " UNION ALL SELECT xid, id, create_time FROM change_horizon) AS place ORDER BY xid DESC, id DESC LIMIT 1"
)
_PLACE: Final = f"xid = CAST(CAST(:xid AS text) AS xid8) AND id = CAST(:id AS bigint) AND {_MICROS} = :micros"
_IS_KNOWN: Final = (
    f"{_EPOCH} = CAST(:epoch AS text) AND (EXISTS (SELECT 1 FROM change WHERE {_PLACE} AND {_SETTLED})"
    f" OR EXISTS (SELECT 1 FROM change_horizon WHERE {_PLACE}))"
)
# One statement, so that both are asked of one snapshot; where there is nothing new it gives one row without a change.
_READ = text(
    f"SELECT place.is_known, c.* FROM (SELECT {_IS_KNOWN} AS is_known) AS place LEFT JOIN"
    f" (SELECT {_XID}, id, {_MICROS} AS micros, kind, name, subject, deleted FROM change"
    " WHERE (xid, id) > (CAST(CAST(:xid AS text) AS xid8), CAST(:id AS bigint))"
    f" AND {_SETTLED} ORDER BY change.xid, id LIMIT :limit) AS c ON TRUE ORDER BY c.xid, c.id"
)
_FOREIGN: Final = "WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) AND xid <> pg_current_xact_id()"
_IS_FOREIGN = text(
    f"SELECT EXISTS (SELECT 1 FROM change {_FOREIGN}) OR EXISTS (SELECT 1 FROM change_horizon {_FOREIGN})"
)
_EMPTY = text("DELETE FROM change")
_BEGIN = text("UPDATE change_horizon SET xid = pg_current_xact_id(), id = 0, create_time = clock_timestamp()")


async def write_changes(connection: Any, changes: list[Change]) -> None:
    """Put the changes of a transaction in the log, in one statement."""
    await run(
        connection,
        _INSERT,
        {
            "kinds": [change.kind for change in changes],
            "names": [change.name for change in changes],
            "subjects": [change.subject for change in changes],
            "deleted": [change.deleted for change in changes],
        },
    )


async def current_token(connection: Any) -> ResumeToken:
    """The place after all that this transaction's snapshot is sure to see."""
    row = (await run(connection, _CURRENT)).one()
    return ResumeToken(row.xid, row.id, row.micros, row.epoch)


async def read_changes(connection: Any, after: ResumeToken, *, limit: int = BATCH) -> Batch:
    """The next changes after a place.

    Raises:
        ResumeTokenExpiredError: changes between the place and now are no longer kept, or it is a place in another log.
    """
    place = {"xid": str(after.xid), "id": after.id, "micros": after.micros, "epoch": after.epoch}
    rows = (await run(connection, _READ, place | {"limit": limit})).all()
    if not rows[0].is_known:
        raise ResumeTokenExpiredError(
            "changes since that resume_token are no longer kept, or the database was restored or replaced since:"
            " list again, then watch"
        )
    if rows[0].id is None:
        rows = []
    changes = tuple(Change(kind=row.kind, name=row.name, subject=row.subject, deleted=row.deleted) for row in rows)
    token = ResumeToken(rows[-1].xid, rows[-1].id, rows[-1].micros, after.epoch) if rows else after
    return Batch(changes=changes, token=token, seen_at=time.monotonic())


async def drop_foreign_log(connection: Any) -> bool:
    """Begin the log anew where it came here with a dump of another server, whose transaction ids mean nothing here.

    Left as it is, its rows would look like changes of transactions to come, and new ones like changes long past.
    """
    if not (await run(connection, _IS_FOREIGN)).scalar_one():
        return False
    await run(connection, _EMPTY)
    await run(connection, _BEGIN)
    return True


CommitListener = Callable[[tuple[Change, ...]], None]
"""Called in the committing task, at once: it must only take note."""
