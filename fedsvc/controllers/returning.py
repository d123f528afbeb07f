"""Follows failovers to their end, and lets go of what units left on clusters that are back.

Nothing is removed from a cluster that is back before it is trusted again (it was well for a while, and does not flap),
before the unit is ready elsewhere, while automation is held, or beyond the budget for removals.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from fedsvc.controllers.settings import ControllerSettings
from fedsvc.model.removal import PROTECTED, limits, refusal
from fedsvc.store import automation, failovers, fleet, removals, units
from fedsvc.store.failovers import Grave
from fedsvc.store.store import Store, Transaction


class ReturnController:
    """Looks again and again; what there is to do is found by level.

    Args of the constructor: `wake_member` is called with each cluster from which something is to be removed.
    """

    def __init__(self, store: Store, *, settings: ControllerSettings, wake_member: Callable[[str], None]) -> None:
        self._store = store
        self._settings = settings
        self._wake_member = wake_member

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        while True:
            await self._look()
            await asyncio.sleep(self._settings.return_seconds)

    async def _look(self) -> None:
        async with self._store.look() as look:
            is_moving = await failovers.any_open(look)
            has_found = bool(await failovers.graves(look))
        if is_moving:
            async with self._store.transaction() as tx:
                await failovers.follow(tx)
        if has_found:
            async with self._store.transaction() as tx:
                cleaned = [] if (await automation.gate(tx)).is_held else await self._clean(tx)
            for cluster in cleaned:
                self._wake_member(cluster)

    async def _clean(self, tx: Transaction) -> list[str]:
        """Within the budget, which is counted here as it is for decisions."""
        change, hour = await removals.spent(tx)
        by_unit: dict[str, list[Grave]] = defaultdict(list)
        for grave in await failovers.graves(tx):
            by_unit[grave.unit_uid].append(grave)
        of_units = {unit.uid: unit for unit in await units.get_many(tx, list(by_unit))}
        budget = (await fleet.get(tx)).spec.removals
        in_fleet = await removals.fleet_objects(tx)
        objects = await removals.objects_of_units(tx, list(by_unit))
        let: list[Grave] = []
        counts: dict[str, int] = {}
        for uid, graves in by_unit.items():
            unit = of_units[uid]
            count = sum(grave.is_counted for grave in graves)
            within = limits(budget, unit.spec.removals, fleet_objects=in_fleet, unit_objects=objects.get(uid, 0))
            why = (
                (PROTECTED, "the unit is protected")
                if unit.spec.protected and unit.delete_time is None
                else refusal(count, change_objects=change, hour_objects=hour, is_emptied=False, within=within)
            )
            if why is not None:
                await removals.hold(tx, _told(graves, why, f"unit/{unit.namespace}/{unit.name}"))
                continue
            let.extend(graves)
            counts[unit.resource_name] = count
            change, hour = change + count, hour + count
        await removals.add(tx, {name: count for name, count in counts.items() if count}, is_decision=True)
        return await failovers.clean(tx, let)


def _told(graves: Sequence[Grave], why: tuple[str, str], unit: str) -> dict[int, tuple[str, str]]:
    reason, words = why
    message = f"{words}: it stays there until that is confirmed: fedctl confirm {unit}"
    return {grave.id: (reason, message) for grave in graves}
