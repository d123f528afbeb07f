"""Pure: what a probe found, as evidence for the verdict on a member."""

from collections.abc import Mapping
from typing import Final

from fedsvc.health import Evidence, EvidenceKind, Verdict
from fedsvc.health.verdict import HIBERNATED_TAINT
from fedsvc.members.errors import (
    MemberError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
    UnreachableKind,
)
from fedsvc.members.inspect import Readiness
from fedsvc.model.cluster import Cluster
from fedsvc_placement.model import MAINTENANCE_TAINT, Effect

_KINDS: Final[Mapping[UnreachableKind, EvidenceKind]] = {
    UnreachableKind.REFUSED: EvidenceKind.REFUSED,
    UnreachableKind.TIMEOUT: EvidenceKind.TIMED_OUT,
    UnreachableKind.RESET: EvidenceKind.BROKEN_OFF,
    UnreachableKind.NETWORK: EvidenceKind.NO_ROUTE,
    UnreachableKind.TLS: EvidenceKind.TLS_FAILED,
    UnreachableKind.DNS: EvidenceKind.NAME_NOT_FOUND,
    UnreachableKind.PROXY: EvidenceKind.PROXY_FAILED,
}
_TOO_MANY: Final = 429
_SERVER_TROUBLE: Final = 500


def evidence_of(
    readiness: Readiness | None, error: MemberError | None, *, nodes: int = 0, ready_nodes: int = 0
) -> Evidence:
    """What a probe tells: `readiness`, or the `error` in its place; where that is well, what is known of its nodes.

    Args:
        readiness: what was answered.
        error: why nothing was.
        nodes: that the member has, as was read last; 0: none, or that is not known.
        ready_nodes: those of them that are ready.
    """
    if readiness is not None:
        found = _of_answer(readiness)
        if found.kind is EvidenceKind.WELL and nodes and not ready_nodes:
            words = "its node is not ready" if nodes == 1 else f"none of its {nodes} nodes is ready"
            return Evidence(kind=EvidenceKind.NODES_NOT_READY, message=words)
        return found
    if isinstance(error, MemberUnreachableError):
        kind = _KINDS[error.kind]
    elif isinstance(error, MemberStatusError):
        kind = _of_status(error.code)
    else:
        kind = EvidenceKind.WRONG_SETTINGS if isinstance(error, MemberSettingsError) else EvidenceKind.NOT_AN_API_SERVER
    return Evidence(kind=kind, message=str(error))


def expected_of(cluster: Cluster) -> Verdict | None:
    """What was announced of a member that may be silent."""
    if any(taint.key == HIBERNATED_TAINT for taint in cluster.taints):
        return Verdict.HIBERNATED
    if any(taint.key == MAINTENANCE_TAINT and taint.effect == Effect.NO_EXECUTE for taint in cluster.taints):
        return Verdict.MAINTENANCE
    return None


def _of_answer(readiness: Readiness) -> Evidence:
    if readiness.refusal is not None:
        return Evidence(kind=EvidenceKind.CREDENTIALS_REFUSED, message="it refuses our credential")
    if readiness.is_busy:
        return Evidence(kind=EvidenceKind.OVERLOADED, message=readiness.message)
    if readiness.ready is False:
        return Evidence(kind=EvidenceKind.NOT_READY, message=readiness.message)
    return Evidence(kind=EvidenceKind.WELL)


def _of_status(code: int) -> EvidenceKind:
    if code == _TOO_MANY:
        return EvidenceKind.OVERLOADED
    return EvidenceKind.NOT_READY if code >= _SERVER_TROUBLE else EvidenceKind.CREDENTIALS_REFUSED
