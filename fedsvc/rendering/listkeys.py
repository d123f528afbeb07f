"""Which lists of Kubernetes' own schema are maps by a key, and which are sets, as server-side apply merges them.

Everything else is compared item by item. Source: the `x-kubernetes-list-type` and `x-kubernetes-list-map-keys` of the
published OpenAPI schemas. Only the comparison of what we want with what stands there reads this; the API server merges.
"""

from collections.abc import Mapping
from typing import Any, Final

# Field name -> candidate key fields; the first candidate whose first field all items carry is taken.
_LIST_MAPS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "volumes": (("name",),),
    "env": (("name",),),
    "imagePullSecrets": (("name",),),
    "secrets": (("name",),),
    "resourceClaims": (("name",),),
    "schedulingGates": (("name",),),
    "webhooks": (("name",),),
    "listeners": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "hostAliases": (("ip",),),
    "conditions": (("type",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
}

_SETS: Final = frozenset({"finalizers"})

_KEY_DEFAULTS: Final[Mapping[str, str]] = {"protocol": "TCP"}


def key_default(name: str) -> str | None:
    """The value of a key's field where an item leaves it out; None where it has none."""
    return _KEY_DEFAULTS.get(name)


def is_set(field: str) -> bool:
    """Whether a list of this name is a set of scalars, in which order and others' items do not matter."""
    return field in _SETS


def keyed_items(field: str, items: list[Any]) -> dict[str, Any] | None:
    """The items by their key, written as in paths (``name=web``); None where the list is no map or a key is doubled."""
    if not all(isinstance(item, dict) for item in items):
        return None
    for key_fields in _LIST_MAPS.get(field, ()):
        if all(key_fields[0] in item for item in items):
            keyed = {
                key_text({name: item.get(name, _KEY_DEFAULTS.get(name)) for name in key_fields}): item for item in items
            }
            return keyed if len(keyed) == len(items) else None
    return None


def key_text(key: Mapping[str, Any]) -> str:
    """A list map's key as people read it: ``name=web``, ``containerPort=80,protocol=TCP``."""
    return ",".join(f"{name}={key[name]}" for name in sorted(key))
