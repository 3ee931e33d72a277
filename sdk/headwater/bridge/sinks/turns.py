"""Whose turn it is when a database says no."""

from __future__ import annotations

import re

# What SQLite, DuckDB and PostgreSQL say where a host, user, password, path, name or right of the flow's is wrong. A
# name that can't be resolved for now, a server that is down and a lock are the database's.
_USERS = re.compile(
    r"""unable\ to\ open | [Nn]o\ such\ file | not\ a\ database | not\ a\ valid\ DuckDB
    | readonly | [Rr]ead-only | [Pp]ermission\ denied | must\ be\ owner
    | password\ authentication\ failed | no\ password\ supplied | no\ pg_hba\.conf\ entry | certificate
    | (database|role)\ ".*"\ does\ not\ exist | Name\ or\ service\ not\ known | no\ schema\ has\ been\ selected""",
    re.VERBOSE,
)


def is_users(said: str) -> bool:
    """Whether the user must act, by what a database said: the configuration or a permission is wrong."""
    return _USERS.search(said) is not None
