"""How alembic gets at the tables: within the transaction it is handed."""

from alembic import context

from grader.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
