"""DNS: what zones hold, why, and what planning remembers.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE dns_zone (zone_uid UUID NOT NULL, generation BIGINT NOT NULL, serial BIGINT NOT NULL,"
        " served BYTEA NOT NULL, report JSONB DEFAULT '{}'::jsonb NOT NULL, approved TEXT DEFAULT '' NOT NULL,"
        " removals JSONB DEFAULT '[]'::jsonb NOT NULL, change_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
        " CONSTRAINT dns_zone_pkey PRIMARY KEY (zone_uid),"
        " CONSTRAINT dns_zone_zone_uid_fkey FOREIGN KEY(zone_uid) REFERENCES policy (uid) ON DELETE CASCADE)"
    )
    op.execute(
        "CREATE TABLE dns_record_set (zone_uid UUID NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,"
        " ttl_seconds BIGINT NOT NULL, data JSONB DEFAULT '[]'::jsonb NOT NULL,"
        " CONSTRAINT dns_record_set_pkey PRIMARY KEY (zone_uid, name, type),"
        " CONSTRAINT dns_record_set_zone_uid_fkey FOREIGN KEY(zone_uid) REFERENCES dns_zone (zone_uid) ON DELETE CASCADE)"
    )
    op.execute("CREATE INDEX dns_record_set_name_idx ON dns_record_set (name)")
    op.execute(
        "CREATE TABLE dns_name (name TEXT NOT NULL, service TEXT NOT NULL, lines JSONB DEFAULT '[]'::jsonb NOT NULL,"
        " CONSTRAINT dns_name_pkey PRIMARY KEY (name))"
    )
    op.execute(
        "CREATE TABLE dns_memory (single BOOLEAN DEFAULT true NOT NULL, memory BYTEA NOT NULL,"
        " CONSTRAINT dns_memory_pkey PRIMARY KEY (single))"
    )
