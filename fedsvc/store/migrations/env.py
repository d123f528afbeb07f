"""Alembic's entry: runs on the connection that `fedsvc.store.migrate` hands over."""

from alembic import context

from fedsvc.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations are run by `fedsvc migrate` or at the start of `fedsvc serve`")
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
context.run_migrations()
