"""What a COPY of PostgreSQL sends, taken from libpq many rows at a time.

psycopg's own ``Copy`` begins and ends it; but row by row each costs as much as all else that is done with it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

_LARGE = 64 * 1024
"""Bytes of a row that is not waited with for others."""


def copied(driver: Any, count: int) -> Iterator[bytes]:
    """The rows of the COPY that a connection of psycopg is in, so many joined at a time; fewer where they are large.

    :raises psycopg.Error: when the server, or the connection, fails.
    """
    from psycopg.waiting import WAIT_R

    ends = False
    while not ends:
        rows, ends = driver.wait(_rows(driver.pgconn, count, WAIT_R))
        if rows:
            yield b"".join(rows)


def _rows(libpq: Any, count: int, readable: Any) -> Generator[Any, Any, tuple[list[memoryview], bool]]:
    """Some rows, and whether they are the last; waits as psycopg's generators do."""
    rows: list[memoryview] = []
    add, take = rows.append, libpq.get_copy_data
    while len(rows) < count:
        size, data = take(1)
        if size > 0:
            add(data)
            if size > _LARGE:
                break
        elif size == 0:
            yield from _more(libpq, readable)
        else:
            yield from _ended(libpq, readable)
            return rows, True
    return rows, False


def _ended(libpq: Any, readable: Any) -> Generator[Any, Any, None]:
    """Take what the server says of the whole.

    :raises psycopg.Error: when it failed.
    """
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    failed = None
    while True:
        while libpq.is_busy():
            yield from _more(libpq, readable)
        result = libpq.get_result()
        if result is None:
            break
        if result.status != ExecStatus.COMMAND_OK:
            failed = failed or result
    if failed is not None:
        raise error_from_result(failed, encoding="utf-8")


def _more(libpq: Any, readable: Any) -> Generator[Any, Any, None]:
    while not (yield readable):
        pass
    libpq.consume_input()
