"""Rows and bytes: every table, the transaction, the blob folder, and the queries by area.

Imported by the rooms above; web only reads. Functions take an open transaction, never commit, and return frozen
dataclasses: nothing lazy leaves the block, which is why this is SQLAlchemy Core and not its ORM. SQLite and PostgreSQL run
the same statements and the same tests; where they must differ, `db.py` knows.
"""
