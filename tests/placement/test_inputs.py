"""What a decision was made from, kept as JSON: read back to the same value, and decided on to the same bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_placement import (
    AffinityGroup,
    ApiKind,
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    Cost,
    DataAnchor,
    DataCopy,
    Dataset,
    ExternalScore,
    Fleet,
    Grant,
    GroupReturnPolicy,
    Headroom,
    LabelRequirement,
    LabelSelector,
    Learned,
    Memory,
    NodeShape,
    PlacedUnit,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Taint,
    Toleration,
    Trigger,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    VersionRange,
    WorkloadInput,
    to_dict,
)
from fedsvc_placement.inputs import (
    Inputs,
    decide_on,
    fleet_from_json,
    fleet_to_json,
    inputs_from_dict,
    inputs_to_dict,
)

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WEB = "apps/v1 Deployment shop/web"


def cluster(name: str, region: str, cpu: int) -> ClusterSnapshot:
    offered = {"cpu": 64_000, "memory": 256 << 30, "pods": 110}
    return ClusterSnapshot(
        name=name,
        labels={"tier": "prod", "region": region},
        taints=(Taint(key="busy", effect="PreferNoSchedule", time_added=NOW),),
        provider="aws",
        region=region,
        zones=(f"{region}-a",),
        jurisdiction="EU",
        conditions={"Ready": "True"},
        kubernetes_version="v1.36.1",
        kinds=frozenset({ApiKind(group="apps", version="v1", kind="Deployment")}),
        capacity=Capacity(
            nodes=(NodeShape(count=2, allocatable=offered, free={**offered, "cpu": cpu}),),
            grants=(Grant(requests={"cpu": 500}, replicas=2),),
        ),
        cost=Cost(micros_per_core=31_000, micros_per_gib=4_000),
        scores=(ExternalScore(name="carbon", value=-20, valid_until=NOW + timedelta(hours=1)),),
    )


FLEET = Fleet(
    clusters=(cluster("eu-1", "eu", 8_000), cluster("eu-2", "eu", 4_000), cluster("us-1", "us", 32_000)),
    units=(PlacedUnit(key="shop/db", labels={"app": "db"}, clusters=("eu-1",)), PlacedUnit(key="shop/cache")),
    datasets=(Dataset(name="orders", primary="eu-1", copies=(DataCopy(cluster="eu-2", lag_seconds=5),)),),
    distances_ms={("eu", "us"): 90},
    headroom=Headroom(by="region"),
)
INPUTS = Inputs(
    unit=UnitInput(
        key="shop/web",
        labels={"app": "web"},
        kinds=(ApiKind(group="apps", version="v1", kind="Deployment"),),
        workloads=(
            WorkloadInput(key=WEB, replicas=9, requests={"cpu": 1_000}),
            WorkloadInput(key="batch/v1 Job shop/sum", replicas=3, completions=10, requests={"cpu": 500}),
        ),
        placement=Placement(
            cluster_selector=LabelSelector(
                match_labels=(("tier", "prod"),),
                match_expressions=(LabelRequirement(key="region", operator="In", values=("eu", "us")),),
            ),
            groups=(AffinityGroup(name="home", overflow=(ClusterMatcher(names=("us-1",)),)),),
            group_return=GroupReturnPolicy(mode="After", stable_seconds=60),
            tolerations=(Toleration(key="busy", operator="Exists", toleration_seconds=30),),
            kubernetes=VersionRange(at_least="1.25"),
            jurisdictions=("EU",),
            data=(DataAnchor(dataset="orders", access="Read", max_lag_seconds=10),),
            affinities=(UnitAffinity(mode="Together", units=UnitMatcher(names=("shop/db",)), by="region", weight=10),),
            spread=(SpreadConstraint(by="cluster", max_groups=2),),
            preferences=(ClusterPreference(weight=50, cheap=True),),
            replicas=ReplicaPolicy(mode="Divided", strategy="Capacity", clusters=(ReplicaRule(max=5),)),
        ),
    ),
    previous=(PreviousBinding(cluster="eu-2", replicas={WEB: 2}, since=NOW - timedelta(days=1)),),
    memory=Memory(
        group="home",
        fitting_since=(("home", NOW),),
        moved_at=NOW,
        learned=(Learned(cluster="eu-2", workload=WEB, wanted=4, running=2, at=NOW - timedelta(minutes=5)),),
    ),
    trigger=Trigger.CAPACITY,
    now=NOW,
)


def through_json(inputs: Inputs) -> Inputs:
    return inputs_from_dict(json.loads(json.dumps(inputs_to_dict(inputs))))


def test_inputs_come_back_as_they_were() -> None:
    assert through_json(INPUTS) == INPUTS


def test_a_fleet_comes_back_sorted_and_its_digest_knows_no_order() -> None:
    body, digest = fleet_to_json(FLEET)
    turned = replace(FLEET, clusters=FLEET.clusters[::-1], units=FLEET.units[::-1], datasets=FLEET.datasets[::-1])

    assert fleet_to_json(turned) == (body, digest)
    again = fleet_from_json(body)
    assert again == replace(FLEET, units=tuple(sorted(FLEET.units, key=lambda unit: unit.key)))
    assert fleet_to_json(replace(FLEET, headroom=None))[1] != digest


@given(st.permutations(("eu-1", "eu-2", "us-1")), st.lists(st.integers(0, 64_000), min_size=3, max_size=3))
def test_a_replay_gives_the_same_bytes(names: list[str], free: list[int]) -> None:
    clusters = [cluster(name, name[:2], cpu) for name, cpu in zip(names, free, strict=True)]
    fleet = replace(FLEET, clusters=tuple(clusters))
    decision = decide_on(INPUTS, fleet)

    replayed = decide_on(through_json(INPUTS), fleet_from_json(fleet_to_json(fleet)[0]))

    assert json.dumps(to_dict(replayed)) == json.dumps(to_dict(decision))


def test_a_field_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="mood"):
        inputs_from_dict({**inputs_to_dict(INPUTS), "mood": "good"})
