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
    Decision,
    Division,
    Fleet,
    Memory,
    Mode,
    Placement,
    PlacementWarning,
    PreviousBinding,
    Shortfall,
    SpreadResult,
    Target,
    Trigger,
    UnitInput,
)
from fedsvc_placement.moves import moves_of
from fedsvc_placement.occasion import occasion_of
from fedsvc_placement.preferences import scores_of
from fedsvc_placement.rooms import rooms_of
from fedsvc_placement.selecting import Measures, Selection, spread_results
from fedsvc_placement.selectors import named_clusters
from fedsvc_placement.shortfalls import shortfalls_of
from fedsvc_placement.texts import topology_text
from fedsvc_placement.verdicts import verdicts_of

_NOTHING = Memory()
_PPM_OF_PERCENT = 10_000


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
    as `previous` and `memory`, and with what it was given spoken for, gives the same targets, until an input changes or
    `reconsider_at` has come.

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

    field = eligibility_of(unit, around, now).field(bindings, now)
    scores = scores_of(unit, around, field, now)
    rooms = rooms_of(unit, around, bindings, memory=memory, now=now)
    measures = Measures(unit=unit, fleet=around, scores=scores, rooms=rooms)
    occasion = occasion_of(unit.placement, memory, trigger, now)
    choice = choose(measures, field, occasion)
    taken = [field.standings[around.places[name]] for name in choice.selection.names]
    divided = divide_chosen(measures, taken, choice.selection, bindings, occasion)
    divisions = divided.divisions
    taken = [standing for standing in taken if standing.cluster.name in divided.targets]
    replicas, completions = divided.replicas, divided.completions
    targets = tuple([_target(around, standing.cluster.name, replicas, completions) for standing in taken])
    reason, message = ("", "") if targets else _why_none(unit.placement, around)
    course = Course(
        ended={
            standing.cluster.name: [end for end in standing.judged.ends if end <= now]
            for standing in field.own.values()
            if standing.judged.ends
        },
        field=field,
        rooms=rooms,
        before=memory,
        after=choice.memory,
        trigger=trigger,
    )
    # Only a cluster that is kept by a toleration can change by its taints alone: a refusal never ends by itself.
    times = [standing.judged.ends[0] for standing in taken if standing.judged.ends]
    learned = next_change(memory.learned, now) if rooms is not None else None
    times += [time for time in (scores.points.until, choice.reconsider_at, learned) if time is not None]
    return Decision(
        unit=unit.key,
        inputs_digest=inputs_digest(unit, around, bound_to, course, now),
        clusters=verdicts_of(measures, field, choice, divided.targets, replicas),
        targets=targets,
        divisions=divisions,
        shortfall=_shortfalls(divisions, around),
        warnings=_warnings(unit.placement, around, taken),
        reason=reason,
        message=message,
        reconsider_at=min(times, default=None),
        group=choice.group,
        spread=_spread(measures, choice.selection, targets),
        moves=moves_of(bindings, targets, field, choice),
        held_back=choice.held_back,
        memory=choice.memory,
    )


def _shortfalls(divisions: Sequence[Division], fleet: PreparedFleet) -> tuple[Shortfall, ...]:
    if not any(division.unplaced or division.below_minimum for division in divisions):
        return ()
    headroom, kept_free = fleet.headroom, ""
    if headroom is not None and (kept := fleet.reserve_ppm()):
        lost = topology_text(headroom.by, headroom.label_key)
        kept_free = f"{-(-kept // _PPM_OF_PERCENT)} % of all room is kept free for the loss of any one {lost}"
    return tuple([shortfall for division in divisions for shortfall in shortfalls_of(division, kept_free=kept_free)])


def _spread(measures: Measures, selection: Selection, targets: Sequence[Target]) -> tuple[SpreadResult, ...]:
    """Return how the unit spreads: by where replicas are, where they are divided and there are any."""
    policy = measures.unit.placement.replicas
    if not selection.spread or policy is None or policy.mode != Mode.DIVIDED:
        return selection.spread
    used = [target.cluster for target in targets if any(target.replicas.values())]
    names = used or [target.cluster for target in targets]
    if len(names) == len(selection.names):
        return selection.spread
    return spread_results(measures, names, proven=selection.proven)


def _target(
    fleet: PreparedFleet,
    name: str,
    replicas: Mapping[str, dict[str, int]],
    completions: Mapping[str, dict[str, int]],
) -> Target:
    if name in replicas:
        return Target(cluster=name, replicas=replicas[name], completions=completions.get(name, {}))
    return fleet.keep(("target", name), lambda: Target(cluster=name))


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
        ("warnings", fleet.number_of(placement)), lambda: tuple(_placement_warnings(placement, fleet))
    )
    found = list(shared)
    for standing in taken:
        for taint in standing.judged.timeless:
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
