"""Breaking and healing simulated clusters, over the control address of the simulator."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fedctl.failures import Exit, Failure

_DEADLINE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCluster:
    """One cluster as the simulator tells of it."""

    name: str
    region: str
    outage: str  # "none", or how it is gone


class Simulator:
    """The running simulator."""

    def __init__(self, ready_file: Path, kubeconfig: Path) -> None:
        self._url = str(json.loads(ready_file.read_text())["url"])
        authority = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"].get(
            "certificate-authority-data", ""
        )
        self._tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode()) if authority else None

    def clusters(self) -> list[SimulatedCluster]:
        """Return all clusters."""
        return _read(self._call("GET", "clusters"))

    def kill(self, name: str) -> list[SimulatedCluster]:
        """Let a cluster, or all of a region, refuse every connection; return those."""
        scope = self._scope(name)
        return _read(self._call("PATCH", f"{scope}/{name}/faults", {"outage": "refused"}))

    def heal(self, name: str) -> list[SimulatedCluster]:
        """Take all faults from a cluster, all of a region, or all there are (an empty name); return those."""
        if name:
            return _read(self._call("DELETE", f"{self._scope(name)}/{name}/faults"))
        return [healed for cluster in self.clusters() for healed in self.heal(cluster.name)]

    def _scope(self, name: str) -> str:
        clusters = self.clusters()
        if any(cluster.name == name for cluster in clusters):
            return "clusters"
        if any(cluster.region == name for cluster in clusters):
            return "regions"
        regions = ", ".join(dict.fromkeys(cluster.region for cluster in clusters))
        names = ", ".join(cluster.name for cluster in clusters)
        raise Failure(
            f"there is no region or cluster {name!r} in the demo",
            code=Exit.NOT_FOUND,
            hint=f"Regions: {regions}. Clusters: {names}.",
        )

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address comes from our own file
            f"{self._url}/_simulator/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        # Proxies of the environment are not for this machine's own addresses.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            with opener.open(request, timeout=_DEADLINE_SECONDS) as answer:
                return json.load(answer)
        except (urllib.error.URLError, TimeoutError) as error:
            raise Failure(f"the simulator does not answer: {error}", code=Exit.UNREACHABLE) from error


def _read(answer: dict[str, Sequence[dict[str, Any]]]) -> list[SimulatedCluster]:
    return [
        SimulatedCluster(name=item["name"], region=item["region"], outage=item["faults"]["outage"])
        for item in answer["clusters"]
    ]
