"""The change log knows where it begins, so that a resume token of another one is told from one of its own.

Revision ID: 0003
Revises: 0001
"""

from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE change_horizon ADD COLUMN id BIGINT DEFAULT 0 NOT NULL
    """,
    """
    ALTER TABLE change_horizon ADD COLUMN create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
    """,
    """
    INSERT INTO change_horizon (single, xid) VALUES (TRUE, pg_current_xact_id()) ON CONFLICT (single) DO NOTHING
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
