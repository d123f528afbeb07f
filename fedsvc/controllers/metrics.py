"""What the controllers count and measure, for Prometheus. Names and labels are part of what users build alerts on."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

APPLIES: Final = Counter(
    "fedsvc_applies", "Works acted on in a member, by how it ended.", ["cluster", "result"]
)  # result: applied, gone, or the reason of the failure
APPLY_SECONDS: Final = Histogram(
    "fedsvc_apply_latency_seconds",
    "From the moment a work is taken up to the member's answer.",
    ["cluster"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUEUED_WORKS: Final = Gauge(
    "fedsvc_queued_works", "Works in memory that wait for a worker or are acted on.", ["cluster"]
)
CONCURRENCY: Final = Gauge(
    "fedsvc_member_concurrency", "Requests in flight that a member is given at most.", ["cluster"]
)
CONCURRENCY_CUTS: Final = Counter(
    "fedsvc_member_concurrency_cuts", "How often a member was given fewer requests, and why.", ["cluster", "reason"]
)  # reason: overload, error, silence, latency
BASE_LATENCY: Final = Gauge(
    "fedsvc_member_base_latency_seconds", "What a member's answers take with nothing waiting there.", ["cluster"]
)
MEMBER_PAUSED: Final = Gauge("fedsvc_member_paused", "1 while a member as a whole is left alone.", ["cluster"])
WATCHES: Final = Gauge("fedsvc_watches", "Watches of a member that are open.", ["cluster"])
WATCH_RESTARTS: Final = Counter("fedsvc_watch_restarts", "Watches opened again after trouble.", ["cluster"])
OBSERVATIONS: Final = Counter("fedsvc_observations", "Observations written.", ["cluster"])
DRIFTS: Final = Counter("fedsvc_drifts", "Changes in members of what fedsvc owns.", ["cluster", "action"])
# action: corrected, reported, contested
DECISIONS: Final = Counter("fedsvc_decisions", "Placement decisions, by whether they changed anything.", ["result"])
DECIDE_SECONDS: Final = Histogram(
    "fedsvc_decide_seconds",
    "One round of placement: reading, deciding, rendering, writing.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
UNDECIDED_UNITS: Final = Gauge("fedsvc_undecided_units", "Units that wait for a decision in memory.")
MEMBER_VERDICT: Final = Gauge(
    "fedsvc_member_verdict", "1 at what is held of a member, 0 at all else.", ["cluster", "verdict"]
)  # verdict: Healthy, Suspect, Unreachable, Degraded, Maintenance, Hibernated
AUTOMATION: Final = Gauge("fedsvc_automation", "1 at whether lost clusters are acted on, 0 at all else.", ["state"])
# state: On, Holding, Off
WITNESS_SILENT: Final = Gauge("fedsvc_witness_silent", "1 while the witness does not answer; 0 also without one.")
SELF_CHECK_FAILED: Final = Gauge(
    "fedsvc_self_check_failed", "1 while the API of the leader does not answer the leader itself."
)
FAILOVERS: Final = Counter("fedsvc_failovers", "Units that left a cluster, whatever for.", ["cluster"])
FAILOVER_SECONDS: Final = Histogram(
    "fedsvc_failover_phase_seconds",
    "What the phases of failovers took, one of a unit from one cluster each.",
    ["phase"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900),
)  # phase: detect (first bad finding to verdict), decide (toleration included), place (applied), ready, traffic (names)
UNREADY_FAILOVERS: Final = Gauge(
    "fedsvc_failovers_unready", "Units that left a lost cluster and are not ready elsewhere."
)
LEFT_OBJECTS: Final = Gauge("fedsvc_left_objects", "Objects left on lost clusters and not let go yet.")
BLOCKED_SWITCHOVERS: Final = Gauge(
    "fedsvc_switchovers_blocked", "Units whose primary is to go elsewhere and cannot without somebody."
)
UNDEMOTED_PRIMARIES: Final = Gauge(
    "fedsvc_primaries_undemoted", "Units that may have a primary on a cluster besides the one that is authorised."
)
ZONE_TROUBLE: Final = Gauge(
    "fedsvc_dns_zone_trouble", "1 while a zone cannot be written to its name servers, or not all have it.", ["zone"]
)
ZONE_REFUSED: Final = Gauge("fedsvc_dns_zone_refused_names", "Names that a zone's name server refuses.", ["zone"])
STATUS_WRITES: Final = Counter("fedsvc_status_writes", "Unit summaries written.")
EVENTS_DROPPED: Final = Counter("fedsvc_events_dropped", "Events dropped since too many waited to be written.")
LEADING: Final = Gauge("fedsvc_controllers_leading", "1 while this process runs the controllers.")
CONTROLLER_RESTARTS: Final = Counter(
    "fedsvc_controller_restarts", "Controllers started again after an error.", ["controller"]
)
