"""Whether automation may act on what is lost: the one row of `automation`, and the holds that are over it.

Every verdict on a member is stored together with a look at the whole fleet, so that nobody ever finds a member lost
without the breaker having judged that loss. Its `version` changes with all that automation may do: who evicts checks
it in the transaction that does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from fedsvc.health import Automation, BreakerState, FleetMember, Health, Verdict, decide
from fedsvc.health.verdict import UNREACHABLE_TAINT
from fedsvc.model.audit import AuditKind, NewRecord, breaker_evidence, health_evidence, said
from fedsvc.model.hold import FLEET_SUBJECT, HoldKind, HoldScope
from fedsvc.store import audit, events, holds
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc_placement import ClusterSnapshot

FATE_LABEL: Final = "fedsvc.io/shared-fate"
"""Label of clusters that go together for a reason that nothing else tells, such as a seed or a network."""

_GET = text("SELECT version, state, sight FROM automation")
_GATE = text(
    "SELECT version, state, sight, ARRAY(SELECT subject FROM hold WHERE scope = 'Automation'"
    " AND (end_time IS NULL OR end_time > now()) UNION SELECT 'clusters/' || c.name FROM hold h JOIN cluster c"
    "   ON h.subject = 'regions/' || c.region WHERE h.scope = 'Automation' AND (h.end_time IS NULL OR h.end_time > now()))"
    " AS subjects FROM automation"
)
_LOCK = text("SELECT version, state, sight FROM automation FOR UPDATE")
_SHARE = text("SELECT version FROM automation FOR SHARE")
_PUT = text(
    "UPDATE automation SET state = CAST(:state AS jsonb), sight = CAST(:sight AS jsonb), update_time = now(),"
    " version = version + CAST(:step AS int)"
)
_FLEET = text(
    "SELECT name, region, provider, zones, labels ->> :fate AS fate, observation -> 'health' ->> 'verdict' AS verdict,"
    " CAST(observation -> 'health' ->> 'since' AS timestamptz) AS since,"
    " coalesce(CAST(observation -> 'health' ->> 'is_returning' AS boolean), FALSE) AS is_returning"
    " FROM cluster WHERE delete_time IS NULL ORDER BY name"
)
_RECOVERED = text(
    "SELECT name FROM cluster WHERE name = ANY(CAST(:names AS text[]))"
    " AND observation -> 'health' ->> 'verdict' IS DISTINCT FROM :lost"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How far what fedsvc sees can be trusted."""

    error: str = ""  # why not; empty: it can be
    has_witness: bool = False  # one is named, and was reached
    detect_share: float = 1.0  # by how much it takes longer than by default until a lost member is found to be so


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The row."""

    version: int
    state: BreakerState
    sight: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What automation may act on."""

    version: int
    is_on: bool  # for the fleet
    held_clusters: frozenset[str]  # names
    held_units: frozenset[str]  # names in the API
    is_held: bool  # for the fleet, by the breaker or by somebody
    detect_share: float = 1.0  # as of `Sight`

    def seen(self, cluster: ClusterSnapshot) -> ClusterSnapshot:
        """The cluster as placement is to see it: lost only where automation may act on it."""
        if self.is_on and cluster.name not in self.held_clusters:
            return cluster
        taints = tuple(taint for taint in cluster.taints if taint.key != UNREACHABLE_TAINT)
        return cluster if len(taints) == len(cluster.taints) else replace(cluster, taints=taints)


async def get(tx: Transaction) -> Stored:
    """Whether automation acts, as it was last found."""
    return _from_row((await tx.execute(_GET)).one())


async def gate(look: Look) -> Gate:
    """What automation may act on now."""
    row = (await look.execute(_GATE)).one()
    subjects = frozenset(row.subjects)
    is_on = from_json(BreakerState, row.state).automation is Automation.ON
    return Gate(
        version=row.version,
        is_on=is_on and FLEET_SUBJECT not in subjects,
        held_clusters=frozenset(one.removeprefix("clusters/") for one in subjects if one.startswith("clusters/")),
        is_held=FLEET_SUBJECT in subjects,
        held_units=frozenset(one for one in subjects if "/units/" in one),
        detect_share=from_json(Sight, row.sight).detect_share,
    )


async def shared_gate(tx: Transaction) -> Gate:
    """What automation may act on until the transaction ends: who holds it meanwhile waits for that."""
    await tx.execute(_SHARE)
    return await gate(tx)


async def still_acts(tx: Transaction, version: int, lost: list[str]) -> bool:
    """Whether automation may do what it might when `version` was read, and all of these clusters are lost still.

    It stays so until the transaction ends: who holds automation meanwhile waits for it.
    """
    if (await tx.execute(_SHARE)).scalar_one() != version:
        return False
    return not (await tx.execute(_RECOVERED, {"names": lost, "lost": Verdict.UNREACHABLE.value})).all()


async def look(tx: Transaction, *, sight: Sight | None = None, released: bool = False) -> BreakerState:
    """Judge the whole fleet, store what comes of it, and hold or let go.

    Args:
        tx: the transaction, in which verdicts on members may have been stored just before.
        sight: how far what we see can be trusted; None: as it was last found.
        released: somebody lets automation act on what is lost now.
    """
    stored = _from_row((await tx.execute(_LOCK)).one())
    sight = sight or stored.sight
    members = [_member(row) for row in await tx.execute(_FLEET, {"fate": FATE_LABEL})]
    state = decide(
        stored.state,
        members,
        now=tx.now,
        self_check_error=sight.error,
        has_witness=sight.has_witness,
        released=released,
    )
    if state == stored.state and sight == stored.sight:
        return state
    changed = state.automation is not stored.state.automation
    values = {
        "state": orjson.dumps(to_json(BreakerState, state)).decode(),
        "sight": orjson.dumps(to_json(Sight, sight)).decode(),
        "step": 1 if changed else 0,
    }
    await tx.execute(_PUT, values)
    if changed or state.message != stored.state.message:
        await _hold(tx, stored.state, state)
    if changed:
        await audit.add(tx, [_changed(stored.state, state, members, sight)])
    return state


def _changed(before: BreakerState, state: BreakerState, members: Sequence[FleetMember], sight: Sight) -> NewRecord:
    """That automation acts from now on, or does not, and by what it was judged."""
    return NewRecord(
        kind=AuditKind.AUTOMATION,
        reason=state.reason or str(state.automation),
        message=_words_of(before, state),
        evidence={
            "before": breaker_evidence(before),
            "after": breaker_evidence(state),
            "members": len(members),
            "troubled": {
                one.name: health_evidence(one.health) | {"region": one.region}
                for one in members
                if one.health.verdict is not Verdict.HEALTHY
            },
            "sight": said(error=sight.error, hasWitness=sight.has_witness),
        },
    )


def _words_of(before: BreakerState, state: BreakerState) -> str:
    return state.message or f"failovers are made again; it was {before.automation}: {before.message}"


async def _hold(tx: Transaction, before: BreakerState, state: BreakerState) -> None:
    """Have the hold of the breaker stand or not, and tell of it."""
    if state.automation is Automation.HOLDING:
        await holds.put(
            tx,
            subject=FLEET_SUBJECT,
            scope=HoldScope.AUTOMATION,
            reason=state.message,
            end_time=None,
            author="",
            kind=HoldKind.BREAKER,
        )
    elif before.automation is Automation.HOLDING:
        await holds.end(tx, subject=FLEET_SUBJECT, scope=None, kind=HoldKind.BREAKER)
    tx.record("hold", FLEET_SUBJECT)
    if state.automation is before.automation:
        return
    holding = state.automation is Automation.HOLDING
    event = events.NewEvent(
        subject=FLEET_SUBJECT,
        cluster="",
        type=events.WARNING if holding else events.NORMAL,
        reason=f"Automation{state.automation}",
        message=_words_of(before, state),
    )
    await events.add_many(tx, [event])


def _member(row: Any) -> FleetMember:
    # Of what is held of a member only this counts; a large fleet has a thousand of them, which are looked at in a row.
    health = Health(verdict=Verdict(row.verdict or Verdict.UNKNOWN), since=row.since, is_returning=row.is_returning)
    fates = [("provider", row.provider), ("label", row.fate or "")]
    if len(row.zones) == 1:
        fates.append(("zone", row.zones[0]))
    return FleetMember(
        name=row.name,
        health=health,
        region=row.region,
        fates=tuple((kind, value) for kind, value in fates if value),
    )


def _from_row(row: Any) -> Stored:
    return Stored(version=row.version, state=from_json(BreakerState, row.state), sight=from_json(Sight, row.sight))
