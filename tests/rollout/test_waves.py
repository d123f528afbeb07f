from typing import Any

import pytest

from fedsvc.rollout import ClusterView, RolloutPolicy, RolloutWave
from fedsvc.rollout.policy import validate
from fedsvc.rollout.waves import plan_waves
from fedsvc_placement import ClusterMatcher, ClusterSnapshot, FieldRequirement, LabelSelector


def views(*names: str, revision: int = 1) -> list[ClusterView]:
    """Clusters "region-number", each with its region and labelled tier=canary where the number is 0."""
    return [
        ClusterView(
            facts=ClusterSnapshot(
                name=name,
                region=name.split("-")[0],
                labels={"tier": "canary"} if name.endswith("0") else {},
            ),
            revision=revision,
            applied=True,
            healthy=True,
        )
        for name in names
    ]


FLEET = views("eu-0", "eu-1", "eu-2", "us-0", "us-1")
CANARY = ClusterMatcher(selector=LabelSelector(match_labels=(("tier", "canary"),)))
EU = ClusterMatcher(fields=(FieldRequirement(field="region", operator="In", values=("eu",)),))


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        pytest.param([], [["eu-0", "eu-1", "eu-2", "us-0", "us-1"]], id="no waves: all are the rest"),
        pytest.param(
            [RolloutWave(clusters=CANARY), RolloutWave(clusters=EU)],
            [["eu-0", "us-0"], ["eu-1", "eu-2"], ["us-1"]],
            id="by label, then by region, then the rest",
        ),
        pytest.param(
            [RolloutWave(clusters=ClusterMatcher(names=("us-1", "gone")))],
            [["us-1"], ["eu-0", "eu-1", "eu-2", "us-0"]],
            id="by name; one that is not there does not matter",
        ),
        pytest.param(
            [RolloutWave(percent=25), RolloutWave(percent=60), RolloutWave(percent=100)],
            [["eu-0", "eu-1"], ["eu-2"], ["us-0", "us-1"]],
            id="percents are of all clusters, rounded up, and count what was before",
        ),
        pytest.param(
            [RolloutWave(count=1), RolloutWave(clusters=EU, count=2), RolloutWave(clusters=EU, percent=100)],
            [["eu-0"], ["eu-1"], ["eu-2"], ["us-0", "us-1"]],
            id="counts likewise, of those that match",
        ),
        pytest.param(
            [RolloutWave(count=3), RolloutWave(percent=20)],
            [["eu-0", "eu-1", "eu-2"], [], ["us-0", "us-1"]],
            id="a wave that asks for less than is done already has none",
        ),
    ],
)
def test_each_cluster_is_in_the_first_wave_that_takes_it(waves: list[RolloutWave], expected: list[list[str]]) -> None:
    plan = plan_waves(RolloutPolicy(waves=tuple(waves)), FLEET, released=(), stable=1)

    assert [list(wave) for wave in plan] == expected


def test_a_part_begins_with_what_has_the_revision_and_then_with_what_was_disturbed_before() -> None:
    fleet = [*views("eu-0", "eu-1"), *views("us-1", revision=2), *views("us-2", revision=3)]

    plan = plan_waves(RolloutPolicy(waves=(RolloutWave(percent=50),)), fleet, released={"us-2"}, stable=1)

    assert plan == (("us-2", "us-1"), ("eu-0", "eu-1"))


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        (RolloutPolicy(soak_seconds=-1), "rollout.soakSeconds: is -1, must be from 0 to 2592000 (30 days)"),
        (RolloutPolicy(deadline_seconds=0), "rollout.deadlineSeconds: is 0, must be from 10 to 2592000 (30 days)"),
        (RolloutPolicy(max_failures=-1), "rollout.maxFailures: is -1, must not be negative"),
        (RolloutPolicy(max_parallel=-2), "rollout.maxParallel: is -2, must not be negative"),
        (RolloutPolicy(waves=(RolloutWave(percent=0),)), "rollout.waves[0].percent: is 0, must be from 1 to 100"),
        (RolloutPolicy(waves=(RolloutWave(percent=101),)), "rollout.waves[0].percent: is 101, must be from 1 to 100"),
        (RolloutPolicy(waves=(RolloutWave(count=0),)), "rollout.waves[0].count: is 0, must be 1 or more"),
        (
            RolloutPolicy(waves=(RolloutWave(percent=5, count=2),)),
            "rollout.waves[0].count: contradicts percent: give one of the two",
        ),
        (
            RolloutPolicy(waves=(RolloutWave(soak_seconds=10**9),)),
            "rollout.waves[0].soakSeconds: is 1000000000, must be from 0 to 2592000 (30 days)",
        ),
        (
            RolloutPolicy(waves=(RolloutWave(name="a"), RolloutWave(name="a"))),
            "rollout.waves[1].name: 'a' is the name of waves[0] too: names of waves are there to tell them apart",
        ),
        (
            RolloutPolicy(waves=tuple(RolloutWave() for _ in range(101))),
            "rollout.waves: has 101 waves; at most 100 are accepted",
        ),
        (
            RolloutPolicy(
                waves=(RolloutWave(clusters=ClusterMatcher(fields=(FieldRequirement(field="colour", operator="In"),))),)
            ),
            "rollout.waves[0].clusters.fields[0]",
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_told_with_its_place(policy: RolloutPolicy, problem: str) -> None:
    told: list[Any] = [f"{found.path}: {found.message}" for found in validate(policy, "rollout")]

    assert told
    assert told[0].startswith(problem)
