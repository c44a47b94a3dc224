"""Schema versions, forward only, run by alembic inside the connection that `schema.migrate` hands in."""
