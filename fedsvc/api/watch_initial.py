"""What is there when a watch begins, page by page."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from fedsvc.api.watch_objects import (
    Watched,
    watched_clusters,
    watched_event,
    watched_override_policy,
    watched_placement_policy,
    watched_status_policy,
    watched_unit,
    watched_works,
    watched_zones,
)
from fedsvc.api.watch_request import WatchFilter
from fedsvc.store import clusters, events, lookups, policies, units, works
from fedsvc.store.policies import PolicyKind
from fedsvc.store.store import Store, Transaction

_PAGE: Final = 500


async def initial_state(store: Store, wanted: WatchFilter) -> AsyncGenerator[list[Watched], None]:
    """Pages of the objects that the filter wants, kind by kind.

    Each page is read in a transaction of its own, so that a slow reader holds none open.
    """
    for kind in wanted.kinds:
        place: Any = None
        more = True
        while more:
            async with store.reader() as tx:
                page, place, more = await _read(tx, kind, wanted, place)
            chosen = [
                watched
                for watched in page
                if wanted.wants(kind, watched.name, labels=watched.labels, related=watched.related)
            ]
            if chosen:
                yield chosen


async def _read(tx: Transaction, kind: str, wanted: WatchFilter, place: Any) -> tuple[list[Watched], Any, bool]:
    """A page, where the next one begins, and whether there may be one."""
    match kind:
        case "cluster":
            return await _clusters(tx, wanted, place)
        case "unit":
            return await _units(tx, wanted, place)
        case "work":
            return await _works(tx, wanted, place)
        case "event":
            return await _events(tx, wanted, place)
        case "zone":
            rows = await _policy_page(tx, policies.ZONE, place)
            return await watched_zones(tx, rows), _name_of(rows), len(rows) == _PAGE
    policy_kind, shown = _POLICIES[kind]
    found = await _policy_page(tx, policy_kind, place)
    return [shown(policy) for policy in found], _name_of(found), len(found) == _PAGE


_POLICIES: Final[Mapping[str, tuple[PolicyKind[Any], Callable[[Any], Watched]]]] = {
    "placement_policy": (policies.PLACEMENT, watched_placement_policy),
    "override_policy": (policies.OVERRIDE, watched_override_policy),
    "status_policy": (policies.STATUS, watched_status_policy),
}
_Page = tuple[list[Watched], Any, bool]


async def _clusters(tx: Transaction, wanted: WatchFilter, place: str | None) -> _Page:
    if wanted.name:
        found = await clusters.get_many(tx, [wanted.name.removeprefix("clusters/")])
        return await watched_clusters(tx, found), None, False
    rows = await clusters.list_page(tx, after=place or "", limit=_PAGE)
    return await watched_clusters(tx, rows), _name_of(rows), len(rows) == _PAGE


async def _units(tx: Transaction, wanted: WatchFilter, place: tuple[str, str] | None) -> _Page:
    if wanted.name:
        found = await lookups.units_by_name(tx, _unit_names(wanted))
        return [watched_unit(unit) for unit in found], None, False
    rows = await units.list_page(tx, namespace=wanted.namespace, after=place or ("", ""), limit=_PAGE)
    last = (rows[-1].namespace, rows[-1].name) if rows else None
    return [watched_unit(unit) for unit in rows], last, len(rows) == _PAGE


async def _works(tx: Transaction, wanted: WatchFilter, place: int | None) -> _Page:
    uids = None
    cluster = wanted.name.removeprefix("clusters/") if wanted.name.startswith("clusters/") else ""
    if wanted.name and not cluster:
        uids = [unit.uid for unit in await lookups.units_by_name(tx, _unit_names(wanted))]
    rows = await works.list_page(
        tx, after=place or 0, limit=_PAGE, cluster=cluster, namespace=wanted.namespace, unit_uids=uids
    )
    return await watched_works(tx, rows), rows[-1].id if rows else None, len(rows) == _PAGE


async def _events(tx: Transaction, wanted: WatchFilter, place: Any) -> _Page:
    # A cluster's events are also those of units on it, so they cannot be asked for by subject.
    subject = wanted.name if wanted.name.startswith("namespaces/") else ""
    rows = await events.list_page(
        tx, before=place or (events.END_OF_TIME, 0), limit=_PAGE, subject=subject, namespace=wanted.namespace
    )
    last = (rows[-1].update_time, rows[-1].id) if rows else None
    return [watched_event(event) for event in rows], last, len(rows) == _PAGE


async def _policy_page(tx: Transaction, kind: PolicyKind[Any], place: str | None) -> list[Any]:
    return await policies.list_page(tx, kind, after=place or "", limit=_PAGE)


def _unit_names(wanted: WatchFilter) -> list[tuple[str, str]]:
    parts = wanted.name.split("/")
    return [(parts[1], parts[3])] if parts[0] == "namespaces" else []


def _name_of(rows: list[Any]) -> str | None:
    return rows[-1].name if rows else None
