"""One point in time of a database, seen through as many connections as are wanted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headwater.errors import TransientError
from headwater.sql.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("headwater")

_RECOVERY = ("SerializationFailure", "DeadlockDetected")
"""psycopg's names for a conflict with recovery, on a standby; what the server says of it is in its own language."""


class PointLost(TransientError):
    """The point in time that was read is gone; another one can be had."""


class Snapshot:
    """A point in time.

    One connection holds it as long as the read takes; the others join it, and are kept for the next part. When
    the holder is lost the next point in time takes its place, as a database can't go back to one.

    :ivar age: how many points in time there were before this one.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.age = 0
        self._lock = threading.RLock()
        self._holder: Any = None
        self._name: str | None = None
        self._idle: list[tuple[int, Connection]] = []
        self._is_closed = False

    @contextmanager
    def connection(self, doing: str = "to read") -> Iterator[Connection]:
        """A connection that sees the database at this point in time, for one thread.

        :param doing: what for, for messages.
        :raises HeadwaterError: what the driver raised meanwhile.
        """
        age, connection = self._taken()
        try:
            yield connection
        except BaseException as error:
            self.database.discard(connection)
            if isinstance(error, Exception):
                raise self.database.failure(error, doing) from error
            raise
        with self._lock:
            if age == self.age and not self._is_closed:
                self._idle.append((age, connection))
                return
        self.database.discard(connection)

    def _taken(self) -> tuple[int, Connection]:
        with self._lock:
            if self._holder is None:
                self._holder, self._name = self._held()
                if self._name is None:  # it can't be shared: the first to come reads with it
                    return self.age, self._holder
            if self._idle:
                return self._idle.pop()
            age, name = self.age, self._name
        connection = self.database.connect()
        self._begun(connection, name)
        return age, connection

    def _held(self) -> tuple[Any, str | None]:
        """A connection that holds a point in time, and what that is called; None: it can't be shared."""
        holder = self.database.connect()
        return holder, self._begun(holder)

    def _begun(self, connection: Connection, name: str | None = None) -> str | None:
        try:
            return self.database.begin(connection, name)
        except Exception as error:
            self.database.discard(connection)
            found = self.database.failure(error, "to begin a transaction")
            if name is not None:  # it went with the connection that held it
                raise PointLost(f"The point in time that is read is gone. {found.message}") from error
            raise found from error

    def renew(self, age: int, error: TransientError) -> None:
        """After a failure: idle connections may be lost, too. Where the point in time is lost, or goes with any
        connection, another one, unless one that began later is there already.

        :param age: that of the point in time at which it failed.
        """
        lost = self._name is None or isinstance(error, PointLost) or error.internal in _RECOVERY
        with self._lock:
            if age != self.age or self._is_closed:
                return
            if lost:
                self.age += 1
                self._drop()
            else:
                self._drop_idle()

    def close(self) -> None:
        """Close all connections that nobody reads with."""
        with self._lock:
            self._is_closed = True
            self._drop()

    def _drop(self) -> None:
        self._drop_idle()
        if self._holder is not None and self._name is not None:
            self.database.discard(self._holder)
        self._holder = None

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for _, connection in idle:
            self.database.discard(connection)
