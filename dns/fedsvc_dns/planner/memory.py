"""Pure: what planning knows of before, and by which numbers it judges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from fedsvc_dns.planner.facts import Endpoint, Port
from fedsvc_dns.records import RecordSet


class State(StrEnum):
    """Of a target. Up and suspect ones are fit to answer; recovering ones have to prove themselves first."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    RECOVERING = "recovering"


class OnStale(StrEnum):
    """What becomes of targets in a cluster that nobody has heard for long and nobody probes."""

    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """When targets go down and come back.

    Attributes:
        fall: failures in a row after which a vantage holds a target to be down.
        rise: successes in a row after which it holds it to be up.
        min_down: a target that went down stays so long.
        unready_for: so long without ready endpoints before it counts.
        ready_for: so long with ready endpoints before it counts.
        probe_fresh: results older than this say nothing.
        flap_penalty: what each change between up and down costs.
        flap_half_life: in which half of it is forgiven.
        flap_suppress: from here on a target stays out though it is up, unless it is the last.
        flap_reuse: until it has come down to this.
        flap_longest: it is kept out for no longer.
        stale_after: so long is nothing done about a cluster that is not heard and not probed.
        on_stale: what is done then.
        address_grace: so long are addresses kept of an object that is there and has none any more.
    """

    fall: int = 3
    rise: int = 3
    min_down: timedelta = timedelta(seconds=30)
    unready_for: timedelta = timedelta(milliseconds=300)
    ready_for: timedelta = timedelta(seconds=5)
    probe_fresh: timedelta = timedelta(seconds=60)
    flap_penalty: float = 1000.0
    flap_half_life: timedelta = timedelta(minutes=5)
    flap_suppress: float = 3000.0
    flap_reuse: float = 1000.0
    flap_longest: timedelta = timedelta(minutes=15)
    stale_after: timedelta = timedelta(minutes=10)
    on_stale: OnStale = OnStale.KEEP
    address_grace: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How to plan.

    Attributes:
        health: see there.
        is_held: HOLD: automation withdraws nothing; people still drain.
        hold_reason: why, in words.
        regions_at_once: so many regions may be withdrawn without a quorum of probes.
    """

    health: HealthPolicy = field(default_factory=HealthPolicy)
    is_held: bool = False
    hold_reason: str = ""
    regions_at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMemory:
    """What is known of one object in one cluster.

    Attributes:
        state: see there.
        since: when it came into this state.
        down_at: when it went down the last time.
        penalty: for flapping, as of `penalty_at`.
        penalty_at: see there.
        is_suppressed: it stays out for having flapped.
        is_withdrawn: automation took it out of the answers.
        is_ready: whether it had ready endpoints at the last look; None: not known.
        ready_since: since when that has been so.
        addresses: the last that were seen.
        endpoints: the last that were seen.
        ports: the last that were seen.
        emptied_at: since when it has had no addresses though it is there.
    """

    state: State
    since: datetime
    down_at: datetime | None = None
    penalty: float = 0.0
    penalty_at: datetime | None = None
    is_suppressed: bool = False
    is_withdrawn: bool = False
    is_ready: bool | None = None
    ready_since: datetime | None = None
    addresses: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()
    emptied_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one plan leaves for the next; all of it survives restarts.

    Attributes:
        targets: (key of the object, cluster) -> what is known of it.
        resolved: host name -> the last addresses that it had.
        owners: name -> key of the object that has it.
        published: name -> its record sets.
    """

    targets: Mapping[tuple[str, str], TargetMemory] = field(default_factory=dict)
    resolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, tuple[RecordSet, ...]] = field(default_factory=dict)
