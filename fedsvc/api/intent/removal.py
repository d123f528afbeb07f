"""Whether a caller may remove what it asks to remove: protection, budgets, confirmations."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fedsvc.api.caller import caller
from fedsvc.api.problems import Problems
from fedsvc.errors import ProtectedError, RemovalUnconfirmedError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.removal import limits, lost_objects, refusal, shown
from fedsvc.model.unit import DeletionMode, Unit
from fedsvc.rendering.keys import ObjectKey
from fedsvc.store import fleet, removals
from fedsvc.store.store import Transaction
from fedsvc.v1 import removal_pb2

MAX_OBJECTS: Final = 1_000_000
_HOURLY: Final = ("objects_per_hour", "percent_per_hour")


def check_budget(message: removal_pb2.RemovalBudget, path: str, problems: Problems, *, of_unit: bool) -> None:
    """Note what is wrong with a budget."""
    for name in ("objects_per_change", "percent_per_change", *_HOURLY):
        if not message.HasField(name):
            continue
        value, most = getattr(message, name), 100 if name.startswith("percent") else MAX_OBJECTS
        if of_unit and name in _HOURLY:
            problems.add(
                f"{path}.{name}", "is for the fleet settings alone to say: what goes in an hour is counted there"
            )
        elif not 0 <= value <= most:
            problems.add(f"{path}.{name}", f"is {value}; it must be from 0 to {most}")


def check_confirmed(given: Iterable[str], name: str, problems: Problems) -> bool:
    """Whether what is changed is confirmed; any other name is a mistake that would go unnoticed."""
    found = False
    for index, text in enumerate(given):
        if text == name:
            found = True
        else:
            problems.add(f"confirmed_removals[{index}]", f"'{text[:200]}' is not what this call is for: write {name}")
    return found


async def authorise(
    tx: Transaction,
    *,
    subject: str,
    objects: int,
    unit: Unit | None,
    is_emptied: bool,
    is_confirmed: bool,
    what: Collection[str],
) -> None:
    """Count a removal that is asked for, in the transaction that stores it.

    Whoever calls holds the locks of rows that it needs: counting waits for others that count, who may wait for rows.

    Args:
        tx: the transaction.
        subject: name in the API of the unit or cluster that it is of; by it the removal is confirmed.
        objects: how many would be deleted in members.
        unit: the unit as it is stored; None where it is about a cluster.
        is_emptied: whether it would lose all it has without being deleted.
        is_confirmed: whether the caller named the subject.
        what: what would go, for people.

    Raises:
        RemovalUnconfirmedError: it passes a budget, or empties the unit, and is not confirmed.
    """
    if not objects:
        return
    _, hour = await removals.spent(tx)
    budget = (await fleet.get(tx)).spec.removals
    own = None if unit is None else unit.spec.removals
    of_unit = 0 if unit is None else (await removals.objects_of_units(tx, [unit.uid])).get(unit.uid, 0)
    within = limits(budget, own, fleet_objects=await removals.fleet_objects(tx), unit_objects=of_unit)
    found = refusal(objects, change_objects=0, hour_objects=hour, is_emptied=is_emptied, within=within)
    if found is not None and not is_confirmed:
        reason, why = found
        raise RemovalUnconfirmedError(subject, objects=objects, reason=reason, why=why, what=what)
    await removals.add(tx, {subject: objects}, is_confirmed=found is not None, author=caller())
    if unit is not None:
        await removals.grant(tx, unit.uid, objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """What an apply changes of a unit that is there, as far as it may remove something."""

    before: Unit
    clusters_before: Sequence[str]
    clusters: Collection[str]  # that it would be on by what is known now
    removed: Sequence[ObjectKey]  # resources that leave it
    is_empty: bool  # without resources, or on no cluster
    deletes: bool  # whether objects that are no longer wanted are deleted in members


async def authorise_apply(tx: Transaction, change: UnitChange, *, is_confirmed: bool) -> None:
    """Count what an apply removes, or refuse it.

    Raises:
        ProtectedError: the unit is protected, and anything of it would go.
        RemovalUnconfirmedError: it needs a confirmation.
    """
    gone = sorted({*change.clusters_before} - {*change.clusters})
    unit = change.before
    if is_confirmed and not unit.spec.protected:
        await removals.release(tx, uid=unit.uid)
    if not gone and not change.removed:
        return
    held = await removals.at_risk(tx, unit.uid, change.removed)
    dropped = {name: count for name, (count, _) in held.items() if name not in gone and count}
    left = {name: held[name][1] for name in gone if name in held}
    if not dropped and not left:
        return
    what = [f"{key} on {shown(dropped)}" for key in change.removed] if dropped else []
    what += [f"all of it on {shown(left)}"] if left else []
    if unit.spec.protected:
        raise ProtectedError(unit.resource_name, "; ".join(what))
    if change.deletes:
        gained = len({*change.clusters} - {*change.clusters_before})
        await authorise(
            tx,
            subject=unit.resource_name,
            objects=lost_objects(dropped, left, gained=max(0, gained - (len(gone) - len(left)))),
            unit=unit,
            is_emptied=change.is_empty,
            is_confirmed=is_confirmed,
            what=what,
        )


async def authorise_delete(tx: Transaction, unit: Unit, cascade: ObjectDeletion | None, *, is_confirmed: bool) -> None:
    """Count what the deletion of a unit removes, or refuse it.

    Raises:
        ProtectedError: the unit is protected.
        RemovalUnconfirmedError: it needs a confirmation.
    """
    if unit.spec.protected:
        raise ProtectedError(unit.resource_name, "all of it")
    if unit.delete_time is not None:
        if is_confirmed:
            await removals.release(tx, uid=unit.uid)
        return
    if (cascade or _mode_of(unit)) is ObjectDeletion.ORPHAN:
        return
    held = {name: total for name, (_, total) in (await removals.at_risk(tx, unit.uid, ())).items()}
    await removals.release(tx, uid=unit.uid)  # the whole unit is to go
    await authorise(
        tx,
        subject=unit.resource_name,
        objects=sum(held.values()),
        unit=unit,
        is_emptied=False,
        is_confirmed=is_confirmed,
        what=[f"{total} on {name}" for name, total in held.items()],
    )


async def authorise_leave(tx: Transaction, cluster: str, deletion: ObjectDeletion, *, is_confirmed: bool) -> None:
    """Count what is deleted where a cluster leaves, or refuse it.

    Raises:
        ProtectedError: a protected unit holds objects there, which would be deleted or no longer managed.
        RemovalUnconfirmedError: it needs a confirmation.
    """
    found = await removals.on_cluster(tx, cluster)
    protected = next((name for name, _, is_protected in found if is_protected), None)
    if protected is not None:
        raise ProtectedError(protected, f"what it has on {cluster}")
    await removals.release(tx, cluster=cluster)
    if deletion is not ObjectDeletion.ORPHAN:
        await authorise(
            tx,
            subject=f"clusters/{cluster}",
            objects=sum(total for _, total, _ in found),
            unit=None,
            is_emptied=False,
            is_confirmed=is_confirmed,
            what=[f"{total} of {name}" for name, total, _ in found],
        )


def _mode_of(unit: Unit) -> ObjectDeletion:
    is_orphaned = unit.spec.propagation.deletion is DeletionMode.ORPHAN
    return ObjectDeletion.ORPHAN if is_orphaned else ObjectDeletion.BACKGROUND
