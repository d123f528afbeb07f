"""What the rules of placement look at: jurisdiction, cost and scores of clusters, settings of the fleet, what decisions were made from.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE cluster ADD COLUMN jurisdiction TEXT DEFAULT '' NOT NULL, ADD COLUMN cost JSONB,"
        " ADD COLUMN scores JSONB DEFAULT '[]'::jsonb NOT NULL,"
        " ADD COLUMN room JSONB"
    )
    op.execute(
        "ALTER TABLE unit ADD COLUMN memory JSONB DEFAULT '{}'::jsonb NOT NULL,"
        " ADD COLUMN rebalance BOOLEAN DEFAULT false NOT NULL"
    )
    op.execute("ALTER TABLE binding ADD COLUMN completions JSONB DEFAULT '{}'::jsonb NOT NULL")
    op.execute("CREATE INDEX unit_rebalance_idx ON unit (uid) WHERE rebalance")
    op.execute(
        "CREATE TABLE decision_fleet (digest BYTEA NOT NULL, body BYTEA NOT NULL,"
        " create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, CONSTRAINT decision_fleet_pkey PRIMARY KEY (digest))"
    )
    op.execute(
        "ALTER TABLE decision ADD COLUMN inputs JSONB, ADD COLUMN fleet_digest BYTEA,"
        " ADD CONSTRAINT decision_fleet_digest_fkey FOREIGN KEY(fleet_digest) REFERENCES decision_fleet (digest)"
    )
    op.execute("CREATE INDEX decision_fleet_digest_idx ON decision (fleet_digest)")
    op.execute(
        "CREATE TABLE fleet (single BOOLEAN DEFAULT true NOT NULL, spec JSONB DEFAULT '{}'::jsonb NOT NULL,"
        " generation BIGINT DEFAULT 1 NOT NULL, update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
        " CONSTRAINT fleet_pkey PRIMARY KEY (single))"
    )
