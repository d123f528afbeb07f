"""Works are claimed unit by unit, so that each gets its turn: an index has the queue of each.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX work_queue_idx ON work (cluster, unit_uid, wave, id, next_attempt_time) WHERE dirty")
