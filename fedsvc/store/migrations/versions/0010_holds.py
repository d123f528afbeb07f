"""Holds: what people paused, and what freeze windows let through.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE hold (subject TEXT NOT NULL, scope TEXT NOT NULL, unit_uid UUID, cluster TEXT,"
        " reason TEXT DEFAULT '' NOT NULL, author TEXT DEFAULT '' NOT NULL,"
        " create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, end_time TIMESTAMP WITH TIME ZONE,"
        " CONSTRAINT hold_pkey PRIMARY KEY (subject, scope),"
        " CONSTRAINT hold_unit_uid_fkey FOREIGN KEY(unit_uid) REFERENCES unit (uid) ON DELETE CASCADE,"
        " CONSTRAINT hold_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name) ON DELETE CASCADE)"
    )
    op.execute(
        "CREATE TABLE thaw (subject TEXT NOT NULL, window_name TEXT NOT NULL, unit_uid UUID, cluster TEXT,"
        " reason TEXT DEFAULT '' NOT NULL, author TEXT DEFAULT '' NOT NULL,"
        " create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, end_time TIMESTAMP WITH TIME ZONE NOT NULL,"
        " CONSTRAINT thaw_pkey PRIMARY KEY (subject, window_name),"
        " CONSTRAINT thaw_unit_uid_fkey FOREIGN KEY(unit_uid) REFERENCES unit (uid) ON DELETE CASCADE,"
        " CONSTRAINT thaw_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name) ON DELETE CASCADE)"
    )
