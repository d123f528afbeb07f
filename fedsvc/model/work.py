"""Bindings and works: what placement decided and what each member shall hold."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.handling import PLAIN, Handling
from fedsvc.model.unit import ConflictMode, DriftMode, WorkState
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.waves import AwaitedState

CLUSTER_LEAVING: Final = "ClusterLeaving"
"""The cause of removals from a cluster that is on its way out: counted when that was asked for."""

RESOURCE_REMOVED: Final = "ResourceRemoved"
"""The cause of removals of what was taken out of a unit that stays on the cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """(unit, cluster): this unit belongs on this cluster, with these replicas."""

    unit_uid: str
    cluster: str
    revision: int = 0  # of the unit, that the cluster shall hold; 0: not told
    replicas: dict[str, int]  # by workload key; empty where the template's own number holds
    completions: dict[str, int] = field(default_factory=dict)  # of Jobs, by workload key
    render_key: bytes  # digest of all that decides the rendering for this cluster
    decision: str
    update_time: datetime | None = None  # when it was stored; None: not yet
    role: str = ""  # Role of the unit there; empty: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredWork:
    """What placement wants a member to hold of one resource."""

    cluster: str
    key: ObjectKey
    wave: int  # its place, see `rendering.waves`: lower ones are applied first, removed last
    digest: bytes | None  # of the rendered manifest; None: could not be rendered
    error: tuple[str, str] | None = None  # reason and message where it could not be rendered
    awaited: AwaitedState | None = None  # how far it must be before the next written wave begins; None: there is none
    handling: str = ""  # of `fedsvc.model.handling`


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyWork:
    """A work that the propagator shall act on."""

    id: int
    unit_uid: str
    unit_name: str  # "namespaces/{namespace}/units/{unit}"
    cluster: str
    key: ObjectKey
    wave: int
    generation: int  # results are written only for the generation they answer
    digest: bytes | None  # None: to be removed
    body: bytes | None  # the manifest to apply, opened
    removal: ObjectDeletion | None
    conflict: ConflictMode
    drift: DriftMode
    attempts: int
    member_uid: str  # of the object when it was last applied; empty: never was
    applied_digest: bytes | None
    handling: Handling = PLAIN
    is_recreation_confirmed: bool = False  # for this very manifest
    former_unit_uid: str = ""  # of the unit that the object was handed over by, until it is applied for this one


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkObservation:
    """What a member says of the object of a work."""

    id: int
    member_uid: str
    health: str
    health_reason: str
    health_message: str
    status: dict[str, Any]  # reduced per kind
    applied_digest: bytes | None = None  # of what it was last made to hold then; None: its health never depends on that
    desired_replicas: int | None
    ready_replicas: int | None
    drift: tuple[dict[str, Any], ...] = ()  # {path, desired, live, manager}; reported drift only


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """What came of acting on a work."""

    id: int
    generation: int  # that it answers
    state: WorkState
    reason: str = ""
    message: str = ""
    applied_digest: bytes | None = None  # set on success
    member_uid: str = ""
    ownership_digest: bytes | None = None  # of our managed fields after the apply; drift is a difference from it
    retry_after_seconds: float | None = None  # None: nothing more to do
    gone: bool = False  # the object is not in the member (any more): the row goes
    observation: WorkObservation | None = None  # what the object was when it was applied, to be written with it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRemoval:
    """Why an object is to be removed."""

    create_time: datetime | None  # None: from before this was kept
    cause: str  # UnitDeleted, ResourceRemoved, ClusterLeft or ClusterLeaving
    unit_uid: str
    revision: int  # of the unit that it was decided for
    deletion: ObjectDeletion


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """(resource, cluster): the whole row, for readers."""

    id: int
    unit_uid: str
    unit_name: str
    cluster: str
    key: ObjectKey
    wave: int
    state: WorkState
    reason: str
    message: str
    desired_digest: bytes | None
    applied_digest: bytes | None
    applied_time: datetime | None
    attempts: int
    next_attempt_time: datetime | None
    health: str
    health_reason: str
    health_message: str
    observed_status: dict[str, Any] | None
    observed_time: datetime | None
    desired_replicas: int | None
    ready_replicas: int | None
    drift: tuple[dict[str, Any], ...]
    update_time: datetime
    removal: WorkRemoval | None = None  # None: it is wanted
