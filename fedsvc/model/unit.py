"""A unit: the intent, its revisions, and the summary of what is."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fedsvc.model.cluster import Condition, ObjectDeletion
from fedsvc.model.dependency import Dependency
from fedsvc.model.failover import FailoverPolicy
from fedsvc.model.removal import RemovalBudget
from fedsvc.model.roles import Switchover
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.overrides import Override, ResourceMatcher
from fedsvc.rendering.waves import AwaitedState
from fedsvc.rollout.policy import RolloutPolicy
from fedsvc_dns.planner.zone import DnsSettings
from fedsvc_placement.model import Placement


class ConflictMode(StrEnum):
    """What to do about an object that exists already in a member and is not ours."""

    ABORT = "abort"
    ADOPT = "adopt"
    OVERWRITE = "overwrite"


class DriftMode(StrEnum):
    """What to do when somebody changes in a member what we own."""

    CORRECT = "correct"
    IF_NOT_DRIFTED = "if-not-drifted"
    REPORT = "report"


class DeletionMode(StrEnum):
    """What becomes of objects that are no longer wanted."""

    DELETE = "delete"
    ORPHAN = "orphan"


class FieldPolicy(StrEnum):
    """What to do about a field that others write, too."""

    IGNORE = "ignore"  # given to new objects only, and left to others from then on
    FORCE = "force"  # taken back from whoever changes it
    FAIL = "fail"  # nothing is written to an object while somebody else owns it with another value


class ImmutableMode(StrEnum):
    """What to do where the template changes what cannot be changed in an object."""

    FAIL = "fail"
    RECREATE = "recreate"  # once it is confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What to do about a field of some resources, and all below it."""

    path: str  # for `fedsvc.rendering.fieldpaths.parse_field_path`
    policy: FieldPolicy
    target: ResourceMatcher = field(default_factory=ResourceMatcher)


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """How members are made to hold their work."""

    conflict: ConflictMode = ConflictMode.ABORT
    drift: DriftMode = DriftMode.CORRECT
    deletion: DeletionMode = DeletionMode.DELETE
    fields: tuple[FieldRule, ...] = ()  # of several that name a field the first counts
    immutable: ImmutableMode = ImmutableMode.FAIL
    migrate: tuple[str, ...] = ()  # families or field managers whose fields become ours when an object is taken over
    adopts: tuple[str, ...] = ()  # names of units from which objects are taken that this one names
    gives: tuple[str, ...] = ()  # names of units for which objects are kept that this one names no more


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSpec:
    """The intent, but for the resources."""

    placement: Placement | None = None  # not together with placement_policy
    placement_policy: str = ""
    override_policies: tuple[str, ...] = ()  # applied first, in this order
    overrides: tuple[Override, ...] = ()
    propagation: Propagation = field(default_factory=Propagation)
    protected: bool = False  # nothing of it may be removed
    removals: RemovalBudget | None = None  # None: as the fleet has it
    depends_on: tuple[Dependency, ...] = ()
    follow_dependencies: bool = False  # what its works name comes along, copied from the units that hold it
    wave_state: AwaitedState = AwaitedState.READY  # of all works of a written wave, before the next one begins
    rollout: RolloutPolicy | None = None  # None: a new revision goes to all clusters at once
    failover: FailoverPolicy = field(default_factory=FailoverPolicy)
    dns: DnsSettings | None = None  # names of its Services and Ingresses; None: they get none


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One template of a unit."""

    key: ObjectKey
    digest: bytes  # of `body`; keyed where it is sealed
    labels: dict[str, str]
    body: bytes | None = None  # canonical JSON; None where it was not asked for


class UnitState(StrEnum):
    """Where a unit stands, in one word."""

    PENDING = "Pending"
    UNPLACED = "Unplaced"
    APPLYING = "Applying"
    PROGRESSING = "Progressing"
    READY = "Ready"
    DEGRADED = "Degraded"
    DELETING = "Deleting"


class WorkState(StrEnum):
    """Where a work stands."""

    PENDING = "Pending"
    APPLIED = "Applied"
    RETRYING = "Retrying"
    FAILED = "Failed"
    DRIFTED = "Drifted"
    REMOVING = "Removing"
    HELD = "Held"  # to be removed, once somebody confirms it
    UNKNOWN = "Unknown"  # the cluster is not heard; of a unit on a cluster only, never of a work


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitClusterStatus:
    """How a unit fares on one cluster: its worst work, and counts."""

    cluster: str
    state: WorkState
    reason: str
    message: str
    work_count: int
    applied_work_count: int
    healthy_work_count: int
    desired_replicas: int
    ready_replicas: int
    update_time: datetime
    last_heard_time: datetime | None = None  # set while the cluster is not heard: the numbers are as of then
    revision: int = 0  # of the unit, that it shall hold
    role: str = ""  # Role that it shall have there; empty: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatus:
    """Summary of decision and works; written by the status controller alone."""

    state: UnitState = UnitState.PENDING
    conditions: tuple[Condition, ...] = ()  # Placed, Applied, Ready; Heard where there are works; RolledOut
    clusters: tuple[UnitClusterStatus, ...] = ()  # sorted by name
    observed_revision: int = 0  # the decision was made for it
    decision: str = ""  # id of the newest decision
    desired_replicas: int = 0
    ready_replicas: int = 0
    primary: Switchover | None = None  # where its primary is; None: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The federated unit of work."""

    namespace: str
    name: str
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: UnitSpec
    revision: int  # from 1; changes when spec or resources do
    generation: int  # bumped by every change of intent, deletion included
    decided_generation: int  # the newest decision covers it; behind `generation`: to be decided
    status: UnitStatus
    resource_count: int
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None = None
    cascade: ObjectDeletion | None = None  # asked for at deletion; None: by `spec.propagation.deletion`
    granted_removals: int = 0  # objects that the next decision may remove: counted or confirmed already
    rebalance: bool = False  # asked to be decided anew as if everything could move

    @property
    def etag(self) -> str:
        """Quoted, opaque; changes with every change of intent (AIP-154)."""
        return f'"{self.uid[:8]}-{self.generation}"'

    @property
    def resource_name(self) -> str:
        """Its name in the API."""
        return f"namespaces/{self.namespace}/units/{self.name}"
