"""Works are claimed unit by unit, so that each gets its turn: an index has the queue of each.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX work_queue_idx ON work (cluster, unit_uid, wave, id, next_attempt_time) WHERE dirty")
