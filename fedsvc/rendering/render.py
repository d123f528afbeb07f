"""From template to the exact bytes that one cluster shall hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fedsvc.rendering.canonical import (
    MAX_OBJECT_BYTES,
    JsonObject,
    canonical_json,
    digest,
    json_type,
    load_json,
)
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.keys import ObjectKey, key_of
from fedsvc.rendering.marks import MANAGED_LABEL, MANAGED_VALUE, OwnerMark
from fedsvc.rendering.overrides import Override, apply_overrides
from fedsvc.rendering.replicas import ReplicaShare, set_replicas
from fedsvc.rendering.roles import RoleView
from fedsvc.rendering.spelling import write_out
from fedsvc.rendering.waves import place_of
from fedsvc_placement.model import ClusterSnapshot

_RENDERING_VERSION: Final = 2
"""Counted up whenever the same input renders to other bytes, so that a new release renders everything again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedManifest:
    """What one cluster shall hold: the body of the server-side apply, and its name.

    Attributes:
        body: canonical JSON.
        digest: SHA-256 of the body (unkeyed; a sealed manifest is named by `keyed_digest` of the body).
        place: in the order of its unit there, see `waves`.
    """

    body: bytes
    digest: bytes
    place: int


def render(
    template: bytes,
    *,
    key: ObjectKey,
    overrides: Sequence[Override],
    cluster: ClusterSnapshot,
    share: ReplicaShare | None,
    owner: OwnerMark,
    view: RoleView | None = None,
) -> RenderedManifest:
    """Render a template for one cluster: replicas, overrides (which have the last word), spelling, marks.

    Args:
        template: canonical JSON of a valid manifest.
        key: its identity.
        overrides: all of the unit, policies' first.
        cluster: the member cluster.
        share: this cluster's, where replicas are divided or left to an autoscaler; None leaves the template's own. A
            template without a replica count then does not own the field, and an autoscaler may.
        owner: the unit.
        view: its role there; None: it has none.

    Raises:
        OverrideError: an override does not fit this object in this cluster.
        ManifestError: the result is larger than 1 MiB, no longer the object it was, or in no wave there is.
    """
    manifest: JsonObject = load_json(template)
    if share is not None:
        set_replicas(manifest, share)
    if overrides:
        apply_overrides(manifest, overrides, cluster, view)
    write_out(key, manifest)
    _mark(manifest, owner)
    if key_of(manifest) != key:
        raise ManifestError(path="metadata", message=f"the rendered object is {key_of(manifest)}, not {key}")
    place = place_of(manifest, *key.group_kind)
    body = canonical_json(manifest)
    if len(body) > MAX_OBJECT_BYTES:
        message = (
            f"the object rendered for {cluster.name} has {len(body)} bytes; at most {MAX_OBJECT_BYTES} are allowed"
        )
        raise ManifestError(path="", message=message)
    return RenderedManifest(body=body, digest=digest(body), place=place)


def render_key(
    *,
    template_digest: bytes,
    override_digests: Sequence[bytes],
    matched: Sequence[int],
    share: ReplicaShare | None,
    owner: OwnerMark,
    view: RoleView | None = None,
) -> bytes:
    """A digest of all that decides the rendering; equal keys render to equal bytes, so nothing need be rendered again.

    Args:
        template_digest: of the template's canonical bytes.
        override_digests: of all overrides of the unit, from `override_digests`, made once a revision.
        matched: from `matching_overrides`: a label change of a cluster that changes no match changes no key, nor does
            adding, removing or moving an override that does not match.
        share: the cluster's, or None.
        owner: the unit.
        view: its role there, where one of the matching overrides asks for it; else None.
    """
    parts = [
        _RENDERING_VERSION,
        template_digest.hex(),
        [override_digests[index].hex() for index in matched],
        None if share is None else [share.count, share.completions],
        [owner.unit_namespace, owner.unit_name, owner.unit_uid],
    ]
    if view is not None:
        parts.append([view.role, view.cluster, view.primary, view.proof])
    return digest(canonical_json(parts))


def _mark(manifest: JsonObject, owner: OwnerMark) -> None:
    metadata = manifest["metadata"]
    for name, marks in (("labels", {MANAGED_LABEL: MANAGED_VALUE}), ("annotations", owner.annotations())):
        current = metadata.get(name)
        if current is None:
            metadata[name] = marks
        elif isinstance(current, dict):
            current.update(marks)
        else:
            message = f"must be an object of strings, not {json_type(current)}"
            raise ManifestError(path=f"metadata.{name}", message=message)
