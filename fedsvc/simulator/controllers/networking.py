"""Load balancers: services and ingresses get addresses that differ between clusters."""

import zlib
from typing import TYPE_CHECKING

from fedsvc.simulator.store import Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers


def reconcile_service(controllers: "Controllers", service: Stored) -> None:
    """Give a service of type LoadBalancer an address, take it from others."""
    wanted = service.spec.get("type") == "LoadBalancer"
    _balance(controllers, service, "service", wanted=wanted)


def reconcile_ingress(controllers: "Controllers", ingress: Stored) -> None:
    """Give an ingress an address."""
    _balance(controllers, ingress, "ingress", wanted=True)


def _balance(controllers: "Controllers", stored: Stored, what: str, *, wanted: bool) -> None:
    has = bool((stored.status.get("loadBalancer") or {}).get("ingress"))
    if has == wanted or stored.terminating:
        return
    if not wanted:
        controllers.registry.write_status(stored, {**stored.status, "loadBalancer": {}})
        return
    delay = controllers.timing.load_balancer_seconds
    if delay > 0 and not controllers.elapsed(stored, delay):
        controllers.after(delay, what, stored.uid)
        return
    address = _address(controllers.cluster.name, f"{what}/{stored.namespace}/{stored.name}")
    status = {**stored.status, "loadBalancer": {"ingress": [{"ip": address}]}}
    controllers.registry.write_status(stored, status, "cloud-controller-manager")


def _address(cluster: str, name: str) -> str:
    """An address of the network for benchmarking (RFC 2544): fixed for a name, a range of 256 for each cluster."""
    block = zlib.crc32(cluster.encode()) % 512
    host = zlib.crc32(name.encode()) % 254 + 1
    return f"198.{18 + block // 256}.{block % 256}.{host}"
