"""The place of an object in the order in which its unit is applied: by the wave that is written on it, then by kind.

A *written* wave is an annotation of the template: `fedsvc.io/wave`, or Argo CD's `argocd.argoproj.io/sync-wave`, which
means the same; an object without one is in wave 0. Within a written wave objects come in the order of their kinds.

A kind is there for the next one as soon as it is applied: an API server takes a Deployment when it has the namespace.
Who writes a wave means more than that, for example that a migration has run: the next written wave waits until the
objects of this one are healthy, as Argo CD's does, unless the unit says that applied is enough.
(https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/)
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from fedsvc.rendering.errors import ManifestError, Problem
from fedsvc.rendering.kinds import LAST_WAVE, wave_of
from fedsvc.rendering.marks import MANAGED_LABEL, MARK_DOMAIN, UNIT_ANNOTATION, UNIT_UID_ANNOTATION
from fedsvc.rendering.paths import child_path

WAVE_ANNOTATION: Final = f"{MARK_DOMAIN}/wave"
ARGO_WAVE_ANNOTATION: Final = "argocd.argoproj.io/sync-wave"

MAX_WRITTEN_WAVE: Final = 1_000
"""The largest written wave; the smallest is its negative."""

STEPS: Final = LAST_WAVE + 1
"""Places by kind within one written wave."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}\Z")
_OURS: Final = frozenset({WAVE_ANNOTATION, MANAGED_LABEL, UNIT_ANNOTATION, UNIT_UID_ANNOTATION})
_ANNOTATIONS: Final = "metadata.annotations"

# Order as others write it, which is more than a wave can say; told, so that nobody relies on it.
_FOREIGN: Final[Mapping[str, str]] = {
    "argocd.argoproj.io/hook": "an Argo CD hook",
    "helm.sh/hook": "a Helm hook",
    "kapp.k14s.io/change-rule": "a kapp rule",
    "kapp.k14s.io/change-group": "a kapp group",
    "config.kubernetes.io/depends-on": "a dependency of kpt",
}


class AwaitedState(StrEnum):
    """How far something must be before what waits for it goes on."""

    APPLIED = "applied"  # the members hold it
    READY = "ready"  # and it is healthy there


def written_wave(manifest: Mapping[str, Any]) -> int:
    """The wave written on an object; 0 where there is none. Ours counts where Argo CD's stands beside it.

    Raises:
        ManifestError: what is written is no whole number within the bounds.
    """
    annotations = _annotations(manifest)
    for name in (WAVE_ANNOTATION, ARGO_WAVE_ANNOTATION):
        text = annotations.get(name)
        if text is not None:
            return _read(text, child_path(_ANNOTATIONS, name))
    return 0


def place_of(manifest: Mapping[str, Any], group: str, kind: str) -> int:
    """Where an object stands in the order of its unit; lower places are applied first, removed last.

    Raises:
        ManifestError: the wave written on it is no whole number within the bounds.
    """
    return written_wave(manifest) * STEPS + wave_of(group, kind)


def written_of(place: int) -> int:
    """The written wave of a place."""
    return place // STEPS


def awaited_states(places: Mapping[Any, tuple[int, tuple[str, str]]], state: AwaitedState) -> dict[Any, AwaitedState]:
    """Which of the objects of a unit on one cluster a later written wave waits for, and how far they must be.

    A PersistentVolumeClaim need only be applied: where its class binds at the first consumer, it is bound by the very
    pods that would wait for it.

    Args:
        places: place and (group, kind) of each object.
        state: as the unit has it.
    """
    last = max((written_of(place) for place, _ in places.values()), default=0)
    return {
        key: AwaitedState.APPLIED if group_kind == ("", "PersistentVolumeClaim") else state
        for key, (place, group_kind) in places.items()
        if written_of(place) < last
    }


def wave_problems(manifest: Mapping[str, Any]) -> list[Problem]:
    """What is wrong, or odd, with the order that an object's annotations ask for."""
    problems: list[Problem] = []
    annotations = _annotations(manifest)
    for name in (WAVE_ANNOTATION, ARGO_WAVE_ANNOTATION):
        if isinstance(text := annotations.get(name), str):
            try:
                _read(text, child_path(_ANNOTATIONS, name))
            except ManifestError as error:
                problems.append(Problem(path=error.path, message=error.message))
    for name in annotations:
        if not isinstance(name, str):
            continue
        path = child_path(_ANNOTATIONS, name)
        if name in _FOREIGN:
            message = f"{_FOREIGN[name]} is not understood: the order here is by {WAVE_ANNOTATION}, then by kind"
            problems.append(Problem(path=path, message=message, warning=True))
        elif name.startswith(f"{MARK_DOMAIN}/") and name not in _OURS:
            message = f"has no meaning here; of {MARK_DOMAIN}/ a template may write {WAVE_ANNOTATION} alone"
            problems.append(Problem(path=path, message=message, warning=True))
    return problems


def _annotations(manifest: Mapping[str, Any]) -> Mapping[Any, Any]:
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return annotations if isinstance(annotations, Mapping) else {}


def _read(text: Any, path: str) -> int:
    # int() takes more than people write: spaces, underscores, digits of other scripts.
    value = int(text) if isinstance(text, str) and _NUMBER.match(text) else None
    if value is None or abs(value) > MAX_WRITTEN_WAVE:
        bounds = f"a whole number from -{MAX_WRITTEN_WAVE} to {MAX_WRITTEN_WAVE}"
        raise ManifestError(path=path, message=f'{text!r} is no wave: write {bounds} in quotes, as in "-5"')
    return value
