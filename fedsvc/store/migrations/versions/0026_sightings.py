"""What is looked for in members beside what is ours there, and what was found.

Revision ID: 0026
Revises: 0025
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE lookout (cluster TEXT NOT NULL, purpose TEXT NOT NULL, namespace TEXT NOT NULL,"
        " read_time TIMESTAMP WITH TIME ZONE, reason TEXT DEFAULT '' NOT NULL, message TEXT DEFAULT '' NOT NULL,"
        " CONSTRAINT lookout_pkey PRIMARY KEY (cluster, purpose, namespace),"
        " CONSTRAINT lookout_cluster_fkey FOREIGN KEY (cluster) REFERENCES cluster (name) ON DELETE CASCADE)"
    )
    op.execute(
        "CREATE TABLE sighting (cluster TEXT NOT NULL, purpose TEXT NOT NULL, lookout_namespace TEXT NOT NULL,"
        " namespace TEXT NOT NULL, name TEXT NOT NULL, body JSONB DEFAULT '{}'::jsonb NOT NULL,"
        " CONSTRAINT sighting_pkey PRIMARY KEY (cluster, purpose, lookout_namespace, namespace, name),"
        " CONSTRAINT sighting_cluster_fkey FOREIGN KEY (cluster, purpose, lookout_namespace)"
        " REFERENCES lookout (cluster, purpose, namespace) ON DELETE CASCADE)"
    )
