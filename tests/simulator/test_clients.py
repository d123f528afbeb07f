"""Clients that were not written for it: kubectl, and the official Python client, typed and dynamic."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.config import new_client_from_config
from kubernetes.dynamic import DynamicClient

from fedsvc.simulator import Simulator

MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}], type: LoadBalancer}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, shortNames: [gd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: integer}}}}
"""
GADGET = """
apiVersion: example.com/v1
kind: Gadget
metadata: {name: one, namespace: shop}
spec: {size: 1}
"""

Kubectl = Callable[..., Any]


@pytest.fixture
async def kubectl(simulator: Simulator, tmp_path: Path, require: Callable[[str], None]) -> Kubectl:
    """Run kubectl against the first cluster: its output; asserts that it succeeds unless told otherwise."""
    program = shutil.which("kubectl")
    if program is None:
        require("no kubectl on PATH")
    config = tmp_path / "kubeconfig"
    simulator.write_kubeconfig(config)

    async def run(*arguments: str, stdin: str = "", fails: bool = False) -> str:
        assert program is not None
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"KUBECONFIG": str(config), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        try:
            async with asyncio.timeout(60):
                out, error = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert (process.returncode != 0) is fails, error.decode()
        return (error if fails else out).decode()

    return run


async def test_kubectl_applies_waits_reads_and_deletes(kubectl: Kubectl) -> None:
    out = await kubectl("apply", "-f", "-", stdin=MANIFESTS)
    assert "deployment.apps/web created" in out
    await kubectl("rollout", "status", "deployment/web", "-n", "shop", "--timeout=20s")
    await kubectl("wait", "--for=condition=Established", "crd/gadgets.example.com", "--timeout=20s")
    assert "gadget.example.com/one created" in await kubectl("apply", "-f", "-", stdin=GADGET)
    unchanged = await kubectl("apply", "-f", "-", stdin=MANIFESTS)
    assert {line.rpartition(" ")[2] for line in unchanged.splitlines()} == {"unchanged"}
    changed = await kubectl("apply", "-f", "-", stdin=MANIFESTS.replace("replicas: 2", "replicas: 3"))
    assert "deployment.apps/web configured" in changed
    await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "-n", "shop", "--timeout=20s")
    table = await kubectl("get", "deployments,pods,services,gd", "-n", "shop")
    assert "3/3" in table
    assert table.count("Running") == 3
    assert "LoadBalancer" in table
    assert "web" in await kubectl("get", "deploy", "-A", "-l", "app=web", "-o", "name")
    assert "Unschedulable" not in await kubectl("describe", "deployment", "web", "-n", "shop")
    await kubectl("scale", "deployment/web", "-n", "shop", "--replicas=1")
    await kubectl("delete", "gadget", "one", "-n", "shop")
    await kubectl("delete", "namespace", "shop", "--timeout=30s")
    assert "not found" in await kubectl("get", "namespace", "shop", fails=True)


async def test_kubectl_applies_on_the_server(kubectl: Kubectl) -> None:
    await kubectl("apply", "--server-side", "-f", "-", stdin=MANIFESTS)
    out = await kubectl("apply", "--server-side", "-f", "-", stdin=MANIFESTS.replace("web:1", "web:2"))
    assert "deployment.apps/web serverside-applied" in out
    refused = await kubectl(
        "apply",
        "--server-side",
        "--field-manager=other",
        "-f",
        "-",
        stdin=MANIFESTS.replace("web:1", "web:3"),
        fails=True,
    )
    assert 'conflict with "kubectl": .spec.template.spec.containers[name="web"].image' in refused
    document = json.loads(
        await kubectl("get", "deployment", "web", "-n", "shop", "-o", "json", "--show-managed-fields")
    )
    managers = {(entry["manager"], entry["operation"]) for entry in document["metadata"]["managedFields"]}
    assert ("kubectl", "Apply") in managers


async def test_kubectl_edits_in_all_its_ways(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=a=1")
    await kubectl("label", "configmap", "c", "team=web")
    await kubectl("annotate", "configmap", "c", "note=x")
    await kubectl("patch", "configmap", "c", "--type=merge", "-p", '{"data":{"b":"2"}}')
    await kubectl("create", "deployment", "d", "--image=d:1")
    await kubectl("set", "image", "deployment/d", "d=d:2")
    await kubectl("set", "env", "deployment/d", "A=1")
    assert "configmap/c patched" in await kubectl(
        "patch", "configmap", "c", "--type=json", "-p", '[{"op":"remove","path":"/data/a"}]'
    )
    document = json.loads(await kubectl("get", "configmap", "c", "-o", "json"))
    assert document["data"] == {"b": "2"}
    assert document["metadata"]["labels"] == {"team": "web"}
    assert (await kubectl("auth", "can-i", "create", "deployments")).strip() == "yes"
    assert "Kubernetes control plane" in await kubectl("cluster-info")
    assert "eu-1-node-1" in await kubectl("get", "nodes", "-o", "wide")
    assert "deployments" in await kubectl("api-resources")
    await kubectl("delete", "configmaps", "--all", "--wait=false")


async def test_the_official_client_typed(simulator: Simulator, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    simulator.write_kubeconfig(config)
    await asyncio.to_thread(_use_typed_client, config)


def _use_typed_client(config: Path) -> None:
    with new_client_from_config(str(config), context="eu-1") as api:
        core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
        assert {node.metadata.labels["topology.kubernetes.io/region"] for node in core.list_node().items} == {"eu"}
        core.create_namespaced_config_map("default", {"metadata": {"name": "c"}, "data": {"a": "1"}})
        assert core.read_namespaced_config_map("c", "default").data == {"a": "1"}
        labels = {"app": "web"}
        body = {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}},
            },
        }
        apps.create_namespaced_deployment("default", body)
        deadline = time.monotonic() + 20
        while (apps.read_namespaced_deployment("web", "default").status.ready_replicas or 0) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        seen = set()
        for event in watch.Watch().stream(core.list_namespaced_pod, "default", timeout_seconds=5):
            seen.add(event["object"].status.phase)
            if len(seen) == 1 and "Running" in seen:
                break
        assert client.VersionApi(api).get_code().git_version == "v1.31.4"
        core.delete_namespaced_config_map("c", "default")


async def test_the_official_client_dynamic(simulator: Simulator, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    simulator.write_kubeconfig(config)
    await asyncio.to_thread(_use_dynamic_client, config)


def _use_dynamic_client(config: Path) -> None:
    with new_client_from_config(str(config), context="us-1") as api:
        dynamic = DynamicClient(api)
        maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "default"},
            "data": {"a": "1"},
        }
        made = dynamic.server_side_apply(maps, body=body, name="c", namespace="default", field_manager="tester")
        assert made.data.a == "1"
        assert [item.metadata.name for item in maps.get(namespace="default", label_selector="!none").items] == [
            "c",
            "kube-root-ca.crt",
        ]
        deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
        assert deployments.namespaced
        maps.delete(name="c", namespace="default")
