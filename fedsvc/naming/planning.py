"""Pure: what zones are to hold, and what is to be stored of it with the reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson

from fedsvc.model.zone import Zone, ZoneReport
from fedsvc.model.zone_provider import HiddenPrimary
from fedsvc.naming.gathering import Facts, authority_of
from fedsvc.store.zones import HeldZone, NameLines, Removals, ZoneWrite
from fedsvc_dns.bridging import zone_data
from fedsvc_dns.planner.changes import Change, Published, applied, difference
from fedsvc_dns.planner.choosing import Basis
from fedsvc_dns.planner.explaining import explain, explain_lines
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.memory import HealthPolicy, Memory
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.zone import Strategy
from fedsvc_dns.providers.contract import Fence
from fedsvc_dns.providers.primary.versions import Delta, ZoneVersion, step, version_of
from fedsvc_dns.providers.serials import after_restore, is_newer
from fedsvc_dns.server.zone_data import from_json, to_json

_SHOWN: Final = 20
_SERIALS: Final = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a plan goes on from."""

    zones: tuple[Zone, ...]
    held: Mapping[str, HeldZone]
    names: Mapping[str, NameLines]
    memory: Memory
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a plan comes to."""

    writes: tuple[ZoneWrite, ...]
    names: Mapping[str, NameLines]  # that are new, or explained in other words
    gone: frozenset[str]
    memory: Memory
    due: datetime | None


def plan_names(before: Before, found: Facts, previous: Plan | None = None) -> tuple[Plan, Outcome]:
    """Plan, and tell what is to be stored.

    Args:
        before: what is stored.
        found: what names rest on.
        previous: the last plan of this process, of which is kept what did not change.
    """
    made = plan(
        found.services,
        found.topology,
        found.observations,
        found.policy,
        memory=before.memory,
        now=before.now,
        previous=previous,
    )
    writes: list[ZoneWrite] = []
    published: set[str] = set()
    for zone in before.zones:
        problems = problem_lines(zone.name, made, found)
        one, names = _zone(zone, before.held.get(zone.name), made, problems, before.now)
        published |= names
        if one is not None:
            writes.append(one)
    lines = _lines(made, published, before.names, found.policy.health)
    return made, Outcome(
        writes=tuple(writes),
        names=lines,
        gone=frozenset(before.names) - published,
        memory=Memory(
            targets=made.memory.targets,
            resolved=made.memory.resolved,
            owners=before.memory.owners,
            published=before.memory.published,
        ),
        due=made.due,
    )


def _zone(
    zone: Zone, held: HeldZone | None, made: Plan, problems: tuple[str, ...], now: datetime
) -> tuple[ZoneWrite | None, set[str]]:
    """What a plan does to a zone, None for nothing; and the names that it has then."""
    published = _published(held)
    recent = _recent(held, now)
    change = change_of(zone, held, made, now)
    holds = applied(published, change)
    names = {name for name, _ in holds.sets}
    report = ZoneReport(
        held_count=len(change.held),
        held_reason=change.why_held,
        approval=change.approval,
        problems=problems[:_SHOWN],
        warnings=warning_lines(zone, made)[:_SHOWN],
    )
    serial = 0 if held is None else held.serial
    served = _served(zone, made, holds, serial)
    is_renumbered = held is None or served != held.served or is_newer(held.seen_serial or serial, serial)
    if is_renumbered:
        serial = next_serial(held, now)
        served = _served(zone, made, holds, serial)
    elif held is not None and report == held.report:
        return None, names
    gone = len({name for name, _ in published.sets} - names)
    done = ZoneWrite(
        zone=zone,
        is_new=held is None,
        change=change,
        serial=serial,
        served=served,
        report=report,
        removals=(*recent, (now, gone)) if gone else recent,
        is_renumbered=is_renumbered,
        step=step_to(zone, held, served, serial) if is_renumbered else None,
    )
    return done, names


def problem_lines(zone: str, made: Plan, found: Facts) -> tuple[str, ...]:
    """Return what could not be done in a zone: of its own objects, of itself, and of clusters."""
    lines: list[str] = []
    for one in (*made.problems, *found.problems):
        part, _, rest = one.path.partition("[")
        named = rest.partition("]")[0]
        where = {"services": found.zones.get(named, zone), "zones": named}.get(part, zone)
        if where == zone:
            lines.append(f"{one.path}: {one.message}")
    return tuple(lines)


def warning_lines(zone: Zone, made: Plan) -> tuple[str, ...]:
    """Return what will surprise in a zone."""
    if zone.spec.provider is None:
        return made.warnings
    weighted = [
        key
        for key, one in made.made.items()
        if one.service.settings.zone == zone.name and one.service.settings.strategy is Strategy.WEIGHTED
    ]
    if not weighted:
        return made.warnings
    others = f" and {len(weighted) - 1} more" if len(weighted) > 1 else ""
    whose = f"{weighted[0]}{others}"
    told = f"the weights of {whose} are in SRV records alone: name servers of others answer with all addresses"
    return (told, *made.warnings)


def change_of(zone: Zone, held: HeldZone | None, made: Plan, now: datetime) -> Change:
    """Return what a zone changes by a plan, and what of it waits."""
    return difference(
        made.zones.get(to_a_labels(zone.spec.domain), {}),
        _published(held),
        zone.spec.budget,
        is_frozen=zone.spec.frozen,
        approved="" if held is None else held.approved,
        removed_last_minute=sum(count for _, count in _recent(held, now)),
    )


def _published(held: HeldZone | None) -> Published:
    return Published(generation=0, sets={}) if held is None else held.published


def _recent(held: HeldZone | None, now: datetime) -> Removals:
    return () if held is None else tuple(one for one in held.removals if one[0] > now - timedelta(minutes=1))


def next_serial(held: HeldZone | None, now: datetime) -> int:
    """Of the time where that is later: after a restore of the database it is newer than what name servers have."""
    time_ = int(now.timestamp())
    if held is None:
        return time_ % _SERIALS or 1
    if is_newer(held.seen_serial or held.serial, held.serial):
        return after_restore(held.serial, seen=[held.seen_serial], unix_seconds=time_)
    return (max(held.serial + 1, time_) % _SERIALS) or 1


def step_to(zone: Zone, held: HeldZone | None, served: bytes, serial: int) -> Delta | None:
    """How a zone that secondaries follow came to its new serial."""
    if held is None or not isinstance(zone.spec.provider, HiddenPrimary):
        return None
    before, after = (_version(body, number) for body, number in ((held.served, held.serial), (served, serial)))
    return step(before, after)


def _version(served: bytes, serial: int) -> ZoneVersion:
    (data,) = map(from_json, orjson.loads(served))
    return version_of(data.origin, data.record_sets, fence=Fence(epoch=0, generation=0), serial=serial)


def _served(zone: Zone, made: Plan, holds: Published, serial: int) -> bytes:
    origin = to_a_labels(zone.spec.domain)
    authority = [one for one in authority_of(zone.spec, serial) if one.key not in holds.sets]
    sets = [holds.sets[key] for key in sorted(holds.sets)]
    return to_json([zone_data(made, origin, sets, authority)])


def _lines(
    made: Plan, published: set[str], before: Mapping[str, NameLines], policy: HealthPolicy
) -> dict[str, NameLines]:
    """Names that are explained in other words than before, or were not yet."""
    found: dict[str, NameLines] = {}
    for name in sorted(published):
        explanation = explain(made, name, policy)
        if explanation is None:
            continue  # held back: it answers as it did, for the reasons it had
        told = NameLines(
            service=explanation.service,
            lines=tuple(explain_lines(explanation)),
            clusters=_answering(made, name, before.get(name)),
        )
        if before.get(name) != told:
            found[name] = told
    return found


def _answering(made: Plan, name: str, before: NameLines | None) -> tuple[str, ...]:
    """The clusters whose addresses a name gives; none for a name that is of one cluster, whatever its health."""
    decision = made.decisions.get(to_a_labels(name))
    if decision is None:
        return ()
    if decision.choice.basis is Basis.LAST:  # it answers as it did
        return () if before is None else before.clusters
    return tuple(sorted(decision.choice.clusters))
