"""Trying overrides when they are written, on the templates and clusters there are: what cannot work is refused then.

An override is tried on each resource it is for, once for every set of overrides that some cluster gets together, in the
order in which they are carried out. It is refused where it fails on a resource for every cluster that gets it; where no
registered cluster gets it, it is tried as if one did. Where it fails for some clusters only, that is a warning: the
works of these clusters will fail and say so, and those of the others go on.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.api.intent.manifests import Template
from fedsvc.api.problems import Problems
from fedsvc.rendering.canonical import load_json
from fedsvc.rendering.errors import ManifestError, OverrideError
from fedsvc.rendering.overrides import Override, apply_overrides, resource_matches
from fedsvc.rendering.paths import child_path, human_path, parse_pointer
from fedsvc.rendering.replicas import ReplicaShare, set_replicas
from fedsvc.rendering.roles import Role
from fedsvc.rendering.workloads import workload_of
from fedsvc_placement import ClusterMatcher, ClusterSnapshot, matches_cluster

MAX_TRIALS: Final = 20_000
"""Beyond it (thousands of resources under dozens of combinations) the rest is found out when it is rendered."""

_NO_CLUSTER: Final = ""
_SHOWN_CLUSTERS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOverride:
    """An override and where it stands in the request."""

    path: str
    override: Override


def try_overrides(
    named: Sequence[NamedOverride],
    templates: Sequence[Template],
    clusters: Sequence[ClusterSnapshot],
    *,
    divided: bool,
    whose: str = "",
    problems: Problems,
) -> list[str]:
    """Note overrides that cannot work; return warnings of those that work in some clusters only, or were not tried.

    Args:
        named: all of the unit, policies' first, in the order they are carried out; each valid by itself.
        templates: of the unit.
        clusters: all that are registered.
        divided: whether placement sets replicas, so that the field is there when overrides come.
        whose: stands behind a template in messages; empty where the request itself is of the unit.
        problems: gathers what is refused.
    """
    overrides = [entry.override for entry in named]
    combinations = _combinations(overrides, clusters)
    warnings: list[str] = []
    trials = 0
    for done, template in enumerate(templates):
        aimed = {
            index
            for index, override in enumerate(overrides)
            if resource_matches(override.target, template.key, template.labels)
        }
        tried: dict[tuple[int, ...], OverrideError | None] = {}
        outcomes: dict[int, list[tuple[tuple[str, ...], OverrideError | None]]] = defaultdict(list)
        for combination, names in combinations.items():
            indexes = tuple(index for index in combination if index in aimed)
            if not indexes:
                continue
            if indexes not in tried:
                trials += 1
                if trials > MAX_TRIALS:
                    what = f"overrides were tried on {done} of the {len(templates)} resources{whose}"
                    return [*warnings, f"{what}; what fails on the others is told by their works"]
                tried[indexes] = _try(template, indexes, overrides, divided=divided)
            _record(outcomes, indexes, names, tried[indexes])
        for index, results in sorted(outcomes.items()):
            _judge(named[index], f"{template.key}{whose}", results, warnings, problems)
    return warnings


def _combinations(
    overrides: Sequence[Override], clusters: Sequence[ClusterSnapshot]
) -> dict[tuple[int, ...], tuple[str, ...]]:
    """The sets of overrides that clusters get together, each with the names of these clusters."""
    found: dict[tuple[int, ...], list[str]] = defaultdict(list)
    reached: set[int] = set()
    # What is for one role never meets what is for the other.
    roles = [*Role] if any(override.role is not None for override in overrides) else [None]
    for cluster in clusters:
        matched = [index for index, override in enumerate(overrides) if matches_cluster(override.clusters, cluster)]
        for indexes in {tuple(one for one in matched if overrides[one].role in (None, role)) for role in roles}:
            found[indexes].append(cluster.name)
            reached.update(indexes)
    everywhere = {index for index, override in enumerate(overrides) if override.clusters == ClusterMatcher()}
    for index in range(len(overrides)):
        if index not in reached:
            together = [one for one in everywhere if overrides[one].role in (None, overrides[index].role)]
            found[tuple(sorted({*together, index}))].append(_NO_CLUSTER)
    return {indexes: tuple(names) for indexes, names in found.items()}


def _try(
    template: Template, indexes: tuple[int, ...], overrides: Sequence[Override], *, divided: bool
) -> OverrideError | None:
    manifest = load_json(template.body)
    workload = workload_of(template.key, manifest) if divided else None
    everywhere = ClusterMatcher()
    try:
        if workload is not None:
            set_replicas(manifest, ReplicaShare(count=workload.replicas, completions=workload.completions))
        chosen = [replace(overrides[index], clusters=everywhere, role=None) for index in indexes]
        apply_overrides(manifest, chosen, ClusterSnapshot(name=_NO_CLUSTER))
    except OverrideError as error:
        return OverrideError(
            index=indexes[error.index], op_index=error.op_index, path=error.path, message=error.message
        )
    except ManifestError as error:
        # Replicas cannot be set: that is the template's fault, and told when it is rendered.
        return OverrideError(index=-1, op_index=None, path=error.path, message=error.message)
    return None


def _record(
    outcomes: dict[int, list[tuple[tuple[str, ...], OverrideError | None]]],
    indexes: tuple[int, ...],
    names: tuple[str, ...],
    error: OverrideError | None,
) -> None:
    for index in indexes:
        if error is None or index < error.index:
            outcomes[index].append((names, None))
        elif index == error.index:
            outcomes[index].append((names, error))
        # What comes after the one that failed is not known.


def _judge(
    named: NamedOverride,
    template: str,
    results: Sequence[tuple[tuple[str, ...], OverrideError | None]],
    warnings: list[str],
    problems: Problems,
) -> None:
    failed = [(names, error) for names, error in results if error is not None]
    if not failed:
        return
    error = failed[0][1]
    place = _place(named.path, error)
    hint = "" if named.override.target.kind or named.override.target.name else "; give a target to leave it out"
    message = f"does not fit {template}: {error.message}{hint}"
    if len(failed) == len(results):
        problems.add(place, message)
        return
    clusters = sorted(name for names, _ in failed for name in names)
    shown = ", ".join(clusters[:_SHOWN_CLUSTERS]) + (", ..." if len(clusters) > _SHOWN_CLUSTERS else "")
    warnings.append(f"{place} {message} (in {shown}; its works there will fail)")


def _place(path: str, error: OverrideError) -> str:
    if error.op_index is not None:
        return f"{path}.patch[{error.op_index}].path"
    return child_path(path, human_path(parse_pointer(error.path)[1:2]) or "labels")
