"""Placements as they are written: whether they can mean anything, and what in them has no effect now."""

from collections.abc import Sequence
from datetime import datetime

from fedsvc.api.problems import Problems, proto_path
from fedsvc_placement import ClusterSnapshot, Decision, Placement, UnitInput, decide, validate


def check_placement(placement: Placement, path: str, problems: Problems) -> None:
    """Note what is wrong with a placement at `path`."""
    names = f"{path}.clusters"
    for problem in validate(placement, path):
        # In the proto the names stand in a message of their own, so that none can be told from an empty list.
        rest = problem.path.removeprefix(names)
        in_names = rest != problem.path and rest[:1] in ("", "[")
        problems.add(proto_path(f"{names}.names{rest}" if in_names else problem.path), problem.message)


def placement_warnings(placement: Placement, fleet: Sequence[ClusterSnapshot], now: datetime) -> list[str]:
    """What a valid placement says that has no effect on this fleet: unknown clusters, no cluster at all."""
    return decision_warnings(decide(UnitInput(key="", placement=placement), fleet, (), now))


def decision_warnings(decision: Decision) -> list[str]:
    """What a decision says that its author should know at once."""
    warnings = [warning.message for warning in decision.warnings]
    if decision.reason:
        warnings.append(f"no cluster is chosen now: {decision.message}")
    warnings.extend(f"{shortfall.workload}: {shortfall.message}" for shortfall in decision.shortfall)
    return warnings
