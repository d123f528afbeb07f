"""Whether there is anything to follow of failovers and departures, in one statement: it is asked each second."""

from dataclasses import dataclass
from typing import Final

from fedsvc.store import departures, failovers
from fedsvc.store.sql import text
from fedsvc.store.store import Look

_LOOK: Final = text(
    f"SELECT {failovers.OPEN} AS is_moving, {departures.ANY_DUE} AS is_due, {departures.ANY_OPENED} AS is_opened,"
    f" {departures.ANY_STABLE} AS is_stable"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What there is to do."""

    is_moving: bool  # something is to be noted of some failover
    is_due: bool  # somebody wanted a unit to leave a cluster at a time that has come
    is_opened: bool  # some cluster was drained and is open to units again
    is_stable: bool  # some unit is away from a cluster that was well for as long as the unit asks for


async def look_out(look: Look) -> Outlook:
    """What there is to do."""
    row = (await look.execute(_LOOK, departures.STABLE_VALUES)).one()
    return Outlook(is_moving=row.is_moving, is_due=row.is_due, is_opened=row.is_opened, is_stable=row.is_stable)
