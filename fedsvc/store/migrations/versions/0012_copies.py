"""What works name is known, and which objects are copied to where it is named.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE object_reference (unit_uid UUID NOT NULL, cluster TEXT NOT NULL, group_ TEXT NOT NULL,"
        " kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, optional BOOLEAN NOT NULL,"
        " CONSTRAINT object_reference_pkey PRIMARY KEY (unit_uid, cluster, group_, kind, namespace, name),"
        " CONSTRAINT object_reference_unit_uid_fkey FOREIGN KEY (unit_uid) REFERENCES unit (uid) ON DELETE CASCADE)"
    )
    op.execute("CREATE INDEX object_reference_object_idx ON object_reference (group_, kind, namespace, name)")
    op.execute(
        "CREATE TABLE copy_binding (unit_uid UUID NOT NULL, cluster TEXT NOT NULL, render_key BYTEA NOT NULL,"
        " withheld TEXT DEFAULT '' NOT NULL,"
        " CONSTRAINT copy_binding_pkey PRIMARY KEY (unit_uid, cluster),"
        " CONSTRAINT copy_binding_unit_uid_fkey FOREIGN KEY (unit_uid) REFERENCES unit (uid) ON DELETE CASCADE,"
        " CONSTRAINT copy_binding_cluster_fkey FOREIGN KEY (cluster) REFERENCES cluster (name) ON DELETE CASCADE)"
    )
    op.execute("CREATE INDEX copy_binding_cluster_idx ON copy_binding (cluster)")
