"""What a cluster must offer for anything new to go there. What is there already stays: it runs, or says why not."""

from fedsvc_placement.model import ApiKind, ClusterSnapshot, Verdict, VersionRange
from fedsvc_placement.rules.candidate import Candidate, Rule, stays
from fedsvc_placement.texts import kind_text, list_text
from fedsvc_placement.versions import in_range, range_text, served_version

_API_AVAILABILITY = "ApiAvailability"
_KUBERNETES_VERSION = "KubernetesVersion"
_CONDITIONS = "Conditions"

_KINDS_SERVED = Verdict(rule=_API_AVAILABILITY, passed=True, reason="KindsServed")
_KINDS_UNKNOWN = Verdict(
    rule=_API_AVAILABILITY, passed=True, reason="KindsUnknown", message="which kinds it serves is not known yet"
)
_CONDITIONS_HOLD = Verdict(rule=_CONDITIONS, passed=True, reason="ConditionsHold")


def api_availability(candidate: Candidate) -> Verdict:
    """Require that the cluster serves the kinds that the unit needs, at their versions.

    A cluster that has not said yet what it serves passes: it would otherwise be empty until it has, and what does not
    fit there says so itself.
    """
    served = candidate.cluster.kinds
    if served is None:
        return _KINDS_UNKNOWN
    missing = sorted(set(candidate.unit.kinds) - served)
    if not missing:
        return _KINDS_SERVED
    message = f"it does not serve {list_text(_with_others(kind, served) for kind in missing)}"
    if candidate.bound:
        return stays(_API_AVAILABILITY, message)
    return Verdict(rule=_API_AVAILABILITY, passed=False, reason="KindsMissing", message=message)


def kubernetes_version(candidate: Candidate) -> Verdict:
    """Require a Kubernetes version in the range; one that is not known is not in it."""
    wanted = candidate.placement.kubernetes or VersionRange()
    found = candidate.cluster.kubernetes_version
    version = served_version(found)
    if version is not None and in_range(version, wanted):
        return Verdict(
            rule=_KUBERNETES_VERSION,
            passed=True,
            reason="VersionFits",
            message=f"Kubernetes {found} is {range_text(wanted)}",
        )
    reason = "VersionUnknown" if version is None else "VersionOutOfRange"
    message = f"Kubernetes {found or 'version unknown'} is not {range_text(wanted)}"
    if candidate.bound:
        return stays(_KUBERNETES_VERSION, message)
    return Verdict(rule=_KUBERNETES_VERSION, passed=False, reason=reason, message=message)


def conditions(candidate: Candidate) -> Verdict:
    """Require the statuses of conditions; one that the cluster does not have is Unknown."""
    wrong = [
        f"condition {wanted.type} is {found}, not {wanted.status}"
        for wanted in candidate.placement.conditions
        if (found := condition_status(candidate.cluster, wanted.type)) != wanted.status
    ]
    if not wrong:
        return _CONDITIONS_HOLD
    message = "; ".join(wrong)
    if candidate.bound:
        return stays(_CONDITIONS, message)
    return Verdict(rule=_CONDITIONS, passed=False, reason="ConditionsDoNotHold", message=message)


def condition_status(cluster: ClusterSnapshot, type_: str) -> str:
    """Return the status of a condition, Unknown where the cluster does not have it."""
    return cluster.conditions.get(type_, "Unknown")


def _with_others(kind: ApiKind, served: frozenset[ApiKind]) -> str:
    others = sorted(other.version for other in served if (other.group, other.kind) == (kind.group, kind.kind))
    return f"{kind_text(kind)} (but {list_text(others)})" if others else kind_text(kind)


API_AVAILABILITY = Rule(name=_API_AVAILABILITY, applies=lambda unit: bool(unit.kinds), judge=api_availability)
KUBERNETES_VERSION = Rule(
    name=_KUBERNETES_VERSION, applies=lambda unit: unit.placement.kubernetes is not None, judge=kubernetes_version
)
CONDITIONS = Rule(name=_CONDITIONS, applies=lambda unit: bool(unit.placement.conditions), judge=conditions)
