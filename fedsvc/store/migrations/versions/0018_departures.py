"""Departures: that units are kept away from clusters that they left, until they are let back.

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE departure (unit_uid UUID NOT NULL, cluster TEXT NOT NULL, cause TEXT NOT NULL,"
        " targets JSONB DEFAULT '[]'::jsonb NOT NULL, author TEXT DEFAULT '' NOT NULL, reason TEXT DEFAULT '' NOT NULL,"
        " due_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, leave_time TIMESTAMP WITH TIME ZONE,"
        " free_time TIMESTAMP WITH TIME ZONE, return_time TIMESTAMP WITH TIME ZONE,"
        " is_pending BOOLEAN DEFAULT false NOT NULL,"
        " share JSONB DEFAULT '{}'::jsonb NOT NULL, gained JSONB DEFAULT '{}'::jsonb NOT NULL,"
        " CONSTRAINT departure_pkey PRIMARY KEY (unit_uid, cluster),"
        " CONSTRAINT departure_unit_uid_fkey FOREIGN KEY(unit_uid) REFERENCES unit (uid) ON DELETE CASCADE,"
        " CONSTRAINT departure_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name) ON DELETE CASCADE)"
    )
    op.execute("CREATE INDEX departure_cluster_idx ON departure (cluster)")
    op.execute("ALTER TABLE failover ADD COLUMN cause TEXT DEFAULT 'Lost' NOT NULL")
    op.execute("ALTER TABLE failover ADD COLUMN author TEXT DEFAULT '' NOT NULL")
    op.execute("ALTER TABLE failover ADD COLUMN return_time TIMESTAMP WITH TIME ZONE")
