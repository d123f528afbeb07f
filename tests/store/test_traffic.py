"""When the names of a unit that left a cluster lead to where it is."""

from collections.abc import Callable
from typing import Any

import pytest

from fedsvc.model.failover import Failover
from fedsvc.model.zone import NameServer, ZoneSpec
from fedsvc.store import failovers, policies, zones
from fedsvc.store.failovers import Left
from fedsvc.store.policies import ZONE
from fedsvc.store.sql import text
from fedsvc.store.store import Store
from fedsvc.store.zones import NameLines

pytestmark = pytest.mark.postgres

SPEC = ZoneSpec(domain="example.org", name_servers=(NameServer(host="ns1.example.org"),))
PROVIDER = text("UPDATE policy SET spec = jsonb_set(spec, '{provider}', '{}')")
ZONE_ROW = text(
    "INSERT INTO dns_zone (zone_uid, generation, serial, served) SELECT uid, 1, 7, '' FROM policy WHERE type = 'zone'"
)
SET_ROWS = text(
    "INSERT INTO dns_record_set (zone_uid, name, type, ttl_seconds) SELECT z.zone_uid, n.name, 'A', 30 FROM dns_zone z, dns_name n"
)
PUBLISHED = text(
    "INSERT INTO dns_publication (zone_uid, report) SELECT zone_uid, jsonb_build_object('serial', CAST(:serial AS bigint),"
    " 'publish_time', now()) FROM dns_zone ON CONFLICT (zone_uid) DO UPDATE SET report = EXCLUDED.report"
)


async def answer(store: Store, **clusters: tuple[str, ...]) -> None:
    """Have names give addresses of clusters: `web`, `eu` and `of_a`."""
    put = {
        f"{name.replace('_', '-')}.example.org.": NameLines(
            service="Service shop/web of unit shop/web", lines=(), clusters=found
        )
        for name, found in clusters.items()
    }
    async with store.transaction() as tx:
        await zones.write_names(tx, put, ())


async def leave(world: Any, manifest: Callable[..., Any], *, targets: tuple[str, ...] = ("c",)) -> None:
    """Have the unit web leave cluster a."""
    unit = await world.unit(manifest("m"))
    async with world.store.transaction() as tx:
        left = Left(
            uid=unit.uid,
            unit_name=unit.resource_name,
            cluster="a",
            targets=targets,
            is_elsewhere=True,
            priority=0,
            message="",
            trouble_time=None,
            detect_time=None,
        )
        await failovers.add(tx, [left])
        await tx.execute(text("UPDATE failover SET place_time = now(), ready_time = now()"))


async def followed(store: Store) -> tuple[Failover, list[str]]:
    async with store.transaction() as tx:
        phases = [phase for phase, _ in await failovers.follow(tx)]
    async with store.transaction() as tx:
        (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
    return entry, phases


async def is_followed(store: Store) -> bool:
    async with store.look() as look:
        return bool((await look.execute(text(f"SELECT {failovers.OPEN} AS found"))).scalar_one())


async def test_traffic_has_moved_when_no_name_leads_to_the_lost_cluster(
    store: Store, world: Any, manifest: Callable[..., Any]
) -> None:
    await answer(store, web=("a", "b"), eu=("a",), of_a=())
    await leave(world, manifest)
    for found in ({"web": ("b",)}, {"web": ("b", "c")}):
        await answer(store, **found)
        entry, phases = await followed(store)
        assert (entry.is_named, entry.traffic_time, phases) == (True, None, [])
        assert await is_followed(store)
    await answer(store, eu=("c",))
    entry, phases = await followed(store)
    assert phases == ["traffic"]
    assert entry.traffic_time is not None
    assert entry.ready_time is not None
    assert entry.traffic_time > entry.ready_time
    assert (await followed(store))[1] == []


async def test_traffic_has_not_moved_before_names_lead_to_where_the_unit_is(
    store: Store, world: Any, manifest: Callable[..., Any]
) -> None:
    await answer(store, web=("a",))
    await leave(world, manifest)
    await answer(store, web=("x",))  # a page that says sorry
    assert (await followed(store))[1] == []
    await answer(store, web=("c",))
    assert (await followed(store))[1] == ["traffic"]


async def test_a_unit_that_stays_where_others_hold_enough_needs_no_new_address(
    store: Store, world: Any, manifest: Callable[..., Any]
) -> None:
    await answer(store, web=("a", "b"))
    await leave(world, manifest, targets=())
    await answer(store, web=("b",))
    assert (await followed(store))[1] == ["traffic"]


async def test_a_unit_without_names_has_no_such_phase(store: Store, world: Any, manifest: Callable[..., Any]) -> None:
    await leave(world, manifest)
    entry, phases = await followed(store)
    assert (entry.is_named, entry.traffic_time, phases) == (False, None, [])


async def test_on_name_servers_of_others_it_has_moved_when_they_have_the_change(
    store: Store, world: Any, manifest: Callable[..., Any]
) -> None:
    async with store.transaction() as tx:
        await policies.apply(tx, ZONE, name="main", labels={}, spec=SPEC)
        await tx.execute(PROVIDER)
        await tx.execute(ZONE_ROW)
    await answer(store, web=("a",))
    async with store.transaction() as tx:
        await tx.execute(SET_ROWS)
    await leave(world, manifest)
    await answer(store, web=("c",))
    assert (await followed(store))[1] == []
    for serial, phases in ((6, []), (7, ["traffic"])):
        async with store.transaction() as tx:
            await tx.execute(PUBLISHED, {"serial": serial})
        assert (await followed(store))[1] == phases
