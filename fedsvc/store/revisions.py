"""Revisions of units: rows of `unit_revision`, which are written with the unit and never change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from fedsvc.errors import NotFoundError
from fedsvc.model.unit import Resource, UnitSpec
from fedsvc.rendering.keys import ObjectKey, split_api_version
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction

KEPT: Final = 20
"""Of each unit, unless told otherwise, beside those that a cluster holds and the stable one of its rollout."""

_COLUMNS: Final = (
    "CAST(v.unit_uid AS text) AS unit_uid, v.revision, v.spec, v.resources, v.author, v.restores, v.create_time"
)
_GET = text(
    f"SELECT {_COLUMNS} FROM unit_revision v JOIN unnest(CAST(:uids AS uuid[]), CAST(:revisions AS bigint[]))"
    " AS i (unit_uid, revision) USING (unit_uid, revision)"
)
_LIST = text(
    f"SELECT {_COLUMNS} FROM unit_revision v WHERE v.unit_uid = CAST(:uid AS uuid) AND v.revision < :before"
    " ORDER BY v.revision DESC LIMIT :limit"
)
_ADD = text(
    "INSERT INTO unit_revision (unit_uid, revision, spec, resources, author, restores) VALUES (CAST(:uid AS uuid), :revision,"
    " CAST(:spec AS jsonb), CAST(:resources AS jsonb), :author, :restores)"
)
_HOLDERS = text("SELECT revision, cluster FROM binding WHERE unit_uid = CAST(:uid AS uuid) ORDER BY cluster")
_TRIM = text(
    "DELETE FROM unit_revision v USING (SELECT unit_uid, revision, row_number() OVER (PARTITION BY unit_uid ORDER BY revision DESC)"
    " AS n FROM unit_revision) r WHERE r.unit_uid = v.unit_uid AND r.revision = v.revision AND r.n > :kept"
    " AND NOT EXISTS (SELECT 1 FROM binding b WHERE b.unit_uid = v.unit_uid AND b.revision = v.revision)"
    " AND NOT EXISTS (SELECT 1 FROM rollout o WHERE o.unit_uid = v.unit_uid"
    "   AND (o.state ->> 'stable') = CAST(v.revision AS text))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRevision:
    """The intent of a unit as it was stored once."""

    unit_uid: str
    revision: int
    spec: UnitSpec
    resources: tuple[Resource, ...]  # without bodies
    author: str
    restores: int | None
    create_time: datetime

    def goes_as(self, spec: UnitSpec, resources: Sequence[Resource]) -> bool:
        """Whether what goes over the clusters in waves is the same: resources and overrides."""
        return [(one.key, one.digest) for one in self.resources] == [(one.key, one.digest) for one in resources] and (
            self.spec.overrides,
            self.spec.override_policies,
        ) == (spec.overrides, spec.override_policies)


async def get_many(look: Look, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], StoredRevision]:
    """Those of the revisions, as (uid of the unit, number), that are kept."""
    if not wanted:
        return {}
    ordered = sorted(wanted)
    rows = await look.execute(
        _GET, {"uids": [uid for uid, _ in ordered], "revisions": [number for _, number in ordered]}
    )
    return {(row.unit_uid, row.revision): _from_row(row) for row in rows}


async def get(tx: Transaction, uid: str, revision: int, *, name: str) -> StoredRevision:
    """One revision.

    Args:
        tx: the transaction.
        uid: of the unit.
        revision: its number.
        name: of the revision in the API, for the message.

    Raises:
        NotFoundError: there never was one of that number, or it is not kept any more.
    """
    found = (await get_many(tx, [(uid, revision)])).get((uid, revision))
    if found is None:
        raise NotFoundError(name)
    return found


async def list_page(tx: Transaction, uid: str, *, before: int, limit: int) -> list[StoredRevision]:
    """The revisions of a unit that are older than a number, newest first."""
    return [_from_row(row) for row in await tx.execute(_LIST, {"uid": uid, "before": before, "limit": limit})]


async def holders(tx: Transaction, uid: str) -> dict[int, list[str]]:
    """The clusters that shall hold each revision of a unit, sorted."""
    found: dict[int, list[str]] = {}
    for row in await tx.execute(_HOLDERS, {"uid": uid}):
        found.setdefault(row.revision, []).append(row.cluster)
    return found


async def add(
    tx: Transaction,
    *,
    uid: str,
    revision: int,
    spec: UnitSpec,
    resources: Sequence[Resource],
    author: str,
    restores: int | None = None,
) -> None:
    """Keep a new revision, in the transaction that makes it the unit's."""
    listing = [
        [one.key.api_version, one.key.kind, one.key.namespace, one.key.name, one.digest.hex(), one.labels]
        for one in resources
    ]
    await tx.execute(
        _ADD,
        {
            "uid": uid,
            "revision": revision,
            "spec": orjson.dumps(to_json(UnitSpec, spec)).decode(),
            "resources": orjson.dumps(listing).decode(),
            "author": author,
            "restores": restores,
        },
    )


async def trim(tx: Transaction, *, kept: int) -> None:
    """Forget all but the newest of each unit, those that a cluster holds, and the stable ones of rollouts."""
    await tx.execute(_TRIM, {"kept": kept})


def _from_row(row: Any) -> StoredRevision:
    return StoredRevision(
        unit_uid=row.unit_uid,
        revision=row.revision,
        spec=from_json(UnitSpec, row.spec),
        resources=tuple(_resource(entry) for entry in row.resources),
        author=row.author,
        restores=row.restores,
        create_time=row.create_time,
    )


def _resource(entry: Sequence[Any]) -> Resource:
    api_version, kind, namespace, name, digest, *labels = entry  # rows of earlier releases have no labels
    group, version = split_api_version(api_version)
    key = ObjectKey(group=group, version=version, kind=kind, namespace=namespace, name=name)
    return Resource(key=key, digest=bytes.fromhex(digest), labels=labels[0] if labels else {})
