"""What units left behind, as the store finds it: the same as the model by which failover is simulated."""

import random
from collections.abc import Callable
from typing import Any

from fedsvc.health import Health, Verdict
from fedsvc.model.cluster import ClusterObservation
from fedsvc.model.failover import AWAITING_REPLACEMENT, MEMBER_LOST
from fedsvc.model.removal import OVER_BUDGET
from fedsvc.store import clusters, failovers
from fedsvc.store.sql import text
from fedsvc.testing.failover_parts import may_go

VERDICTS = [*Verdict, Verdict.HEALTHY, Verdict.HEALTHY]
SET_LEFT = text(
    "UPDATE work SET state = 'Held', dirty = FALSE, reason = :reason, member_uid = 'x' WHERE unit_uid = CAST(:uid AS uuid)"
    " AND cluster = :cluster AND removal IS NOT NULL RETURNING id"
)
SET_WORK = text(
    "UPDATE work SET state = :state, dirty = :dirty, health = :health, applied_digest = desired_digest, observed_digest ="
    " CASE WHEN :current THEN desired_digest ELSE decode('00', 'hex') END WHERE unit_uid = CAST(:uid AS uuid) AND cluster = :cluster"
)


async def test_the_store_lets_go_of_exactly_what_the_model_lets_go_of(
    world: Any, manifest: Callable[..., dict[str, Any]]
) -> None:
    picks = random.Random(7)  # noqa: S311 - a choice of examples
    health: dict[str, Health] = {}
    for number, verdict in enumerate(VERDICTS):
        name = f"c{number}"
        cluster = await world.cluster(name)
        health[name] = Health(verdict=verdict)
        await world.run(clusters.observe, name, ClusterObservation(health=health[name]), connection=cluster.connection)
    expected: set[int] = set()
    for number in range(80):
        unit = await world.unit(manifest(f"m{number}"), name=f"unit-{number}")
        left, *bound = picks.sample(sorted(health), picks.randint(1, 3))
        body = manifest(f"m{number}")
        await world.place(unit, {name: [body] for name in (left, *bound)})
        await world.place(unit, {}, kept=bound)
        reason = picks.choice([MEMBER_LOST, MEMBER_LOST, AWAITING_REPLACEMENT, OVER_BUDGET])
        found = (await world.run(_execute, SET_LEFT, {"uid": unit.uid, "cluster": left, "reason": reason})).all()
        ready: dict[str, bool] = {}
        for name in bound:
            values = {
                "state": picks.choice(["Applied", "Applied", "Applied", "Pending"]),
                "dirty": picks.random() < 1 / 10,
                "health": picks.choice(["Healthy", "Healthy", "Healthy", "Progressing"]),
                "current": picks.random() < 9 / 10,
            }
            await world.run(_execute, SET_WORK, {"uid": unit.uid, "cluster": name, **values})
            ready[name] = (values["state"], values["dirty"], values["health"], values["current"]) == (
                "Applied",
                False,
                "Healthy",
                True,
            )
        goes = reason != OVER_BUDGET and may_go(
            reason,
            health[left],
            is_going=False,
            bound=[health[name] for name in bound],
            works=[(health[name], ready[name]) for name in bound],
        )
        if goes:
            expected.update(row.id for row in found)
    graves = await world.run(failovers.graves)
    assert {grave.id for grave in graves} == expected
    assert 3 < len(expected) < 60


async def _execute(tx: Any, statement: Any, values: dict[str, Any]) -> Any:
    return await tx.execute(statement, values)
