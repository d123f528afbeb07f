"""Switchovers: where the primary of a unit is that has one, and what it is on each cluster.

Revision ID: 0027
Revises: 0026
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE switchover (unit_uid UUID NOT NULL, version BIGINT DEFAULT 1 NOT NULL,"
        " state JSONB DEFAULT '{}'::jsonb NOT NULL, ask JSONB, is_over BOOLEAN DEFAULT true NOT NULL,"
        " update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
        " CONSTRAINT switchover_pkey PRIMARY KEY (unit_uid),"
        " CONSTRAINT switchover_unit_uid_fkey FOREIGN KEY (unit_uid) REFERENCES unit (uid) ON DELETE CASCADE)"
    )
    op.execute("ALTER TABLE binding ADD COLUMN role TEXT DEFAULT '' NOT NULL")
