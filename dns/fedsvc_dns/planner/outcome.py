"""Pure: all names of one object: who answers for each, and the record sets that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fedsvc_dns.planner.choosing import SORRY_CLUSTER, Basis, Choice, choose, choose_level, nearest
from fedsvc_dns.planner.facts import Service
from fedsvc_dns.planner.making import (
    address_sets,
    addresses_of,
    alias,
    binding_owner,
    binding_sets,
    cluster_sets,
    service_sets,
)
from fedsvc_dns.planner.naming import Level, Names
from fedsvc_dns.planner.targets import Standing, TargetDecision
from fedsvc_dns.planner.zone import Layout, Strategy, Zone
from fedsvc_dns.records import RecordSet

WILDCARD = "*."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who answers for a name, and how that came about; what stands behind each target is told by its own decision.

    Attributes:
        name: the name.
        service: key of the object that it belongs to.
        level: what it stands for.
        choice: who answers.
        above: of basis `LEVEL_UP`: the name whose choice was taken.
        place: the region or zone that it stands for.
    """

    name: str
    service: str
    level: Level
    choice: Choice
    above: str = ""
    place: str = ""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The record sets by name, and the decisions by name; record sets that go with a name have its decision.

    Attributes:
        sets: name -> its record sets.
        decisions: name -> who answers for it.
        keeps_last: it rests on what was published before.
    """

    sets: dict[str, tuple[RecordSet, ...]] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    keeps_last: bool = False


def outcome_of(
    service: Service,
    zone: Zone,
    names: Names,
    targets: Sequence[TargetDecision],
    *,
    distances_ms: Mapping[tuple[str, str], float],
    published: Mapping[str, tuple[RecordSet, ...]],
    before: Outcome | None = None,
) -> Outcome:
    """Decide on all names of an object.

    Args:
        service: the object.
        zone: where its names are.
        names: its names.
        targets: all of its targets, by cluster.
        distances_ms: between regions, for locality.
        published: the names it has had, with what was published; kept where nothing better is known.
        before: what the same object came to with other targets; what is the same is taken over.
    """
    whole = choose(targets, service.settings, zone.max_answers, names.seed)
    keeps_last = whole.basis is Basis.LAST
    if keeps_last and not published:
        whole = replace(whole, basis=Basis.ALL if whole.answers else Basis.NOTHING)
    work = _Work(
        service=service,
        zone=zone,
        names=names,
        targets=targets,
        outcome=Outcome(keeps_last=keeps_last),
        published=published,
        before=before,
    )
    if names.whole is not None:
        work.put(Decision(name=names.whole, service=service.key, level=Level.GLOBAL, choice=whole))
        _levels(work, whole, distances_ms)
    if names.prefix is not None:
        work.put_prefix(names.prefix, whole)
    for host in names.hosts:
        work.put(Decision(name=host, service=service.key, level=Level.HOST, choice=whole))
    if keeps_last:
        for name, sets in published.items():
            if name not in work.renewed:
                work.outcome.sets[name] = sets
    return work.outcome


def _levels(work: "_Work", whole: Choice, distances_ms: Mapping[tuple[str, str], float]) -> None:
    settings, names, limit = work.service.settings, work.names, work.zone.max_answers
    assert names.whole is not None
    chosen: dict[str, Choice] = {}
    named = dict(names.regions)
    of_region: dict[str, list[TargetDecision]] = {region: [] for region in named}
    for target in work.targets:
        of_region.setdefault(target.region, []).append(target)
    for region in named:
        chosen[region] = choose_level(of_region[region], whole, settings, limit, names.seed)
    with_own = [region for region in named if chosen[region].basis is not Basis.LEVEL_UP]
    for region, name in names.regions:
        choice, above = chosen[region], names.whole
        if choice.basis is Basis.LEVEL_UP and settings.strategy is Strategy.LOCALITY:
            near = nearest(region, with_own, distances_ms)
            if near is not None:
                choice, above = replace(chosen[near], basis=Basis.LEVEL_UP), named[near]
                chosen[region] = choice
        work.put(_level(work, name, Level.REGION, choice=choice, above=above, place=region))
    for region, inner, name in names.zones:
        own = [target for target in of_region[region] if inner in target.zones]
        choice = choose_level(own, chosen[region], settings, limit, names.seed)
        work.put(_level(work, name, Level.ZONE, choice=choice, above=named[region], place=f"{inner}.{region}"))


def _level(work: "_Work", name: str, level: Level, *, choice: Choice, above: str, place: str) -> Decision:
    is_own = choice.basis is not Basis.LEVEL_UP
    return Decision(
        name=name, service=work.service.key, level=level, choice=choice, above="" if is_own else above, place=place
    )


@dataclass(slots=True, kw_only=True)
class _Work:
    """One object's outcome while it is made."""

    service: Service
    zone: Zone
    names: Names
    targets: Sequence[TargetDecision]
    outcome: Outcome
    published: Mapping[str, tuple[RecordSet, ...]]
    before: Outcome | None
    renewed: set[str] = field(default_factory=set)
    by_cluster: dict[str, TargetDecision] = field(default_factory=dict)
    has_srv: bool = False

    def __post_init__(self) -> None:
        self.by_cluster = {target.cluster: target for target in self.targets}
        self.has_srv = self.service.settings.srv and any(port.name for one in self.targets for port in one.ports)
        whole = self.names.whole
        if whole is not None and self.has_srv:
            answers = [
                answer for target in self.targets if target.standing is not Standing.GONE for answer in target.answers
            ]
            for made in cluster_sets(whole, answers, self.ttl_seconds):
                self._add([made])
        if self.has_srv or self.service.settings.bindings or self.outcome.keeps_last:
            # There more record sets rest on the targets than a decision tells.
            self.before = None

    @property
    def ttl_seconds(self) -> int:
        given = self.service.settings.ttl_seconds
        return self.zone.ttl_seconds if given is None else given

    def put(self, decision: Decision) -> None:
        """Take a name with its choice; the first to take it has it."""
        if decision.name in self.outcome.decisions:
            return
        old = None if self.before is None else self.before.decisions.get(decision.name)
        if self.before is not None and not self.before.keeps_last and old is not None and old == decision:
            self.outcome.decisions[decision.name] = old
            if decision.name in self.before.sets:
                self.outcome.sets[decision.name] = self.before.sets[decision.name]
            return
        self.outcome.decisions[decision.name] = decision
        choice, name, ttl = decision.choice, decision.name, self.ttl_seconds
        if self.outcome.keeps_last and choice.basis is not Basis.FIT and name in self.published:
            return
        is_alias = self.zone.layout is Layout.CNAME and choice.basis is Basis.LEVEL_UP
        addresses = addresses_of(choice.answers)
        self._add([alias(name, decision.above, ttl)] if is_alias else address_sets(name, addresses, ttl))
        if not choice.answers:
            return
        is_wildcard = name.startswith(WILDCARD)
        if (
            self.names.whole is not None
            and self.has_srv
            and not is_wildcard
            and choice.answers[0].cluster != SORRY_CLUSTER
        ):
            self._add(service_sets(name, self.names.whole, choice, self.by_cluster, ttl))
        # A CNAME is alone at its name, and nothing stands below a wildcard.
        bindings = [
            binding
            for binding in self.service.settings.bindings
            if not (is_alias if binding_owner(binding, name) == name else is_wildcard)
        ]
        if bindings:
            self._add(binding_sets(name, addresses, bindings, ttl))

    def put_prefix(self, name: str, whole: Choice) -> None:
        """Take the name of the prefix: an alias of the global name in the layout that has aliases."""
        if self.names.whole is None or self.zone.layout is not Layout.CNAME:
            self.put(Decision(name=name, service=self.service.key, level=Level.PREFIX, choice=whole))
            return
        choice = replace(whole, basis=Basis.LEVEL_UP)
        self.put(
            Decision(name=name, service=self.service.key, level=Level.PREFIX, choice=choice, above=self.names.whole)
        )

    def _add(self, sets: Sequence[RecordSet]) -> None:
        for made in sets:
            self.outcome.sets[made.name] = (*self.outcome.sets.get(made.name, ()), made)
            self.renewed.add(made.name)
