"""Pure: what all that is seen of a target comes to. What is not known says nothing, and removes nothing.

| cluster | endpoints | probes | it comes to |
| --- | --- | --- | --- |
| heard | none ready | any | down |
| heard | any | fail for most vantages | down |
| heard | ready, or not known | reach it, or nobody probes | up |
| heard | ready, or not known | nobody who is believed knows by now | not known |
| not heard | not asked: what was last seen is old | reach it | up: the loss of control is none of traffic |
| not heard | | fail for most vantages, at least two | down |
| not heard | | fail for one vantage alone | not known |
| not heard | | nobody probes | not known; after long, as the policy says |
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fedsvc_dns.planner.facts import Cluster, Instance, Outcome, Probe, Verdict
from fedsvc_dns.planner.memory import HealthPolicy, OnStale, TargetMemory

_HEARD = (Verdict.HEALTHY, Verdict.DEGRADED, Verdict.MAINTENANCE, Verdict.HIBERNATED)
_QUORUM = 2


class Signal(StrEnum):
    """What evidence says: up, down, on the way there and not yet sure, or nothing."""

    UP = "up"
    RISING = "rising"
    FALLING = "falling"
    DOWN = "down"
    UNKNOWN = "unknown"


class Ground(StrEnum):
    """What a signal rests on."""

    CLUSTER = "cluster"
    ENDPOINTS = "endpoints"
    PROBES = "probes"
    NOTHING = "nothing"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A signal and what it rests on.

    Attributes:
        signal: see there.
        ground: see there.
        votes: vantages that say so.
        voters: vantages that say anything.
        is_heard: whether the cluster is heard.
        detail: what failed, in words.
    """

    signal: Signal
    ground: Ground
    votes: int = 0
    voters: int = 0
    is_heard: bool = True
    detail: str = ""

    @property
    def has_quorum(self) -> bool:
        """Whether most vantages, and at least two, say so."""
        return self.votes >= _QUORUM and self.votes * 2 > self.voters

    @property
    def is_certain(self) -> bool:
        """Whether it was seen in the cluster itself."""
        return self.ground is Ground.ENDPOINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a target has ready endpoints, since when, and what that says by now; None: not known, or not asked."""

    is_ready: bool | None = None
    since: datetime | None = None
    signal: Signal | None = None
    due: datetime | None = None


def readiness(
    previous: TargetMemory | None, cluster: Cluster, ready: int | None, policy: HealthPolicy, now: datetime
) -> Readiness:
    """Damp the number of ready endpoints: it counts when it has stayed above or at zero for long enough.

    The first look counts at once; of a cluster that is not heard, what was seen before is kept and says nothing.
    """
    was = None if previous is None else previous.is_ready
    since = None if previous is None else previous.ready_since
    if not is_heard(cluster) or ready is None:
        return Readiness(is_ready=was, since=since)
    is_ready = ready > 0
    wait = policy.ready_for if is_ready else policy.unready_for
    if was is None or since is None:
        since = now - wait
    elif was is not is_ready:
        since = now
    due = since + wait
    if due <= now:
        return Readiness(is_ready=is_ready, since=since, signal=Signal.UP if is_ready else Signal.DOWN)
    return Readiness(is_ready=is_ready, since=since, signal=Signal.RISING if is_ready else Signal.FALLING, due=due)


def is_heard(cluster: Cluster) -> bool:
    """Whether what a cluster says of itself is of now."""
    return cluster.verdict in _HEARD


def weigh(
    cluster: Cluster,
    ready: Readiness,
    probes: Sequence[Probe],
    policy: HealthPolicy,
    *,
    blind: frozenset[str] = frozenset(),
    now: datetime,
) -> tuple[Evidence, datetime | None]:
    """Return what all evidence of a target comes to, and when time alone will change that.

    Args:
        cluster: where the target is.
        ready: what its endpoints say.
        probes: of all vantages.
        policy: by which numbers.
        blind: vantages that are not believed.
        now: the time.
    """
    probed = _vote(probes, policy, blind, now) if probes else None
    if is_heard(cluster):
        return _of_heard(ready, probed), ready.due
    return _of_unheard(cluster, probed, policy, now)


def _of_heard(ready: Readiness, probed: Evidence | None) -> Evidence:
    from_endpoints = None if ready.signal is None else Evidence(signal=ready.signal, ground=Ground.ENDPOINTS)
    told = [one for one in (from_endpoints, probed) if one is not None]
    if not told:
        return Evidence(signal=Signal.UP, ground=Ground.CLUSTER)
    for signal in (Signal.DOWN, Signal.FALLING, Signal.UNKNOWN, Signal.RISING):
        for one in told:
            if one.signal is signal:
                return one
    return told[0]


def _of_unheard(
    cluster: Cluster, probed: Evidence | None, policy: HealthPolicy, now: datetime
) -> tuple[Evidence, datetime | None]:
    if probed is None:
        return _stale(cluster, policy, now)
    signal = probed.signal
    if signal is Signal.DOWN and not probed.has_quorum:
        signal = Signal.UNKNOWN
    return (
        Evidence(
            signal=signal,
            ground=Ground.PROBES,
            votes=probed.votes,
            voters=probed.voters,
            is_heard=False,
            detail=probed.detail,
        ),
        None,
    )


def _stale(cluster: Cluster, policy: HealthPolicy, now: datetime) -> tuple[Evidence, datetime | None]:
    unknown = Evidence(signal=Signal.UNKNOWN, ground=Ground.NOTHING, is_heard=False)
    is_lost = cluster.verdict is Verdict.UNREACHABLE and cluster.verdict_since is not None
    if not is_lost or policy.on_stale is OnStale.KEEP or cluster.verdict_since is None:
        return unknown, None
    due = cluster.verdict_since + policy.stale_after
    if now < due:
        return unknown, due
    return Evidence(signal=Signal.DOWN, ground=Ground.STALE, is_heard=False), None


def _vote(probes: Iterable[Probe], policy: HealthPolicy, blind: frozenset[str], now: datetime) -> Evidence:
    fresh = [probe for probe in probes if probe.vantage not in blind and is_fresh(probe, policy.probe_fresh, now)]
    if not fresh:
        # Not the same as no probes: what they found before still holds, one way or the other.
        return Evidence(signal=Signal.UNKNOWN, ground=Ground.PROBES)
    if all(probe.outcome is Outcome.UP and probe.streak >= policy.rise for probe in fresh):
        return Evidence(signal=Signal.UP, ground=Ground.PROBES, votes=len(fresh), voters=len(fresh))
    failing = [probe for probe in fresh if probe.outcome is Outcome.DOWN]
    reaching = [probe for probe in fresh if probe.outcome is Outcome.UP]
    down = [probe for probe in failing if probe.streak >= policy.fall]
    up = [probe for probe in reaching if probe.streak >= policy.rise]
    detail = min((probe.detail for probe in failing if probe.detail), default="")
    for signal, sayers in (
        (Signal.DOWN, down),
        (Signal.FALLING, failing),
        (Signal.UP, up),
        (Signal.RISING, reaching),
    ):
        if len(sayers) * 2 > len(fresh):
            return Evidence(signal=signal, ground=Ground.PROBES, votes=len(sayers), voters=len(fresh), detail=detail)
    return Evidence(signal=Signal.UNKNOWN, ground=Ground.PROBES, votes=len(failing), voters=len(fresh), detail=detail)


def is_fresh(probe: Probe, fresh: timedelta, now: datetime) -> bool:
    """Whether a result says anything by now."""
    return probe.outcome is not Outcome.UNKNOWN and now - probe.at <= fresh


def blind_vantages(
    instances: Iterable[Instance], clusters: Container[str], policy: HealthPolicy, now: datetime
) -> frozenset[str]:
    """Return the vantages that are not believed: those that see more than half of all they look at fail.

    Clusters are counted, each by what most of its targets are: a big region that dies does not discredit those who
    see it. Who looks at one cluster only cannot be judged.

    Args:
        instances: with their probes.
        clusters: that should answer; what people took out may well fail.
        policy: how long probes say something.
        now: the time.
    """
    balances: dict[tuple[str, str], int] = {}
    for instance in instances:
        for probe in instance.probes if instance.cluster in clusters else ():
            if is_fresh(probe, policy.probe_fresh, now):
                key = probe.vantage, instance.cluster
                balances[key] = balances.get(key, 0) + (1 if probe.outcome is Outcome.DOWN else -1)
    seen: dict[str, list[int]] = {}
    for (vantage, _), balance in balances.items():
        seen.setdefault(vantage, []).append(balance)
    return frozenset(vantage for vantage, of_clusters in seen.items() if _is_blind(of_clusters))


def _is_blind(balances: Sequence[int]) -> bool:
    """Whether more than half of several clusters fail, each by the balance of failures over successes there."""
    failing = sum(balance > 0 for balance in balances)
    return len(balances) > 1 and failing * 2 > len(balances)
