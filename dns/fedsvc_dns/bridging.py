"""Pure: what a plan means to those who carry it out: change sets of providers, zones of the embedded name server."""

from collections.abc import Iterable

from fedsvc_dns.planner.changes import Change
from fedsvc_dns.planner.outcome import Decision
from fedsvc_dns.planner.plan import Plan
from fedsvc_dns.planner.zone import DnsSettings, Strategy
from fedsvc_dns.providers.contract import ChangeSet, Fence
from fedsvc_dns.records import RecordSet
from fedsvc_dns.server.zone_data import Choice, ChoiceOption, Network, ZoneData

_CHOSEN_FROM = (Strategy.WEIGHTED, Strategy.LOCALITY)


def change_set(change: Change, epoch: int) -> ChangeSet:
    """Return what a provider is to do of a change; its fence has the generation that the zone comes to by it.

    Args:
        change: what the zone changes.
        epoch: of the writer.
    """
    return ChangeSet(
        fence=Fence(epoch=epoch, generation=change.expects + 1),
        puts=tuple(one.after for one in change.replacements if one.after is not None),
        deletes=tuple(one.key for one in change.replacements if one.after is None),
    )


def zone_data(
    plan: Plan, origin: str, held: Iterable[RecordSet], authority: Iterable[RecordSet], networks: Iterable[Network] = ()
) -> ZoneData:
    """Return a zone for the embedded server: weighted and local names with what is chosen from at each query.

    A set is only chosen from where the zone holds what the plan wants; what was held back is served as it is.

    Args:
        plan: that was applied.
        origin: apex of the zone.
        held: record sets that the zone holds.
        authority: its SOA and NS sets.
        networks: where clients are; places are regions.
    """
    sets = tuple(held)
    wanted = plan.zones.get(origin, {})
    choices = [
        choice
        for one in sets
        if one.type in {"A", "AAAA"} and wanted.get(one.key) == one and (choice := _choice(plan, one)) is not None
    ]
    return ZoneData(origin=origin, record_sets=(*authority, *sets), choices=tuple(choices), networks=tuple(networks))


def _choice(plan: Plan, found: RecordSet) -> Choice | None:
    decision = plan.decisions.get(found.name)
    settings = None if decision is None else plan.made[decision.service].service.settings
    if decision is None or settings is None or settings.strategy not in _CHOSEN_FROM or len(found.values) == 1:
        return None
    options = _options(plan, decision, settings, found.type)
    if {option.value for option in options} != set(found.values):
        return None
    count = 1 if settings.strategy is Strategy.WEIGHTED else len(options)
    return Choice(name=found.name, type=found.type, options=options, answer_count=count)


def _options(plan: Plan, decision: Decision, settings: DnsSettings, type_: str) -> tuple[ChoiceOption, ...]:
    weights: dict[str, int] = {}
    places: dict[str, str] = {}
    for answer in decision.choice.answers:
        target = plan.targets.get((decision.service, answer.cluster))
        for value in answer.v4 if type_ == "A" else answer.v6:
            weights[value] = max(weights.get(value, 0), 0 if target is None else target.weight)
            if target is not None and settings.strategy is Strategy.LOCALITY:
                places[value] = target.region
    return tuple(
        ChoiceOption(value=value, weight=weights[value], place=places.get(value, "")) for value in sorted(weights)
    )
