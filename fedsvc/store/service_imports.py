"""The units that fedsvc makes itself of what clusters export, and what says which endpoints are to be looked at."""

from dataclasses import dataclass
from typing import Final

from fedsvc.model.service_import import IMPORT_LABEL, WITHDRAWN_ANNOTATION
from fedsvc.store.sql import text
from fedsvc.store.store import Look

_UNITS: Final = text(
    f"SELECT u.namespace, u.name, u.generation, u.labels ->> '{IMPORT_LABEL}' AS service,"
    f" u.annotations ->> '{WITHDRAWN_ANNOTATION}' AS withdrawn, u.delete_time IS NOT NULL AS is_deleted,"
    " EXISTS (SELECT 1 FROM work w WHERE w.unit_uid = u.uid) AS has_works"
    f" FROM unit u WHERE u.labels ? '{IMPORT_LABEL}'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUnit:
    """A unit of a Service that is exported, or was."""

    namespace: str
    name: str
    service: str
    generation: int
    withdrawn: frozenset[str]
    is_deleted: bool
    has_works: bool


async def all_units(look: Look) -> list[ImportUnit]:
    """All of them."""
    return [
        ImportUnit(
            namespace=row.namespace,
            name=row.name,
            service=row.service,
            generation=row.generation,
            withdrawn=frozenset(name for name in (row.withdrawn or "").split(",") if name),
            is_deleted=row.is_deleted,
            has_works=row.has_works,
        )
        for row in await look.execute(_UNITS)
    ]
