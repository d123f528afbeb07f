"""What the names of units rest on: Services, Ingresses, HTTPRoutes and Gateways, as written and as members hold them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.canonical import load_json
from fedsvc.store.codec import from_json
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc_dns.planner.zone import DnsSettings

_WITH_NAMES: Final = "jsonb_typeof(u.spec -> 'dns') = 'object' AND u.delete_time IS NULL"
_NAMED: Final = (
    "((x.group_ = '' AND x.kind = 'Service') OR (x.group_ = 'networking.k8s.io' AND x.kind = 'Ingress')"
    " OR (x.group_ = 'gateway.networking.k8s.io' AND x.kind IN ('HTTPRoute', 'Gateway')))"
)
_COLUMNS: Final = (
    "SELECT CAST(x.unit_uid AS text) AS unit_uid, x.cluster, x.kind, x.namespace, x.name, x.observed_status, x.ready_replicas,"
    " x.observed_time IS NOT NULL AS is_observed, x.removal IS NOT NULL OR x.desired_digest IS NULL AS is_going, m.body"
)
_TEMPLATES: Final = text(
    "SELECT CAST(u.uid AS text) AS unit_uid, u.namespace AS unit_namespace, u.name AS unit_name, u.spec -> 'dns' AS dns,"
    " x.kind, x.namespace, x.name, m.body FROM unit u JOIN resource x ON x.unit_uid = u.uid"
    f" JOIN manifest m ON m.digest = x.digest WHERE {_WITH_NAMES} AND {_NAMED} AND m.key_id IS NULL"
)
_WORKS: Final = text(
    f"{_COLUMNS} FROM unit u JOIN work x ON x.unit_uid = u.uid LEFT JOIN manifest m ON m.digest = x.desired_digest AND m.key_id IS NULL"
    f" WHERE {_WITH_NAMES} AND ({_NAMED} OR (x.group_ = 'apps' AND x.kind IN"
    " ('Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet')))"
)
_WORKS_OF: Final = text(
    _WORKS.text.replace(f"WHERE {_WITH_NAMES} AND", "WHERE u.uid = CAST(:uid AS uuid) AND u.delete_time IS NULL AND")
)
_GATEWAYS: Final = text(
    f"{_COLUMNS} FROM work x JOIN manifest m ON m.digest = x.desired_digest AND m.key_id IS NULL"
    " WHERE x.group_ = 'gateway.networking.k8s.io' AND x.kind = 'Gateway'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedObject:
    """A Service, an Ingress, an HTTPRoute or a Gateway of a unit that wants names."""

    unit_uid: str
    unit: str  # "namespace/name"
    settings: DnsSettings
    kind: str
    namespace: str
    name: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldObject:
    """One of these, a workload of such a unit, or a Gateway of any, on a cluster."""

    unit_uid: str
    cluster: str
    kind: str
    namespace: str
    name: str
    manifest: Mapping[str, Any] | None  # as it shall be there; None while it goes
    status: Mapping[str, Any]
    ready_replicas: int | None  # of workloads; None: not known
    is_observed: bool
    is_going: bool


async def templates(tx: Transaction) -> Sequence[NamedObject]:
    """The Services, Ingresses, HTTPRoutes and Gateways of all units that want names."""
    return [
        NamedObject(
            unit_uid=row.unit_uid,
            unit=f"{row.unit_namespace}/{row.unit_name}",
            settings=from_json(DnsSettings, row.dns),
            kind=row.kind,
            namespace=row.namespace,
            name=row.name,
            manifest=load_json(row.body),
        )
        for row in await tx.execute(_TEMPLATES)
    ]


async def works(tx: Transaction) -> Sequence[HeldObject]:
    """What clusters hold of these units: Services, Ingresses, HTTPRoutes, Gateways and workloads."""
    return _held(await tx.execute(_WORKS))


async def works_of(tx: Transaction, uid: str) -> Sequence[HeldObject]:
    """The same of one unit, whether or not it wants names."""
    return _held(await tx.execute(_WORKS_OF, {"uid": uid}))


async def gateways(tx: Transaction) -> Sequence[HeldObject]:
    """The Gateways that clusters hold, of all units: routes of one unit may be on those of another."""
    return _held(await tx.execute(_GATEWAYS))


def _held(rows: Iterable[Any]) -> list[HeldObject]:
    return [
        HeldObject(
            unit_uid=row.unit_uid,
            cluster=row.cluster,
            kind=row.kind,
            namespace=row.namespace,
            name=row.name,
            manifest=None if row.body is None else load_json(row.body),
            status=row.observed_status or {},
            ready_replicas=row.ready_replicas,
            is_observed=row.is_observed,
            is_going=row.is_going,
        )
        for row in rows
    ]
