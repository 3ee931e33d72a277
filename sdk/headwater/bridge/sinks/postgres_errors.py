"""PostgreSQL's errors for people: what is wrong, and what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from headwater.bridge.sinks.meanings import DATABASES, UNKNOWN, USERS, Meaning, meaning

_RIGHTS = (
    "Grant the user that right: on the database and the schema USAGE and CREATE; on a table, that its user owns it."
)
_NO_DATABASE = Meaning(USERS, "Create the database, or name another.")
_LOGIN = Meaning(USERS, "Look at the user and the password: in the URL, in PGPASSWORD or in ~/.pgpass.")
_GONE = Meaning(DATABASES, "Somebody dropped or renamed it meanwhile. Run again.")
_LOST = Meaning(DATABASES, "The connection was lost: was the server stopped? Run again; nothing was lost.")
# By the SQLSTATE, or its class (two characters): https://www.postgresql.org/docs/current/errcodes-appendix.html
_MEANINGS = {
    "0A000": Meaning(DATABASES, "A view or rule uses the column. Drop that, run again, and make it anew."),
    "25006": Meaning(USERS, "The database is read-only: is this a standby? Name the primary."),
    "28": Meaning(USERS, "The server lets nobody in from here that way: look at the user, pg_hba.conf and sslmode."),
    "28P01": _LOGIN,
    "2BP01": Meaning(DATABASES, "Something else depends on it. Drop that, run again, and make it anew."),
    "3D000": _NO_DATABASE,
    "3F000": Meaning(USERS, "Create the schema, or name one that there is with ?schema=NAME in the URL."),
    "40": Meaning(DATABASES, "Another session changed the same rows. Run again; nothing was lost."),
    "40P01": Meaning(
        DATABASES, "Two sessions waited for each other, and this one was ended. Run again; nothing was lost."
    ),
    "42501": Meaning(USERS, _RIGHTS),
    "42703": _GONE,
    "42P01": _GONE,
    "53100": Meaning(DATABASES, "Make room on the server's disk, then run again; nothing was lost."),
    "53200": Meaning(
        DATABASES, "The server has too little memory: look at work_mem and shared_buffers, then run again."
    ),
    "53300": Meaning(DATABASES, "The server takes no more connections: end some, or raise max_connections."),
    "54011": Meaning(DATABASES, "The records have more keys than a table may have columns: select columns."),
    "55P03": Meaning(
        DATABASES, "Another session has held the table or row for {seconds:.0f} s: end it, then run again."
    ),
    "57": Meaning(DATABASES, "The server ended this session. Run again; nothing was lost."),
    "57P01": Meaning(DATABASES, "The server was shut down meanwhile. Run again when it is there; nothing was lost."),
    "57P03": Meaning(DATABASES, "The server is starting or shutting down. Run again."),
    "58": Meaning(DATABASES, "The server's file system fails; look at its log."),
    "XX001": Meaning(DATABASES, "The database is damaged; look at the server's log."),
}
# libpq's own, which have no state, and those of poolers, which give class 08 to all of theirs.
_TEXTS = (
    ("authentication failed", _LOGIN),
    ("certificate", Meaning(USERS, "Look at sslmode and sslrootcert in the URL.")),
    ("does not exist", Meaning(USERS, "Look at the names of the user and the database.")),
    ("no such database", _NO_DATABASE),
    ("SSL", Meaning(DATABASES, "Look at sslmode in the URL: does the server speak TLS?")),
    ("refused", Meaning(DATABASES, "Is the server running, and are host and port right?")),
    ("Name or service not known", Meaning(USERS, "Is the host's name right?")),
    ("resolve", Meaning(DATABASES, "Is the host's name right?")),
    ("timeout expired", Meaning(DATABASES, "Is the host right, and can it be reached from here?")),
    ("closed", _LOST),
    ("lost", _LOST),
    ("could not receive", _LOST),
)
_REFUSALS = ("22", "23", "54000", "54001")


def meaning_of(error: Exception, lock_seconds: float, masked: Callable[[str], str]) -> Meaning | None:
    """What an error of psycopg means; None: it is none.

    :param masked: takes secrets out of what the server said.
    """
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    found = _MEANINGS.get(state) or _MEANINGS.get(state[:2])
    if found is None:
        found = meaning(_TEXTS, str(error)) if state[:2] in ("", "08") else UNKNOWN
    return found.told(masked(_said(error)), lock_seconds)


def refusal(error: Exception) -> str | None:
    """Why a record is refused; None: it is about anything else."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    if state.startswith(_REFUSALS) or (not state and isinstance(error, psycopg.DataError)):
        return _said(error)
    return None


def _said(error: Any) -> str:
    """What the server said, on one line, without libpq's own advice (it begins on an indented line); values of the
    records, which are in the detail, are left out."""
    text = error.diag.message_primary or re.sub(r"\n\t[^\n]*\?", "", str(error))
    return " ".join(text.split()).rstrip(".")
