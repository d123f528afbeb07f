"""The numbers of the controllers, each with the reason for its default. Tests shorten some of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedsvc.detection import DEFAULT_DETECT_SECONDS
from fedsvc_dns.providers.octodns.accounts import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """How often, how many, how long."""

    # Makes up for every wake-up that was lost; cheap enough to be frequent, rare enough to cost nothing when idle.
    rescan_seconds: float = 30.0
    # A failed controller is started again after this, doubled up to the maximum while it keeps failing.
    restart_seconds: float = 0.2
    restart_max_seconds: float = 10.0

    # Units decided together, and the number of their works at which a transaction is full: large enough to cost little,
    # small enough that members begin while the rest is rendered.
    placement_batch_units: int = 100
    placement_batch_works: int = 500

    # Works read at once, and kept in memory for the workers of one member.
    claim_size: int = 200
    # Requests in flight to one member: the start, and the bounds between which it adapts.
    concurrency: int = 8
    concurrency_max: int = 16
    # What keeps coming (results, observations, summaries) is written in transactions so far apart: fewer and larger
    # ones, not so late that one who looks on would wait.
    busy_seconds: float = 0.5
    # When a member is idle its results are written at once, and when it has so many.
    result_batch_size: int = 200
    # No request to a member takes longer.
    request_timeout_seconds: float = 10.0
    # What was sent and not answered has arrived after this, or never will: no longer than a request may take. So long
    # an object that is to go and is not there may still be made, by a process that was killed, say.
    late_write_seconds: float = 10.0
    # How long a member that does not answer is left alone before the next look, doubled up to the maximum.
    probe_seconds: float = 1.0
    probe_max_seconds: float = 30.0

    # Nothing is written to a member on knowledge of holds that is older than this: a pause that another replica stored
    # is in force after it at the latest.
    hold_seconds: float = 0.2

    # Observations wait so long for others.
    observation_batch_seconds: float = 0.05
    # A watch that broke is opened again after this, doubled up to the maximum while it keeps breaking.
    watch_retry_seconds: float = 0.2
    watch_retry_max_seconds: float = 30.0
    # More corrections of one work than this in a minute are a fight, and corrections slow down.
    contested_corrections: int = 5

    # An object with our mark and without a work is told of after this: longer than a new member waits for its works.
    stranger_seconds: float = 15.0

    # A unit's summary waits so long for further changes of its works.
    status_debounce_seconds: float = 0.1
    # Units summarised in one transaction.
    status_batch_units: int = 200

    # Events wait so long for others; beyond the number that may wait, further ones are dropped and counted.
    event_batch_seconds: float = 0.25
    event_queue_size: int = 2_000

    # What an apply does to the health of an object is seen within so long, or it does nothing to it.
    rollout_settle_seconds: float = 3.0

    # A lost member is found to be so within this: all times of detection follow it, those of the next lines too.
    detect_seconds: float = DEFAULT_DETECT_SECONDS
    # How often the fleet as a whole is looked at, and a witness and our API are asked, which have so long to answer.
    breaker_seconds: float = 5.0
    witness_timeout_seconds: float = 3.0
    # "host:port" of something beside all members that answers while we are not cut off; empty: there is none.
    witness: str = ""
    # How often failovers under way, and what is left on clusters that are back, are looked at.
    return_seconds: float = 1.0
    # How often both are counted for metrics: seldom, since that looks at all works that are held.
    count_seconds: float = 15.0

    # How often units that are unhealthy somewhere are looked at; and how long who begins to lead waits with that: until
    # members are heard, since what was last known may be long past.
    ailing_seconds: float = 5.0
    ailing_settle_seconds: float = 30.0

    # How often switchovers are looked at.
    switchover_seconds: float = 0.5

    # How often a drill is looked at.
    drill_seconds: float = 1.0

    # How often old rows are removed.
    retention_seconds: float = 3_600.0
    # Revisions of a unit that are kept to be looked at and brought back: some weeks of changes, a few kilobytes each.
    revisions_kept: int = 20
    # How long the audit is kept: an incident is asked about a year later, and a record is half a kilobyte.
    audit_days: int = 365
    # How often it is looked at what automation refuses.
    audit_seconds: float = 2.0

    # Providers of octoDNS that zones may name: credentials, which are the server's and are never stored.
    octodns_accounts: Mapping[str, Account] = field(default_factory=dict, repr=False)
