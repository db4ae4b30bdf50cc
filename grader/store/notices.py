"""How whoever grades learns at once, on any machine, that something waits: PostgreSQL tells them.

SQLite tells nobody; there, and where a notice was missed, workers look for themselves. It knows no table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

_CHANNEL = "grader_waiting"


def tell(db: Connection) -> None:
    """Something waits, from the end of this transaction on; nothing does, where it is taken back."""
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(f"NOTIFY {_CHANNEL}")


def heard(engine: Engine, seconds: float) -> Iterator[bool]:
    """Whether something has come, each time after so many seconds at most. It ends with an error of the database's."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver: Any = connection.connection.driver_connection
        connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
        connection.detach()  # it listens to its end, and is of no use to others
        while True:
            yield any(True for _ in driver.notifies(timeout=seconds, stop_after=1))
