"""The schema of DNS: what zones hold, why, and what planning remembers. The intent of zones is in `policy`."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from fedsvc.store.columns import json_column, metadata, text_column, time_column

dns_zone = Table(
    "dns_zone",
    metadata,
    Column("zone_uid", UUID(as_uuid=False), ForeignKey("policy.uid", ondelete="CASCADE"), primary_key=True),
    Column("generation", BigInteger, nullable=False),  # counts the changes
    Column("serial", BigInteger, nullable=False),  # of its SOA
    Column("served", LargeBinary, nullable=False),  # the zone as the name server takes it: JSON
    json_column("report"),
    text_column("approved"),  # what somebody confirmed
    json_column("removals", "[]"),  # of the last minute: [[time, names], ...]
    time_column("change_time"),
)

dns_record_set = Table(
    "dns_record_set",
    metadata,
    Column("zone_uid", UUID(as_uuid=False), ForeignKey("dns_zone.zone_uid", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("ttl_seconds", BigInteger, nullable=False),
    json_column("data", "[]"),
    Index("dns_record_set_name_idx", "name"),
)

dns_name = Table(
    "dns_name",
    metadata,
    Column("name", Text, primary_key=True),
    Column("service", Text, nullable=False),  # the object that it belongs to
    json_column("lines", "[]"),  # why it answers what it answers
)

dns_memory = Table(
    "dns_memory",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("memory", LargeBinary, nullable=False),  # what planning remembers from one plan to the next: JSON
)
