"""Ailments: since when units are unhealthy on clusters that are well.

Revision ID: 0020
Revises: 0019
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE ailment (unit_uid UUID NOT NULL, cluster TEXT NOT NULL,"
        " since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, reason TEXT DEFAULT '' NOT NULL,"
        " message TEXT DEFAULT '' NOT NULL, due_time TIMESTAMP WITH TIME ZONE,"
        " CONSTRAINT ailment_pkey PRIMARY KEY (unit_uid, cluster),"
        " CONSTRAINT ailment_unit_uid_fkey FOREIGN KEY(unit_uid) REFERENCES unit (uid) ON DELETE CASCADE,"
        " CONSTRAINT ailment_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name) ON DELETE CASCADE)"
    )
    op.execute("ALTER TABLE departure ADD COLUMN trouble_time TIMESTAMP WITH TIME ZONE")
    op.execute(
        "CREATE INDEX unit_unhealthy_idx ON unit (uid) WHERE jsonb_typeof(spec #> '{failover,unhealthy}') = 'object'"
    )
