"""What one cluster gets of a workload, and writing it into the template."""

from dataclasses import dataclass

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.keys import key_of
from fedsvc.rendering.kinds import replica_paths


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaShare:
    """What one cluster gets of a workload."""

    count: int | None  # replicas, or the parallelism of a Job; None: an autoscaler's to say, so the field is left out
    completions: int | None = None  # of a Job; None: the template's own


AUTOSCALED = ReplicaShare(count=None)
"""Replicas that an autoscaler owns: a template that says them, too, would be at odds with it for ever."""


def set_replicas(manifest: JsonObject, share: ReplicaShare) -> None:
    """Set a cluster's share, in place.

    Raises:
        ManifestError: the kind has no replicas, or the template's spec is not an object.
    """
    key = key_of(manifest)
    spec = manifest.get("spec")
    if not replica_paths(*key.group_kind):
        raise ManifestError(path="kind", message=f"{key.kind} has no replicas to divide")
    if not isinstance(spec, dict):
        raise ManifestError(path="spec", message="must be an object to hold replicas")
    name = "parallelism" if key.kind == "Job" else "replicas"
    if share.count is None:
        spec.pop(name, None)
    else:
        spec[name] = share.count
    if share.completions is not None:
        spec["completions"] = share.completions
