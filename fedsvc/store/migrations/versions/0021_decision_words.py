"""What is asked of decisions by itself is kept beside their records, and these as text.

Revision ID: 0021
Revises: 0020
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE decision ADD COLUMN words JSONB")
    op.execute("UPDATE decision SET words = record - CAST('{clusters,divisions,moves}' AS text[])")
    # Half the time of PostgreSQL's own compression. One that was built without it keeps that.
    op.execute(
        "DO $$ BEGIN"
        " ALTER TABLE decision ALTER COLUMN record SET COMPRESSION lz4, ALTER COLUMN inputs SET COMPRESSION lz4;"
        " EXCEPTION WHEN feature_not_supported THEN NULL; END $$"
    )
    op.execute(
        "ALTER TABLE decision ALTER COLUMN words SET NOT NULL, ALTER COLUMN record DROP DEFAULT,"
        " ALTER COLUMN record TYPE JSON USING CAST(record AS json), ALTER COLUMN inputs TYPE JSON USING CAST(inputs AS json)"
    )
