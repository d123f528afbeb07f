"""Pure: why a name answers what it answers, in words: of the name, and of each target, in or out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from fedsvc_dns.planner.choosing import Basis, Choice
from fedsvc_dns.planner.evidence import Evidence, Ground, Signal
from fedsvc_dns.planner.health import reused_at
from fedsvc_dns.planner.idn import to_a_labels, to_u_labels
from fedsvc_dns.planner.memory import HealthPolicy, State, TargetMemory
from fedsvc_dns.planner.naming import Level
from fedsvc_dns.planner.outcome import Decision
from fedsvc_dns.planner.plan import Plan
from fedsvc_dns.planner.targets import Cause, Standing, TargetDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Whether a target answers for a name, and why."""

    cluster: str
    is_in: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a name answers what it answers.

    Attributes:
        name: as people read it.
        service: key of the object that it belongs to.
        stands_for: what, in words.
        basis: how the choice came about, in words.
        targets: each, by cluster.
    """

    name: str
    service: str
    stands_for: str
    basis: str
    targets: tuple[Why, ...]


def explain(plan: Plan, name: str, policy: HealthPolicy) -> Explanation | None:
    """Explain a name of a plan; None: it is none of the plan's.

    Names of SRV and SVCB records are explained as the name that they are below.

    Raises:
        ValueError: it is no name at all.
    """
    asked = to_a_labels(name)
    base = asked
    while base.startswith("_"):
        base = base.partition(".")[2]
    decision = plan.decisions.get(base)
    if decision is None:
        return _of_one_cluster(plan, asked, base, policy)
    targets = [target for target in plan.targets.values() if target.service == decision.service]
    return Explanation(
        name=to_u_labels(asked),
        service=decision.service,
        stands_for=_stands_for(decision),
        basis=_basis(decision),
        targets=tuple(_why(target, decision, policy) for target in targets),
    )


def _of_one_cluster(plan: Plan, asked: str, base: str, policy: HealthPolicy) -> Explanation | None:
    service = plan.memory.owners.get(base)
    if service is None:
        return None
    targets = [
        target
        for target in plan.targets.values()
        if target.service == service and (base.startswith(f"{target.cluster}.") or f".{target.cluster}." in base)
    ]
    return Explanation(
        name=to_u_labels(asked),
        service=service,
        stands_for="what SRV records point to",
        basis="its addresses as long as it has any, whatever its health",
        targets=tuple(
            Why(cluster=one.cluster, is_in=bool(one.answers), words=words_of(one, policy)) for one in targets
        ),
    )


def explain_lines(explanation: Explanation) -> list[str]:
    """Return an explanation as lines of text: the name, what it rests on, then a line for each target."""
    lines = [
        f"{explanation.name} stands for {explanation.stands_for} of {explanation.service}",
        f"it answers with {explanation.basis}",
    ]
    width = max((len(target.cluster) for target in explanation.targets), default=0)
    lines.extend(
        f"{'in ' if target.is_in else 'out'} {target.cluster:<{width}}  {target.words}"
        for target in explanation.targets
    )
    return lines


def _stands_for(decision: Decision) -> str:
    return {
        Level.GLOBAL: "all clusters",
        Level.REGION: f"region {decision.place}",
        Level.ZONE: f"zone {decision.place}",
        Level.PREFIX: "all clusters",
        Level.HOST: "all clusters",
    }[decision.level]


def _basis(decision: Decision) -> str:
    choice = decision.choice
    if choice.basis is Basis.LEVEL_UP:
        if decision.level is Level.PREFIX:
            return f"what {to_u_labels(decision.above)} answers, as an alias of it"
        return f"what {to_u_labels(decision.above)} answers, since nothing of its own is fit"
    return _basis_of_choice(choice)


def _basis_of_choice(choice: Choice) -> str:
    few = f"since {_few(choice)}"
    words = {
        Basis.FIT: "what is fit",
        Basis.TIER: f"what is fit of tier {choice.tier + 1}",
        Basis.SPILL: "what is fit of several tiers, since none has enough alone",
        Basis.STANDBY: f"what is fit and targets of weight 0, {few}",
        Basis.RESTING: f"what is fit and what recovers or flapped, {few}",
        Basis.ALL: f"all that nobody drained, {few}",
        Basis.LAST: f"what was published last, {few}",
        Basis.SORRY: f"the address to say sorry from, {few}",
        Basis.NXDOMAIN: f"nothing, as its settings ask for, {few}",
        Basis.NOTHING: "nothing yet: no target has an address",
    }
    return words[choice.basis]


def _few(choice: Choice) -> str:
    if choice.fit == 0:
        return "no target is fit"
    are_fit = "1 target is fit" if choice.fit == 1 else f"{choice.fit} targets are fit"
    return f"only {are_fit}, of {choice.needed} needed"


def _why(target: TargetDecision, decision: Decision, policy: HealthPolicy) -> Why:
    is_in = any(answer.cluster == target.cluster for answer in decision.choice.answers)
    words = words_of(target, policy)
    if not is_in and target.standing in (Standing.FIT, Standing.STANDBY):
        words = f"{words}; {_not_chosen(target, decision)}"
    return Why(cluster=target.cluster, is_in=is_in, words=words)


def _not_chosen(target: TargetDecision, decision: Decision) -> str:
    choice = decision.choice
    if choice.basis is Basis.LAST:
        return "what was published last stands"
    if target.standing is Standing.STANDBY:
        return "not needed"
    if decision.level is Level.REGION and not decision.above and target.region != decision.place:
        return f"it is in region {target.region or '(none)'}"
    if decision.level is Level.ZONE and not decision.above and _elsewhere(target, decision.place):
        return f"it is in {', '.join(target.zones) or 'no zone'} of region {target.region or '(none)'}"
    if any(answer.cluster != target.cluster for answer in choice.answers) and target.tier > choice.tier:
        return f"it is of tier {target.tier + 1}"
    return f"{len(choice.answers)} others were drawn"


def _elsewhere(target: TargetDecision, place: str) -> bool:
    return place not in [f"{zone}.{target.region}" for zone in target.zones]


def words_of(target: TargetDecision, policy: HealthPolicy) -> str:
    """Return where a target stands, in words."""
    fixed = {
        Cause.WEIGHT: "its weight is 0: it answers when nothing else can",
        Cause.DRAINED: "its cluster is drained",
        Cause.MAINTENANCE: "its cluster is under maintenance",
        Cause.HIBERNATED: "its cluster is hibernated",
        Cause.ABSENT: "the object is not in this cluster",
        Cause.LEFT: "the cluster has left the fleet",
        Cause.NO_ADDRESS: "it has no address",
        Cause.UNRESOLVED: "the host name of its load balancer has never been resolved",
    }
    if target.cause in fixed:
        emptied = target.target.emptied_at if target.target else None
        since = f" since {_time(emptied)}" if emptied and target.cause is Cause.NO_ADDRESS else ""
        return f"{fixed[target.cause]}{since}"
    if target.target is None or target.evidence is None:
        return str(target.standing)
    if target.cause is Cause.FLAPPED:
        until = reused_at(target.target, policy)
        return f"it is up, but flapped: kept out{f' until {_time(until)}' if until else ''}"
    words = f"{_state(target.target)}: {evidence_words(target.evidence)}"
    return f"{words}; kept in: {target.held}" if target.cause is Cause.HELD else words


def _state(target: TargetMemory) -> str:
    return {
        State.UP: f"up since {_time(target.since)}",
        State.SUSPECT: f"suspect since {_time(target.since)}",
        State.DOWN: f"down since {_time(target.since)}",
        State.RECOVERING: f"recovering since {_time(target.since)}",
    }[target.state]


def evidence_words(evidence: Evidence) -> str:
    """Return what evidence says, in words."""
    heard = "" if evidence.is_heard else "its cluster is not heard, "
    if evidence.ground is Ground.CLUSTER:
        return "its cluster is heard"
    if evidence.ground is Ground.NOTHING:
        return f"{heard}and nobody probes it: what is not known removes nothing"
    if evidence.ground is Ground.STALE:
        return f"{heard}and nobody probes it, for too long"
    if evidence.ground is Ground.ENDPOINTS:
        return {
            Signal.UP: "it has ready endpoints",
            Signal.RISING: "it has ready endpoints, not for long",
            Signal.FALLING: "it has no ready endpoints, not for long",
        }.get(evidence.signal, "it has no ready endpoints")
    if not evidence.voters:
        return f"{heard}no vantage that is believed knows by now"
    votes = f"{evidence.votes} of {evidence.voters} {'vantage' if evidence.voters == 1 else 'vantages'}"
    detail = f": {evidence.detail}" if evidence.detail else ""
    return {
        Signal.UP: f"{heard}{votes} reach it",
        Signal.RISING: f"{heard}{votes} reach it, not often enough yet",
        Signal.FALLING: f"{heard}{votes} fail, not often enough yet{detail}",
        Signal.DOWN: f"{heard}{votes} fail{detail}",
        Signal.UNKNOWN: f"{heard}{votes} fail, which settles nothing{detail}",
    }[evidence.signal]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
