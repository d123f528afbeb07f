"""What decisions have in common is kept once: a digest of the answer, and the room that was given away before them.

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
    op.execute(
        "ALTER TABLE decision ADD COLUMN answer_digest BYTEA, ADD COLUMN ground UUID,"
        " ADD COLUMN spoken_count INTEGER DEFAULT 0 NOT NULL"
    )
    op.execute("CREATE INDEX decision_ground_idx ON decision (ground) WHERE ground IS NOT NULL")
    op.execute(
        "CREATE TABLE decision_spoken (ground UUID NOT NULL, start INTEGER NOT NULL,"
        " entries JSONB DEFAULT '[]'::jsonb NOT NULL, create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
        " CONSTRAINT decision_spoken_pkey PRIMARY KEY (ground, start))"
    )
