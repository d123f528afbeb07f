"""Pure: units that are primary on one cluster and replica on the others: what they ask for, and where the primary is.

There is one primary at most that is authorised. It goes from a cluster to another by a *switchover*, whose steps are in
`fedsvc.model.switchover`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from fedsvc.rendering.fieldpaths import parse_field_path, values_at
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.roles import Role, RoleView

DEFAULT_TIMEOUT_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is to be seen of one resource of the unit: a field of its status; of a Job without one, that it completed.

    With neither `equals` nor `at_most` the field must be there, with another value than before the switchover.
    """

    kind: str
    name: str
    namespace: str = ""  # empty: any
    path: str = ""  # for `fedsvc.rendering.fieldpaths.parse_field_path`; begins with "status."
    equals: str | None = None  # as text
    at_most: float | None = None

    def means(self, key: ObjectKey) -> bool:
        """Whether it is of this resource."""
        return (self.kind, self.name) == (key.kind, key.name) and self.namespace in ("", key.namespace)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LossPolicy:
    """What counts as proof where the cluster of the primary is lost; both, where both are given."""

    fence: Evidence | None = None  # runs where the new primary is to be
    proof: Evidence | None = None  # seen there


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePolicy:
    """What a unit asks for that has a primary and replicas."""

    prefer: tuple[str, ...] = ()  # clusters, the best first
    demote: Evidence | None = None  # runs where the primary is, before it becomes a replica
    proof: Evidence | None = None  # seen there, when it has become one; None: all of it is healthy
    promote: Evidence | None = None  # runs where the new primary is, when it has become one
    on_loss: LossPolicy = field(default_factory=LossPolicy)
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS  # of each step
    dataset: str = ""  # of the fleet settings, whose primary goes along; empty: none

    @property
    def hooks(self) -> tuple[Evidence, ...]:
        """The resources that are in a cluster during a step only."""
        return tuple(one for one in (self.demote, self.on_loss.fence, self.promote) if one is not None)

    def is_hook(self, key: ObjectKey) -> bool:
        """Whether a resource is there during a step only."""
        return any(one.means(key) for one in self.hooks)


class Phase(StrEnum):
    """Where a switchover stands.

    =============  ===================================================================================================
    Steady         there is none under way
    Quiescing      what runs before the primary becomes a replica runs there
    Demoting       the primary is made a replica
    AwaitingProof  it was; that it takes no more writes is awaited
    Fencing        its cluster is lost; that it takes no more writes is to be had otherwise, or accepted by somebody
    Promoting      the target is made the primary
    Finishing      what runs after that runs there
    =============  ===================================================================================================
    """

    STEADY = "Steady"
    QUIESCING = "Quiescing"
    DEMOTING = "Demoting"
    AWAITING_PROOF = "AwaitingProof"
    FENCING = "Fencing"
    PROMOTING = "Promoting"
    FINISHING = "Finishing"

    @property
    def is_before_promotion(self) -> bool:
        """Whether a switchover is under way and nothing but the old primary was authorised."""
        return self in (Phase.QUIESCING, Phase.DEMOTING, Phase.AWAITING_PROOF, Phase.FENCING)


class Cause(StrEnum):
    """Why the primary goes elsewhere."""

    LOST = "Lost"  # its cluster is
    ASKED = "Asked"  # somebody wants it elsewhere
    LEAVING = "Leaving"  # the unit leaves its cluster, which lives
    RETURN = "Return"  # to the cluster that is preferred


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchover:
    """Where the primary of a unit is, and what is under way."""

    primary: str  # the one cluster that is authorised; while it is demoted, too
    phase: Phase = Phase.STEADY
    target: str = ""  # that is to be primary
    source: str = ""  # where the primary was before the newest switchover
    cause: Cause | None = None
    author: str = ""  # who asked for it
    why: str = ""  # as they put it
    begin_time: datetime | None = None
    phase_time: datetime | None = None
    promote_time: datetime | None = None  # when the primary that is was authorised
    is_demoted: bool = False  # nobody is to be primary: the one that was is made a replica, and no other is authorised
    is_loss_accepted: bool = False  # somebody does without proof
    proof: str = ""  # by which the primary that is was promoted
    stale_proof: str = ""  # what stood there before the switchover
    undemoted: tuple[str, ...] = ()  # were primary, and are not known to be replicas: their cluster was lost, say
    home: str = ""  # where the primary was before it was moved by itself
    is_kept: bool = False  # somebody moved it: it does not return by itself
    blocked: str = ""  # constant word: what it cannot go on without; empty: it is on its way
    message: str = ""  # what it waits for, for people

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, nor left to be seen to."""
        return self.phase is Phase.STEADY and not self.undemoted and not self.blocked

    def role_on(self, cluster: str) -> Role:
        """What the unit shall be on a cluster."""
        return Role.PRIMARY if cluster == self.primary and not self.is_demoted else Role.REPLICA

    def view(self, cluster: str) -> RoleView:
        """The same, with what there is to know of the primary: one that is being demoted follows its successor."""
        followed = self.target if cluster == self.primary and self.role_on(cluster) is Role.REPLICA else self.primary
        return RoleView(role=self.role_on(cluster), cluster=cluster, primary=followed, proof=self.proof)

    def hooks_on(self, cluster: str, policy: RolePolicy) -> tuple[Evidence, ...]:
        """What runs on a cluster now and goes when its step is over."""
        found = {
            Phase.QUIESCING: (self.primary, policy.demote),
            Phase.FENCING: (self.target, policy.on_loss.fence),
            Phase.FINISHING: (self.primary, policy.promote),
        }.get(self.phase)
        return () if found is None or found[1] is None or found[0] != cluster else (found[1],)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Somebody wants the primary elsewhere."""

    target: str = ""  # empty: wherever is best
    accepts_loss: bool = False
    author: str = ""
    why: str = ""


def first_primary(policy: RolePolicy, clusters: Collection[str]) -> Switchover | None:
    """Where the primary of a unit is that had none; None: it is nowhere."""
    ranked = ranked_by(policy, clusters)
    return Switchover(primary=ranked[0]) if ranked else None


def ranked_by(policy: RolePolicy, clusters: Collection[str]) -> list[str]:
    """Clusters, those that are preferred first, else by name."""
    place = {name: index for index, name in enumerate(policy.prefer)}
    return sorted(clusters, key=lambda name: (place.get(name, len(place)), name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is seen of a piece of evidence on a cluster."""

    is_there: bool = False  # the resource is there, or is to go from there
    value: str | None = None  # what shows it; None: it is not shown
    problem: str = ""  # why it will not come by waiting
    lacks: str = ""  # what is not there, for people


def read_evidence(
    wanted: Evidence, status: Mapping[str, Any] | None, *, health: str, reason: str, message: str, is_hook: bool
) -> Reading:
    """What the status of a resource shows, which was seen since it was made to hold what it holds.

    Args:
        wanted: what is to be seen.
        status: as it is kept; None: not seen yet.
        health: of the object.
        reason: of that.
        message: of that.
        is_hook: whether it runs for this alone: then it is over when it failed.
    """
    if status is None:
        return Reading(is_there=True, lacks=f"{wanted} to be seen")
    if health == "Degraded" and is_hook:
        return Reading(is_there=True, problem=f"{wanted} failed: {message or reason}")
    if not wanted.path:
        is_done = health == "Healthy" and reason == "Completed"
        return Reading(is_there=True, value="" if is_done else None, lacks="" if is_done else f"{wanted} to complete")
    seen, made = status.get("observedGeneration"), status.get("generation")
    if isinstance(seen, int) and isinstance(made, int) and seen < made:
        return Reading(is_there=True, lacks=f"the controller of {wanted} to see its newest version")
    found = values_at({"status": dict(status)}, parse_field_path(wanted.path))
    shown = next((_text(value) for value in found if _shows(wanted, value)), None)
    return Reading(is_there=True, value=shown, lacks="" if shown is not None else _lacking(wanted, status))


def _shows(wanted: Evidence, value: Any) -> bool:
    if wanted.equals is not None:
        return _text(value) == wanted.equals
    if wanted.at_most is not None:
        return _number(value) is not None and (_number(value) or 0.0) <= wanted.at_most
    return not isinstance(value, (dict, list)) and value not in (None, "", False)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else "" if value is None else str(value)


def _lacking(wanted: Evidence, status: Mapping[str, Any]) -> str:
    found = [_text(one) for one in values_at({"status": dict(status)}, parse_field_path(wanted.path))]
    what = (
        f" to be {wanted.equals}"
        if wanted.equals is not None
        else f" to be {wanted.at_most:g} at most"
        if wanted.at_most is not None
        else ""
    )
    if found:
        return f"{wanted.path} of {wanted}{what}: it is {', '.join(found)[:100] or 'empty'}"
    kept = ", ".join(sorted(status)) or "nothing"
    return f"{wanted.path} of {wanted}{what}: it is not there (of its status is kept: {kept})"
