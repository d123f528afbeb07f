"""Units that fedsvc makes itself: of each Service that clusters export, what the importing clusters hold (KEP-1645)."""

import hashlib
from collections.abc import Mapping
from typing import Final

from fedsvc.errors import UnitManagedError
from fedsvc.model.failover import FailoverMode, FailoverPolicy
from fedsvc.model.removal import RemovalBudget
from fedsvc.model.unit import Unit, UnitSpec
from fedsvc.rendering.marks import MARK_DOMAIN
from fedsvc.rendering.overrides import Override, ResourceMatcher
from fedsvc.rendering.patch import PatchOp, PatchOperation
from fedsvc_dns.planner.clusterset import IMPORT_KIND
from fedsvc_placement import ClusterMatcher, Placement, Toleration
from fedsvc_placement.model import TolerationOperator

IMPORT_LABEL: Final = f"{MARK_DOMAIN}/service-import"
"""Of such a unit; its value is the name of the Service."""

WITHDRAWN_ANNOTATION: Final = f"{MARK_DOMAIN}/withdrawn"
"""The clusters whose endpoints are left out, by name."""

_LONGEST: Final = 63


def import_unit_name(service: str) -> str:
    """What the unit of a Service that is exported is called, in the namespace of the Service."""
    name = f"imported-{service}"
    if len(name) <= _LONGEST:
        return name
    return f"{name[:50].rstrip('-')}-{hashlib.sha256(service.encode()).hexdigest()[:12]}"


def refuse_import(unit: Unit | None) -> None:
    """Refuse what is asked of a unit that fedsvc makes and changes itself.

    Raises:
        UnitManagedError: it is one.
    """
    if unit is not None and IMPORT_LABEL in unit.labels:
        raise UnitManagedError(unit.resource_name, service=f"{unit.namespace}/{unit.labels[IMPORT_LABEL]}")


def import_spec(clusters: tuple[str, ...], addresses: Mapping[str, tuple[str, ...]]) -> UnitSpec:
    """The intent of such a unit.

    Where the namespace is says where it is, and nothing else: it bears all taints and never moves. Who takes back its
    last export means it, so it may be emptied without a confirmation; how much goes at once is budgeted all the same.

    Args:
        clusters: that have the namespace.
        addresses: by cluster, of the derived Service there, as far as it has any.
    """
    overrides = (
        Override(
            clusters=ClusterMatcher(names=(cluster,)),
            target=ResourceMatcher(kind=IMPORT_KIND),
            patch=(PatchOperation(op=PatchOp.ADD, path="/spec/ips", value=list(ips)),),
        )
        for cluster, ips in sorted(addresses.items())
        if ips and cluster in clusters
    )
    return UnitSpec(
        placement=Placement(clusters=clusters, tolerations=(Toleration(operator=TolerationOperator.EXISTS),)),
        overrides=tuple(overrides),
        removals=RemovalBudget(allow_empty=True),
        failover=FailoverPolicy(mode=FailoverMode.NEVER),
    )
