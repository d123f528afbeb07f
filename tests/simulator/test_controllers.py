"""What moves by itself: workloads become ready within capacity, addresses come, budgets count."""

from typing import Any

import pytest

from fedsvc.simulator import Options, SimulatedCluster, SimulatedClusterSpec
from fedsvc.simulator.kinds import KindKey
from fedsvc.simulator.registry import Deletion, Write
from fedsvc.simulator.store import Stored

DEPLOYMENTS: KindKey = ("apps", "deployments")
PODS: KindKey = ("", "pods")
SPEC = SimulatedClusterSpec(name="eu-1", region="eu", zones=("eu-a", "eu-b"), nodes=2, cpu="4", memory="8Gi")


@pytest.fixture
def cluster() -> SimulatedCluster:
    made = SimulatedCluster(SPEC, Options())
    made.controllers.settle()
    return made


def create(cluster: SimulatedCluster, key: KindKey, name: str, **parts: Any) -> Stored:
    kind = cluster.kind(key)
    namespace = "default" if kind.namespaced else ""
    document = {"metadata": {"name": name}, **parts}
    stored = cluster.registry.create(kind, kind.versions[0], namespace, document, Write(manager="test"))
    cluster.controllers.settle()
    return stored


def patch_spec(cluster: SimulatedCluster, key: KindKey, name: str, **spec: Any) -> None:
    stored = read(cluster, key, name)
    document = {**stored.body, "spec": {**stored.spec, **spec}}
    cluster.registry.update(
        stored.kind, stored.kind.versions[0], stored.namespace, name, document, Write(manager="test")
    )


def read(cluster: SimulatedCluster, key: KindKey, name: str) -> Stored:
    kind = cluster.kind(key)
    return cluster.registry.read(kind, "default" if kind.namespaced else "", name)


def pods(cluster: SimulatedCluster) -> list[Stored]:
    return cluster.store.all(cluster.kind(PODS))


def template(image: str = "web:1", **requests: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": image}
    if requests:
        container["resources"] = {"requests": requests}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def workload(replicas: int | None = None, image: str = "web:1", **requests: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}, "template": template(image, **requests)}
    return {"spec": spec if replicas is None else {**spec, "replicas": replicas}}


def counts(stored: Stored) -> tuple[int, int, int]:
    status = stored.status
    return status.get("replicas", 0), status.get("readyReplicas", 0), status.get("updatedReplicas", 0)


def test_a_deployment_becomes_ready_on_nodes_of_its_cluster(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "web", **workload(3))
    found = read(cluster, DEPLOYMENTS, "web")
    assert counts(found) == (3, 3, 3)
    assert found.status["observedGeneration"] == 1
    conditions = {item["type"]: item["status"] for item in found.status["conditions"]}
    assert conditions == {"Available": "True", "Progressing": "True"}
    assert {pod.spec["nodeName"] for pod in pods(cluster)} == {"eu-1-node-1", "eu-1-node-2"}
    assert {pod.status["phase"] for pod in pods(cluster)} == {"Running"}


def test_what_does_not_fit_stays_pending_until_there_is_room(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "web", **workload(6, cpu="2"))
    found = read(cluster, DEPLOYMENTS, "web")
    assert counts(found) == (6, 4, 6)
    waiting = [pod for pod in pods(cluster) if pod.status["phase"] == "Pending"]
    (condition,) = [item for item in waiting[0].status["conditions"] if item["type"] == "PodScheduled"]
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"] == "0/2 nodes are available: 2 Insufficient cpu."
    patch_spec(cluster, DEPLOYMENTS, "web", replicas=4)
    cluster.controllers.settle()
    assert counts(read(cluster, DEPLOYMENTS, "web")) == (4, 4, 4)


def test_room_that_becomes_free_is_used(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "first", **workload(4, cpu="2"))
    create(cluster, DEPLOYMENTS, "second", **workload(2, cpu="2"))
    assert counts(read(cluster, DEPLOYMENTS, "second")) == (2, 0, 2)
    patch_spec(cluster, DEPLOYMENTS, "first", replicas=2)
    cluster.controllers.settle()
    assert counts(read(cluster, DEPLOYMENTS, "second")) == (2, 2, 2)


def test_a_rollout_replaces_all_pods_and_never_falls_below_its_floor(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "web", **workload(4))
    lowest = 4

    def watch_floor(_event: object) -> None:
        nonlocal lowest
        ready = sum(
            1
            for pod in pods(cluster)
            if any(item["type"] == "Ready" and item["status"] == "True" for item in pod.status.get("conditions", ()))
        )
        lowest = min(lowest, ready)

    cluster.store.listeners.append(watch_floor)
    patch_spec(cluster, DEPLOYMENTS, "web", template=template("web:2"))
    cluster.controllers.settle()
    found = read(cluster, DEPLOYMENTS, "web")
    assert counts(found) == (4, 4, 4)
    assert {pod.spec["containers"][0]["image"] for pod in pods(cluster)} == {"web:2"}
    assert lowest >= 3


def test_an_image_that_cannot_be_pulled_never_becomes_ready(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "web", **workload(2, "web-broken:1"))
    assert counts(read(cluster, DEPLOYMENTS, "web")) == (2, 0, 2)
    state = pods(cluster)[0].status["containerStatuses"][0]["state"]
    assert state["waiting"]["reason"] == "ImagePullBackOff"


def test_a_bad_rollout_stops_and_the_old_pods_serve(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "web", **workload(4))
    patch_spec(cluster, DEPLOYMENTS, "web", template=template("web:fail"))
    cluster.controllers.settle()
    ready = read(cluster, DEPLOYMENTS, "web").status["readyReplicas"]
    assert ready == 3


def test_a_stateful_set_has_pods_by_number_and_claims(cluster: SimulatedCluster) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    body = workload(3)
    body["spec"] |= {"serviceName": "db", "volumeClaimTemplates": [claim]}
    create(cluster, ("apps", "statefulsets"), "db", **body)
    found = read(cluster, ("apps", "statefulsets"), "db")
    assert counts(found) == (3, 3, 3)
    assert sorted(pod.name for pod in pods(cluster)) == ["db-0", "db-1", "db-2"]
    claims = cluster.store.all(cluster.kind(("", "persistentvolumeclaims")))
    assert [(item.name, item.status["phase"]) for item in claims] == [
        ("data-db-0", "Bound"),
        ("data-db-1", "Bound"),
        ("data-db-2", "Bound"),
    ]


def test_a_daemon_set_has_a_pod_on_every_node(cluster: SimulatedCluster) -> None:
    create(cluster, ("apps", "daemonsets"), "agent", **workload())
    status = read(cluster, ("apps", "daemonsets"), "agent").status
    assert (status["desiredNumberScheduled"], status["numberReady"], status["numberAvailable"]) == (2, 2, 2)


def test_a_job_completes(cluster: SimulatedCluster) -> None:
    body = template()
    body["spec"]["restartPolicy"] = "Never"
    create(cluster, ("batch", "jobs"), "once", spec={"template": body, "completions": 2, "parallelism": 2})
    status = read(cluster, ("batch", "jobs"), "once").status
    assert status["succeeded"] == 2
    assert [item["type"] for item in status["conditions"] if item["status"] == "True"] == ["Complete"]


def test_load_balancers_get_addresses_of_their_own(cluster: SimulatedCluster) -> None:
    ports = [{"port": 80}]
    create(cluster, ("", "services"), "one", spec={"type": "LoadBalancer", "ports": ports})
    create(cluster, ("", "services"), "two", spec={"type": "LoadBalancer", "ports": ports})
    create(cluster, ("networking.k8s.io", "ingresses"), "one", spec={"rules": [{"host": "a.example.com"}]})
    found = [
        read(cluster, key, name).status["loadBalancer"]["ingress"][0]["ip"]
        for key, name in (
            (("", "services"), "one"),
            (("", "services"), "two"),
            (("networking.k8s.io", "ingresses"), "one"),
        )
    ]
    assert len(set(found)) == 3
    service = read(cluster, ("", "services"), "one")
    assert service.spec["clusterIP"] != read(cluster, ("", "services"), "two").spec["clusterIP"]
    assert 30000 <= service.spec["ports"][0]["nodePort"] <= 32767


def test_a_budget_counts_its_pods(cluster: SimulatedCluster) -> None:
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    create(cluster, ("policy", "poddisruptionbudgets"), "web", spec=spec)
    create(cluster, DEPLOYMENTS, "web", **workload(3))
    status = read(cluster, ("policy", "poddisruptionbudgets"), "web").status
    assert (status["currentHealthy"], status["desiredHealthy"], status["disruptionsAllowed"]) == (3, 2, 1)


def test_a_cordoned_node_takes_no_more(cluster: SimulatedCluster) -> None:
    patch_spec(cluster, ("", "nodes"), "eu-1-node-1", unschedulable=True)
    create(cluster, DEPLOYMENTS, "web", **workload(3))
    assert {pod.spec["nodeName"] for pod in pods(cluster)} == {"eu-1-node-2"}


def test_a_deployment_goes_with_all_it_owns(cluster: SimulatedCluster) -> None:
    create(cluster, DEPLOYMENTS, "web", **workload(3))
    kind = cluster.kind(DEPLOYMENTS)
    cluster.registry.delete(kind, "default", "web", Deletion(propagation="Foreground"))
    cluster.controllers.settle()
    assert cluster.store.get(kind, "default", "web") is None
    assert pods(cluster) == []
    assert cluster.store.all(cluster.kind(("apps", "replicasets"))) == []


def test_without_pod_objects_workloads_only_count() -> None:
    cluster = SimulatedCluster(SPEC, Options(pod_objects=False))
    cluster.controllers.settle()
    create(cluster, DEPLOYMENTS, "web", **workload(3))
    create(cluster, DEPLOYMENTS, "huge", **workload(9, cpu="2"))
    assert counts(read(cluster, DEPLOYMENTS, "web")) == (3, 3, 3)
    assert counts(read(cluster, DEPLOYMENTS, "huge")) == (9, 4, 9)
    assert pods(cluster) == []


def test_a_template_that_makes_bad_pods_does_not_stop_the_others(cluster: SimulatedCluster) -> None:
    body = workload(1)
    body["spec"]["template"]["spec"]["containers"][0]["name"] = "c"
    body["spec"]["template"]["metadata"]["annotations"] = {"fine": "yes"}
    create(cluster, DEPLOYMENTS, "a" * 250, **body)
    create(cluster, DEPLOYMENTS, "web", **workload(1))
    assert counts(read(cluster, DEPLOYMENTS, "web")) == (1, 1, 1)
