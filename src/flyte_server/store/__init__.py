"""The only SQL of the control plane: rows in SQLite, records in Python.

Lives here: the database with its one writer, migrations, named statements (`sql/*.sql`), and one
module of functions per table; each takes a connection first and runs inside the caller's
transaction. Does not: decisions.  Only `engine.engine` calls what writes runs and actions.
"""
