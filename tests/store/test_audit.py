"""The audit as it is stored: written with the deed, counted, ended, trimmed."""

from datetime import timedelta
from typing import Any

import pytest

from fedsvc.model.audit import AuditKind, AuditOutcome, AuditRecord, NewRecord
from fedsvc.store import audit, retention
from fedsvc.store.audit import AuditFilter
from fedsvc.store.events import END_OF_TIME
from fedsvc.store.leases import hold_lease
from fedsvc.store.sql import text
from fedsvc.store.store import Store

pytestmark = pytest.mark.postgres

WEB = "namespaces/shop/units/web"


def record(reason: str = "Lost", **fields: Any) -> NewRecord:
    return NewRecord(**{"kind": AuditKind.FAILOVER, "reason": reason, "message": "m", **fields})


def refusal(reason: str = "Held", **fields: Any) -> NewRecord:
    return record(reason, outcome=AuditOutcome.REFUSED, **fields)


async def kept(store: Store, **wanted: Any) -> list[AuditRecord]:
    async with store.look() as look:
        return await audit.list_page(look, AuditFilter(**wanted), before=(END_OF_TIME, 0), limit=100)


async def test_a_record_has_region_revision_and_epoch_of_its_moment(store: Store, world: Any) -> None:
    await world.cluster("eu-1", region="eu")
    unit = await world.unit()
    name = unit.resource_name
    async with (
        hold_lease(store.database, "controllers", holder="h") as lease,
        store.fenced(lease).transaction() as tx,
    ):
        await audit.add(tx, [record(unit=name, cluster="eu-1", evidence={"why": "x\0y", "n": [1, None]})])
    async with store.transaction() as tx:
        await audit.add(tx, [record("Gone", unit="namespaces/shop/units/none", cluster="none")])
    gone, first = await kept(store)
    assert (first.region, first.revision, first.epoch) == ("eu", unit.revision, lease.epoch)
    assert first.evidence == {"why": "x\ufffdy", "n": [1, None]}
    assert (gone.region, gone.revision, gone.epoch) == ("", 0, 0)


async def test_what_a_transaction_takes_back_was_never_done(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as tx:
            await audit.add(tx, [record()])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await kept(store) == []


async def test_what_is_refused_again_and_again_is_counted(store: Store) -> None:
    for _ in range(5):
        async with store.transaction() as tx:
            await audit.count(
                tx, [refusal("Overtaken", unit=WEB, cluster="a"), refusal("Overtaken", unit=WEB, cluster="b")]
            )
    found = await kept(store)
    assert [(one.cluster, one.count, one.end_time is not None) for one in found] == [("b", 5, True), ("a", 5, True)]


async def test_a_refusal_lasts_until_it_is_over(store: Store) -> None:
    async with store.transaction() as tx:
        await audit.follow_refusals(tx, [refusal(cluster="a", units=[WEB]), refusal("Manual", unit=WEB, cluster="b")])
    async with store.transaction() as tx:
        assert not (
            await audit.follow_refusals(
                tx, [refusal(cluster="a", units=[WEB]), refusal("Manual", unit=WEB, cluster="b")]
            )
        ).is_any
        assert await audit.any_refused(tx)
    async with store.transaction() as tx:
        await audit.follow_refusals(tx, [refusal(cluster="a", units=[WEB, f"{WEB}2"])])
    assert {(one.reason, len(one.units), one.end_time is None) for one in await kept(store, unit=WEB)} == {
        ("Held", 2, True),
        ("Manual", 0, False),
    }
    async with store.transaction() as tx:
        await audit.follow_refusals(tx, [])
        assert not await audit.any_refused(tx)
    async with store.transaction() as tx:
        await audit.follow_refusals(tx, [refusal(cluster="a")])
    (again,) = await kept(store, cluster="a")
    assert (again.count, again.end_time, again.units) == (2, None, ())


async def test_a_refusal_of_a_cluster_is_the_same_when_it_moves_to_another_region(store: Store, world: Any) -> None:
    await world.cluster("a", region="eu")
    for region in ("eu", "us"):
        async with store.transaction() as tx:
            await tx.execute(text("UPDATE cluster SET region = :region"), {"region": region})
            await audit.follow_refusals(tx, [refusal(cluster="a")])
    assert [(one.region, one.count) for one in await kept(store)] == [("eu", 1)]


async def test_what_is_asked_for_is_found(store: Store) -> None:
    async with store.transaction() as tx:
        await audit.add(
            tx,
            [
                record(unit=WEB, cluster="a"),
                record("Paused", kind=AuditKind.HOLD, author="ann", region="eu"),
                refusal(cluster="b", units=[WEB]),
            ],
        )
        now = tx.now
    hour = timedelta(hours=1)

    async def reasons(**wanted: Any) -> list[str]:
        return sorted(one.reason for one in await kept(store, **wanted))

    assert await reasons() == ["Held", "Lost", "Paused"]
    assert await reasons(unit=WEB) == ["Held", "Lost"]
    assert await reasons(cluster="a") == ["Lost"]
    assert await reasons(region="eu") == ["Paused"]
    assert await reasons(kind=AuditKind.HOLD) == ["Paused"]
    assert await reasons(outcome=AuditOutcome.REFUSED, unit=WEB) == ["Held"]
    assert await reasons(author="ann") == ["Paused"]
    assert await reasons(author="") == ["Held", "Lost"]
    assert await reasons(begin=now - hour, end=now + hour) == ["Held", "Lost", "Paused"]
    assert await reasons(begin=now + hour) == []
    assert await reasons(end=now) == []


async def test_old_records_go_and_what_is_refused_still_stays(store: Store) -> None:
    async with store.transaction() as tx:
        await audit.add(tx, [record("Old")])
        await audit.follow_refusals(tx, [refusal("Lasting", cluster="a")])
        await tx.execute(text("UPDATE audit SET update_time = now() - interval '31 days'"))
        await audit.add(tx, [record("New")])
    async with store.transaction() as tx:
        await retention.trim(tx, audit_days=30)
    assert sorted(one.reason for one in await kept(store)) == ["Lasting", "New"]
