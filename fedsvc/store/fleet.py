"""The fleet settings: the one row of `fleet`."""

import orjson

from fedsvc.errors import EtagMismatchError
from fedsvc.model.fleet import FLEET_SETTINGS_NAME, FleetSettings, FleetSpec
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

_GET = text("SELECT spec, generation, update_time FROM fleet")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('fleet', 0))")
_PUT = text(
    "INSERT INTO fleet (single, spec) VALUES (TRUE, CAST(:spec AS jsonb)) ON CONFLICT (single) DO UPDATE SET"
    " spec = EXCLUDED.spec, generation = fleet.generation + 1, update_time = now()"
)


async def get(tx: Transaction) -> FleetSettings:
    """The settings; the defaults where none were ever stored."""
    row = (await tx.execute(_GET)).one_or_none()
    if row is None:
        return FleetSettings()
    return FleetSettings(spec=from_json(FleetSpec, row.spec), generation=row.generation, update_time=row.update_time)


async def update(tx: Transaction, spec: FleetSpec, *, etag: str = "") -> tuple[FleetSettings, bool]:
    """Replace the settings; tells whether anything changed. Equal ones are not written.

    Raises:
        EtagMismatchError: an etag is given and is not that of the stored ones.
    """
    await tx.execute(_LOCK)
    before = await get(tx)
    if etag and etag != before.etag:
        raise EtagMismatchError(FLEET_SETTINGS_NAME, stored=before.etag)
    if before.spec == spec:
        return before, False
    await tx.execute(_PUT, {"spec": orjson.dumps(to_json(FleetSpec, spec)).decode()})
    tx.record("fleet", FLEET_SETTINGS_NAME)
    return await get(tx), True
