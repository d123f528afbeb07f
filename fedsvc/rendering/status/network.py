"""Service and Ingress: kinds that get addresses."""

from collections.abc import Mapping
from typing import Any

from fedsvc.rendering.canonical import JsonObject, canonical_json
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.health import HEALTHY, Health, items, part, progressing, text


def reflect(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """The addresses that the cluster's load balancer gave, sorted."""
    addresses = items(part(part(live, "status"), "loadBalancer"), "ingress")
    return {"loadBalancer": {"ingress": sorted(addresses, key=canonical_json)}} if addresses else {}


def aggregate(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """All addresses, each with its cluster."""
    addresses = [
        {**address, "cluster": cluster}
        for cluster, status in statuses.items()
        for address in items(part(status, "loadBalancer"), "ingress")
    ]
    return {"loadBalancer": {"ingress": addresses}} if addresses else {}


def service_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy, except a LoadBalancer that has no address yet."""
    if text(part(live, "spec"), "type") != "LoadBalancer" or _has_address(live):
        return HEALTHY
    return progressing("AddressPending", "the cluster has not given the Service a load balancer's address yet")


def ingress_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when a controller has given it an address."""
    if _has_address(live):
        return HEALTHY
    return progressing("AddressPending", "no ingress controller of the cluster has given an address yet")


def _has_address(live: Mapping[str, Any]) -> bool:
    addresses = items(part(part(live, "status"), "loadBalancer"), "ingress")
    return any(address.get("ip") or address.get("hostname") for address in addresses)
