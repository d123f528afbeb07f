"""Works and federated resources as protobuf; both are output only."""

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.api.convert.cluster import object_deletion
from fedsvc.api.convert.common import ref_message, timestamp
from fedsvc.api.convert.masking import shown_value
from fedsvc.api.convert.unit import WORK_STATES, manifest_message
from fedsvc.model.silence import Silence
from fedsvc.model.work import Work, WorkRemoval
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.status import aggregate, with_generations
from fedsvc.rendering.status.rules import Rules
from fedsvc.store.lookups import StoredResource
from fedsvc.v1 import resource_pb2


def work_message(work: Work, silence: Silence | None) -> resource_pb2.Work:
    """A work as protobuf, with why its cluster is not heard where it is not."""
    return resource_pb2.Work(
        name=f"works/{work.id}",
        unit=work.unit_name,
        cluster=work.cluster,
        ref=ref_message(work.key),
        state=WORK_STATES[work.state],
        reason=work.reason,
        message=work.message,
        desired_digest=(work.desired_digest or b"").hex(),
        applied_digest=(work.applied_digest or b"").hex(),
        applied_time=timestamp(work.applied_time),
        attempts=work.attempts,
        next_attempt_time=timestamp(work.next_attempt_time),
        health=work.health,
        health_reason=work.health_reason,
        health_message=work.health_message,
        observed_status_json=b"" if work.observed_status is None else canonical_json(work.observed_status),
        observed_time=timestamp(work.observed_time),
        desired_replicas=work.desired_replicas,
        ready_replicas=work.ready_replicas,
        drift=[
            resource_pb2.DriftedField(
                path=str(entry.get("path", "")),
                desired_json=shown_value(work.key, entry.get("desired")),
                live_json=shown_value(work.key, entry.get("live")),
                manager=str(entry.get("manager", "")),
                first_seen_time=_moment(entry.get("first_seen")),
                write_time=_moment(entry.get("written")),
            )
            for entry in work.drift
        ],
        update_time=timestamp(work.update_time),
        silence_reason="" if silence is None else silence.reason,
        last_heard_time=timestamp(None if silence is None else silence.last_heard_time),
        removal=None if work.removal is None else _removal_message(work.removal),
    )


def _removal_message(removal: WorkRemoval) -> resource_pb2.WorkRemoval:
    return resource_pb2.WorkRemoval(
        create_time=timestamp(removal.create_time),
        cause=removal.cause,
        unit_uid=removal.unit_uid,
        revision=removal.revision,
        deletion=object_deletion(removal.deletion),
    )


def _moment(text: str | None) -> Timestamp | None:
    if not text:
        return None
    try:
        return timestamp(datetime.fromisoformat(text))
    except ValueError:
        return None  # a member wrote it


def resource_message(
    stored: StoredResource, silences: Mapping[str, Silence], rules: Rules
) -> resource_pb2.FederatedResource:
    """A federated resource as protobuf, and which of its clusters are silent; with its bytes where they were read."""
    key = stored.resource.key
    silent = sorted(set(stored.clusters) & silences.keys())
    status = with_generations(
        aggregate(key, stored.statuses, rules.get(key.group_kind)),
        revision=stored.revision,
        held=stored.is_held and not silent,
    )
    return resource_pb2.FederatedResource(
        name=f"{stored.unit_name}/resources/{stored.id}",
        ref=ref_message(key),
        manifest=manifest_message(stored.resource),
        aggregated_status_json=canonical_json(status) if status else b"",
        health=stored.health,
        work_count=stored.work_count,
        applied_work_count=stored.applied_count,
        silent_clusters=silent,
    )
