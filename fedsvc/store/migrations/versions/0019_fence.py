"""A function for what every transaction of a controller begins with.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # VOLATILE: each of its statements sees what is committed when it begins, so the row is read after the lock is had.
    op.execute(
        "CREATE FUNCTION enter_fence(lease_name text, lease_holder text, lease_epoch bigint, silence text)"
        " RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$ BEGIN"
        " IF NOT pg_try_advisory_xact_lock_shared(hashtextextended('fedsvc fence ' || lease_name, 0)) THEN RETURN NULL; END IF;"
        " PERFORM set_config('idle_in_transaction_session_timeout', silence, TRUE);"
        " RETURN (SELECT now() FROM lease l WHERE l.name = lease_name AND l.holder = lease_holder AND l.epoch = lease_epoch);"
        " END $$"
    )
