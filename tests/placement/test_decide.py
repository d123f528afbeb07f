"""What `decide` answers, rule by rule."""

from datetime import UTC, datetime, timedelta

import pytest

from fedsvc_placement import (
    Capacity,
    ClusterMatcher,
    ClusterSnapshot,
    Decision,
    Fleet,
    LabelSelector,
    Learned,
    Memory,
    NodeShape,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Taint,
    Toleration,
    UnitInput,
    WorkloadInput,
    decide,
    explain_lines,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALL = LabelSelector()
PROD = LabelSelector(match_labels=(("tier", "prod"),))
FLEET = (
    ClusterSnapshot(name="eu-1", labels={"tier": "prod", "region": "eu"}),
    ClusterSnapshot(name="eu-2", labels={"tier": "dev", "region": "eu"}),
    ClusterSnapshot(name="us-1", labels={"tier": "prod", "region": "us"}),
)
WEB = "apps/Deployment/shop/web"


def place(
    placement: Placement,
    *clusters: ClusterSnapshot,
    replicas: int | None = None,
    previous: tuple[PreviousBinding, ...] = (),
    now: datetime = NOW,
) -> Decision:
    workloads = () if replicas is None else (WorkloadInput(key=WEB, replicas=replicas),)
    return decide(
        UnitInput(key="shop/shop", placement=placement, workloads=workloads), Fleet(clusters=clusters), previous, now
    )


def names(decision: Decision) -> list[str]:
    return [target.cluster for target in decision.targets]


def web(decision: Decision) -> dict[str, int]:
    return {target.cluster: target.replicas[WEB] for target in decision.targets}


def reasons(decision: Decision, cluster: str) -> list[str]:
    verdict = next(entry for entry in decision.clusters if entry.cluster == cluster)
    return [entry.reason for entry in verdict.verdicts if not entry.passed]


# KubeFed's truth table of placement: absent is not empty.
@pytest.mark.parametrize(
    ("clusters", "selector", "expected", "reason"),
    [
        pytest.param(None, None, [], "NoPlacement", id="absent, absent: none"),
        pytest.param(None, ALL, ["eu-1", "eu-2", "us-1"], "", id="absent, empty: all"),
        pytest.param(None, PROD, ["eu-1", "us-1"], "", id="absent, selector: matching"),
        pytest.param((), None, [], "EmptyClusterList", id="empty, absent: none"),
        pytest.param((), ALL, [], "EmptyClusterList", id="empty, empty: none"),
        pytest.param((), PROD, [], "EmptyClusterList", id="empty, selector: none"),
        pytest.param(("eu-2",), None, ["eu-2"], "", id="names, absent: these"),
        pytest.param(("eu-2", "us-1"), ALL, ["eu-2", "us-1"], "", id="names, empty: these"),
        pytest.param(("eu-2",), PROD, ["eu-2"], "", id="names, selector: selector is ignored"),
        pytest.param(("eu-2", "mars"), None, ["eu-2"], "", id="unknown names are dropped"),
        pytest.param(("mars",), None, [], "NoClusterFits", id="only unknown names: none"),
        pytest.param(
            None, LabelSelector(match_labels=(("tier", "test"),)), [], "NoClusterFits", id="nothing matches: none"
        ),
    ],
)
def test_truth_table(
    clusters: tuple[str, ...] | None, selector: LabelSelector | None, expected: list[str], reason: str
) -> None:
    decision = place(Placement(clusters=clusters, cluster_selector=selector), *FLEET)
    assert names(decision) == expected
    assert decision.reason == reason
    assert bool(decision.message) == bool(reason)


def test_an_empty_fleet_is_told_apart_from_one_in_which_nothing_fits() -> None:
    assert place(Placement(cluster_selector=ALL)).reason == "NoClusters"


def test_exclusion_beats_names_and_selector() -> None:
    exclude = ClusterMatcher(selector=LabelSelector(match_labels=(("region", "us"),)))
    assert names(place(Placement(cluster_selector=ALL, exclude=exclude), *FLEET)) == ["eu-1", "eu-2"]
    decision = place(Placement(clusters=("eu-1", "us-1"), exclude=exclude), *FLEET)
    assert names(decision) == ["eu-1"]
    assert reasons(decision, "us-1") == ["Excluded"]


def test_a_leaving_cluster_is_left_and_an_unready_one_is_not() -> None:
    fleet = (
        ClusterSnapshot(name="a", deleting=True),
        ClusterSnapshot(name="b", ready=False),
        ClusterSnapshot(name="c", ready=True),
    )
    previous = tuple(PreviousBinding(cluster=name) for name in "abc")
    decision = place(Placement(cluster_selector=ALL), *fleet, previous=previous)
    assert names(decision) == ["b", "c"]
    assert reasons(decision, "a") == ["ClusterLeaving"]


def test_readiness_does_not_change_the_digest() -> None:
    digests = {
        place(Placement(cluster_selector=ALL), ClusterSnapshot(name="a", ready=ready)).inputs_digest
        for ready in (None, True, False)
    }
    assert len(digests) == 1


def test_all_failing_reasons_are_kept_in_the_order_of_the_rules() -> None:
    cluster = ClusterSnapshot(
        name="a",
        deleting=True,
        taints=(Taint(key="x", effect="NoSchedule"), Taint(key="y", effect="NoExecute")),
    )
    decision = place(Placement(cluster_selector=PROD, exclude=ClusterMatcher(names=("a",))), cluster)
    assert reasons(decision, "a") == [
        "LabelsDoNotMatch",
        "Excluded",
        "ClusterLeaving",
        "TaintNotTolerated",
        "TaintNotTolerated",
    ]


def bearing(effect: str, seconds: int | None = None) -> tuple[Toleration, ...]:
    return (Toleration(key="t", operator="Exists", effect=effect, toleration_seconds=seconds),)


# Rows: taint effect, tolerations, whether a new unit comes, whether one that is there stays.
@pytest.mark.parametrize(
    ("effect", "tolerations", "comes", "stays"),
    [
        pytest.param("NoSchedule", (), False, True, id="NoSchedule"),
        pytest.param("NoSchedule", bearing("NoSchedule"), True, True, id="NoSchedule tolerated"),
        pytest.param("NoSchedule", bearing("NoExecute"), False, True, id="NoSchedule, another effect tolerated"),
        pytest.param("NoScheduleNew", (), False, True, id="NoScheduleNew"),
        pytest.param("NoScheduleNew", bearing("NoScheduleNew"), True, True, id="NoScheduleNew tolerated"),
        pytest.param("PreferNoSchedule", (), True, True, id="PreferNoSchedule"),
        pytest.param("NoExecute", (), False, False, id="NoExecute"),
        pytest.param("NoExecute", bearing("NoExecute"), True, True, id="NoExecute tolerated"),
        pytest.param("NoExecute", bearing("NoExecute", 61), False, True, id="NoExecute tolerated for a time"),
        pytest.param("NoExecute", bearing("NoExecute", 60), False, False, id="NoExecute, toleration just over"),
        pytest.param("NoExecute", bearing("NoExecute", -5), False, False, id="NoExecute, negative seconds: at once"),
        pytest.param("FromTheFuture", (), False, True, id="unknown effects move nothing"),
    ],
)
def test_taints(effect: str, tolerations: tuple[Toleration, ...], comes: bool, stays: bool) -> None:  # noqa: FBT001 - a table's columns
    cluster = ClusterSnapshot(name="a", taints=(Taint(key="t", effect=effect, time_added=NOW - timedelta(seconds=60)),))
    placement = Placement(cluster_selector=ALL, tolerations=tolerations)
    assert (names(place(placement, cluster)) == ["a"]) is comes
    assert (names(place(placement, cluster, previous=(PreviousBinding(cluster="a"),))) == ["a"]) is stays


def test_the_first_matching_toleration_of_a_taint_counts() -> None:
    cluster = ClusterSnapshot(name="a", taints=(Taint(key="t", effect="NoExecute", time_added=NOW),))
    placement = Placement(cluster_selector=ALL, tolerations=(*bearing("NoExecute", 0), *bearing("NoExecute")))
    assert names(place(placement, cluster)) == []


def test_a_limited_toleration_tells_when_to_decide_again_and_ends_then() -> None:
    def tainted(name: str, seconds: int) -> ClusterSnapshot:
        taint = Taint(key="t", effect="NoExecute", time_added=NOW - timedelta(seconds=seconds))
        return ClusterSnapshot(name=name, taints=(taint,))

    fleet = (tainted("a", 10), tainted("b", 20), tainted("c", 400), ClusterSnapshot(name="d"))
    previous = tuple(PreviousBinding(cluster=name) for name in "abcd")
    placement = Placement(cluster_selector=ALL, tolerations=bearing("NoExecute", 300))
    decision = place(placement, *fleet, previous=previous)
    assert names(decision) == ["a", "b", "d"]
    assert reasons(decision, "c") == ["TolerationEnded"]
    assert decision.reconsider_at == NOW + timedelta(seconds=280)

    before = place(placement, *fleet, previous=previous, now=decision.reconsider_at - timedelta(microseconds=1))
    assert (before.targets, before.inputs_digest) == (decision.targets, decision.inputs_digest)
    after = place(placement, *fleet, previous=previous, now=decision.reconsider_at)
    assert names(after) == ["a", "d"]
    assert after.inputs_digest != decision.inputs_digest
    assert after.reconsider_at == NOW + timedelta(seconds=290)


def test_a_toleration_whose_time_cannot_be_counted_keeps_the_unit_and_warns() -> None:
    cluster = ClusterSnapshot(name="a", taints=(Taint(key="t", effect="NoExecute"),))
    placement = Placement(cluster_selector=ALL, tolerations=bearing("NoExecute", 300))
    decision = place(placement, cluster, previous=(PreviousBinding(cluster="a"),))
    assert names(decision) == ["a"]
    assert decision.reconsider_at is None
    assert [warning.reason for warning in decision.warnings] == ["TaintWithoutTime"]


def test_prefer_no_schedule_lowers_the_score_and_changes_nothing_without_a_limit() -> None:
    taints = (Taint(key="b", effect="PreferNoSchedule"), Taint(key="a", value="x", effect="PreferNoSchedule"))
    decision = place(Placement(cluster_selector=ALL), ClusterSnapshot(name="a", taints=taints))
    assert names(decision) == ["a"]
    assert [(part.value, part.message) for part in decision.clusters[0].score] == [
        (-2, "taint a=x:PreferNoSchedule, taint b:PreferNoSchedule")
    ]


def test_without_a_policy_every_cluster_gets_the_template_s_replicas() -> None:
    assert web(place(Placement(cluster_selector=ALL), *FLEET, replicas=3)) == {"eu-1": 3, "eu-2": 3, "us-1": 3}


def test_a_total_stands_for_the_template_s_replicas() -> None:
    duplicated = Placement(cluster_selector=PROD, replicas=ReplicaPolicy(total=2))
    assert web(place(duplicated, *FLEET, replicas=9)) == {"eu-1": 2, "us-1": 2}
    divided = Placement(cluster_selector=PROD, replicas=ReplicaPolicy(mode="Divided", total=4))
    assert web(place(divided, *FLEET, replicas=9)) == {"eu-1": 2, "us-1": 2}


def rule(region: str, **terms: int) -> ReplicaRule:
    return ReplicaRule(
        clusters=ClusterMatcher(selector=LabelSelector(match_labels=(("region", region),))),
        weight=terms.get("weight"),
        min=terms.get("min", 0),
        max=terms.get("max"),
    )


def divided(*rules: ReplicaRule) -> Placement:
    return Placement(cluster_selector=ALL, replicas=ReplicaPolicy(mode="Divided", clusters=rules))


def test_a_cluster_takes_the_first_rule_that_matches_it() -> None:
    first = ReplicaRule(clusters=ClusterMatcher(names=("eu-1",)), weight=3)
    assert web(place(divided(first, rule("eu"), rule("us")), *FLEET, replicas=10)) == {"eu-1": 6, "eu-2": 2, "us-1": 2}
    assert web(place(divided(rule("eu"), first, rule("us", weight=2)), *FLEET, replicas=8)) == {
        "eu-1": 2,
        "eu-2": 2,
        "us-1": 4,
    }


def test_a_cluster_without_a_rule_is_a_target_with_no_replicas() -> None:
    assert web(place(divided(rule("us")), *FLEET, replicas=5)) == {"eu-1": 0, "eu-2": 0, "us-1": 5}


@pytest.mark.parametrize(
    ("rules", "replicas", "expected", "shortfall"),
    [
        pytest.param(
            (rule("eu", max=2), rule("us", max=3)), 10, {"eu-1": 2, "eu-2": 2, "us-1": 3}, [("MaximumsReached", 3)]
        ),
        pytest.param((rule("eu", weight=0, min=1),), 5, {"eu-1": 1, "eu-2": 1, "us-1": 0}, [("NoWeight", 3)]),
        pytest.param(
            (rule("us", weight=2, min=4), rule("eu", min=0)),
            3,
            {"eu-1": 0, "eu-2": 0, "us-1": 3},
            [("MinimumsNotMet", 1)],
        ),
        pytest.param(
            (rule("eu", weight=0), rule("us", weight=0)), 2, {"eu-1": 0, "eu-2": 0, "us-1": 0}, [("NoWeight", 2)]
        ),
        pytest.param((), 0, {"eu-1": 0, "eu-2": 0, "us-1": 0}, []),
    ],
    ids=["maximums", "weights of 0 beyond minimums", "minimum beyond the total", "all weights 0", "nothing wanted"],
)
def test_what_is_missing_is_recorded_exactly(
    rules: tuple[ReplicaRule, ...], replicas: int, expected: dict[str, int], shortfall: list[tuple[str, int]]
) -> None:
    decision = place(divided(*rules), *FLEET, replicas=replicas)
    assert web(decision) == expected
    assert [(entry.reason, entry.replicas) for entry in decision.shortfall] == shortfall


def test_without_a_cluster_everything_wanted_is_missing() -> None:
    decision = place(Placement(), *FLEET, replicas=4)
    assert [(entry.reason, entry.replicas) for entry in decision.shortfall] == [("NoCluster", 4)]


def test_no_schedule_new_keeps_what_runs_and_sends_nothing_new() -> None:
    held = ClusterSnapshot(name="a", taints=(Taint(key="t", effect="NoScheduleNew"),))
    previous = (PreviousBinding(cluster="a", replicas={WEB: 2}),)
    even = Placement(cluster_selector=ALL, replicas=ReplicaPolicy(mode="Divided"))
    assert web(place(even, held, ClusterSnapshot(name="b"), replicas=10, previous=previous)) == {"a": 2, "b": 8}
    assert web(place(even, held, ClusterSnapshot(name="b"), replicas=2, previous=previous)) == {"a": 1, "b": 1}

    unknown = (PreviousBinding(cluster="a"),)
    assert web(place(even, held, replicas=5, previous=unknown)) == {"a": 5}

    alone = place(even, held, replicas=5, previous=previous)
    assert web(alone) == {"a": 2}
    assert [(entry.reason, entry.replicas) for entry in alone.shortfall] == [("HeldByTaint", 3)]

    duplicated = place(Placement(cluster_selector=ALL), held, ClusterSnapshot(name="b"), replicas=5, previous=previous)
    assert web(duplicated) == {"a": 2, "b": 5}
    assert [(entry.reason, entry.replicas) for entry in duplicated.shortfall] == [("HeldByTaint", 3)]


def test_single_replicas_of_many_units_spread_over_the_clusters() -> None:
    fleet = [ClusterSnapshot(name=f"c{index}") for index in range(4)]
    placement = Placement(cluster_selector=ALL, replicas=ReplicaPolicy(mode="Divided"))
    counts = dict.fromkeys((cluster.name for cluster in fleet), 0)
    for index in range(400):
        unit = UnitInput(key=f"u/{index}", placement=placement, workloads=(WorkloadInput(key=WEB, replicas=1),))
        for name, replicas in web(decide(unit, Fleet(clusters=tuple(fleet)), (), NOW)).items():
            counts[name] += replicas
    assert sum(counts.values()) == 400
    assert min(counts.values()) > 70


def test_single_replicas_of_one_unit_stay_together() -> None:
    workloads = tuple(WorkloadInput(key=f"apps/Deployment/shop/{name}", replicas=1) for name in "abcde")
    placement = Placement(cluster_selector=ALL, replicas=ReplicaPolicy(mode="Divided"))
    decision = decide(
        UnitInput(key="shop/shop", placement=placement, workloads=workloads), Fleet(clusters=FLEET), (), NOW
    )
    assert sorted(sum(target.replicas.values()) for target in decision.targets) == [0, 0, 5]


def test_names_that_nobody_registered_are_warned_of_with_their_place() -> None:
    placement = Placement(
        clusters=("eu-1", "mars", "io"),
        cluster_selector=PROD,
        exclude=ClusterMatcher(names=("venus",)),
        replicas=ReplicaPolicy(
            mode="Divided", clusters=(ReplicaRule(clusters=ClusterMatcher(names=("eu-1", "moon"))),)
        ),
    )
    assert [(warning.reason, warning.message, warning.names) for warning in place(placement, *FLEET).warnings] == [
        ("SelectorIgnored", "placement.clusterSelector is ignored because placement.clusters is given", ()),
        ("UnknownClusters", "placement.clusters names clusters that are not registered: io, mars", ("io", "mars")),
        ("UnknownClusters", "placement.exclude.names names clusters that are not registered: venus", ("venus",)),
        (
            "UnknownClusters",
            "placement.replicas.clusters[0].names names clusters that are not registered: moon",
            ("moon",),
        ),
    ]


@pytest.mark.parametrize("what", ["cluster", "binding", "workload"])
def test_giving_something_twice_is_an_error(what: str) -> None:
    unit = UnitInput(
        key="u",
        placement=Placement(),
        workloads=(WorkloadInput(key="x", replicas=1),) * (2 if what == "workload" else 1),
    )
    clusters = (ClusterSnapshot(name="x"),) * (2 if what == "cluster" else 1)
    previous = (PreviousBinding(cluster="x"),) * (2 if what == "binding" else 1)
    with pytest.raises(ValueError, match=f"{what} 'x' is given twice"):
        decide(unit, Fleet(clusters=clusters), previous, NOW)


def test_a_mode_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="replica mode Halved with strategy Weighted does not exist"):
        place(Placement(cluster_selector=ALL, replicas=ReplicaPolicy(mode="Halved")), *FLEET, replicas=1)


def test_a_cluster_without_replicas_is_no_target_when_aggregated() -> None:
    pods = {"pods": 5}
    fleet = [
        ClusterSnapshot(name=name, capacity=Capacity(nodes=(NodeShape(count=1, allocatable=pods, free=pods),)))
        for name in "abc"
    ]
    policy = ReplicaPolicy(mode="Divided", strategy="Aggregated")
    decision = place(
        Placement(cluster_selector=ALL, replicas=policy),
        *fleet,
        replicas=6,
        previous=(PreviousBinding(cluster="b", replicas={WEB: 2}), PreviousBinding(cluster="c", replicas={WEB: 4})),
    )
    assert web(decision) == {"b": 2, "c": 4}
    assert reasons(decision, "a") == ["NoReplicas"]
    assert explain_lines(decision)[0] == (
        "a: not chosen (NoReplicas): it could be used, and the division gives it no replicas"
    )


def test_completions_of_a_job_are_in_the_targets() -> None:
    job = WorkloadInput(key=WEB, replicas=4, completions=10)
    unit = UnitInput(
        key="u", placement=Placement(cluster_selector=ALL, replicas=ReplicaPolicy(mode="Divided")), workloads=(job,)
    )
    decision = decide(unit, Fleet(clusters=tuple(ClusterSnapshot(name=name) for name in "ab")), (), NOW)
    assert [(target.replicas, target.completions) for target in decision.targets] == [({WEB: 2}, {WEB: 5})] * 2


def test_what_was_learned_of_a_cluster_is_why_it_is_not_taken() -> None:
    pods = {"pods": 100}
    capacity = Capacity(nodes=(NodeShape(count=1, allocatable=pods, free=pods),))
    placement = Placement(
        cluster_selector=ALL,
        spread=(SpreadConstraint(max_groups=1),),
        replicas=ReplicaPolicy(within_capacity=True),
    )
    decision = decide(
        UnitInput(key="shop/shop", placement=placement, workloads=(WorkloadInput(key=WEB, replicas=4),)),
        Fleet(clusters=tuple(ClusterSnapshot(name=name, capacity=capacity) for name in "ab")),
        [],
        NOW,
        memory=Memory(learned=(Learned(cluster="b", workload=WEB, wanted=4, running=2, at=NOW),)),
    )

    assert names(decision) == ["a"]
    refused = decision.clusters[1].verdicts[-1]
    assert refused.message.endswith(
        "of a, the last taken, which with the others has more room; here is room for 2 replicas"
    )
