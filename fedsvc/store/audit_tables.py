"""The schema of the audit."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from fedsvc.store.columns import json_column as _json
from fedsvc.store.columns import metadata
from fedsvc.store.columns import text_column as _text
from fedsvc.store.columns import time_column as _time

# It outlives what it tells of: names stand in it, and no keys of units and clusters.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),  # AuditKind
    Column("outcome", Text, nullable=False),  # AuditOutcome
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    _text("author"),  # empty: automation
    _text("unit"),  # in the API
    Column("units", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),  # several, alike
    _text("cluster"),
    _text("region"),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),  # of the unit
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),  # of the leader; 0: of a call
    _json("evidence"),
    Column("count", Integer, nullable=False, server_default=text("1")),
    _time("create_time"),
    _time("update_time"),
    _time("end_time", nullable=True),  # of a refusal that lasted: when it was over
    Index("audit_update_time_idx", "update_time", "id"),
    Index("audit_unit_idx", "unit", postgresql_where=text("unit <> ''")),
    Index("audit_units_idx", "units", postgresql_using="gin"),
    Index("audit_cluster_idx", "cluster", postgresql_where=text("cluster <> ''")),
    Index("audit_refused_idx", "id", postgresql_where=text("outcome = 'Refused' AND end_time IS NULL")),
)
