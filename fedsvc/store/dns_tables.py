"""The schema of DNS: what zones hold, why, and what planning remembers. The intent of zones is in `policy`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

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
    Column("seen_serial", BigInteger, nullable=False, server_default=text("0")),  # that a secondary was ahead with
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
    text_column("unit"),  # in the API, whose object that is
    Column("clusters", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),  # whose addresses it gives
    time_column("change_time"),  # since when it gives those of these clusters
    Index("dns_name_unit_idx", "unit"),
)

dns_memory = Table(
    "dns_memory",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("memory", LargeBinary, nullable=False),  # what planning remembers from one plan to the next: JSON
)

dns_publication = Table(
    "dns_publication",
    metadata,
    Column("zone_uid", UUID(as_uuid=False), ForeignKey("policy.uid", ondelete="CASCADE"), primary_key=True),
    json_column("report"),
)

dns_published_set = Table(  # what was written to a name server of others: only that is ever deleted there
    "dns_published_set",
    metadata,
    Column("zone_uid", UUID(as_uuid=False), ForeignKey("policy.uid", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("type", Text, primary_key=True),
)

dns_delta = Table(  # how the zones of hidden primaries came to be, by which secondaries follow
    "dns_delta",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("zone_uid", UUID(as_uuid=False), ForeignKey("policy.uid", ondelete="CASCADE"), nullable=False),
    Column("delta", LargeBinary, nullable=False),
    Index("dns_delta_zone_uid_id_idx", "zone_uid", "id"),
)

lookout = Table(  # what is looked for in a member beside what is ours there
    "lookout",
    metadata,
    Column("cluster", Text, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),  # empty: all
    time_column("read_time", nullable=True),  # null: not read yet
    text_column("reason"),  # why it is not read now
    text_column("message"),
)

sighting = Table(  # what was found
    "sighting",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("lookout_namespace", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    json_column("body"),
    ForeignKeyConstraint(
        ["cluster", "purpose", "lookout_namespace"],
        ["lookout.cluster", "lookout.purpose", "lookout.namespace"],
        ondelete="CASCADE",
    ),
)
