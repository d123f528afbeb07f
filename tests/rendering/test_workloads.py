from typing import Any

import pytest

from fedsvc.rendering.keys import ObjectKey, key_of
from fedsvc.rendering.workloads import autoscaled, kinds_meant, needed_kinds, workload_of, workloads_of
from fedsvc_placement import ApiKind, WorkloadInput


def manifest(kind: str, name: str = "web", api: str = "apps/v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def autoscaler(kind: str, name: str, api: str = "apps/v1") -> dict[str, Any]:
    target = {"apiVersion": api, "kind": kind, "name": name}
    return manifest("HorizontalPodAutoscaler", "scale", "autoscaling/v2", scaleTargetRef=target, maxReplicas=9)


WORKLOADS = [
    pytest.param(manifest("Deployment", replicas=3), (3, None), id="replicas"),
    pytest.param(manifest("Deployment", replicas=0), (0, None), id="none wanted"),
    pytest.param(manifest("StatefulSet"), (1, None), id="the default is 1"),
    pytest.param(manifest("Deployment", replicas="three"), (1, None), id="nonsense counts as the default"),
    pytest.param(manifest("Job", api="batch/v1", parallelism=4, completions=10), (4, 10), id="job"),
    pytest.param(manifest("Job", api="batch/v1", completions=10), (1, 10), id="job, one at a time"),
    pytest.param(manifest("Job", api="batch/v1", parallelism=4), (4, None), id="work queue"),
]


@pytest.mark.parametrize(("template", "counts"), WORKLOADS)
def test_what_is_divided_of_a_workload(template: dict[str, Any], counts: tuple[int, int | None]) -> None:
    found = workload_of(key_of(template), template)

    assert found == WorkloadInput(key=str(key_of(template)), replicas=counts[0], completions=counts[1])


@pytest.mark.parametrize("template", [manifest("DaemonSet"), manifest("ConfigMap", api="v1")])
def test_other_kinds_are_not_divided(template: dict[str, Any]) -> None:
    assert workload_of(key_of(template), template) is None


def test_replicas_of_an_autoscaler_are_not_divided() -> None:
    templates = [
        manifest("Deployment"),
        manifest("Deployment", "other"),
        autoscaler("Deployment", "web", "apps/v1beta2"),
    ]
    listed = [(key_of(template), template) for template in templates]

    assert autoscaled(listed) == {("apps", "Deployment", "shop", "web")}
    assert [workload.key for workload in workloads_of(listed)] == ["apps/v1 Deployment shop/other"]


def key(group: str, version: str, kind: str, name: str = "x") -> ObjectKey:
    return ObjectKey(group=group, version=version, kind=kind, namespace="", name=name)


def test_kinds_that_a_unit_defines_itself_need_not_be_served() -> None:
    definition = key("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "gizmos.example.com")
    wanted = needed_kinds([definition, key("example.com", "v1", "Gizmo"), key("apps", "v1", "Deployment")])

    assert [kind.kind for kind in wanted] == ["CustomResourceDefinition", "Deployment"]


def test_a_kind_counts_as_served_in_all_versions_that_mean_the_same() -> None:
    served = kinds_meant([("batch", "v1beta1", "CronJob"), ("apps", "v1", "Deployment")])

    assert ApiKind(group="batch", version="v1", kind="CronJob") in served
    assert ApiKind(group="apps", version="v1beta1", kind="Deployment") not in served
