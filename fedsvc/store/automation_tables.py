"""The schema of what automation does by itself, and of what people ask of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from fedsvc.store.columns import json_column as _json
from fedsvc.store.columns import metadata
from fedsvc.store.columns import text_column as _text
from fedsvc.store.columns import time_column as _time

automation = Table(
    "automation",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),  # one row always
    Column("version", BigInteger, nullable=False, server_default=text("1")),  # grows with what automation may do
    _json("state"),  # of the breaker
    _json("sight"),  # what is known of how far our own sight can be trusted
    _time("update_time"),
)

failover = Table(
    "failover",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="SET NULL")),
    Column("unit_name", Text, nullable=False),  # in the API
    Column("cluster", Text, nullable=False),  # that was lost
    Column("targets", ARRAY(Text), nullable=False),  # clusters that hold more of it from then on
    Column("priority", Integer, nullable=False, server_default=text("0")),
    _text("message"),  # why it was lost, and what found no place
    _time("trouble_time", nullable=True),  # the first bad finding
    _time("detect_time", nullable=True),  # the verdict
    _time("create_time"),  # the decision
    _time("place_time", nullable=True),  # all targets hold it
    _time("ready_time", nullable=True),  # and it is healthy there
    _time("clean_time", nullable=True),  # what was left on the lost cluster is gone, or is wanted again
    Column("cause", Text, nullable=False, server_default=text("'Lost'")),  # DepartureCause
    _text("author"),  # who asked for it
    _time("return_time", nullable=True),  # it was decided to take back what was left
    Column("is_named", Boolean, nullable=False, server_default=text("false")),  # the unit had names then
    _time("traffic_time", nullable=True),  # its names give addresses of where it is, and none of the lost cluster
    Index("failover_unit_uid_idx", "unit_uid"),
    Index("failover_traffic_idx", "id", postgresql_where=text("is_named AND traffic_time IS NULL")),
    Index("failover_open_idx", "id", postgresql_where=text("ready_time IS NULL")),
)

departure = Table(
    "departure",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("cluster", Text, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("cause", Text, nullable=False),  # DepartureCause
    _json("targets", "[]"),  # where it is to go, as somebody asked
    _text("author"),
    _text("reason"),
    _time("due_time"),  # from when it is to be away
    _time("leave_time", nullable=True),  # it was decided without the cluster
    _time("free_time", nullable=True),  # since when no person keeps it away
    _time("return_time", nullable=True),  # since when it is to take back what it had
    Column("is_pending", Boolean, nullable=False, server_default=text("false")),  # no decision has heard of it yet
    _json("share"),  # replicas that it had there, by workload
    _json("gained"),  # what others got for it, by cluster and workload
    _time("trouble_time", nullable=True),  # since when it was unhealthy there, where it leaves for that
    Index("departure_cluster_idx", "cluster"),
)

drill = Table(
    "drill",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _json("plan"),  # what it was begun with
    Column("phase", Text, nullable=False),  # DrillPhase
    Column("outcome", Text),  # DrillOutcome; null: it has none yet
    _text("message"),  # why it is undone before its time
    _text("author"),
    _text("reason"),
    _time("create_time"),
    _time("traffic_time", nullable=True),  # names have changed
    _time("away_time", nullable=True),  # all that left is ready elsewhere
    _time("return_time", nullable=True),  # all is being brought back
    _time("end_time", nullable=True),  # all is as before
    Column("name_count", Integer, nullable=False, server_default=text("0")),  # names that changed
    _time("worse_time", nullable=True),  # since when some unit is Degraded that was not before
    Index("drill_open_idx", text("(TRUE)"), unique=True, postgresql_where=text("phase <> 'Over'")),
)

ailment = Table(
    "ailment",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("cluster", Text, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    _time("since"),  # when it became unhealthy there
    _text("reason"),  # why it stays there for now
    _text("message"),  # what ails it
    _time("due_time", nullable=True),  # when it leaves, where that is known
)

switchover = Table(
    "switchover",
    metadata,
    Column("unit_uid", UUID(as_uuid=False), ForeignKey("unit.uid", ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("1")),  # grows with every change
    _json("state"),  # where the primary of the unit is, and what is under way
    Column("ask", JSONB),  # what somebody wants; null: nothing that was not heard of
    Column("is_over", Boolean, nullable=False, server_default=text("true")),  # nothing is under way
    _time("update_time"),
)
