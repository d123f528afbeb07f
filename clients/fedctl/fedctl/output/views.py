"""The table of each kind: which columns, and what stands in them."""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from fedctl.costs import cost_text
from fedctl.output import words
from fedctl.output.tables import Column, Table
from fedsvc.v1 import cluster_pb2, common_pb2, event_pb2, hold_pb2, override_pb2, policy_pb2, resource_pb2, unit_pb2
from fedsvc_client.names import last_part

CORDON_KEY = "fedsvc.io/cordoned"
MAINTENANCE_KEY = "fedsvc.io/maintenance"
HELD_CONDITION = "Writable"  # there, and False, while something is held
_MARKS = {CORDON_KEY: "Cordoned", MAINTENANCE_KEY: "Maintenance"}  # said beside the state

Now = Callable[[], dt.datetime]
T = TypeVar("T")


def utc_now() -> dt.datetime:
    """Return the time, in UTC."""
    return dt.datetime.now(dt.UTC)


def _age_column(title: str, time: Callable[[T], Timestamp], now: Now, *, is_wide: bool = False) -> Column[T]:
    """Make a column of ages; that time goes by is no news."""
    return Column(title=title, text=lambda row: words.age(time(row), now()), news=lambda _: "", is_wide=is_wide)


def clusters(now: Now = utc_now) -> Table[cluster_pb2.Cluster]:
    """Make the table of clusters."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda row: last_part(row.name)),
            Column(title="STATE", text=cluster_state, style=words.style_of),
            Column(title="REGION", text=lambda row: row.region),
            Column(title="ZONES", text=lambda row: ",".join(row.zones), is_wide=True),
            Column(title="PROVIDER", text=lambda row: row.provider),
            Column(title="VERSION", text=lambda row: row.status.kubernetes_version),
            Column(title="NODES", text=lambda row: f"{row.status.ready_node_count}/{row.status.node_count}"),
            Column(title="WORKS", text=lambda row: f"{applied_works(row)}/{row.status.work_count}"),
            _age_column("AGE", lambda row: row.create_time, now),
            Column(title="FREE CPU", text=lambda row: free_texts(row.status)[0], is_wide=True),
            Column(title="FREE MEMORY", text=lambda row: free_texts(row.status)[1], is_wide=True),
            Column(title="FREE PODS", text=lambda row: free_texts(row.status)[2], is_wide=True),
            _age_column("READ", lambda row: row.status.free_read_time, now, is_wide=True),
            Column(title="JURISDICTION", text=lambda row: row.jurisdiction, is_wide=True),
            Column(title="COST", text=cost_text, is_wide=True),
            Column(
                title="SCORES",
                text=lambda row: scores_text(row, now()),
                news=lambda row: ",".join(f"{score.name}={score.value}" for score in row.scores),
                is_wide=True,
            ),
            _age_column("SEEN", lambda row: row.status.last_seen_time, now, is_wide=True),
            Column(title="ENDPOINT", text=lambda row: row.connection.endpoint, is_wide=True),
            Column(title="TAINTS", text=lambda row: ",".join(map(taint_text, row.taints)), is_wide=True),
            Column(title="LABELS", text=lambda row: words.labels_text(row.labels), is_wide=True),
            Column(title="MESSAGE", text=cluster_message, is_long=True),
        )
    )


def units(now: Now = utc_now) -> Table[unit_pb2.Unit]:
    """Make the table of units."""
    return Table(
        columns=(
            Column(title="NAMESPACE", text=lambda row: words.namespace_id(row.name)),
            Column(title="NAME", text=lambda row: words.unit_id(row.name)),
            Column(title="STATE", text=unit_state, style=words.style_of),
            Column(title="READY", text=lambda row: ready_text(row.status)),
            Column(title="CLUSTERS", text=lambda row: clusters_text(row.status)),
            Column(title="RESOURCES", text=lambda row: str(row.status.resource_count)),
            _age_column("AGE", lambda row: row.create_time, now),
            Column(title="REVISION", text=lambda row: str(row.revision), is_wide=True),
            Column(title="POLICY", text=lambda row: row.spec.placement_policy, is_wide=True),
            Column(title="PRIMARY", text=lambda row: row.status.primary.cluster or words.NONE, is_wide=True),
            Column(title="LABELS", text=lambda row: words.labels_text(row.labels), is_wide=True),
            Column(title="MESSAGE", text=unit_message, is_long=True),
        )
    )


def unit_clusters(now: Now = utc_now, *, has_roles: bool = True) -> Table[unit_pb2.UnitClusterStatus]:
    """Make the table of `fedctl status`: a line a cluster; what to say of each stands below."""
    role: Column[unit_pb2.UnitClusterStatus] = Column(title="ROLE", text=role_text)
    return Table(
        columns=(
            Column(title="CLUSTER", text=lambda row: row.cluster),
            *((role,) if has_roles else ()),
            Column(title="STATE", text=line_state, style=words.style_of),
            Column(title="READY", text=lambda row: f"{row.ready_replicas}/{row.desired_replicas}{_stale(row)}"),
            Column(title="APPLIED", text=lambda row: f"{row.applied_work_count}/{row.work_count}"),
            Column(title="HEALTHY", text=lambda row: f"{row.healthy_work_count}/{row.work_count}{_stale(row)}"),
            Column(title="REVISION", text=lambda row: str(row.revision or words.NONE)),
            _age_column("AGE", lambda row: row.update_time, now),
            Column(title="REASON", text=lambda row: row.reason),
        )
    )


def resources(_: Now = utc_now) -> Table[resource_pb2.FederatedResource]:
    """Make the table of resources."""
    return Table(
        columns=(
            Column(title="UNIT", text=lambda row: unit_text(row.name)),
            Column(title="KIND", text=lambda row: row.ref.kind),
            Column(title="NAMESPACE", text=lambda row: row.ref.namespace),
            Column(title="NAME", text=lambda row: row.ref.name),
            Column(title="APPLIED", text=lambda row: f"{row.applied_work_count}/{row.work_count}"),
            Column(title="HEALTH", text=resource_health, style=words.style_of),
            Column(title="SILENT", text=lambda row: ",".join(row.silent_clusters), is_wide=True),
            Column(title="API VERSION", text=lambda row: row.ref.api_version, is_wide=True),
            Column(title="ID", text=lambda row: last_part(row.name), is_wide=True),
            Column(title="DIGEST", text=lambda row: row.manifest.digest[:12], is_wide=True),
        )
    )


def works(now: Now = utc_now) -> Table[resource_pb2.Work]:
    """Make the table of works."""
    return Table(
        columns=(
            Column(title="ID", text=lambda row: last_part(row.name)),
            Column(title="UNIT", text=lambda row: unit_text(row.unit)),
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="OBJECT", text=work_object, is_long=True),
            Column(title="STATE", text=work_state_marked, style=words.style_of),
            Column(title="HEALTH", text=lambda row: row.health and row.health + stale_mark(row), style=words.style_of),
            Column(title="READY", text=lambda row: replicas_text(row) + stale_mark(row), is_wide=True),
            Column(title="TRIES", text=lambda row: str(row.attempts), is_wide=True),
            _age_column("AGE", lambda row: row.update_time, now),
            Column(title="REASON", text=lambda row: row.reason or row.silence_reason or row.health_reason),
            Column(
                title="MESSAGE",
                text=lambda row: words.one_line(row.message or row.health_message),
                is_long=True,
                gives_way=True,
            ),
        )
    )


def removals(now: Now = utc_now) -> Table[resource_pb2.Work]:
    """Make the table of works that are to be removed, held ones among them."""
    return Table(
        columns=(
            Column(title="ID", text=lambda row: last_part(row.name), is_wide=True),
            Column(title="UNIT", text=lambda row: unit_text(row.unit)),
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="OBJECT", text=work_object, is_long=True),
            Column(title="STATE", text=work_state, style=words.style_of),
            _age_column("AGE", lambda row: row.removal.create_time, now),
            Column(title="CAUSE", text=lambda row: row.removal.cause),
            Column(title="REVISION", text=lambda row: str(row.removal.revision or ""), is_wide=True),
            Column(title="UNIT UID", text=lambda row: row.removal.unit_uid, is_wide=True),
            Column(title="REASON", text=lambda row: row.reason or row.silence_reason),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True, gives_way=True),
        )
    )


def placement_policies(now: Now = utc_now) -> Table[policy_pb2.PlacementPolicy]:
    """Make the table of placement policies."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda row: last_part(row.name)),
            Column(title="UNITS", text=lambda row: str(row.unit_count)),
            _age_column("AGE", lambda row: row.create_time, now),
            Column(title="LABELS", text=lambda row: words.labels_text(row.labels), is_wide=True),
        )
    )


def override_policies(now: Now = utc_now) -> Table[policy_pb2.OverridePolicy]:
    """Make the table of override policies."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda row: last_part(row.name)),
            Column(title="OVERRIDES", text=lambda row: str(len(row.spec.overrides))),
            Column(title="UNITS", text=lambda row: str(row.unit_count)),
            _age_column("AGE", lambda row: row.create_time, now),
            Column(title="LABELS", text=lambda row: words.labels_text(row.labels), is_wide=True),
        )
    )


def status_policies(now: Now = utc_now) -> Table[policy_pb2.StatusPolicy]:
    """Make the table of status policies."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda row: last_part(row.name)),
            Column(title="KINDS", text=lambda row: ",".join(rule.kind for rule in row.spec.rules), is_long=True),
            _age_column("AGE", lambda row: row.create_time, now),
            Column(title="LABELS", text=lambda row: words.labels_text(row.labels), is_wide=True),
        )
    )


def events(now: Now = utc_now) -> Table[event_pb2.Event]:
    """Make the table of events."""
    return Table(
        columns=(
            Column(
                title="LAST SEEN",
                text=lambda row: words.age(row.update_time, now()),
                news=lambda row: str(row.update_time.seconds),  # that it came again is what an event has to tell
            ),
            Column(title="TYPE", text=lambda row: row.type, style=words.style_of),
            Column(title="REASON", text=lambda row: row.reason),
            Column(title="OBJECT", text=lambda row: subject_text(row.subject)),
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="COUNT", text=lambda row: str(row.count), is_wide=True),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True),
        )
    )


def holds(now: Now = utc_now) -> Table[hold_pb2.Hold]:
    """Make the table of holds."""
    return Table(
        columns=(
            Column(title="SUBJECT", text=lambda row: subject_text(row.subject)),
            Column(title="KIND", text=lambda row: words.enum_word(hold_pb2.HoldKind.DESCRIPTOR, row.kind)),
            Column(title="HOLDS", text=lambda row: words.enum_word(hold_pb2.HoldScope.DESCRIPTOR, row.scope)),
            _age_column("AGE", lambda row: row.create_time, now),
            Column(title="UNTIL", text=lambda row: words.moment(row.end_time) if row.HasField("end_time") else ""),
            Column(title="BY", text=lambda row: row.author),
            Column(
                title="ONLY",
                text=lambda row: ",".join((*row.clusters, *row.namespaces, *map(subject_text, row.units))),
                is_wide=True,
            ),
            Column(title="THAWED", text=lambda row: ",".join(map(subject_text, row.thawed)), is_wide=True),
            Column(title="REASON", text=lambda row: words.one_line(row.reason), is_long=True),
        )
    )


def hold_text(hold: hold_pb2.Hold) -> str:
    """Write a hold in one line: cluster/eu-1 is paused by ann until 2026-11-26 18:00 UTC: disks."""
    until = f" until {words.moment(hold.end_time)}" if hold.HasField("end_time") else ""
    if hold.kind == hold_pb2.HOLD_KIND_BREAKER:
        return f"automation, by the breaker: {words.one_line(hold.reason)}"
    if hold.kind == hold_pb2.HOLD_KIND_HEALTH:
        return f"nothing is removed from {subject_text(hold.subject)}: {words.one_line(hold.reason)}"
    if hold.kind == hold_pb2.HOLD_KIND_FREEZE:
        return f"freeze window {hold.reason} is on{until}"
    who = f" by {hold.author}" if hold.author else ""
    why = f": {words.one_line(hold.reason)}" if hold.reason else ""
    scope = words.enum_word(hold_pb2.HoldScope.DESCRIPTOR, hold.scope).lower()
    what = "" if hold.scope == hold_pb2.HOLD_SCOPE_EVERYTHING else f" for {scope}"
    return f"{subject_text(hold.subject)} is paused{what}{who}{until}{why}"


def hold_marks(found: Iterable[hold_pb2.Hold]) -> list[str]:
    """Return the words that stand beside a state: Paused, Frozen, AutomationHeld."""
    present = {_mark(hold) for hold in found}
    return [word for word in ("Paused", "Frozen", "AutomationHeld") if word in present]


def _mark(hold: hold_pb2.Hold) -> str:
    if hold.scope == hold_pb2.HOLD_SCOPE_AUTOMATION:
        return "AutomationHeld"
    return {hold_pb2.HOLD_KIND_PAUSE: "Paused", hold_pb2.HOLD_KIND_FREEZE: "Frozen"}.get(hold.kind, "")


def cluster_state(row: cluster_pb2.Cluster) -> str:
    """Sum a cluster up in one word, the worst one first."""
    if row.HasField("delete_time"):
        return "Leaving"
    known = {condition.type: words.condition_word(condition.status) for condition in row.status.conditions}
    if not known:
        return "Joining"
    for kind, word in (
        ("CredentialsValid", "CredentialsRefused"),
        ("Reachable", "Unreachable"),
        ("Ready", "NotReady"),
        ("RightsSufficient", "RightsMissing"),
    ):
        if known.get(kind) == "False":
            return word
    state = "Ready" if known.get("Ready", known.get("Reachable")) == "True" else "Unknown"
    if state == "Ready" and row.status.health.verdict in _IN_DOUBT:
        state = "Quarantined" if row.status.health.is_quarantined else verdict_word(row.status.health)
    marks = (mark for key, mark in _MARKS.items() if any(taint.key == key for taint in row.taints))
    return ",".join([state, *marks, *hold_marks(row.status.holds)])


_IN_DOUBT = frozenset({cluster_pb2.HEALTH_VERDICT_SUSPECT, cluster_pb2.HEALTH_VERDICT_DEGRADED})


def verdict_word(health: cluster_pb2.ClusterHealth) -> str:
    """Write a verdict: Healthy, Suspect, Unreachable."""
    return words.enum_word(cluster_pb2.HealthVerdict.DESCRIPTOR, health.verdict)


def health_text(health: cluster_pb2.ClusterHealth, now: dt.datetime) -> str:
    """Write a verdict with since when and why: Suspect for 12s: it is back, and has to be well for a while."""
    since = f" for {words.age(health.since, now)}" if health.HasField("since") else ""
    why = f": {words.one_line(health.message)}" if health.message else ""
    if health.is_returning:
        why = ": it was lost and is back; it has to be well for a while"
        why += ", for longer than usual since it was lost again and again" if health.is_quarantined else ""
    return f"{verdict_word(health)}{since}{why}"


def cluster_message(row: cluster_pb2.Cluster) -> str:
    """Return the words of the condition that is not met."""
    bad = (item for item in row.status.conditions if item.status == common_pb2.CONDITION_STATUS_FALSE)
    held = next(map(hold_text, row.status.holds), "")
    return words.one_line(next((item.message or item.reason for item in bad), held))


def applied_works(row: cluster_pb2.Cluster) -> int:
    """Return how many works of a cluster are as they should be."""
    return row.status.work_count - row.status.pending_work_count


def free_texts(status: cluster_pb2.ClusterStatus, of: str = "/") -> tuple[str, str, str]:
    """Write what of the cores, the memory and the pods is free, as 21.5/23.5; "-" for what is free while unknown."""
    is_known, free, total = status.HasField("free"), status.free, status.allocatable
    amounts = (
        (words.cores(free.cpu_millicores), words.cores(total.cpu_millicores)),
        (words.kilo(free.memory_bytes), words.kilo(total.memory_bytes)),
        (str(free.pods), str(total.pods)),
    )
    cores, memory, pods = (f"{part if is_known else words.NONE}{of}{whole}" for part, whole in amounts)
    return cores, memory, pods


def score_text(score: cluster_pb2.ExternalScore, now: dt.datetime) -> str:
    """Write a score, and how long it counts: carbon=40 (45m left)."""
    if not score.HasField("valid_until"):
        return f"{score.name}={score.value}"
    left = (score.valid_until.ToDatetime(dt.UTC) - now).total_seconds()
    return f"{score.name}={score.value} ({f'{words.span(left)} left' if left > 0 else 'expired'})"


def scores_text(row: cluster_pb2.Cluster, now: dt.datetime) -> str:
    """Write all scores in one line."""
    return ", ".join(score_text(score, now) for score in row.scores)


def taint_text(taint: cluster_pb2.Taint) -> str:
    """Write a taint as kubectl does."""
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{words.enum_word(cluster_pb2.TaintEffect.DESCRIPTOR, taint.effect)}"


def unit_state(row: unit_pb2.Unit) -> str:
    """Return the state in one word."""
    is_leaving = row.HasField("delete_time")
    state = "Deleting" if is_leaving else words.enum_word(unit_pb2.UnitState.DESCRIPTOR, row.status.state)
    held = words.condition(row.status.conditions, HELD_CONDITION)
    return f"{state},{held.reason}" if held is not None else state


def unit_message(row: unit_pb2.Unit) -> str:
    """Return the first thing to know of a unit that is not as it should be."""
    bad = next((item for item in row.status.conditions if item.status != common_pb2.CONDITION_STATUS_TRUE), None)
    return words.one_line(bad.message or bad.reason) if bad is not None else ""


def clusters_text(status: unit_pb2.UnitStatus) -> str:
    """Return on how many of its clusters a unit is applied."""
    done = sum(line.applied_work_count == line.work_count for line in status.clusters)
    return f"{done}/{len(status.clusters)}"


def ready_text(status: unit_pb2.UnitStatus) -> str:
    """Write ready/desired replicas of a unit, marked where some of them are of clusters that are not heard."""
    stale = words.STALE if any(map(_stale, status.clusters)) else ""
    return f"{status.ready_replicas}/{status.desired_replicas}{stale}"


def role_text(row: unit_pb2.UnitClusterStatus) -> str:
    """Return what a unit is on a cluster."""
    return words.enum_word(override_pb2.UnitRole.DESCRIPTOR, row.role).lower() if row.role else words.NONE


def line_state(row: unit_pb2.UnitClusterStatus) -> str:
    """Return the state on one cluster: that of the works, or how the applied ones fare."""
    if row.state != unit_pb2.WORK_STATE_APPLIED:
        return words.enum_word(unit_pb2.WorkState.DESCRIPTOR, row.state)
    return "Ready" if row.healthy_work_count >= row.work_count else "Progressing"


def _stale(row: unit_pb2.UnitClusterStatus) -> str:
    return words.STALE if row.state == unit_pb2.WORK_STATE_UNKNOWN else ""


def last_heard_text(row: unit_pb2.UnitClusterStatus | resource_pb2.Work, now: dt.datetime) -> str:
    """Say when a cluster that is not heard was heard."""
    return f"{words.age(row.last_heard_time, now)} ago" if row.HasField("last_heard_time") else "never"


def stale_words(rows: Iterable[unit_pb2.UnitClusterStatus | resource_pb2.Work], now: dt.datetime) -> str:
    """Say what the mark means, as of those rows that carry it; empty where none does."""
    unheard = [row for row in rows if row.state == unit_pb2.WORK_STATE_UNKNOWN or _is_unheard(row)]
    told = {row.cluster: last_heard_text(row, now) for row in unheard}
    return f"{words.STALE} as last heard: {', '.join(f'{name} {when}' for name, when in told.items())}" if told else ""


def _is_unheard(row: unit_pb2.UnitClusterStatus | resource_pb2.Work) -> bool:
    return isinstance(row, resource_pb2.Work) and bool(row.silence_reason)


def resource_health(row: resource_pb2.FederatedResource) -> str:
    """Return the worst health over clusters, marked where one of them is not heard."""
    return row.health and row.health + (words.STALE if row.silent_clusters else "")


def silent_words(rows: Iterable[resource_pb2.FederatedResource]) -> str:
    """Say what the mark means, as of those resources that carry it; empty where none does."""
    names = sorted({name for row in rows for name in row.silent_clusters})
    verb = "is" if len(names) == 1 else "are"
    return f"{words.STALE} as last heard: {', '.join(names)} {verb} not heard now" if names else ""


def stale_mark(row: resource_pb2.Work) -> str:
    """Return the mark of what the cluster said of a work before it fell silent."""
    return words.STALE if row.silence_reason else ""


def work_state(row: resource_pb2.Work) -> str:
    """Return the state of a work in one word."""
    return words.enum_word(unit_pb2.WorkState.DESCRIPTOR, row.state)


def work_state_marked(row: resource_pb2.Work) -> str:
    """Return the state in one word, marked where the cluster may hold something else by now."""
    is_of_cluster = row.state in (unit_pb2.WORK_STATE_APPLIED, unit_pb2.WORK_STATE_DRIFTED)
    return work_state(row) + (stale_mark(row) if is_of_cluster else "")


def object_text(ref: common_pb2.ManifestRef) -> str:
    """Write a Kubernetes object: Deployment shop/web."""
    return f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"


def work_object(row: resource_pb2.Work) -> str:
    """Write the object of a work; its namespace where it is not that of its unit."""
    own = row.ref.namespace == words.namespace_id(row.unit)
    return f"{row.ref.kind} {row.ref.name}" if own else object_text(row.ref)


def unit_text(name: str) -> str:
    """Write a unit's name as namespace/unit."""
    return f"{words.namespace_id(name)}/{words.unit_id(name)}"


def subject_text(name: str) -> str:
    """Write the object of an event: unit/shop/web, cluster/eu-1."""
    if "/units/" in name:
        return f"unit/{unit_text(name)}"
    collection, _, rest = name.partition("/")
    return f"{collection.removesuffix('s')}/{rest}" if collection in ("clusters", "regions") else name


def replicas_text(row: resource_pb2.Work) -> str:
    """Write ready/desired replicas, where the kind has replicas."""
    return f"{row.ready_replicas}/{row.desired_replicas}" if row.HasField("desired_replicas") else words.NONE
