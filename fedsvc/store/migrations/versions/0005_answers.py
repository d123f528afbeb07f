"""The digest of what a decision answers, so that the next one can be compared without reading it.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null: of a decision from before. The next one is then kept, whatever it answers.
    op.execute("ALTER TABLE decision ADD COLUMN answer_digest BYTEA")
