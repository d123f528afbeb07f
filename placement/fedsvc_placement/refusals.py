"""Why clusters that fit all rules are taken or not: the verdicts of rule `Select`."""

from collections.abc import Mapping, Sequence

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Standing
from fedsvc_placement.groups import pool_of
from fedsvc_placement.model import AffinityGroup, Placement, SpreadConstraint, Topology, Verdict
from fedsvc_placement.selecting import Measures, suffices
from fedsvc_placement.texts import count_text, groups_text, list_text, topology_text
from fedsvc_placement.topology import group_of

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
            found[name] = limits.verdict(standing)
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
        taken = set(choice.selection.names)
        self._taken = [standing for standing in choice.pool.standings if standing.cluster.name in taken]
        scores = measures.scores
        # The lowest of those taken is the one that the others are compared with.
        self._last = min(
            self._taken,
            key=lambda standing: (scores.total(standing.cluster.name, sticky=False), standing.cluster.name),
            default=None,
        )
        self._totals: list[dict[str, int]] = []
        for entry in measures.unit.placement.spread:
            totals: dict[str, int] = {}
            for standing in choice.pool.standings:
                group = group_of(standing.cluster, entry.by, entry.label_key)
                totals[group] = totals.get(group, 0) + scores.total(standing.cluster.name, sticky=False)
            self._totals.append(totals)
        self._used = [
            frozenset(group_of(standing.cluster, entry.by, entry.label_key) for standing in self._taken)
            for entry in measures.unit.placement.spread
        ]

    def verdict(self, standing: Standing) -> Verdict:
        """Return why a cluster is not taken that was there to be chosen."""
        full: list[str] = []
        for index, entry in enumerate(self._measures.unit.placement.spread):
            group = group_of(standing.cluster, entry.by, entry.label_key)
            used = self._used[index]
            if entry.max_groups is not None and len(used) >= entry.max_groups and group not in used:
                full.append(self._full(entry, index, group, used))
        compared = self._compared(standing)
        if not full:
            return _refused("NotTaken", compared)
        return _refused("LimitReached", "; ".join([*full, compared] if compared else full))

    def _full(self, entry: SpreadConstraint, index: int, group: str, used: frozenset[str]) -> str:
        most = groups_text(entry.max_groups or 0, entry.by, entry.label_key)
        text = f"the limit of {most} is reached by {list_text(sorted(used))}"
        if entry.by == Topology.CLUSTER:
            return text
        totals = self._totals[index]
        lowest = min(used, key=lambda name: (totals[name], name))
        if totals[group] == totals[lowest]:
            return text
        noun = topology_text(entry.by, entry.label_key)
        return f"{text}; {noun} {group} scores {totals[group]} in all against {totals[lowest]} of {lowest}"

    def _compared(self, standing: Standing) -> str:
        last = self._last
        if last is None:
            return "no set of clusters can be taken"
        scores, rooms = self._measures.scores, self._measures.rooms
        mine = scores.total(standing.cluster.name, sticky=False)
        theirs = scores.total(last.cluster.name, sticky=False)
        text = f"score {mine} against {theirs} of {last.cluster.name}, the last taken"
        if mine < theirs:
            return text
        if rooms is not None and not suffices(rooms, standing.cluster.name):
            have = sum(rooms.by_cluster[standing.cluster.name])
            return f"{text}, which with the others has more room; here is room for {count_text(have, 'replica')}"
        if mine == theirs:
            return f"{text}: no better"
        return f"{text}, which {'stays' if last.bound else 'serves the spread better'}"


def _refused(reason: str, message: str) -> Verdict:
    return Verdict(rule=SELECT, passed=False, reason=reason, message=message)
