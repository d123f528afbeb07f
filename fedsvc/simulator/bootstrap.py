"""What a new cluster has from its first moment: namespaces, nodes, roles, a storage class."""

from typing import Any

from fedsvc.simulator.rbac import RBAC_GROUP, default_bindings, default_roles
from fedsvc.simulator.spec import SimulatedClusterSpec

Document = dict[str, Any]
# (group, plural), namespace, document
Seed = tuple[tuple[str, str], str, Document]


def seeds(spec: SimulatedClusterSpec) -> list[Seed]:
    """The objects of a new cluster, in the order they are made."""
    out: list[Seed] = [
        (("", "namespaces"), "", {"metadata": {"name": name}})
        for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    out.extend(
        ((RBAC_GROUP, "clusterroles"), "", {"metadata": {"name": name}, "rules": rules})
        for name, rules in default_roles().items()
    )
    out.extend(
        (
            (RBAC_GROUP, "clusterrolebindings"),
            "",
            {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": RBAC_GROUP, "kind": "Group", "name": group}],
            },
        )
        for name, (role, group) in default_bindings().items()
    )
    out.append(
        (
            ("storage.k8s.io", "storageclasses"),
            "",
            {
                "metadata": {
                    "name": "standard",
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "simulated",
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "Immediate",
            },
        )
    )
    out.extend((("", "nodes"), "", node(spec, index)) for index in range(spec.nodes))
    out.append(
        (
            ("", "services"),
            "default",
            {
                "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
                "spec": {
                    "clusterIP": "10.96.0.1",
                    "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
                },
            },
        )
    )
    return out


def node(spec: SimulatedClusterSpec, index: int) -> Document:
    """One node; its status is part of the document, to be written beside."""
    name = f"{spec.name}-node-{index + 1}"
    labels = {
        "kubernetes.io/arch": spec.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "simulated",
    }
    if spec.region:
        labels["topology.kubernetes.io/region"] = spec.region
    if spec.zones:
        labels["topology.kubernetes.io/zone"] = spec.zones[index % len(spec.zones)]
    labels.update(spec.labels)
    resources = {"cpu": spec.cpu, "memory": spec.memory, "pods": str(spec.pods), "ephemeral-storage": "100Gi"}
    provider = spec.provider or "simulated"
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": f"{provider}://{spec.region or 'local'}/{name}"},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.{index // 250}.{index % 250 + 1}"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {
                "kubeletVersion": spec.kubernetes_version,
                "kubeProxyVersion": spec.kubernetes_version,
                "operatingSystem": "linux",
                "architecture": spec.architecture,
                "osImage": "Simulated Linux",
                "kernelVersion": "6.1.0",
                "containerRuntimeVersion": "containerd://1.7.0",
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
            },
        },
    }


def node_conditions(now: str) -> list[Document]:
    """The conditions of a healthy node."""
    return [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, reason, message in (
            ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "KubeletReady", "kubelet is posting ready status"),
        )
    ]
