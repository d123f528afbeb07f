"""Where a unit may be by law, by its data, and by what it spreads over.

The first two hold for what runs already as well: no failover and no mistake keeps a unit where it must not be.
"""

from fedsvc_placement.model import DataAccess, DataAnchor, Dataset, Topology, Verdict
from fedsvc_placement.rules.candidate import Candidate, Rule, always
from fedsvc_placement.texts import list_text, topology_text
from fedsvc_placement.topology import group_of

_JURISDICTION = "Jurisdiction"
_DATA_ANCHOR = "DataAnchor"
_TOPOLOGY = "Topology"

_KNOWN = Verdict(rule=_TOPOLOGY, passed=True, reason="LocationKnown")


def jurisdiction(candidate: Candidate) -> Verdict:
    """Require a law that the placement allows; a cluster of which none is known is under none of them."""
    allowed = candidate.placement.jurisdictions or ()
    found = candidate.cluster.jurisdiction
    wanted = " or ".join(sorted(set(allowed))) or "nowhere: placement.jurisdictions is empty"
    if not found:
        return Verdict(
            rule=_JURISDICTION,
            passed=False,
            reason="JurisdictionUnknown",
            message=f"the law it is under is not known; allowed is {wanted}",
        )
    if found not in allowed:
        return Verdict(
            rule=_JURISDICTION,
            passed=False,
            reason="JurisdictionNotAllowed",
            message=f"it is under the law of {found}; allowed is {wanted}",
        )
    return Verdict(
        rule=_JURISDICTION, passed=True, reason="JurisdictionAllowed", message=f"under the law of {found}, as allowed"
    )


def data_anchor(candidate: Candidate) -> Verdict:
    """Require that every dataset can be read, or written, on the cluster."""
    refusals: list[tuple[str, str]] = []
    served: list[str] = []
    for anchor in candidate.placement.data:
        reason, message = _anchored(anchor, candidate.fleet.datasets.get(anchor.dataset), candidate.cluster.name)
        if reason:
            refusals.append((reason, message))
        else:
            served.append(message)
    if refusals:
        message = "; ".join(message for _, message in refusals)
        return Verdict(rule=_DATA_ANCHOR, passed=False, reason=refusals[0][0], message=message)
    return Verdict(rule=_DATA_ANCHOR, passed=True, reason="DataHere", message="; ".join(served))


def topology(candidate: Candidate) -> Verdict:
    """Require that the cluster is in a group of every spread constraint."""
    unknown = {
        topology_text(entry.by, entry.label_key)
        for entry in candidate.placement.spread
        if not group_of(candidate.cluster, entry.by, entry.label_key)
    }
    if not unknown:
        return _KNOWN
    message = f"it has no {' and no '.join(sorted(unknown))}, over which placement.spread spreads"
    return Verdict(rule=_TOPOLOGY, passed=False, reason="LocationUnknown", message=message)


def _anchored(anchor: DataAnchor, dataset: Dataset | None, cluster: str) -> tuple[str, str]:
    """Return the reason of a refusal, empty for none, and a message."""
    name = anchor.dataset
    if dataset is None:
        return "DatasetUnknown", f"dataset {name} is not known"
    if dataset.primary == cluster:
        return "", f"the primary of dataset {name} is here"
    if anchor.access == DataAccess.WRITE:
        where = f"is written on {dataset.primary}" if dataset.primary else "has no primary, so nobody can write it"
        return "NotWritableHere", f"dataset {name} {where}"
    if anchor.access != DataAccess.READ:
        raise ValueError(f"data access {anchor.access!r} is not one of {', '.join(DataAccess)}")
    copy = next((entry for entry in dataset.copies if entry.cluster == cluster), None)
    if copy is None:
        places = sorted({dataset.primary, *(entry.cluster for entry in dataset.copies)} - {""})
        where = f"can be read on {list_text(places)}" if places else "can be read nowhere"
        return "NotReadableHere", f"dataset {name} {where}"
    return _fresh(anchor, copy.lag_seconds)


def _fresh(anchor: DataAnchor, lag_seconds: int | None) -> tuple[str, str]:
    name, most = anchor.dataset, anchor.max_lag_seconds
    lag = "an unknown time" if lag_seconds is None else f"{lag_seconds} s"
    if most is None:
        return "", f"a copy of dataset {name} is here, which lags {lag}"
    if lag_seconds is not None and lag_seconds <= most:
        return "", f"a copy of dataset {name} is here, which lags {lag} of at most {most} s"
    reason = "LagUnknown" if lag_seconds is None else "LagTooLong"
    return reason, f"the copy of dataset {name} lags {lag}; at most {most} s is allowed"


JURISDICTION = Rule(
    name=_JURISDICTION, applies=lambda unit: unit.placement.jurisdictions is not None, judge=jurisdiction
)
DATA_ANCHOR = Rule(name=_DATA_ANCHOR, applies=lambda unit: bool(unit.placement.data), judge=data_anchor, by_name=always)
TOPOLOGY = Rule(
    name=_TOPOLOGY,
    applies=lambda unit: any(entry.by != Topology.CLUSTER for entry in unit.placement.spread),
    judge=topology,
)
