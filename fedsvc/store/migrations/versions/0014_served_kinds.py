"""Served kinds: told apart by a digest, so that those that are known are not read again.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE cluster ADD COLUMN api_digest TEXT GENERATED ALWAYS AS (md5(CAST(api_resources AS text))) STORED NOT NULL"
    )
