"""Units wait for other units.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE unit_dependency (unit_uid UUID NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,"
        " state TEXT NOT NULL, everywhere BOOLEAN NOT NULL,"
        " CONSTRAINT unit_dependency_pkey PRIMARY KEY (unit_uid, namespace, name),"
        " CONSTRAINT unit_dependency_unit_uid_fkey FOREIGN KEY (unit_uid) REFERENCES unit (uid) ON DELETE CASCADE)"
    )
    op.execute("CREATE INDEX unit_dependency_namespace_name_idx ON unit_dependency (namespace, name)")
