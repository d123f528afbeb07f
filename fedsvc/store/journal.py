"""How zones came to be that secondaries follow, step by step, and their versions: what a hidden primary serves."""

import asyncio
from typing import Final

import orjson

from fedsvc.errors import FedsvcError
from fedsvc.store.sql import text
from fedsvc.store.store import Store, Transaction
from fedsvc_dns.providers.contract import Fence, ProviderError
from fedsvc_dns.providers.primary.versions import MOST_DELTAS, Delta, ZoneVersion, version_of
from fedsvc_dns.records import RecordSet
from fedsvc_dns.server.zone_data import from_json

_NOTE: Final = text("INSERT INTO dns_delta (zone_uid, delta) VALUES (CAST(:uid AS uuid), :delta)")
_TRIM: Final = text(
    "DELETE FROM dns_delta WHERE zone_uid = CAST(:uid AS uuid) AND id <= (SELECT id FROM dns_delta"
    f" WHERE zone_uid = CAST(:uid AS uuid) ORDER BY id DESC OFFSET {MOST_DELTAS} LIMIT 1)"
)
_FORGET: Final = text("DELETE FROM dns_delta WHERE zone_uid = CAST(:uid AS uuid)")
_SERIAL: Final = text("SELECT serial FROM dns_zone WHERE zone_uid = CAST(:uid AS uuid)")
_VERSION: Final = text(
    "SELECT serial, generation, served, ARRAY(SELECT d.delta FROM dns_delta d WHERE d.zone_uid = z.zone_uid ORDER BY d.id)"
    " AS deltas FROM dns_zone z WHERE zone_uid = CAST(:uid AS uuid)"
)


async def note(tx: Transaction, zone_uid: str, step: Delta | None) -> None:
    """Note how a zone came to its new serial; None: nobody is told how, and secondaries take it whole."""
    if step is None:
        await tx.execute(_FORGET, {"uid": zone_uid})
        return
    await tx.execute(_NOTE, {"uid": zone_uid, "delta": orjson.dumps(step)})
    await tx.execute(_TRIM, {"uid": zone_uid})


class StoredVersions:
    """The versions of zones as PostgreSQL has them: a `VersionStore` that all replicas share; decisions write it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._zones: dict[str, str] = {}
        self._known: dict[str, ZoneVersion] = {}

    def follow(self, zones: dict[str, str]) -> None:
        """Serve these zones (origin to uid), and no others."""
        self._known = {origin: one for origin, one in self._known.items() if zones.get(origin) == self._zones[origin]}
        self._zones = zones

    async def load(self, origin: str) -> ZoneVersion | None:
        """The newest version of a zone; None: it is not served, or was not planned yet.

        Raises:
            ProviderError: PostgreSQL does not answer.
        """
        uid = self._zones.get(origin)
        if uid is None:
            return None
        try:
            async with self._store.look() as look:
                serial = (await look.execute(_SERIAL, {"uid": uid})).scalar_one_or_none()
                known = self._known.get(origin)
                if known is not None and known.serial == serial:
                    return known
                row = (await look.execute(_VERSION, {"uid": uid})).one_or_none()
        except FedsvcError as error:
            raise ProviderError(f"what {origin} holds cannot be read: {error}") from error
        if row is None:
            return None
        version = await asyncio.to_thread(_version, row.serial, row.generation, row.served, row.deltas)
        if self._zones.get(origin) == uid:
            self._known[origin] = version
        return version

    async def save(self, version: ZoneVersion, *, replacing: ZoneVersion) -> bool:
        """Refuse: only decisions make versions.

        Raises:
            ProviderError: always.
        """
        raise ProviderError(f"{version.origin} at {replacing.serial} is changed by its plan alone")


def _version(serial: int, generation: int, served: bytes, deltas: list[bytes]) -> ZoneVersion:
    (data,) = map(from_json, orjson.loads(served))
    return version_of(
        data.origin,
        data.record_sets,
        fence=Fence(epoch=0, generation=generation),
        serial=serial,
        journal=tuple(_delta(orjson.loads(one)) for one in deltas),
    )


def _delta(stored: dict[str, list[dict[str, object]] | int]) -> Delta:
    before, after = stored["before"], stored["after"]
    assert isinstance(before, int)
    assert isinstance(after, int)
    return Delta(before=before, after=after, removed=_sets(stored["removed"]), added=_sets(stored["added"]))


def _sets(stored: object) -> tuple[RecordSet, ...]:
    assert isinstance(stored, list)
    return tuple(RecordSet(**{**one, "values": tuple(one["values"])}) for one in stored)
