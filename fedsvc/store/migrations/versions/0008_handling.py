"""Works know what their unit says of single fields, what was confirmed for them, and by whom they were handed over.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE work ADD COLUMN handling TEXT DEFAULT '' NOT NULL, ADD COLUMN recreate_digest BYTEA,"
        " ADD COLUMN former_unit_uid UUID, ADD COLUMN released BOOLEAN DEFAULT false NOT NULL"
    )
