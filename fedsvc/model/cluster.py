"""A member cluster: how it is reached, what placement may look at, what was observed."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fedsvc.health import Health, taints_of
from fedsvc.model.room import Room
from fedsvc_placement import model as placement
from fedsvc_placement.model import ClusterSnapshot, Cost, ExternalScore, Taint


class ConditionStatus(StrEnum):
    """Three-valued: not knowing is not the same as no."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One observed aspect of an object."""

    type: str  # CamelCase, unique in its list
    status: ConditionStatus
    reason: str  # constant CamelCase word
    message: str  # sentence for people
    last_transition_time: datetime  # when `status` last changed


class ObjectDeletion(StrEnum):
    """What becomes of objects in a member that are no longer wanted there."""

    ORPHAN = "Orphan"  # stay, no longer managed
    BACKGROUND = "Background"  # deleted, their dependents after them
    FOREGROUND = "Foreground"  # deleted after their dependents


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """How fedsvc shows a member who it is: a bearer token or a client certificate."""

    token: str = field(default="", repr=False)
    token_expire_time: datetime | None = None  # None: without end
    client_certificate_pem: bytes = field(default=b"", repr=False)
    client_key_pem: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the API server of a member is reached."""

    endpoint: str  # "https://host:port[/path]"
    ca_pem: bytes = b""  # empty: the system's authorities
    tls_server_name: str = ""  # name to verify where it differs from the host
    insecure_skip_tls_verify: bool = False
    proxy_url: str = ""
    member_namespace: str = ""  # holds fedsvc's service account
    service_account: str = ""  # set when fedsvc may renew its own token
    rights: str = ""  # name of the rights profile, for people
    credential: Credential = field(default_factory=Credential)

    @property
    def way(self) -> tuple[str, bytes, str, bool, str]:
        """Where the member is and whom to trust there: what was observed by one way says nothing of another."""
        return self.endpoint, self.ca_pem, self.tls_server_name, self.insecure_skip_tls_verify, self.proxy_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """An amount of resources."""

    cpu_millicores: int = 0
    memory_bytes: int = 0
    pods: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterObservation:
    """What was last observed of a member; written by the health controller alone."""

    conditions: tuple[Condition, ...] = ()
    kubernetes_version: str = ""
    node_count: int = 0
    ready_node_count: int = 0
    allocatable: Capacity = field(default_factory=Capacity)
    last_seen_time: datetime | None = None
    health: Health = field(default_factory=Health)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kubernetes cluster registered here."""

    name: str  # DNS label of at most 48 characters
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]
    provider: str
    region: str
    zones: tuple[str, ...]  # sorted
    taints: tuple[Taint, ...]
    jurisdiction: str = ""  # law it is under
    cost: Cost | None = None
    scores: tuple[ExternalScore, ...] = ()  # sorted by name
    connection: Connection
    room: Room | None = None  # as last read; None while unknown
    observation: ClusterObservation = field(default_factory=ClusterObservation)
    api_digest: str = ""  # of the kinds it serves, as they were last read
    work_count: int = 0
    pending_work_count: int = 0
    generation: int = 1  # bumped by every change of intent
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None = None  # set while it leaves
    object_deletion: ObjectDeletion | None = None  # what becomes of its objects while it leaves

    @property
    def etag(self) -> str:
        """Quoted, opaque; changes with every change of intent (AIP-154)."""
        return f'"{self.uid[:8]}-{self.generation}"'

    @property
    def resource_name(self) -> str:
        """Its name in the API."""
        return f"clusters/{self.name}"

    @property
    def effective_labels(self) -> dict[str, str]:
        """What selectors match: the labels, and the location under `region` and `provider` unless labelled otherwise.

        So `--region eu` at joining is enough for `matchLabels: {region: eu}`.
        """
        location = {"region": self.region, "provider": self.provider}
        return {key: value for key, value in location.items() if value} | self.labels

    @property
    def health(self) -> Health:
        """What is held of it."""
        return self.observation.health

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if it was ever observed."""
        return next((condition for condition in self.observation.conditions if condition.type == type_), None)

    def snapshot(self) -> ClusterSnapshot:
        """What placement may look at."""
        ready = self.condition("Ready")
        return ClusterSnapshot(
            name=self.name,
            labels=self.effective_labels,
            taints=(*self.taints, *taints_of(self.health)),
            provider=self.provider,
            region=self.region,
            zones=self.zones,
            jurisdiction=self.jurisdiction,
            cost=self.cost,
            scores=self.scores,
            conditions={condition.type: condition.status for condition in self.observation.conditions},
            kubernetes_version=self.observation.kubernetes_version,
            capacity=None if self.room is None else placement.Capacity(nodes=self.room.nodes, grants=self.room.waiting),
            deleting=self.delete_time is not None,
            ready=None
            if ready is None or ready.status is ConditionStatus.UNKNOWN
            else ready.status is ConditionStatus.TRUE,
        )
