"""What a database's errors mean: whose turn it is, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from headwater.errors import DestinationConfigError, DestinationError

USERS = DestinationConfigError
"""The user's turn: a host, user, password, path, name or right is wrong."""
DATABASES = DestinationError
"""The database's, or somebody else's who uses it: a lock, a server that is down, a disk that is full."""


class Meaning(NamedTuple):
    """What an error means.

    :ivar turn: :data:`USERS` or :data:`DATABASES`.
    :ivar todo: what to do, as a sentence; where it has ``{seconds}``, how long was waited for a lock.
    """

    turn: type[DestinationError]
    todo: str

    def told(self, said: str, lock_seconds: float) -> Meaning:
        """The same, after what the database said; in it is no secret."""
        return self._replace(todo=f"{said}. {self.todo.format(seconds=lock_seconds)}".rstrip())


UNKNOWN = Meaning(DATABASES, "")


def meaning(parts: tuple[tuple[str, Meaning], ...], said: str) -> Meaning:
    """The first of which a part is in what the database said."""
    return next((found for part, found in parts if part in said), UNKNOWN)
