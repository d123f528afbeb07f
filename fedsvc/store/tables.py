"""The schema: one table a noun. Alembic's head equals these (tested); SQL elsewhere names them.

Digests are bytea (SHA-256). Times are timestamptz. JSONB only where it is queried or small; bodies of manifests are
bytea of canonical JSON, stored once per digest.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TIMESTAMP, UUID
from sqlalchemy.types import UserDefinedType

from fedsvc.store import audit_tables, automation_tables, dns_tables
from fedsvc.store.columns import json_column as _json
from fedsvc.store.columns import metadata
from fedsvc.store.columns import text_column as _text
from fedsvc.store.columns import time_column as _time

__all__ = ["Xid8", "audit_tables", "automation_tables", "dns_tables", "metadata"]


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Its name in DDL."""
        return "xid8"


cluster = Table(
    "cluster",
    metadata,
    Column("name", Text, primary_key=True),
    Column("uid", UUID(as_uuid=False), nullable=False, unique=True),
    _json("labels"),
    _json("annotations"),
    _text("provider"),
    _text("region"),
    Column("zones", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _json("taints", "[]"),
    _text("jurisdiction"),
    Column("cost", JSONB),  # null: not known
    _json("scores", "[]"),
    _json("connection"),  # without the credential
    Column("credential", LargeBinary, nullable=False),  # sealed
    _time("credential_expire_time", nullable=True),
    _json("observation"),  # written by the health controller alone
    Column("room", JSONB),  # null: not known; written by the health controller alone
    _json("api_resources", "[]"),  # what the member serves, from its discovery
    Column("api_digest", Text, Computed("md5(api_resources::text)", persisted=True), nullable=False),
    Column("generation", BigInteger, nullable=False, server_default=text("1")),
    _time("create_time"),
    _time("update_time"),
    _time("delete_time", nullable=True),
    Column("object_deletion", Text),
)

unit = Table(
    "unit",
    metadata,
    Column("uid", UUID(as_uuid=False), primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    _json("labels"),
    _json("annotations"),
    _json("spec"),
    _text("placement_policy"),
    Column("override_policies", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("revision", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False, server_default=text("1")),
    Column("decided_generation", BigInteger, nullable=False, server_default=text("0")),
    Column("decision_id", UUID(as_uuid=False)),
    _time("reconsider_time", nullable=True),  # when the decision may change by itself
    _json("memory"),  # what placement remembers from one decision to the next
    Column("rebalance", Boolean, nullable=False, server_default=text("false")),  # decide anew as if all could move
    Column(
        "granted_removals", Integer, nullable=False, server_default=text("0")
    ),  # objects the next decision may remove
    Column("resource_count", Integer, nullable=False, server_default=text("0")),
    _json("status"),  # written by the status controller alone
    _time("create_time"),
    _time("update_time"),
    _time("delete_time", nullable=True),
    Column("cascade", Text),
    Index("unit_namespace_name_key", "namespace", "name", unique=True),
    Index("unit_undecided_idx", "uid", postgresql_where=text("decided_generation < generation")),
    Index("unit_rebalance_idx", "uid", postgresql_where=text("rebalance")),
    Index("unit_placement_policy_idx", "placement_policy", postgresql_where=text("placement_policy <> ''")),
    Index(
        "unit_unhealthy_idx", "uid", postgresql_where=text("jsonb_typeof(spec #> '{failover,unhealthy}') = 'object'")
    ),
)

unit_dependency = Table(
    "unit_dependency",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("namespace", Text, primary_key=True),  # of the unit that it waits for, which need not be there
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),  # AwaitedState
    Column("everywhere", Boolean, nullable=False),
    Index("unit_dependency_namespace_name_idx", "namespace", "name"),
)

unit_revision = Table(
    "unit_revision",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    _json("spec"),
    _json("resources", "[]"),  # [[apiVersion, kind, namespace, name, digest in hexadecimal, labels], ...]
    _text("author"),  # name of the token that applied it
    Column("restores", BigInteger),  # the revision whose content it brought back
    _time("create_time"),
)

rollout = Table(
    "rollout",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("1")),  # grows with every change
    Column("over", Boolean, nullable=False, server_default=text("false")),  # nothing more happens by itself
    _json("state"),
    _time("update_time"),
    Index("rollout_open_idx", "unit_uid", postgresql_where=text("NOT over")),
)

manifest = Table(
    "manifest",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("key_id", Text),  # null: not sealed
    _time("create_time"),
)

resource = Table(
    "resource",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid"), nullable=False),
    Column("position", Integer, nullable=False),  # in the unit
    _text("group_"),
    Column("version", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _text("namespace"),
    Column("name", Text, nullable=False),
    _json("labels"),
    Column("digest", LargeBinary, ForeignKey("manifest.digest"), nullable=False),
    Index("resource_object_key", "group_", "kind", "namespace", "name", unique=True),
    Index("resource_unit_uid_position_idx", "unit_uid", "position"),
    Index("resource_digest_idx", "digest"),
)

policy = Table(
    "policy",
    metadata,
    Column("type", Text, primary_key=True),  # placement, override, status or zone
    Column("name", Text, primary_key=True),
    Column("uid", UUID(as_uuid=False), nullable=False, unique=True),
    _json("labels"),
    _json("spec"),
    Column("generation", BigInteger, nullable=False, server_default=text("1")),
    _time("create_time"),
    _time("update_time"),
)

decision_fleet = Table(
    "decision_fleet",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the JSON
    Column("body", LargeBinary, nullable=False),  # the fleet that decisions were made on: canonical JSON, by zlib
    _time("create_time"),
)

decision_spoken = Table(
    "decision_spoken",
    metadata,
    Column("ground", UUID(as_uuid=False), primary_key=True),  # one preparation of a fleet
    Column("start", Integer, primary_key=True),  # place of the first entry among all of this ground
    _json("entries", "[]"),  # room that was given away on it, in order
    _time("create_time"),
)

room_grant = Table(
    "room_grant",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("cluster", Text, nullable=False),
    _json("requests"),  # of each replica, by resource
    Column("replicas", Integer, nullable=False),
    Column("grant_time", TIMESTAMP(timezone=True), nullable=False),  # as of the decision
    Index("room_grant_time_idx", "grant_time"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("inputs_digest", LargeBinary, nullable=False),
    Column("answer_digest", LargeBinary),  # of what it answers; null: of a decision from before there was one
    Column("record", JSON, nullable=False),  # read as a whole alone: JSONB would take three times as long to write
    Column("words", JSONB, nullable=False),  # the record without its large parts
    Column("inputs", JSON),  # what it was made from, but for the fleet; null: not kept
    Column("fleet_digest", LargeBinary, ForeignKey("decision_fleet.digest")),
    Column("ground", UUID(as_uuid=False)),  # null: it asked for no room
    Column("spoken_count", Integer, nullable=False, server_default=text("0")),  # entries of this ground that it found
    _time("create_time"),
    Index("decision_fleet_digest_idx", "fleet_digest"),
    Index("decision_ground_idx", "ground", postgresql_where=text("ground IS NOT NULL")),
    Index("decision_unit_uid_create_time_idx", "unit_uid", "create_time"),
)

binding = Table(
    "binding",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("cluster", Text, ForeignKey("cluster.name"), primary_key=True),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),  # of the unit, that it shall hold
    _json("replicas"),
    _json("completions"),  # of Jobs
    Column("render_key", LargeBinary, nullable=False),
    Column("decision_id", UUID(as_uuid=False), nullable=False),
    _time("create_time"),
    _time("update_time"),
    _text("role"),  # of the unit there
    Index("binding_cluster_idx", "cluster"),
)

object_reference = Table(
    "object_reference",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("cluster", Text, primary_key=True),  # where works of the unit name it
    Column("group_", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("optional", Boolean, nullable=False),
    Index("object_reference_object_idx", "group_", "kind", "namespace", "name"),
)

copy_binding = Table(
    "copy_binding",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("cluster", Text, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("render_key", LargeBinary, nullable=False),
    _text("withheld"),  # why nothing is copied there, for people
    Index("copy_binding_cluster_idx", "cluster"),
)

work = Table(
    "work",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid"), nullable=False),
    Column("cluster", Text, ForeignKey("cluster.name"), nullable=False),
    _text("group_"),
    Column("version", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _text("namespace"),
    Column("name", Text, nullable=False),
    Column("wave", SmallInteger, nullable=False),  # written wave and kind in one number
    _text("awaited"),  # AwaitedState, where a later written wave waits for it
    Column("generation", BigInteger, nullable=False, server_default=text("1")),  # bumped when what is desired changes
    Column("desired_digest", LargeBinary),  # null: to be removed, or not rendered
    Column("removal", Text),  # ObjectDeletion, set when it is to be removed
    _time("removal_time", nullable=True),  # this and the next two: of the last time that it was to be removed
    _text("removal_cause"),
    Column("removal_revision", BigInteger, nullable=False, server_default=text("0")),  # of the unit
    Column("conflict", Text, nullable=False),
    Column("drift", Text, nullable=False),
    _text("handling"),  # of fedsvc.model.handling; empty: plain
    Column("recreate_digest", LargeBinary),  # the manifest for which the object may be deleted and made anew
    Column("former_unit_uid", UUID(as_uuid=False)),  # by which it was handed over; null once it is applied
    Column("released", Boolean, nullable=False, server_default=text("false")),  # left behind, whatever the unit says
    Column("dirty", Boolean, nullable=False),  # the propagator shall act
    Column("applied_digest", LargeBinary),
    _time("applied_time", nullable=True),
    _text("member_uid"),
    Column("ownership_digest", LargeBinary),
    Column("state", Text, nullable=False),
    _text("reason"),
    _text("message"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _time("next_attempt_time"),
    _text("health"),
    _text("health_reason"),
    _text("health_message"),
    Column("observed_status", JSONB),
    Column("observed_digest", LargeBinary),  # applied_digest when it was observed; null: health never depends on it
    _time("observed_time", nullable=True),
    Column("desired_replicas", Integer),
    Column("ready_replicas", Integer),
    _json("drift_report", "[]"),
    _time("update_time"),
    Index("work_object_key", "cluster", "group_", "kind", "namespace", "name", unique=True),
    Index("work_dirty_idx", "cluster", "next_attempt_time", postgresql_where=text("dirty")),
    Index(  # the queue of each unit; the time is there to be looked at without the row
        "work_queue_idx", "cluster", "unit_uid", "wave", "id", "next_attempt_time", postgresql_where=text("dirty")
    ),
    Index("work_unit_uid_cluster_idx", "unit_uid", "cluster"),
    Index("work_removal_idx", "cluster", postgresql_where=text("removal IS NOT NULL")),
    Index("work_awaited_idx", "cluster", "unit_uid", postgresql_where=text("awaited <> ''")),
)

change = Table(
    "change",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("xid", Xid8(), nullable=False, server_default=text("pg_current_xact_id()")),
    Column(
        "kind", Text, nullable=False
    ),  # cluster, unit, work, placement_policy, override_policy, status_policy, zone, event, fleet, hold, removal
    Column("name", Text, nullable=False),  # name in the API
    _text("subject"),  # of a work or event: the unit (or cluster) it is of
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    _time("create_time"),
    Index("change_xid_id_idx", "xid", "id"),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False, unique=True),  # of subject, cluster, reason and message
    Column("subject", Text, nullable=False),
    _text("cluster"),
    Column("type", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    _time("create_time"),
    _time("update_time"),
    Index("event_update_time_id_idx", "update_time", "id"),
    Index("event_subject_idx", "subject"),
)

request = Table(
    "request",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("request_id", UUID(as_uuid=False), primary_key=True),
    Column("method", Text, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    _time("create_time"),
    Index("request_create_time_idx", "create_time"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # fencing token: grows with every change of holder
    _time("acquire_time"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token_digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of a random 256-bit token
    _time("create_time"),
    _time("expire_time", nullable=True),
)

change_horizon = Table(
    "change_horizon",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),  # one row always
    # The last change that is no longer kept, or the moment the log was begun: changes up to here are not in it.
    Column("xid", Xid8(), nullable=False),
    Column("id", BigInteger, nullable=False, server_default=text("0")),
    _time("create_time"),
)

fleet = Table(
    "fleet",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),  # one row at most
    _json("spec"),
    Column("generation", BigInteger, nullable=False, server_default=text("1")),
    _time("update_time"),
)

hold = Table(
    "hold",
    metadata,
    Column("subject", Text, primary_key=True),  # fleet, or name in the API
    Column("scope", Text, primary_key=True),
    Column("origin", Text, primary_key=True, server_default=text("'Person'")),  # or Breaker
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE")),
    Column("cluster", Text, ForeignKey("cluster.name", ondelete="CASCADE")),
    _text("reason"),
    _text("author"),  # name of the token that asked for it
    _time("create_time"),
    _time("end_time", nullable=True),  # null: until it is ended
)

removal = Table(
    "removal",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("subject", Text, nullable=False),  # name in the API of the unit or cluster
    Column("object_count", Integer, nullable=False),
    Column("is_decision", Boolean, nullable=False),  # nobody asked for it
    Column("is_confirmed", Boolean, nullable=False),  # by name: not counted
    _text("author"),
    _time("create_time"),
    Index("removal_create_time_idx", "create_time"),
)

thaw = Table(
    "thaw",
    metadata,
    Column("subject", Text, primary_key=True),  # what a freeze window lets through; as of a hold
    Column("window_name", Text, primary_key=True),
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE")),
    Column("cluster", Text, ForeignKey("cluster.name", ondelete="CASCADE")),
    _text("reason"),
    _text("author"),
    _time("create_time"),
    Column("end_time", TIMESTAMP(timezone=True), nullable=False),
)
