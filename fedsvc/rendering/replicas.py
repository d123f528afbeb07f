"""Reading and setting how many replicas a template asks for."""

from typing import Any

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.keys import key_of
from fedsvc.rendering.kinds import replica_paths


def template_replicas(manifest: JsonObject) -> int | None:
    """The number that placement divides; None for kinds without replicas.

    For a Job it is `completions` where given (the work to be done), else `parallelism`. A template without the field
    counts as 1, as Kubernetes defaults it.
    """
    if not replica_paths(*key_of(manifest).group_kind):
        return None
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return 1
    names = ("completions", "parallelism") if manifest["kind"] == "Job" else ("replicas",)
    for name in names:
        if (count := _count(spec.get(name))) is not None:
            return count
    return 1


def set_replicas(manifest: JsonObject, replicas: int) -> None:
    """Set a cluster's share, in place.

    A Job with completions gets its share of them, and parallelism in proportion, rounded up; the sum of completions
    over clusters stays what it was. Without completions (a work queue) the share is the parallelism.

    Raises:
        ManifestError: the kind has no replicas, or the template's spec is not an object.
    """
    key = key_of(manifest)
    spec = manifest.get("spec")
    if not replica_paths(*key.group_kind):
        raise ManifestError(path="kind", message=f"{key.kind} has no replicas to divide")
    if not isinstance(spec, dict):
        raise ManifestError(path="spec", message="must be an object to hold replicas")
    if key.kind != "Job":
        spec["replicas"] = replicas
        return
    completions, parallelism = _count(spec.get("completions")), _count(spec.get("parallelism"))
    if completions is None:
        spec["parallelism"] = replicas
        return
    spec["completions"] = replicas
    # Rounded up, so that no share stands still; a template paused by parallelism 0 stays paused.
    whole = 1 if parallelism is None else parallelism
    spec["parallelism"] = min(replicas, -(-whole * replicas // completions)) if completions else 0


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
