"""The one question this package answers: where shall a unit run, with how many replicas, and why not elsewhere.

filter (every rule, every cluster) -> score -> select -> divide -> record
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fedsvc_placement.choosing import choose
from fedsvc_placement.digest import Course, inputs_digest
from fedsvc_placement.dividing import divide_chosen
from fedsvc_placement.eligibility import Standing, eligibility_of
from fedsvc_placement.fleet import PreparedFleet, prepare_fleet, refuse_twice
from fedsvc_placement.learning import next_change
from fedsvc_placement.model import (
    ClusterVerdict,
    Decision,
    Division,
    Fleet,
    Memory,
    Placement,
    PlacementWarning,
    PreviousBinding,
    Target,
    Trigger,
    UnitInput,
    Verdict,
)
from fedsvc_placement.moves import moves_of
from fedsvc_placement.occasion import occasion_of
from fedsvc_placement.preferences import Scores, scores_of
from fedsvc_placement.refusals import select_verdicts
from fedsvc_placement.rooms import Rooms, rooms_of
from fedsvc_placement.selecting import Measures
from fedsvc_placement.selectors import named_clusters
from fedsvc_placement.shortfalls import shortfalls_of

_NOTHING = Memory()
_WITHOUT_REPLICAS = Verdict(
    rule="Replicas",
    passed=False,
    reason="NoReplicas",
    message="it could be used, and the division gives it no replicas",
)


def decide(
    unit: UnitInput,
    fleet: Fleet | PreparedFleet,
    previous: Iterable[PreviousBinding],
    now: datetime,
    *,
    memory: Memory = _NOTHING,
    trigger: str = Trigger.OTHER,
) -> Decision:
    """Decide on which clusters a unit runs, and with how many replicas.

    The answer depends on nothing but the arguments and not on the order of their parts. Deciding again with the answer
    as `previous` and `memory` gives the same targets, until an input changes or `reconsider_at` has come.

    Args:
        unit: the unit, with policies resolved and validated.
        fleet: everything it is placed on and next to; made ready with `prepare_fleet` where many units are decided.
        previous: where the unit is now; clusters that are not in the fleet count for nothing.
        now: time zone aware; compared with the ends of tolerations, of scores and of what has to wait.
        memory: as it came out of the decision before.
        trigger: what gave rise to this decision, a word of `Trigger`.

    Raises:
        ValueError: a cluster, binding, workload, unit or dataset is given twice, or the placement is one that
            `validate` refuses.
    """
    around = fleet if isinstance(fleet, PreparedFleet) else prepare_fleet(fleet)
    bound_to = sorted(previous, key=lambda binding: binding.cluster)
    refuse_twice("binding", [binding.cluster for binding in bound_to])
    refuse_twice("workload", sorted(workload.key for workload in unit.workloads))
    bindings = {binding.cluster: binding for binding in bound_to}

    standings = eligibility_of(unit, around, now).standings(bindings, now)
    fitting = [standing for standing in standings if standing.fits]
    scores = scores_of(unit, around, fitting, now)
    rooms = rooms_of(unit, around, [standing.cluster for standing in fitting], bindings, memory=memory, now=now)
    measures = Measures(unit=unit, fleet=around, scores=scores, rooms=rooms)
    occasion = occasion_of(unit.placement, memory, trigger, now)
    choice = choose(measures, fitting, occasion)
    selects = select_verdicts(measures, choice, fitting)
    names = set(choice.selection.names)
    taken = [standing for standing in fitting if standing.cluster.name in names]
    divided = divide_chosen(measures, taken, choice.selection, bindings, occasion)
    divisions = divided.divisions
    selects = {**selects, **dict.fromkeys(names - divided.targets, _WITHOUT_REPLICAS)}
    taken = [standing for standing in taken if standing.cluster.name in divided.targets]
    replicas, completions = _by_cluster(divisions)
    targets = tuple(
        Target(
            cluster=standing.cluster.name,
            replicas=replicas[standing.cluster.name],
            completions=completions.get(standing.cluster.name, {}),
        )
        if standing.cluster.name in replicas
        else standing.target
        for standing in taken
    )
    reason, message = ("", "") if targets else _why_none(unit.placement, around)
    course = Course(
        ended={
            standing.cluster.name: [end for end in standing.ends if end <= now]
            for standing in standings
            if standing.ends
        },
        rooms=rooms,
        before=memory,
        after=choice.memory,
        trigger=trigger,
    )
    # Only a cluster that is kept by a toleration can change by its taints alone: a refusal never ends by itself.
    times = [standing.ends[0] for standing in taken if standing.ends]
    learned = next_change(memory.learned, now) if rooms is not None else None
    times += [time for time in (scores.until, choice.reconsider_at, learned) if time is not None]
    return Decision(
        unit=unit.key,
        inputs_digest=inputs_digest(unit, around, bound_to, course, now),
        clusters=_verdicts(standings, selects, scores, rooms, replicas),
        targets=targets,
        divisions=divisions,
        shortfall=tuple(shortfall for division in divisions for shortfall in shortfalls_of(division)),
        warnings=_warnings(unit.placement, around, taken),
        reason=reason,
        message=message,
        reconsider_at=min(times, default=None),
        group=choice.group,
        spread=choice.selection.spread,
        moves=moves_of(bindings, targets, standings, choice),
        held_back=choice.held_back,
        memory=choice.memory,
    )


def _by_cluster(divisions: Sequence[Division]) -> tuple[Mapping[str, dict[str, int]], Mapping[str, dict[str, int]]]:
    replicas: dict[str, dict[str, int]] = {}
    completions: dict[str, dict[str, int]] = {}
    for division in divisions:
        for share in division.shares:
            replicas.setdefault(share.cluster, {})[division.workload] = share.replicas
            if share.completions is not None:
                completions.setdefault(share.cluster, {})[division.workload] = share.completions
    return replicas, completions


def _verdicts(
    standings: Sequence[Standing],
    selects: Mapping[str, Verdict],
    scores: Scores,
    rooms: Rooms | None,
    replicas: Mapping[str, Mapping[str, int]],
) -> tuple[ClusterVerdict, ...]:
    found: list[ClusterVerdict] = []
    for standing in standings:
        name = standing.cluster.name
        select = selects.get(name)
        parts = scores.parts.get(name, ())
        recorded = rooms.recorded.get(name, {}) if rooms is not None else {}
        if select is None and not parts and not recorded and name not in replicas:
            found.append(standing.record)
            continue
        chosen = standing.fits and (select is None or select.passed)
        found.append(
            ClusterVerdict(
                cluster=name,
                chosen=chosen,
                bound=standing.bound,
                verdicts=standing.verdicts if select is None else (*standing.verdicts, select),
                score=parts,
                replicas=replicas.get(name, {}) if chosen else {},
                room=recorded,
            )
        )
    return tuple(found)


def _why_none(placement: Placement, fleet: PreparedFleet) -> tuple[str, str]:
    if placement.clusters is None and placement.cluster_selector is None and not placement.follows:
        return (
            "NoPlacement",
            "the placement has neither clusters nor clusterSelector; `clusterSelector: {}` selects all",
        )
    if placement.clusters is not None and not placement.clusters:
        return "EmptyClusterList", "placement.clusters is an empty list, which selects no cluster"
    if not fleet.clusters:
        return "NoClusters", "no cluster is registered"
    return "NoClusterFits", "none of the registered clusters fits"


def _warnings(placement: Placement, fleet: PreparedFleet, taken: Sequence[Standing]) -> tuple[PlacementWarning, ...]:
    shared: tuple[PlacementWarning, ...] = fleet.keep(
        ("warnings", placement), lambda: tuple(_placement_warnings(placement, fleet))
    )
    found = list(shared)
    for standing in taken:
        for taint in standing.timeless:
            message = (
                f"taint {taint} of {standing.cluster.name} does not tell since when, so the toleration of it does "
                "not end"
            )
            found.append(PlacementWarning(reason="TaintWithoutTime", message=message, names=(standing.cluster.name,)))
    return tuple(sorted(found, key=lambda warning: (warning.reason, warning.message)))


def _placement_warnings(placement: Placement, fleet: PreparedFleet) -> Iterable[PlacementWarning]:
    for path, names in named_clusters(placement):
        unknown = tuple(sorted(set(names) - fleet.clusters_by_name.keys()))
        if unknown:
            message = f"{path} names clusters that are not registered: {', '.join(unknown)}"
            yield PlacementWarning(reason="UnknownClusters", message=message, names=unknown)
    if placement.clusters is not None and placement.cluster_selector is not None:
        message = "placement.clusterSelector is ignored because placement.clusters is given"
        yield PlacementWarning(reason="SelectorIgnored", message=message)
