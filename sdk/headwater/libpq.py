"""psycopg's connection, whose failure to log in has the SQLSTATE that the server sent.

psycopg has it for every later error, but of a login only text, in the server's language, which says nothing reliably:
https://github.com/psycopg/psycopg/issues/1188. libpq puts the state into that text when it is told to.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq
from psycopg.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.abc import PQGenConn

_DEFAULT, _VERBOSE = 1, 2  # of libpq's PGVerbosity
# "FATAL:  28P01: ...", and at the end the place in the server's code: "LOCATION:  auth_failed, auth.c:326".
_STATE = re.compile(r"(?<=:  )([0-9A-Z]{5}): ")
_PLACE = re.compile(r"\n[^\n]*:  (?:\w+, )?[\w./]+:\d+(?=\n|$)")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """As psycopg's; what :meth:`connect` raises has the server's SQLSTATE, or that of a wrong password where one was
    wanted and none given; None: libpq failed before the server answered."""

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Any]:
        """psycopg's own generator, but that libpq is told before the server can answer."""
        pgconn: Any = pq.PGconn.connect_start(conninfo.encode())
        _tell()(pgconn.pgconn_ptr, _VERBOSE)
        while pgconn.status != pq.ConnStatus.BAD:
            status = pgconn.connect_poll()
            if status == pq.PollingStatus.OK:
                _tell()(pgconn.pgconn_ptr, _DEFAULT)
                pgconn.nonblocking = 1
                return cls(pgconn)
            if status == pq.PollingStatus.FAILED:
                break
            wait = Wait.R if status == pq.PollingStatus.READING else Wait.W
            while not (yield pgconn.socket, wait):
                pass
        raise _failure(pgconn)


def _failure(pgconn: Any) -> psycopg.Error:
    said = pgconn.get_error_message()
    kind: type[psycopg.Error] = psycopg.OperationalError
    if pgconn.needs_password:
        kind = psycopg.errors.InvalidPassword
    elif states := _STATE.findall(said):  # of several, the others are of further tries: without TLS, at another host
        with suppress(KeyError):
            kind = psycopg.errors.lookup(states[0])
        said = _PLACE.sub("", _STATE.sub("", said))
    pgconn.finish()
    return kind(f"connection failed: {said}")


@cache
def _tell() -> Callable[[int, int], object]:
    """``PQsetErrorVerbosity`` of the very libpq that psycopg uses: looked up in what its module is linked with. Where
    that hides it, errors have no state, as psycopg's own."""
    if pq.__impl__ == "python":
        library: Any = importlib.import_module("psycopg.pq._pq_ctypes").pq
    else:
        library = ctypes.CDLL(sys.modules[pq.PGconn.__module__].__file__)
    found: Any = getattr(library, "PQsetErrorVerbosity", lambda connection, verbosity: None)
    found.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return found  # type: ignore[no-any-return]
