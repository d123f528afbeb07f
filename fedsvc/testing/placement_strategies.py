"""Hypothesis strategies of whatever placement is asked: small fleets on which every rule has something to say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume
from hypothesis import strategies as st

from fedsvc_placement import (
    AffinityGroup,
    ApiKind,
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    ConditionRequirement,
    Cost,
    DataAnchor,
    DataCopy,
    Dataset,
    Decision,
    ExternalScore,
    FieldRequirement,
    Fleet,
    GroupReturnPolicy,
    LabelSelector,
    Memory,
    NodeShape,
    PlacedUnit,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Stability,
    Taint,
    Trigger,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    VersionRange,
    WorkloadInput,
    prepare_fleet,
    validate,
)
from fedsvc_placement.batch import spoken_for
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.topology import group_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e")
REGIONS = ("", "eu", "us")
ROUTE = ApiKind(group="x.io", version="v1", kind="Route")

instants = st.integers(-900, 900).map(lambda seconds: NOW + timedelta(seconds=seconds))
topologies = st.one_of(
    st.tuples(st.sampled_from(("cluster", "zone", "region", "provider")), st.just("")),
    st.just(("label", "rack")),
)
capacities = st.integers(0, 6).map(
    lambda pods: Capacity(nodes=(NodeShape(count=1, allocatable={"pods": 9}, free={"pods": pods}),))
)


def clusters_named(names: st.SearchStrategy[str]) -> st.SearchStrategy[ClusterSnapshot]:
    """Clusters of which every rule may think otherwise, of these names."""
    return st.builds(
        ClusterSnapshot,
        name=names,
        labels=st.dictionaries(st.just("rack"), st.sampled_from(("r1", "r2"))),
        taints=st.lists(
            st.builds(
                Taint,
                key=st.just("down"),
                effect=st.sampled_from(("NoExecute", "NoSchedule", "PreferNoSchedule", "NoScheduleNew")),
            ),
            max_size=1,
        ).map(tuple),
        provider=st.sampled_from(("", "p1", "p2")),
        region=st.sampled_from(REGIONS),
        zones=st.sampled_from(((), ("z1",), ("z2",), ("z2", "z1"))),
        jurisdiction=st.sampled_from(("", "EU", "US")),
        deleting=st.sampled_from((False, False, False, True)),
        conditions=st.dictionaries(st.just("Ready"), st.sampled_from(("True", "False"))),
        kubernetes_version=st.sampled_from(("", "v1.28.3", "v1.30.1")),
        kinds=st.sampled_from((None, frozenset(), frozenset({ROUTE}))),
        capacity=st.none() | capacities,
        cost=st.none() | st.builds(Cost, micros_per_core=st.integers(0, 9), micros_per_gib=st.integers(0, 9)),
        scores=st.lists(
            st.builds(ExternalScore, name=st.just("s"), value=st.integers(-100, 100), valid_until=st.none() | instants),
            max_size=1,
        ).map(tuple),
    )


@st.composite
def spreads(draw: st.DrawFn) -> SpreadConstraint:
    """Constraints of which the most is never below the least."""
    by, key = draw(topologies)
    least = draw(st.integers(1, 3))
    more = draw(st.none() | st.integers(0, 1))
    return SpreadConstraint(by=by, label_key=key, min_groups=least, max_groups=None if more is None else least + more)


@st.composite
def affinities(draw: st.DrawFn) -> UnitAffinity:
    """Affinities to other units, as rules and as wishes."""
    by, key = draw(topologies)
    units = draw(
        st.sampled_from(
            (
                UnitMatcher(names=("n/one",)),
                UnitMatcher(selector=LabelSelector(match_labels=(("app", "x"),))),
                UnitMatcher(selector=LabelSelector()),
            )
        )
    )
    mode = draw(st.sampled_from(("Together", "Apart")))
    return UnitAffinity(mode=mode, units=units, by=by, label_key=key, weight=draw(st.none() | st.integers(1, 100)))


matchers = st.one_of(
    st.builds(ClusterMatcher, names=st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)),
    st.builds(
        lambda region: ClusterMatcher(fields=(FieldRequirement(field="region", operator="In", values=(region,)),)),
        st.sampled_from(("eu", "us")),
    ),
    st.just(ClusterMatcher()),
)
preferences = st.one_of(
    st.builds(ClusterPreference, weight=st.integers(1, 100), clusters=matchers),
    st.builds(ClusterPreference, weight=st.integers(1, 100), near_regions=st.sampled_from((("eu",), ("us", "eu")))),
    st.builds(ClusterPreference, weight=st.integers(1, 100), cheap=st.just(True)),  # noqa: FBT003 - a strategy's value
    st.builds(ClusterPreference, weight=st.integers(1, 100), score=st.just("s")),
)


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    """Placements that are valid."""
    groups = draw(
        st.lists(matchers, max_size=2).map(
            lambda found: tuple(AffinityGroup(name=f"g{i}", clusters=entry) for i, entry in enumerate(found))
        )
    )
    mode = draw(st.sampled_from(("Never", "Immediate", "After")))
    follows = draw(st.sampled_from(((), (), (), ("n/one",))))
    return Placement(
        cluster_selector=LabelSelector() if not follows or draw(st.booleans()) else None,
        exclude=draw(st.none() | st.just(ClusterMatcher(names=("e",)))),
        groups=groups,
        group_return=GroupReturnPolicy(mode=mode) if groups else GroupReturnPolicy(),
        kubernetes=draw(st.sampled_from((None, None, VersionRange(at_least="1.29")))),
        conditions=draw(st.sampled_from(((), (), (ConditionRequirement(type="Ready"),)))),
        jurisdictions=draw(st.sampled_from((None, None, ("EU",), ("EU", "US")))),
        data=draw(
            st.sampled_from(
                (
                    (),
                    (),
                    (),
                    (DataAnchor(dataset="d", access="Write"),),
                    (DataAnchor(dataset="d", access="Read", max_lag_seconds=5),),
                )
            )
        ),
        follows=follows,
        affinities=draw(st.lists(affinities(), max_size=1).map(tuple)),
        spread=draw(st.lists(spreads(), max_size=2).map(tuple)),
        preferences=draw(st.lists(preferences, max_size=2).map(tuple)),
        replicas=draw(
            st.none()
            | st.builds(
                ReplicaPolicy,
                mode=st.sampled_from(("Duplicated", "Divided")),
                within_capacity=st.none() | st.booleans(),
            )
        ),
        stability=draw(
            st.builds(
                Stability,
                stickiness=st.sampled_from((0, 100)),
                replace_on=st.sampled_from(((), ("Intent", "Rebalance"), ("Other",))),
                cooldown_seconds=st.sampled_from((0, 600)),
            )
        ),
    )


units = st.builds(
    UnitInput,
    key=st.sampled_from(("n/u1", "n/u2")),
    placement=placements(),
    labels=st.dictionaries(st.just("app"), st.just("x")),
    workloads=st.lists(
        st.builds(WorkloadInput, key=st.just("w"), replicas=st.integers(0, 9), requests=st.just({"cpu": 0})), max_size=1
    ).map(tuple),
    kinds=st.sampled_from(((), (), (ROUTE,))),
)
others = st.lists(
    st.builds(
        PlacedUnit,
        key=st.sampled_from(("n/one", "n/two", "n/u1")),
        labels=st.dictionaries(st.just("app"), st.just("x")),
        clusters=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
    ),
    max_size=2,
    unique_by=lambda unit: unit.key,
)
datasets = st.lists(
    st.builds(
        Dataset,
        name=st.just("d"),
        primary=st.sampled_from(("", "a", "b")),
        copies=st.lists(
            st.builds(DataCopy, cluster=st.sampled_from("cd"), lag_seconds=st.none() | st.integers(0, 9)),
            max_size=2,
            unique_by=lambda copy: copy.cluster,
        ).map(tuple),
    ),
    max_size=1,
)
fleets = st.builds(
    Fleet,
    clusters=st.lists(clusters_named(st.sampled_from(NAMES)), max_size=5, unique_by=lambda entry: entry.name).map(
        tuple
    ),
    units=others.map(tuple),
    datasets=datasets.map(tuple),
    distances_ms=st.sampled_from(({}, {("eu", "us"): 90})),
)
bindings = st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(
    lambda names: [PreviousBinding(cluster=name, replicas={"w": 1}) for name in names]
)
memories = st.builds(
    Memory,
    group=st.sampled_from(("", "g0", "g1")),
    fitting_since=st.just(()) | instants.map(lambda at: (("g0", min(at, NOW)),)),
    moved_at=st.none() | instants.map(lambda at: min(at, NOW)),
)
triggers = st.sampled_from(tuple(Trigger))


policies = st.none() | st.builds(
    ReplicaPolicy,
    mode=st.just("Divided"),
    strategy=st.sampled_from(("Weighted", "Capacity", "Aggregated", "Overflow")),
    movement=st.sampled_from((None, "Steady")),
    within_capacity=st.none() | st.booleans(),
    clusters=st.lists(
        st.builds(
            ReplicaRule,
            clusters=matchers,
            weight=st.none() | st.integers(0, 3),
            min=st.integers(0, 1),
            max=st.none() | st.integers(1, 5),
        ),
        max_size=2,
    ).map(tuple),
)


def with_policy(unit: UnitInput, policy: ReplicaPolicy | None) -> UnitInput:
    """The unit with another replica policy, where that is valid."""
    placement = replace(unit.placement, replicas=policy)
    assume(not validate(placement))
    return replace(unit, placement=placement)


def bound(decision: Decision) -> list[PreviousBinding]:
    """Where a decision put its unit."""
    return [PreviousBinding(cluster=target.cluster, replicas=target.replicas) for target in decision.targets]


def settled(unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], decision: Decision) -> PreparedFleet:
    """The fleet once the decision was carried out: what it gave is not free any more."""
    around = prepare_fleet(fleet)
    for spoken in spoken_for(unit, previous, decision):
        around.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
    return around


def groups_used(decision: Decision, fleet: Fleet, entry: SpreadConstraint) -> set[str]:
    """The groups that targets are in: those with replicas, where replicas are divided and there are any."""
    targets = {target.cluster for target in decision.targets}
    divided = {target.cluster for target in decision.targets if any(target.replicas.values())}
    return {group_of(one, entry.by, entry.label_key) for one in fleet.clusters if one.name in (divided or targets)}
