"""Templates of live objects: what a cluster and other tools wrote is left out, all else stays."""

import copy
from typing import Any

import pytest

from fedsvc.rendering.templates import is_readable, template_of


def live(kind: str, api_version: str = "v1", metadata: Any = None, **fields: Any) -> dict[str, Any]:
    own = {"name": "x", "namespace": "old", "uid": "1", "resourceVersion": "7", "managedFields": [{}]}
    return {"apiVersion": api_version, "kind": kind, "metadata": own | (metadata or {}), **fields}


SERVICE = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "nodePort": 30001}]}


@pytest.mark.parametrize(
    ("thing", "template", "left_out"),
    [
        pytest.param(
            live(
                "ConfigMap", data={"a": "1"}, metadata={"labels": {"work.karmada.io/x": "1"}, "annotations": {"a": "b"}}
            ),
            {"data": {"a": "1"}, "metadata": {"annotations": {"a": "b"}}},
            ['metadata.labels["work.karmada.io/x"]'],
            id="marks",
        ),
        pytest.param(
            live("Service", spec=SERVICE, status={"loadBalancer": {}}),
            {"spec": {"ports": [{"port": 80}]}},
            ["spec.clusterIP", "spec.clusterIPs", "spec.ports[*].nodePort", "status"],
            id="service",
        ),
        pytest.param(
            live("Service", spec={"clusterIP": "None", "clusterIPs": ["None"]}),
            {"spec": {"clusterIP": "None"}},
            ["spec.clusterIPs"],
            id="headless",
        ),
        pytest.param(
            live(
                "PersistentVolumeClaim",
                spec={"volumeName": "pv-1", "accessModes": ["ReadWriteOnce"]},
                metadata={"finalizers": ["kubernetes.io/pvc-protection"]},
            ),
            {"spec": {"accessModes": ["ReadWriteOnce"]}},
            ["metadata.finalizers[=kubernetes.io/pvc-protection]", "spec.volumeName"],
            id="claim",
        ),
        pytest.param(
            live("Deployment", "apps/v1", spec={"replicas": 0, "paused": False}, status={"replicas": 1}),
            {"spec": {"replicas": 0, "paused": False}},
            ["status"],
            id="zero and false stay",
        ),
        pytest.param(
            live("Broken", metadata={"labels": 1}, spec=1), {"spec": 1, "metadata": {"labels": 1}}, [], id="odd"
        ),
    ],
)
def test_a_template_has_what_people_wrote(thing: Any, template: dict[str, Any], left_out: list[str]) -> None:
    made = copy.deepcopy(thing)

    found = template_of(made)

    metadata = {"name": "x", "namespace": "old"} | template.pop("metadata", {})
    assert made == {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": metadata, **template}
    assert [
        path for path in found if path not in ("metadata.uid", "metadata.resourceVersion", "metadata.managedFields")
    ] == (left_out)


def test_secrets_do_not_leave_the_server() -> None:
    assert not is_readable(live("Secret"))
    assert is_readable(live("ConfigMap"))
    assert is_readable(live("Secret", "example.com/v1"))
