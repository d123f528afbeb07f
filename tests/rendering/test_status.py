"""Health, reflected and summed status, kind by kind."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.keys import ObjectKey, split_api_version
from fedsvc.rendering.status import aggregate, health, reflect, replica_counts


def key(text: str) -> ObjectKey:
    api_version, kind = text.split()
    group, version = split_api_version(api_version)
    return ObjectKey(group=group, version=version, kind=kind, namespace="shop", name="web")


def condition(kind: str, status: str, reason: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message, **more}


def live(status: Any = None, *, spec: Any = None, generation: int = 1, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"generation": generation, **metadata}, "spec": spec or {}, "status": status}


def seen(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"observedGeneration": 1, "conditions": list(conditions), **status}


def pod(phase: str, *conditions: dict[str, Any], waiting: str = "", **status: Any) -> dict[str, Any]:
    states = [{"name": "web", "restartCount": 2, "state": {"waiting": {"reason": waiting, "message": "why"}}}]
    return live(
        {"phase": phase, "conditions": list(conditions), "containerStatuses": states if waiting else [], **status}
    )


DEPLOYMENT, STATEFUL, DAEMON = "apps/v1 Deployment", "apps/v1 StatefulSet", "apps/v1 DaemonSet"
REPLICA_SET, JOB, CRON, POD = "apps/v1 ReplicaSet", "batch/v1 Job", "batch/v1 CronJob", "v1 Pod"
SERVICE, INGRESS, CLAIM = "v1 Service", "networking.k8s.io/v1 Ingress", "v1 PersistentVolumeClaim"
BUDGET, SCALER = "policy/v1 PodDisruptionBudget", "autoscaling/v2 HorizontalPodAutoscaler"
NAMESPACE, VOLUME, CUSTOM = "v1 Namespace", "v1 PersistentVolume", "example.org/v1 Backup"
CRD = "apiextensions.k8s.io/v1 CustomResourceDefinition"
UP = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
ADDRESS = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
THREE = {"replicas": 3}


@pytest.mark.parametrize(
    ("kind", "thing", "state", "reason"),
    [
        (DEPLOYMENT, live(UP, spec=THREE), "Healthy", ""),
        (DEPLOYMENT, live(None, spec=THREE), "Progressing", "NotObserved"),
        (DEPLOYMENT, live(UP, spec=THREE, generation=2), "Progressing", "NotObserved"),
        (DEPLOYMENT, live(UP | {"updatedReplicas": 1}, spec=THREE), "Progressing", "RollingOut"),
        (DEPLOYMENT, live(UP | {"updatedReplicas": 1}, spec=THREE | {"paused": True}), "Progressing", "Paused"),
        (DEPLOYMENT, live(UP | {"replicas": 4}, spec=THREE), "Progressing", "RollingOut"),
        (DEPLOYMENT, live(UP | {"availableReplicas": 2}, spec=THREE), "Progressing", "MinimumReplicasUnavailable"),
        (
            DEPLOYMENT,
            live(seen(condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")), spec=THREE),
            "Degraded",
            "ProgressDeadlineExceeded",
        ),
        (DEPLOYMENT, live(seen(condition("ReplicaFailure", "True", "FailedCreate"))), "Degraded", "FailedCreate"),
        (DEPLOYMENT, live(seen(), spec={"replicas": 0}), "Healthy", ""),
        (DEPLOYMENT, live(UP, spec=THREE, deletionTimestamp="2026-01-01T00:00:00Z"), "Progressing", "Terminating"),
        (STATEFUL, live(UP, spec=THREE), "Healthy", ""),
        (STATEFUL, live({**UP, "availableReplicas": None}, spec=THREE), "Healthy", ""),
        (STATEFUL, live(UP | {"availableReplicas": 1}, spec=THREE), "Progressing", "ReplicasUnavailable"),
        (STATEFUL, live(UP | {"updatedReplicas": 1}, spec=THREE), "Progressing", "RollingOut"),
        (
            STATEFUL,
            live(UP | {"updatedReplicas": 1}, spec=THREE | {"updateStrategy": {"rollingUpdate": {"partition": 2}}}),
            "Healthy",
            "",
        ),
        (
            STATEFUL,
            live(UP | {"updatedReplicas": 0}, spec=THREE | {"updateStrategy": {"type": "OnDelete"}}),
            "Healthy",
            "",
        ),
        (REPLICA_SET, live(UP, spec=THREE), "Healthy", ""),
        (REPLICA_SET, live(seen(), spec=THREE), "Progressing", "ReplicasUnavailable"),
        (REPLICA_SET, live(seen(condition("ReplicaFailure", "True", "FailedCreate"))), "Degraded", "FailedCreate"),
        (DAEMON, live(seen()), "Healthy", ""),
        (DAEMON, live(seen(desiredNumberScheduled=2, updatedNumberScheduled=1)), "Progressing", "RollingOut"),
        (
            DAEMON,
            live(seen(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=1)),
            "Progressing",
            "PodsUnavailable",
        ),
        (JOB, live({"active": 1}), "Progressing", "Running"),
        (JOB, live(seen(condition("Complete", "True"))), "Healthy", "Completed"),
        (JOB, live(seen(condition("Failed", "True", "BackoffLimitExceeded"))), "Degraded", "BackoffLimitExceeded"),
        (JOB, live(spec={"suspend": True}), "Healthy", "Suspended"),
        (CRON, live(), "Healthy", ""),
        (CRON, live(spec={"suspend": True}), "Healthy", "Suspended"),
        (POD, pod("Running", condition("Ready", "True")), "Healthy", ""),
        (POD, pod("Running", condition("Ready", "False", "ContainersNotReady")), "Progressing", "ContainersNotReady"),
        (POD, pod("Succeeded"), "Healthy", "Completed"),
        (POD, pod("Failed", reason="Evicted"), "Degraded", "Evicted"),
        (POD, pod("Failed"), "Degraded", "PodFailed"),
        (POD, pod("Running", waiting="CrashLoopBackOff"), "Degraded", "CrashLoopBackOff"),
        (POD, pod("Pending", waiting="ImagePullBackOff"), "Degraded", "ImagePullBackOff"),
        (POD, pod("Pending", waiting="ContainerCreating"), "Progressing", "Pending"),
        (POD, pod("Pending", condition("PodScheduled", "False", "Unschedulable")), "Degraded", "Unschedulable"),
        (POD, pod("Unknown"), "Unknown", "NodeLost"),
        (SERVICE, live({}), "Healthy", ""),
        (SERVICE, live({}, spec={"type": "LoadBalancer"}), "Progressing", "AddressPending"),
        (SERVICE, live(ADDRESS, spec={"type": "LoadBalancer"}), "Healthy", ""),
        (INGRESS, live({}), "Progressing", "AddressPending"),
        (INGRESS, live({"loadBalancer": {"ingress": [{"hostname": "a.example"}]}}), "Healthy", ""),
        (CLAIM, live({"phase": "Bound"}), "Healthy", ""),
        (CLAIM, live({"phase": "Pending"}), "Progressing", "Pending"),
        (CLAIM, live({"phase": "Lost"}), "Degraded", "Lost"),
        (VOLUME, live({"phase": "Available"}), "Healthy", ""),
        (VOLUME, live({"phase": "Released"}), "Healthy", "Released"),
        (VOLUME, live({"phase": "Failed", "reason": "RecycleFailed"}), "Degraded", "RecycleFailed"),
        (VOLUME, live({}), "Progressing", "Pending"),
        (BUDGET, live(seen(currentHealthy=2, desiredHealthy=2)), "Healthy", ""),
        (BUDGET, live(seen(currentHealthy=1, desiredHealthy=2)), "Progressing", "InsufficientPods"),
        (BUDGET, live({}), "Progressing", "NotObserved"),
        (SCALER, live(seen(condition("AbleToScale", "True"), condition("ScalingActive", "True"))), "Healthy", ""),
        (
            SCALER,
            live(seen(condition("ScalingActive", "False", "FailedGetResourceMetric"))),
            "Degraded",
            "FailedGetResourceMetric",
        ),
        (SCALER, live(seen(condition("ScalingActive", "False", "ScalingDisabled"))), "Healthy", "ScalingDisabled"),
        (SCALER, live({}), "Progressing", "NotObserved"),
        (SCALER, live({"currentReplicas": 2}), "Healthy", ""),
        (NAMESPACE, live({"phase": "Active"}), "Healthy", ""),
        (NAMESPACE, live({"phase": "Terminating"}), "Progressing", "Terminating"),
        (
            NAMESPACE,
            live(
                {
                    "phase": "Terminating",
                    "conditions": [condition("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed")],
                },
                deletionTimestamp="2026-01-01T00:00:00Z",
            ),
            "Degraded",
            "ContentDeletionFailed",
        ),
        (CUSTOM, live(None), "Healthy", ""),
        (CUSTOM, live({"phase": "x"}), "Healthy", ""),
        (CUSTOM, live(seen(condition("Ready", "True"))), "Healthy", ""),
        (CUSTOM, live(seen(condition("Ready", "False", "Waiting"))), "Progressing", "Waiting"),
        (CUSTOM, live(seen(condition("Ready", "Unknown", "Asking"))), "Unknown", "Asking"),
        (CUSTOM, live(seen(condition("Ready", "True")), generation=2), "Progressing", "NotObserved"),
        (
            CUSTOM,
            live({"conditions": [condition("Ready", "True", observedGeneration=1)]}, generation=2),
            "Progressing",
            "NotObserved",
        ),
        (
            CUSTOM,
            live(seen(condition("Stalled", "True", "NoAccess"), condition("Ready", "True"))),
            "Degraded",
            "NoAccess",
        ),
        (
            CUSTOM,
            live(seen(condition("Reconciling", "True", "Busy"), condition("Ready", "True"))),
            "Progressing",
            "Busy",
        ),
        (
            CRD,
            live({"conditions": [condition("NamesAccepted", "True"), condition("Established", "True")]}),
            "Healthy",
            "",
        ),
        (
            CRD,
            live({"conditions": [condition("NamesAccepted", "False", "ListKindConflict")]}),
            "Degraded",
            "ListKindConflict",
        ),
        ("v1 ConfigMap", {"metadata": {}, "data": {}}, "Healthy", ""),
    ],
)
def test_health(kind: str, thing: dict[str, Any], state: str, reason: str) -> None:
    verdict = health(key(kind), thing)
    assert (verdict.state, verdict.reason) == (state, reason)


def test_the_words_of_kubernetes_are_kept() -> None:
    thing = live(
        seen(condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-1" has timed out'))
    )
    assert health(key(DEPLOYMENT), thing).message == 'ReplicaSet "web-1" has timed out'
    assert health(key(POD), pod("Pending", waiting="ErrImagePull")).message == "container web: why"


@pytest.mark.parametrize(
    ("kind", "thing", "counts"),
    [
        (DEPLOYMENT, live({"readyReplicas": 2}, spec=THREE), (3, 2)),
        (DEPLOYMENT, live(None), (1, 0)),
        (DAEMON, live({"desiredNumberScheduled": 5, "numberReady": 4}), (5, 4)),
        (JOB, live({"succeeded": 2}, spec={"completions": 5}), (5, 2)),
        (JOB, live(seen(condition("Complete", "True"), succeeded=1), spec={"parallelism": 3}), (3, 3)),
        (POD, pod("Running", condition("Ready", "True")), (1, 1)),
        (POD, pod("Pending"), (1, 0)),
        (SERVICE, live({}), None),
        (CUSTOM, live({}), None),
    ],
)
def test_replica_counts(kind: str, thing: dict[str, Any], counts: tuple[int, int] | None) -> None:
    assert replica_counts(key(kind), thing) == counts


CASES = [
    pytest.param(
        DEPLOYMENT,
        {"b": live(UP | {"conditions": [], "collisionCount": 1}), "a": live(UP | {"readyReplicas": 1}, generation=2)},
        {"replicas": 6, "readyReplicas": 4, "updatedReplicas": 6, "availableReplicas": 6, "allObserved": False},
        id="Deployment",
    ),
    pytest.param(
        DAEMON,
        {"a": live(seen(numberReady=1, desiredNumberScheduled=2)), "b": live(seen(numberReady=3))},
        {"numberReady": 4, "desiredNumberScheduled": 2, "allObserved": True},
        id="DaemonSet",
    ),
    pytest.param(
        SERVICE,
        {"b": live(ADDRESS), "a": live({"loadBalancer": {"ingress": [{"ip": "2"}, {"ip": "1"}]}}), "c": live({})},
        {
            "loadBalancer": {
                "ingress": [
                    {"ip": "1", "cluster": "a"},
                    {"ip": "2", "cluster": "a"},
                    {"ip": "10.0.0.1", "cluster": "b"},
                ]
            }
        },
        id="Service keeps whose address it is",
    ),
    pytest.param(
        JOB,
        {
            "a": live(
                seen(condition("Complete", "True"), succeeded=2, startTime="2026-01-02", completionTime="2026-01-03")
            ),
            "b": live(
                seen(condition("Failed", "True", "BackoffLimitExceeded", "too often"), failed=3, startTime="2026-01-01")
            ),
        },
        {
            "succeeded": 2,
            "failed": 3,
            "startTime": "2026-01-01",
            "conditions": [
                {"type": "Complete", "status": "False", "message": "b"},
                {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "b: too often"},
            ],
        },
        id="Job failed in one cluster",
    ),
    pytest.param(
        JOB,
        {
            name: live(seen(condition("Complete", "True"), completionTime=f"2026-01-0{n}"))
            for n, name in enumerate("ab", 1)
        },
        {"completionTime": "2026-01-02", "conditions": [{"type": "Complete", "status": "True"}]},
        id="Job complete in all clusters",
    ),
    pytest.param(
        CRON,
        {
            "b": live({"active": [{"name": "w-2"}], "lastScheduleTime": "2026-01-02T00:00:00Z"}),
            "a": live({"active": [{"name": "w-3"}, {"name": "w-1"}], "lastScheduleTime": "2026-01-01T00:00:00Z"}),
        },
        {
            "lastScheduleTime": "2026-01-02T00:00:00Z",
            "active": [
                {"cluster": "a", "name": "w-1"},
                {"cluster": "a", "name": "w-3"},
                {"cluster": "b", "name": "w-2"},
            ],
        },
        id="CronJob",
    ),
    pytest.param(
        POD,
        {
            "a": pod("Running", condition("Ready", "True")),
            "b": pod("Pending", waiting="CrashLoopBackOff"),
            "c": live({}),
        },
        {"phase": "Pending", "pods": 3, "readyPods": 1, "restarts": 2},
        id="Pod",
    ),
    pytest.param(
        CLAIM,
        {"a": live({"phase": "Bound"}), "b": live({"phase": "Pending"}), "c": live({"phase": "Bound"}), "d": live({})},
        {"phase": "Pending", "phases": {"Bound": 2, "Pending": 1}},
        id="PersistentVolumeClaim",
    ),
    pytest.param(
        BUDGET,
        {
            "a": live(seen(currentHealthy=2, desiredHealthy=1, disruptedPods={"w-1": "2026-01-01"})),
            "b": live(seen(currentHealthy=1, desiredHealthy=1)),
        },
        {"currentHealthy": 3, "desiredHealthy": 2, "allObserved": True, "disruptedPods": ["a/w-1"]},
        id="PodDisruptionBudget",
    ),
    pytest.param(
        SCALER,
        {
            "a": live({"currentReplicas": 2, "desiredReplicas": 3}),
            "b": live({"currentReplicas": 1, "desiredReplicas": 1}),
        },
        {"currentReplicas": 3, "desiredReplicas": 4},
        id="HorizontalPodAutoscaler",
    ),
    pytest.param(
        NAMESPACE,
        {"a": live({"phase": "Active"}), "b": live({"phase": "Terminating"})},
        {"phase": "Terminating", "phases": {"Active": 1, "Terminating": 1}},
        id="Namespace",
    ),
    pytest.param(
        CUSTOM,
        {
            "a": live(seen(condition("Ready", "True", "Up"), phase="Done", secret={"x": 1})),
            "b": live(seen(condition("Ready", "False", "NoDisk", "disk is full"), phase="Running")),
        },
        {
            "allObserved": True,
            "phases": {"Done": 1, "Running": 1},
            "conditions": [{"type": "Ready", "status": "False", "reason": "NoDisk", "message": "b: disk is full"}],
        },
        id="custom resource",
    ),
]


@pytest.mark.parametrize(("kind", "clusters", "expected"), CASES)
def test_the_sum_over_clusters(kind: str, clusters: dict[str, Any], expected: dict[str, Any]) -> None:
    reflected = {cluster: reflect(key(kind), thing) for cluster, thing in clusters.items()}
    assert aggregate(key(kind), reflected) == expected
    backwards = dict(reversed(reflected.items()))
    assert canonical_json(aggregate(key(kind), backwards)) == canonical_json(expected)


def test_no_clusters_have_no_status() -> None:
    assert aggregate(key(DEPLOYMENT), {}) == {}


def test_what_changes_by_itself_is_not_kept() -> None:
    status = seen(condition("Ready", "True", lastProbeTime="x", lastTransitionTime="y"), phase="Up", nested={"a": 1})
    assert reflect(key(CUSTOM), live(status)) == {
        "generation": 1,
        "observedGeneration": 1,
        "phase": "Up",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "y"}],
    }


KINDS = st.sampled_from(
    [
        DEPLOYMENT,
        STATEFUL,
        DAEMON,
        REPLICA_SET,
        JOB,
        CRON,
        POD,
        SERVICE,
        INGRESS,
        CLAIM,
        VOLUME,
        BUDGET,
        SCALER,
        NAMESPACE,
        CUSTOM,
    ]
)
COUNTERS = st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 99), "readyReplicas": st.integers(0, 99)})


@given(st.dictionaries(st.sampled_from("abcdef"), COUNTERS, min_size=1))
def test_sums_are_sums(clusters: dict[str, dict[str, int]]) -> None:
    total = aggregate(
        key(DEPLOYMENT), {name: reflect(key(DEPLOYMENT), live(status)) for name, status in clusters.items()}
    )
    for name in ("replicas", "readyReplicas"):
        assert total.get(name, 0) == sum(status.get(name, 0) for status in clusters.values())


FIELDS = st.sampled_from(
    [
        "phase",
        "conditions",
        "active",
        "loadBalancer",
        "ingress",
        "replicas",
        "containerStatuses",
        "disruptedPods",
        "type",
        "status",
        "state",
        "waiting",
        "reason",
        "message",
        "observedGeneration",
        "startTime",
        "lastScheduleTime",
        "name",
    ]
)
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["True", "Ready", "Failed", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=15,
)


@given(KINDS, st.lists(GARBAGE, min_size=1, max_size=3), GARBAGE, GARBAGE)
def test_garbage_from_a_member_breaks_nothing(kind: str, statuses: list[Any], spec: Any, metadata: Any) -> None:
    things = {str(n): {"metadata": metadata, "spec": spec, "status": status} for n, status in enumerate(statuses)}
    for thing in things.values():
        health(key(kind), thing)
        replica_counts(key(kind), thing)
    reflected = {cluster: reflect(key(kind), thing) for cluster, thing in things.items()}
    canonical_json(aggregate(key(kind), reflected))
