"""Works know which of them a later written wave waits for, and of what manifest they were observed.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The place of a kind in written wave 0 is the number that was there before.
    op.execute("ALTER TABLE work ADD COLUMN awaited TEXT DEFAULT '' NOT NULL, ADD COLUMN observed_digest BYTEA")
    op.execute("CREATE INDEX work_awaited_idx ON work (cluster, unit_uid) WHERE awaited <> ''")
