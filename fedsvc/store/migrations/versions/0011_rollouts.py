"""Clusters may hold another revision than the newest: bindings tell which, and rollouts are remembered.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE binding ADD COLUMN revision BIGINT DEFAULT 0 NOT NULL")
    op.execute("UPDATE binding SET revision = unit.revision FROM unit WHERE unit.uid = binding.unit_uid")
    op.execute("ALTER TABLE unit_revision ADD COLUMN restores BIGINT")
    # Overrides look at labels, which so far stood with the newest revision's resources only: older ones were held nowhere.
    op.execute(
        "UPDATE unit_revision v SET resources = n.resources FROM (SELECT r.unit_uid, jsonb_agg(jsonb_build_array("
        " CASE WHEN r.group_ = '' THEN r.version ELSE r.group_ || '/' || r.version END, r.kind, r.namespace, r.name,"
        " encode(r.digest, 'hex'), r.labels) ORDER BY r.position) AS resources FROM resource r GROUP BY r.unit_uid) n,"
        " unit u WHERE u.uid = v.unit_uid AND u.revision = v.revision AND n.unit_uid = v.unit_uid"
    )
    op.execute(
        "CREATE TABLE rollout (unit_uid UUID NOT NULL, version BIGINT DEFAULT 1 NOT NULL, over BOOLEAN DEFAULT false NOT NULL,"
        " state JSONB DEFAULT '{}'::jsonb NOT NULL, update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
        " CONSTRAINT rollout_pkey PRIMARY KEY (unit_uid),"
        " CONSTRAINT rollout_unit_uid_fkey FOREIGN KEY (unit_uid) REFERENCES unit (uid) ON DELETE CASCADE)"
    )
    op.execute("CREATE INDEX rollout_open_idx ON rollout (unit_uid) WHERE NOT over")
