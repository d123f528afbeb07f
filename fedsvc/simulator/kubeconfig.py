"""Kubeconfigs of simulated clusters: one context for each, with the administrator's token."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from fedsvc.simulator.server import Simulator


def kubeconfig_document(simulator: "Simulator") -> dict[str, Any]:
    """A kubeconfig with all clusters; contexts, clusters and users are named like the simulated clusters."""
    authority = simulator.ca_pem
    trust = {"certificate-authority-data": base64.b64encode(authority.encode()).decode()} if authority else {}
    names = [cluster.name for cluster in simulator.clusters]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": names[0] if names else "",
        "clusters": [{"name": name, "cluster": {"server": simulator.server_of(name), **trust}} for name in names],
        "users": [{"name": name, "user": {"token": simulator.cluster(name).admin_token}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
    }


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write a kubeconfig that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
