"""What a caller supposes to be different, checked against what is there."""

import difflib
from collections.abc import Collection, Sequence
from typing import Final

from fedsvc.api.convert.placement import read_placement
from fedsvc.api.intent.placement import check_placement
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.problems import Problems
from fedsvc.rendering.names import label_value_problem
from fedsvc.store import policies
from fedsvc.store.store import Transaction
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_placement import Fleet, Placement, Trigger
from fedsvc_placement.whatif import Addition, Supposition

MAX_ADDED: Final = 1_000
MAX_PERCENT: Final = 10_000

_SHOWN: Final = 10


async def read_supposition(tx: Transaction, request: pb.SimulatePlacementRequest, fleet: Fleet) -> Supposition:
    """What is supposed to be different.

    Raises:
        InvalidInputError: the request contradicts itself, or speaks of what is not there.
    """
    problems = Problems()
    placement = await _placement(tx, request, problems)
    if not 0 <= request.replicas_percent <= MAX_PERCENT:
        problems.add("replicas_percent", f"is {request.replicas_percent}; it must be from 0 to {MAX_PERCENT}")
    names = {cluster.name for cluster in fleet.clusters}
    regions = {cluster.region for cluster in fleet.clusters}
    zones = {zone for cluster in fleet.clusters for zone in cluster.zones}
    providers = {cluster.provider for cluster in fleet.clusters}
    _check_lost(request.lost_clusters, names, "lost_clusters", "cluster", problems)
    _check_lost(request.lost_regions, regions, "lost_regions", "region", problems)
    _check_lost(request.lost_zones, zones, "lost_zones", "zone", problems)
    _check_lost(request.lost_providers, providers, "lost_providers", "provider", problems)
    _check_added(request.added_clusters, names, problems)
    problems.refuse()
    return Supposition(
        lost_clusters=frozenset(request.lost_clusters),
        lost_regions=frozenset(request.lost_regions),
        lost_zones=frozenset(request.lost_zones),
        lost_providers=frozenset(request.lost_providers),
        added=tuple(
            Addition(like=entry.like, count=entry.count or 1, region=entry.region) for entry in request.added_clusters
        ),
        replicas_percent=request.replicas_percent or 100,
        placement=placement,
    )


def trigger_of(supposition: Supposition) -> str:
    """What would give rise to the decisions, did it come true: it tells whether units may move that could stay."""
    if supposition.placement is not None or supposition.replicas_percent != 100:
        return Trigger.INTENT
    return Trigger.CLUSTER_JOINED if supposition.added else Trigger.OTHER


async def _placement(tx: Transaction, request: pb.SimulatePlacementRequest, problems: Problems) -> Placement | None:
    name = request.placement_policy
    if request.HasField("placement"):
        placement = read_placement(request.placement, "placement", problems)
        check_placement(placement, "placement", problems)
        if name:
            problems.add("placement_policy", "contradicts placement: give one of the two")
        return placement
    if not name:
        return None
    found = (await policies.get_many(tx, policies.PLACEMENT, [name])).get(name)
    if found is not None:
        return found.spec
    listed = await policies.list_page(tx, policies.PLACEMENT, after="", limit=MAX_LISTED)
    problems.add("placement_policy", _unknown("placement policy", name, {policy.name for policy in listed}))
    return None


def _check_lost(given: Sequence[str], known: Collection[str], path: str, what: str, problems: Problems) -> None:
    if len(given) > MAX_LISTED:
        problems.add(path, f"has {len(given)} entries; at most {MAX_LISTED} are accepted")
        return
    for index, name in enumerate(given):
        if not name or name not in known:
            problems.add(f"{path}[{index}]", _unknown(what, name, known))


def _check_added(added: Sequence[pb.AddedClusters], names: Collection[str], problems: Problems) -> None:
    if sum(max(entry.count, 1) for entry in added) > MAX_ADDED:
        problems.add("added_clusters", f"are more than {MAX_ADDED} together")
        return
    for index, entry in enumerate(added):
        at = f"added_clusters[{index}]"
        if entry.like not in names:
            problems.add(f"{at}.like", _unknown("cluster", entry.like, names))
        if entry.count < 0:
            problems.add(f"{at}.count", f"is {entry.count}; it must be 0 or more")
        if entry.region and (problem := label_value_problem(entry.region)) is not None:
            problems.add(f"{at}.region", problem)


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    there = sorted(set(known) - {""})
    shown = difflib.get_close_matches(name, there, n=3) or there[:_SHOWN]
    more = f" and {len(there) - len(shown)} more" if len(there) > len(shown) else ""
    listed = f"there are: {', '.join(shown)}{more}" if there else "there are none"
    return f"is missing; {listed}" if not name else f"there is no {what} '{name[:64]}'; {listed}"
