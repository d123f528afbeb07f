"""Pure: what all objects come to; what a plan before came to is taken over where all that it rests on is the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedsvc_dns.planner.facts import Service
from fedsvc_dns.planner.memory import Memory
from fedsvc_dns.planner.naming import Places, names_of
from fedsvc_dns.planner.outcome import Outcome, outcome_of
from fedsvc_dns.planner.targets import TargetDecision
from fedsvc_dns.planner.validate import Problem, validate_settings
from fedsvc_dns.planner.zone import Zone
from fedsvc_dns.records import RecordSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all objects have in common."""

    zones: Mapping[str, Zone]
    places: Places
    distances_ms: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What an object came to, and all that it rests on.

    Attributes:
        service: the object.
        ground: what all have in common.
        seen: what counts of its targets.
        outcome: its names.
        problems: of it.
    """

    service: Service
    ground: Ground
    seen: tuple[object, ...]
    outcome: Outcome
    problems: tuple[Problem, ...]


def make_all(
    services: Iterable[Service],
    targets: Iterable[TargetDecision],
    ground: Ground,
    memory: Memory,
    before: Mapping[str, Made],
) -> dict[str, Made]:
    """Return what each object comes to, by its key, in the order given.

    Args:
        services: the objects.
        targets: of all of them.
        ground: what they have in common.
        memory: for what was published.
        before: what they came to in the plan before, for what is the same now as then.
    """
    by_service: dict[str, list[TargetDecision]] = {}
    for target in targets:
        by_service.setdefault(target.service, []).append(target)
    owned: dict[str, list[str]] = {}
    for name, owner in memory.owners.items():
        owned.setdefault(owner, []).append(name)
    made: dict[str, Made] = {}
    for service in services:
        own = by_service.get(service.key, [])
        old = before.get(service.key)
        seen = tuple(
            (one.cluster, one.region, one.zones, one.standing, one.weight, one.tier, one.answers, one.ports)
            for one in own
        )
        if old is not None and old.service == service and old.ground == ground:
            if old.seen == seen and not old.outcome.keeps_last:
                made[service.key] = old
                continue
        else:
            old = None
        published = {
            name: memory.published[name] for name in sorted(owned.get(service.key, ())) if name in memory.published
        }
        outcome, problems = _make(service, ground, own, published, None if old is None else old.outcome)
        made[service.key] = Made(service=service, ground=ground, seen=seen, outcome=outcome, problems=problems)
    return made


def _make(
    service: Service,
    ground: Ground,
    targets: Sequence[TargetDecision],
    published: Mapping[str, tuple[RecordSet, ...]],
    before: Outcome | None,
) -> tuple[Outcome, tuple[Problem, ...]]:
    """Return what becomes of an object: of one that is wrong, what was published stays."""
    path = f"services[{service.key}].dns"
    found = validate_settings(service.settings, ground.zones.values(), path)
    if not found:
        zone = ground.zones[service.settings.zone]
        try:
            names = names_of(service, zone, ground.places)
            outcome = outcome_of(
                service,
                zone,
                names,
                targets,
                distances_ms=ground.distances_ms,
                published=published,
                before=before,
            )
        except ValueError as error:
            found = [Problem(path=path, message=str(error))]
        else:
            outside = f"services[{service.key}].hosts"
            return outcome, tuple(
                Problem(path=outside, message=f"{host!r} is not within the zone of {zone.domain}")
                for host in names.outside
            )
    return Outcome(sets=dict(published), keeps_last=True), tuple(found)
