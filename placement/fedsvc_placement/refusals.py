"""Why clusters that fit all rules are taken or not: the verdicts of rule `Select`."""

from collections.abc import Mapping, Sequence

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Standing
from fedsvc_placement.groups import pool_of
from fedsvc_placement.model import AffinityGroup, Placement, SpreadConstraint, Topology, Verdict
from fedsvc_placement.selecting import Measures, suffices
from fedsvc_placement.texts import count_text, groups_text, list_text, topology_text

SELECT = "Select"

_TAKEN = Verdict(rule=SELECT, passed=True, reason="Taken")


def select_verdicts(measures: Measures, choice: Choice, fitting: Sequence[Standing]) -> Mapping[str, Verdict]:
    """Return the verdict on each fitting cluster by name; none where a placement takes all that fit."""
    placement = measures.unit.placement
    if not placement.groups and all(entry.max_groups is None for entry in placement.spread):
        return {}
    taken = set(choice.selection.names)
    members = {standing.cluster.name for standing in choice.pool.standings}
    limits = _Limits(measures, choice)
    found: dict[str, Verdict] = {}
    for standing in fitting:
        name = standing.cluster.name
        if name in taken:
            found[name] = _taken(choice, name)
        elif name not in members:
            found[name] = _other_group(placement, choice, standing)
        elif name in choice.pool.tiers and not choice.selection.lacking:
            message = f"overflow tier {choice.pool.tiers[name]} of affinity group {choice.group} is not needed"
            found[name] = _refused("OverflowNotNeeded", message)
        else:
            found[name] = limits.verdict(name)
    return found


def _taken(choice: Choice, name: str) -> Verdict:
    if not choice.group:
        return _TAKEN
    tier = choice.selection.tiers.get(name)
    if tier is None:
        return Verdict(rule=SELECT, passed=True, reason="Taken", message=f"in affinity group {choice.group}")
    message = f"overflow tier {tier} of affinity group {choice.group}, which has too little room itself"
    return Verdict(rule=SELECT, passed=True, reason="Overflow", message=message)


def _other_group(placement: Placement, choice: Choice, standing: Standing) -> Verdict:
    groups = [group.name for group in placement.groups if _holds(group, standing)]
    used = f"affinity group {choice.group} is used" if choice.group else "no affinity group has a cluster that fits"
    if not groups:
        return _refused("InNoGroup", f"it is in none of placement.groups; {used}")
    return _refused("GroupNotUsed", f"it is in affinity group {list_text(groups)}; {used}")


def _holds(group: AffinityGroup, standing: Standing) -> bool:
    return bool(pool_of(group, [standing]).standings)


class _Limits:
    """What the taken clusters leave to the others.

    Scores are told without stickiness: what is said of a cluster then does not change with the decision's own effect.
    """

    def __init__(self, measures: Measures, choice: Choice) -> None:
        self._measures = measures
        self._groups = measures.groups()
        pool = [standing.cluster.name for standing in choice.pool.standings]
        self._scores = {name: measures.scores.unbiased(name) for name in pool}
        self._bound = {standing.cluster.name for standing in choice.pool.standings if standing.bound}
        taken = choice.selection.names
        # The lowest of those taken is the one that the others are compared with.
        self._last = min(taken, key=lambda name: (self._scores[name], name), default=None)
        self._totals: list[dict[str, int]] = []
        for groups in self._groups:
            totals: dict[str, int] = {}
            for name in pool:
                totals[groups[name]] = totals.get(groups[name], 0) + self._scores[name]
            self._totals.append(totals)
        self._used = [frozenset(groups[name] for name in taken) for groups in self._groups]
        # Many clusters are alike, and the same is to be said of them.
        self._said: dict[tuple[tuple[str, ...], int, tuple[int, ...]], Verdict] = {}

    def verdict(self, name: str) -> Verdict:
        """Return why a cluster is not taken that was there to be chosen."""
        spread, rooms = self._measures.unit.placement.spread, self._measures.rooms
        beyond = tuple(
            ""
            if entry.max_groups is None or len(used) < entry.max_groups or groups[name] in used
            # Of a cluster that is a group by itself nothing more is said.
            else "another"
            if entry.by == Topology.CLUSTER
            else groups[name]
            for entry, groups, used in zip(spread, self._groups, self._used, strict=True)
        )
        room = rooms.by_cluster[name] if rooms is not None else ()
        key = (beyond, self._scores[name], room)
        found = self._said.get(key)
        if found is None:
            full = [self._full(spread[index], index, group) for index, group in enumerate(beyond) if group]
            message = "; ".join([*full, self._compared(name)])
            found = self._said[key] = _refused("LimitReached" if full else "NotTaken", message)
        return found

    def _full(self, entry: SpreadConstraint, index: int, group: str) -> str:
        used, totals = self._used[index], self._totals[index]
        most = groups_text(entry.max_groups or 0, entry.by, entry.label_key)
        text = f"the limit of {most} is reached by {list_text(sorted(used))}"
        if entry.by == Topology.CLUSTER:
            return text
        lowest = min(used, key=lambda name: (totals[name], name))
        if totals[group] == totals[lowest]:
            return text
        noun = topology_text(entry.by, entry.label_key)
        return f"{text}; {noun} {group} scores {totals[group]} in all against {totals[lowest]} of {lowest}"

    def _compared(self, name: str) -> str:
        last, rooms = self._last, self._measures.rooms
        if last is None:
            return "no set of clusters can be taken"
        mine, theirs = self._scores[name], self._scores[last]
        text = f"score {mine} against {theirs} of {last}, the last taken"
        if mine < theirs:
            return text
        if rooms is not None and not suffices(rooms, name):
            have = sum(rooms.by_cluster[name])
            return f"{text}, which with the others has more room; here is room for {count_text(have, 'replica')}"
        if mine == theirs:
            return f"{text}: no better"
        return f"{text}, which {'stays' if last in self._bound else 'serves the spread better'}"


def _refused(reason: str, message: str) -> Verdict:
    return Verdict(rule=SELECT, passed=False, reason=reason, message=message)
