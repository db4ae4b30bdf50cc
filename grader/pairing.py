"""Who is who, where one text may fit several: pairs that are alone on both sides are sure, all others are in doubt.

It works on tables of SQLite's that its caller fills: `pair` and `doubt`, and one of what was found before. It knows
nothing of what is paired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection


def settle(db: Connection, one: str, other: str, found: str, *, condition: str = "1") -> None:
    """Move what is sure from `pair` to the table `found`, and what is not to `doubt`.

    `one` and `other` are the columns of all three. Each `other` is found once: of two that have one text, the one that
    is left over may be anybody. A `condition`, in SQL, has to hold besides. The texts are ours.
    """
    alone = (
        f"SELECT {one}, {other}, COUNT(*) OVER (PARTITION BY {one}) AS others, "  # noqa: S608 see above
        f"COUNT(*) OVER (PARTITION BY {other}) AS ones FROM pair"
    )
    db.execute(
        f"INSERT INTO {found} ({one}, {other}) SELECT {one}, {other} FROM ({alone}) AS lone "  # noqa: S608 see above
        f"WHERE others = 1 AND ones = 1 AND {other} NOT IN (SELECT {other} FROM {found}) "
        f"AND {other} NOT IN (SELECT {other} FROM doubt) AND {condition}"
    )
    db.execute(
        f"INSERT INTO doubt ({one}, {other}) SELECT {one}, {other} FROM pair "  # noqa: S608 see above
        f"WHERE {one} NOT IN (SELECT {one} FROM {found})"
    )
