"""Names of objects: "clusters/eu-1", "namespaces/shop/units/web"; and short forms of them that people write."""

from fedsvc_client._errors import ConfigurationError

DEFAULT_NAMESPACE = "default"


def cluster_name(cluster: str) -> str:
    """Return the name of a cluster given as "eu-1" or "clusters/eu-1"."""
    return cluster if cluster.startswith("clusters/") else f"clusters/{cluster}"


def unit_name(unit: str, namespace: str = DEFAULT_NAMESPACE) -> str:
    """Return the name of a unit given as "web", "shop/web" or "namespaces/shop/units/web".

    Args:
        unit: The unit.
        namespace: Its namespace, where `unit` tells none.

    Raises:
        ConfigurationError: It is none of the three.
    """
    parts = unit.split("/")
    if len(parts) == 4 and parts[0] == "namespaces" and parts[2] == "units":
        return unit
    if len(parts) == 2 and all(parts):
        return f"namespaces/{parts[0]}/units/{parts[1]}"
    if len(parts) == 1 and unit:
        return f"namespaces/{namespace}/units/{unit}"
    raise ConfigurationError(
        f"{unit!r} is no name of a unit: write NAME, NAMESPACE/NAME or namespaces/NAMESPACE/units/NAME"
    )


def rollout_name(unit: str) -> str:
    """Return the name of the rollout of a unit, which is given as for `unit_name`."""
    return f"{unit_name(unit)}/rollout"


def split_unit_name(name: str) -> tuple[str, str]:
    """Return (namespace, unit) of a unit's name."""
    _, namespace, _, unit = unit_name(name).split("/")
    return namespace, unit


def placement_policy_name(policy: str) -> str:
    """Return the name of a placement policy given by its id or name."""
    return policy if policy.startswith("placementPolicies/") else f"placementPolicies/{policy}"


def override_policy_name(policy: str) -> str:
    """Return the name of an override policy given by its id or name."""
    return policy if policy.startswith("overridePolicies/") else f"overridePolicies/{policy}"


def zone_name(zone: str) -> str:
    """The API name of a zone, from its id or itself."""
    return zone if zone.startswith("zones/") else f"zones/{zone}"


def status_policy_name(policy: str) -> str:
    """Return the name of a status policy given by its id or name."""
    return policy if policy.startswith("statusPolicies/") else f"statusPolicies/{policy}"


def decision_name(decision: str) -> str:
    """Return the name of a decision given by its id or name."""
    return decision if decision.startswith("decisions/") else f"decisions/{decision}"


def last_part(name: str) -> str:
    """Return the id at the end of a name: "eu-1" of "clusters/eu-1"."""
    return name.rsplit("/", 1)[-1]
