"""When the names of a unit that left a cluster were those of where it is: the last phase of a failover.

Revision ID: 0025
Revises: 0024
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE dns_name ADD COLUMN unit TEXT DEFAULT '' NOT NULL, ADD COLUMN clusters TEXT[] DEFAULT '{}'::text[] NOT NULL,"
        " ADD COLUMN change_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL"
    )
    # The next plan tells whose addresses they give; whose they are stands in the key of their object.
    op.execute(
        "UPDATE dns_name SET unit = 'namespaces/' || replace(substring(service FROM ' of unit (.*)$'), '/', '/units/')"
        " WHERE service LIKE '% of unit %/%'"
    )
    op.execute("CREATE INDEX dns_name_unit_idx ON dns_name (unit)")
    op.execute(
        "ALTER TABLE failover ADD COLUMN is_named BOOLEAN DEFAULT false NOT NULL,"
        " ADD COLUMN traffic_time TIMESTAMP WITH TIME ZONE"
    )
    op.execute("CREATE INDEX failover_traffic_idx ON failover (id) WHERE is_named AND traffic_time IS NULL")
