"""What a caller says of the fleet as a whole."""

from collections.abc import Iterable, Sequence
from typing import Final

from fedsvc.api.convert.common import read_matcher
from fedsvc.api.convert.fleet import read_fleet_spec, read_freeze
from fedsvc.api.intent.removal import check_budget
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.names import MAX_CLUSTER_ID, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.freeze import window_problems
from fedsvc.rendering.names import dns_label_problem, label_key_problem, label_value_problem
from fedsvc.v1 import fleet_pb2
from fedsvc_placement import Headroom, Topology
from fedsvc_placement.validate import validate_matcher

MAX_DISTANCE_MS: Final = 600_000
MAX_DISTANCES: Final = 10_000
MAX_FREEZES: Final = 100


def read_fleet(message: fleet_pb2.FleetSettingsSpec, path: str, problems: Problems) -> FleetSpec:
    """The checked settings; what is wrong goes into `problems`, under `path`."""
    _check_distances(message.distances, f"{path}.distances", problems)
    _check_datasets(message.datasets, f"{path}.datasets", problems)
    _check_freezes(message.freezes, f"{path}.freezes", problems)
    check_budget(message.removals, f"{path}.removals", problems, of_unit=False)
    spec = read_fleet_spec(message, path, problems)
    if spec.headroom is not None:
        problem = _label_key_problem(spec.headroom)
        if problem is not None:
            problems.add(f"{path}.headroom.label_key", problem)
    return spec


def _label_key_problem(headroom: Headroom) -> str | None:
    if headroom.by != Topology.LABEL:
        return "is for topology label only: leave it out" if headroom.label_key else None
    if not headroom.label_key:
        return "must be given with topology label: what is lost together has the same value of it"
    return label_key_problem(headroom.label_key)


def unknown_clusters(spec: FleetSpec, known: Iterable[str]) -> list[str]:
    """Warnings of clusters that datasets name and nobody registered."""
    names = set(known)
    return [
        f"dataset {dataset.name} names clusters that are not registered: {', '.join(unknown)}"
        for dataset in spec.datasets
        if (unknown := sorted({dataset.primary, *(copy.cluster for copy in dataset.copies)} - names - {""}))
    ]


def _check_distances(distances: Sequence[fleet_pb2.RegionDistance], path: str, problems: Problems) -> None:
    if len(distances) > MAX_DISTANCES:
        problems.add(path, f"has {len(distances)} entries; at most {MAX_DISTANCES} are accepted")
        return
    seen: dict[frozenset[str], int] = {}
    for index, distance in enumerate(distances):
        at = f"{path}[{index}]"
        for name, region in (("region", distance.region), ("other", distance.other)):
            problem = label_value_problem(region) if region else "is missing"
            if problem is not None:
                problems.add(f"{at}.{name}", problem)
        if distance.region and distance.region == distance.other:
            problems.add(f"{at}.other", f"is the same as region: from {distance.region} to itself it is always 0")
        if not 0 <= distance.milliseconds <= MAX_DISTANCE_MS:
            problems.add(f"{at}.milliseconds", f"is {distance.milliseconds}; it must be from 0 to {MAX_DISTANCE_MS}")
        first = seen.setdefault(frozenset((distance.region, distance.other)), index)
        if first != index and distance.region and distance.other:
            problems.add(at, f"says the same two regions as {path}[{first}]; one direction serves for both")


def _check_datasets(datasets: Sequence[fleet_pb2.Dataset], path: str, problems: Problems) -> None:
    if len(datasets) > MAX_LISTED:
        problems.add(path, f"has {len(datasets)} entries; at most {MAX_LISTED} are accepted")
        return
    seen: set[str] = set()
    for index, dataset in enumerate(datasets):
        at = f"{path}[{index}]"
        problem = dns_label_problem(dataset.name) if dataset.name else "is missing"
        if problem is None and dataset.name in seen:
            problem = f"'{dataset.name}' is given twice"
        if problem is not None:
            problems.add(f"{at}.name", problem)
        seen.add(dataset.name)
        if dataset.primary:
            _check_cluster(dataset.primary, f"{at}.primary", problems)
        _check_copies(dataset, at, problems)


def _check_freezes(windows: Sequence[fleet_pb2.FreezeWindow], path: str, problems: Problems) -> None:
    if len(windows) > MAX_FREEZES:
        problems.add(path, f"has {len(windows)} entries; at most {MAX_FREEZES} are accepted")
        return
    seen: set[str] = set()
    for index, window in enumerate(windows):
        at = f"{path}[{index}]"
        problem = dns_label_problem(window.name) if window.name else "is missing"
        if problem is None and window.name in seen:
            problem = f"'{window.name}' is given twice"
        if problem is not None:
            problems.add(f"{at}.name", problem)
        seen.add(window.name)
        for field, wrong in window_problems(read_freeze(window)):
            problems.add(f"{at}.{field}", wrong)
        _check_scope(window, at, problems)


def _check_scope(window: fleet_pb2.FreezeWindow, path: str, problems: Problems) -> None:
    """What a freeze window is for."""
    if window.HasField("clusters"):
        for found in validate_matcher(read_matcher(window.clusters), f"{path}.clusters"):
            problems.add(found.path, found.message)
    for place, namespace in enumerate(window.namespaces):
        if (problem := dns_label_problem(namespace)) is not None:
            problems.add(f"{path}.namespaces[{place}]", problem)
    for place, unit in enumerate(window.units):
        try:
            parse_unit(unit, f"{path}.units[{place}]")
        except InvalidInputError as error:
            problems.extend(error.problems)


def _check_copies(dataset: fleet_pb2.Dataset, path: str, problems: Problems) -> None:
    if len(dataset.copies) > MAX_LISTED:
        problems.add(f"{path}.copies", f"has {len(dataset.copies)} entries; at most {MAX_LISTED} are accepted")
        return
    holders = {dataset.primary} - {""}
    for index, copy in enumerate(dataset.copies):
        at = f"{path}.copies[{index}]"
        _check_cluster(copy.cluster, f"{at}.cluster", problems)
        if copy.cluster and copy.cluster in holders:
            problems.add(f"{at}.cluster", f"'{copy.cluster}' holds the dataset already: name each cluster once")
        holders.add(copy.cluster)
        if copy.HasField("lag_seconds") and copy.lag_seconds < 0:
            problems.add(f"{at}.lag_seconds", f"is {copy.lag_seconds}; it must be 0 or more")


def _check_cluster(name: str, path: str, problems: Problems) -> None:
    problem = dns_label_problem(name) if name else "is missing"
    if problem is None and len(name) > MAX_CLUSTER_ID:
        problem = f"has {len(name)} characters; at most {MAX_CLUSTER_ID} are allowed"
    if problem is not None:
        problems.add(path, problem)
