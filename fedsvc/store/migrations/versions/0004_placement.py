"""What the rules of placement look at: jurisdiction, cost and scores of clusters, settings of the fleet.

Revision ID: 0004
Revises: 0001
"""

from alembic import op

revision = "0004"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE cluster ADD COLUMN jurisdiction TEXT DEFAULT '' NOT NULL, ADD COLUMN cost JSONB,"
        " ADD COLUMN scores JSONB DEFAULT '[]'::jsonb NOT NULL,"
        " ADD COLUMN room JSONB"
    )
    op.execute(
        "CREATE TABLE fleet (single BOOLEAN DEFAULT true NOT NULL, spec JSONB DEFAULT '{}'::jsonb NOT NULL,"
        " generation BIGINT DEFAULT 1 NOT NULL, update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
        " CONSTRAINT fleet_pkey PRIMARY KEY (single))"
    )
