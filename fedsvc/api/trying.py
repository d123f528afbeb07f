"""Trying a changed override policy on all units that name it, some at a time, so that the work has a bound."""

import asyncio
from collections.abc import Sequence
from typing import Final

from fedsvc.api.intent.policy import MAX_TRIED_RESOURCES, PolicyChange, PolicyUser, concerned, try_policy
from fedsvc.api.problems import MAX_PROBLEMS, Problems
from fedsvc.store import policies, units
from fedsvc.store.policies import OVERRIDE, PLACEMENT
from fedsvc.store.store import Transaction
from fedsvc_placement import ClusterSnapshot

_BATCH_UNITS: Final = 50


async def try_on_units(tx: Transaction, change: PolicyChange, fleet: Sequence[ClusterSnapshot]) -> list[str]:
    """Try it, and return warnings: what fails in some clusters only, and units that it was not tried on.

    Raises:
        InvalidInputError: on some unit it cannot work in any cluster; the problems name unit and resource.
    """
    problems = Problems()
    warnings: list[str] = []
    room, tried = MAX_TRIED_RESOURCES, 0
    uids = await policies.user_uids(tx, OVERRIDE, change.policy.name)
    for start in range(0, len(uids), _BATCH_UNITS):
        users = []
        for unit in await units.get_many(tx, uids[start : start + _BATCH_UNITS]):
            wanted = concerned(change, await units.resources_of(tx, unit.uid, bodies=False))
            room -= len(wanted)
            if room < 0:
                break
            users.append(PolicyUser(unit=unit, resources=await units.with_bodies(tx, wanted)))
        warnings += await _try(tx, change, users, fleet, problems)
        tried += len(users)
        if room < 0:
            warnings.append(
                f"the policy was tried on {tried} of the {len(uids)} units that name it, which have "
                f"{MAX_TRIED_RESOURCES} resources that it changes; what fails on the others is told by their works"
            )
        if room < 0 or len(problems) >= MAX_PROBLEMS:
            break
    problems.refuse()
    return warnings


async def _try(
    tx: Transaction,
    change: PolicyChange,
    users: Sequence[PolicyUser],
    fleet: Sequence[ClusterSnapshot],
    problems: Problems,
) -> list[str]:
    others = {name for user in users for name in user.unit.spec.override_policies}
    placements = {user.unit.spec.placement_policy for user in users} - {""}
    return await asyncio.to_thread(
        try_policy,
        change,
        users,
        fleet=fleet,
        placements=await policies.get_many(tx, PLACEMENT, sorted(placements)),
        policies=await policies.get_many(tx, OVERRIDE, sorted(others)),
        problems=problems,
    )
