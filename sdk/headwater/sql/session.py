"""A connection of psycopg's own, with as much of SQLAlchemy's as reading PostgreSQL asks for.

The server builds the JSON and COPY brings it, so SQLAlchemy would only open the connection; to import it and to
let it look at the server costs more than reading a hundred thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL


@dataclass(frozen=True)
class Address:
    """Where a database is and who asks: SQLAlchemy's URL, without what importing that costs."""

    drivername: str
    username: str | None
    password: str | None = field(repr=False)
    host: str | None
    port: int | None
    database: str | None

    def for_sqlalchemy(self) -> URL:
        """SQLAlchemy's URL of it."""
        from sqlalchemy import URL

        return URL.create(self.drivername, self.username, self.password, self.host, self.port, self.database)

    def arguments(self) -> dict[str, Any]:
        """What libpq is told of it."""
        said = {"host": self.host, "port": self.port, "dbname": self.database, "user": self.username}
        return {name: value for name, value in {**said, "password": self.password}.items() if value}


class Refused(Exception):
    """A query that failed.

    :ivar orig: what psycopg said.
    :ivar connection_invalidated: the connection was lost with it.
    """

    def __init__(self, orig: Exception, *, connection_invalidated: bool) -> None:
        super().__init__(str(orig))
        self.orig = orig
        self.connection_invalidated = connection_invalidated


class Result:
    """A query's rows."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def fetchone(self) -> Any:
        """The next row; None: there is none."""
        return self._cursor.fetchone()

    def first(self) -> Any:
        """The first row, and no other; None: there is none."""
        try:
            return self._cursor.fetchone()
        finally:
            self._cursor.close()


class Session:
    """A connection that commits each statement by itself.

    :param arguments: what psycopg's ``connect`` takes.
    :ivar driver: psycopg's connection.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        from headwater import libpq

        self.driver: Any = libpq.Connection.connect(**arguments, autocommit=True)

    def exec_driver_sql(self, query: str) -> Result:
        """Run a query.

        :raises Refused: when it fails.
        """
        try:
            cursor = self.driver.cursor()
            cursor.execute(query)
        except Exception as error:
            raise Refused(error, connection_invalidated=getattr(self.driver, "closed", False)) from error
        return Result(cursor)

    def rollback(self) -> None:
        """Undo what a transaction did."""
        self.driver.rollback()

    def invalidate(self) -> None:
        """Close it, in whatever state it is."""
        self.driver.close()

    close = invalidate
