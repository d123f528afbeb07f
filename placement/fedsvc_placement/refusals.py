"""Why clusters that fit all rules are taken or not: the verdicts of rule `Select`."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Standing
from fedsvc_placement.groups import tiers_of
from fedsvc_placement.model import SpreadConstraint, Topology, Verdict
from fedsvc_placement.selecting import Measures, Pool
from fedsvc_placement.texts import count_text, groups_text, list_text, topology_text

SELECT = "Select"

_TAKEN = Verdict(rule=SELECT, passed=True, reason="Taken")


def refusals_of(measures: Measures, choice: Choice) -> "Refusals | None":
    """Return what is to be said of fitting clusters; None where a placement takes all that fit."""
    placement = measures.unit.placement
    if not placement.groups and all(entry.max_groups is None for entry in placement.spread):
        return None
    return Refusals(measures, choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What selecting sees of a cluster, its room aside: of two that look the same it says the same."""

    # In which tier it is of each affinity group, None where in none.
    tiers: tuple[int | None, ...]
    # Its group under each spread constraint, empty where all are the same to that.
    groups: tuple[str, ...]
    # Its score, without stickiness: what is said of it then does not change with the decision's own effect.
    score: int


def looks_of(measures: Measures) -> Callable[[Standing], Look]:
    """Return what tells the look of clusters that fit."""
    placement, totals = measures.unit.placement, measures.scores.points.totals
    groups = [
        by_name if _compares(entry) else None
        for by_name, entry in zip(measures.groups(), placement.spread, strict=True)
    ]
    tiers = [tiers_of(measures.fleet, placement, index) for index in range(len(placement.groups))]

    def look(standing: Standing) -> Look:
        name = standing.cluster.name
        return Look(
            tiers=tuple([tier[standing.place] for tier in tiers]),
            groups=tuple(["" if by_name is None else by_name[name] for by_name in groups]),
            score=totals.get(name, 0),
        )

    return look


class Refusals:
    """Why fitting clusters are taken or not; of those that are alike the same value is given."""

    def __init__(self, measures: Measures, choice: Choice) -> None:
        self._measures = measures
        self._choice = choice
        self._limits = _Limits(measures, choice)
        self._said: dict[Hashable, Verdict] = {}

    def verdict(self, look: Look, room: tuple[int, ...]) -> Verdict:
        """Return why a cluster is not taken that fits; `room` is for how many replicas of each workload it has room."""
        choice, tiers = self._choice, look.tiers
        if tiers and tiers[choice.index] is None:
            found = tuple([index for index, tier in enumerate(tiers) if tier is not None])
            return self._once(found, lambda: self._other_group(found))
        tier = tiers[choice.index] if tiers else None
        if tier and not choice.selection.lacking:
            message = f"overflow tier {tier} of affinity group {choice.group} is not needed"
            return self._once(("spare", tier), lambda: _refused("OverflowNotNeeded", message))
        return self._limits.verdict(look, room)

    def taken(self, name: str) -> Verdict:
        """Return how a cluster was taken."""
        choice = self._choice
        if not choice.group:
            return _TAKEN
        tier = choice.selection.tiers.get(name)
        return self._once(("taken", tier), lambda: _taken(choice.group, tier))

    def _once(self, key: Hashable, make: Callable[[], Verdict]) -> Verdict:
        if key not in self._said:
            self._said[key] = make()
        return self._said[key]

    def _other_group(self, found: Sequence[int]) -> Verdict:
        choice, groups = self._choice, self._measures.unit.placement.groups
        used = f"affinity group {choice.group} is used" if choice.group else "no affinity group has a cluster that fits"
        if not found:
            return _refused("InNoGroup", f"it is in none of placement.groups; {used}")
        return _refused("GroupNotUsed", f"it is in affinity group {list_text(groups[i].name for i in found)}; {used}")


def _taken(group: str, tier: int | None) -> Verdict:
    if tier is None:
        return Verdict(rule=SELECT, passed=True, reason="Taken", message=f"in affinity group {group}")
    message = f"overflow tier {tier} of affinity group {group}, which has too little room itself"
    return Verdict(rule=SELECT, passed=True, reason="Overflow", message=message)


class _Limits:
    """What the taken clusters leave to the others."""

    def __init__(self, measures: Measures, choice: Choice) -> None:
        self._measures = measures
        self._groups = measures.groups()
        self._bound = {standing.cluster.name for standing in choice.pool.bound}
        self._score = measures.scores.unbiased
        taken = choice.selection.names
        # The lowest of those taken is the one that the others are compared with.
        self._last = min(taken, key=lambda name: (self._score(name), name), default=None)
        key = choice.pool.key
        self._totals: Sequence[Mapping[str, int]] = measures.scores.points.keep(
            None if key is None else ("totals", key), lambda: self._summed(choice.pool)
        )
        self._used = [frozenset(groups[name] for name in taken) for groups in self._groups]
        # The one of them that scores least, empty where none is used.
        self._lowest = [_lowest(used, totals) for used, totals in zip(self._used, self._totals, strict=True)]
        # What is said of each limit that is reached.
        self._limits = [""] * len(self._groups)
        # Many clusters are alike, and the same is to be said of them.
        self._beyond: dict[tuple[str, ...], tuple[str | None, ...]] = {}
        self._said: dict[tuple[tuple[str | None, ...], int, tuple[int, ...]], Verdict] = {}

    def _summed(self, pool: Pool) -> Sequence[Mapping[str, int]]:
        """Return what the groups score in all, under each constraint of which one may be told to score too little."""
        found: list[dict[str, int]] = []
        for entry, groups in zip(self._measures.unit.placement.spread, self._groups, strict=True):
            totals: dict[str, int] = {}
            for standing in pool.standings if _compares(entry) else ():
                name = standing.cluster.name
                totals[groups[name]] = totals.get(groups[name], 0) + self._score(name)
            found.append(totals)
        return found

    def verdict(self, look: Look, room: tuple[int, ...]) -> Verdict:
        """Return why a cluster is not taken that was there to be chosen."""
        spread = self._measures.unit.placement.spread
        beyond = self._beyond.get(look.groups)
        if beyond is None:
            beyond = tuple([self._above(spread[index], index, group) for index, group in enumerate(look.groups)])
            self._beyond[look.groups] = beyond
        key = (beyond, look.score, room)
        found = self._said.get(key)
        if found is None:
            full = "".join(
                [self._full(spread[index], index, group) for index, group in enumerate(beyond) if group is not None]
            )
            message = full + self._compared(look.score, room)
            found = self._said[key] = _refused("LimitReached" if full else "NotTaken", message)
        return found

    def _above(self, entry: SpreadConstraint, index: int, group: str) -> str | None:
        """Return the group of a cluster that was not taken if it would be one too many, else None.

        It is left empty where nothing more is said of it: a cluster by itself, or one that scores like the lowest used.
        """
        used, totals = self._used[index], self._totals[index]
        if entry.max_groups is None or len(used) < entry.max_groups:
            return None
        if entry.by == Topology.CLUSTER:
            return ""
        if group in used:
            return None
        return "" if totals[group] == totals[self._lowest[index]] else group

    def _full(self, entry: SpreadConstraint, index: int, group: str) -> str:
        used, totals = self._used[index], self._totals[index]
        text = self._limits[index]
        if not text:
            most = groups_text(entry.max_groups or 0, entry.by, entry.label_key)
            text = self._limits[index] = f"the limit of {most} is reached by {list_text(sorted(used))}; "
        if not group:
            return text
        lowest = self._lowest[index]
        noun = topology_text(entry.by, entry.label_key)
        return f"{text}{noun} {group} scores {totals[group]} in all against {totals[lowest]} of {lowest}; "

    def _compared(self, mine: int, room: tuple[int, ...]) -> str:
        last, needs = self._last, self._measures.needs
        if last is None:
            return "no set of clusters can be taken"
        theirs = self._score(last)
        text = f"score {mine} against {theirs} of {last}, the last taken"
        if mine < theirs:
            return text
        if room != needs:
            here = count_text(sum(room), "replica")
            return f"{text}, which with the others has more room; here is room for {here}"
        if mine == theirs:
            return f"{text}: no better"
        return f"{text}, which {'stays' if last in self._bound else 'serves the spread better'}"


def _compares(entry: SpreadConstraint) -> bool:
    """Tell whether groups of several clusters are weighed against each other."""
    return entry.max_groups is not None and entry.by != Topology.CLUSTER


def _lowest(used: Collection[str], totals: Mapping[str, int]) -> str:
    return min(used, key=lambda name: (totals[name], name), default="") if totals else ""


def _refused(reason: str, message: str) -> Verdict:
    return Verdict(rule=SELECT, passed=False, reason=reason, message=message)
