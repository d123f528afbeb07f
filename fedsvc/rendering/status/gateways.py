"""Gateway and HTTPRoute of the Gateway API: where traffic enters, and which routes were let in."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject, canonical_json
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status import conditions
from fedsvc.rendering.status.health import items, part

_MAX_ADDRESSES: Final = 16
_MAX_PARENTS: Final = 32
"""As the Gateway API has them at most."""


def reflect_gateway(key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """What is kept of any kind, and its addresses, sorted."""
    kept = conditions.reflect(key, live)
    addresses = items(part(live, "status"), "addresses")[:_MAX_ADDRESSES]
    return kept | ({"addresses": sorted(addresses, key=canonical_json)} if addresses else {})


def aggregate_gateway(key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """What is summed up of any kind, and all addresses, each with its cluster."""
    addresses = [
        {**address, "cluster": cluster}
        for cluster, status in statuses.items()
        for address in items(status, "addresses")
    ]
    return conditions.aggregate(key, statuses) | ({"addresses": addresses} if addresses else {})


def reflect_route(key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """What is kept of any kind, and what each Gateway says of it."""
    parents = [
        {"parentRef": dict(part(parent, "parentRef")), "conditions": conditions.reduced_conditions(parent)}
        for parent in items(part(live, "status"), "parents")[:_MAX_PARENTS]
    ]
    return conditions.reflect(key, live) | ({"parents": sorted(parents, key=canonical_json)} if parents else {})
