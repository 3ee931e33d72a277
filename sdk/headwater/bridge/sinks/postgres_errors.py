"""PostgreSQL's errors for people: what is wrong, and what to do."""

from __future__ import annotations

import sys
from typing import Any

# By the SQLSTATE, or its class (two characters): https://www.postgresql.org/docs/current/errcodes-appendix.html
_ADVICE = {
    "55P03": "Another session has held the table or row for {seconds:.0f} s: end it, then run again.",
    "40P01": "Two sessions waited for each other, and this one was ended. Run again; nothing was lost.",
    "40": "Another session changed the same rows. Run again; nothing was lost.",
    "53100": "Make room on the server's disk, then run again; nothing was lost.",
    "53200": "The server has too little memory: look at work_mem and shared_buffers, then run again.",
    "53300": "The server takes no more connections: end some, or raise max_connections.",
    "42501": "Grant the user that right: on the database and the schema USAGE and CREATE; on a table, that its user "
    "owns it.",
    "25006": "The database is read-only: is this a standby? Name the primary.",
    "3F000": "Create the schema, or name one that there is with ?schema=NAME in the URL.",
    "3D000": "Create the database, or name another.",
    "42P01": "Somebody dropped or renamed it meanwhile. Run again.",
    "42703": "Somebody dropped or renamed it meanwhile. Run again.",
    "28": "Look at the user, the password and pg_hba.conf.",
    "54011": "The records have more keys than a table may have columns: select columns.",
    "0A000": "A view or rule uses the column. Drop that, run again, and make it anew.",
    "2BP01": "Something else depends on it. Drop that, run again, and make it anew.",
    "57P01": "The server was shut down meanwhile. Run again when it is there; nothing was lost.",
    "57": "The server ended this session. Run again; nothing was lost.",
    "58": "The server's file system fails; look at its log.",
    "XX001": "The database is damaged; look at the server's log.",
}
_TEXTS = (
    ("password authentication failed", _ADVICE["28"]),
    ("no password supplied", "Give the password in the URL, in PGPASSWORD or in ~/.pgpass."),
    ("no pg_hba.conf entry", "The server lets nobody in from here that way: look at pg_hba.conf, and at sslmode."),
    ("does not exist", "Look at the names of the user and the database."),
    ("too many clients", _ADVICE["53300"]),
    ("certificate", "Look at sslmode and sslrootcert in the URL."),
    ("SSL", "Look at sslmode in the URL: does the server speak TLS?"),
    ("starting up", "The server is starting. Run again."),
    ("refused", "Is the server running, and are host and port right?"),
    ("resolve", "Is the host's name right?"),
    ("timeout expired", "Is the host right, and can it be reached from here?"),
    ("closed", "The connection was lost: was the server stopped? Run again; nothing was lost."),
    ("lost", "The connection was lost: was the server stopped? Run again; nothing was lost."),
    ("could not receive", "The connection was lost: was the server stopped? Run again; nothing was lost."),
)
_REFUSALS = ("22", "23", "54000", "54001")


def advice(error: Exception, lock_seconds: float) -> str | None:
    """An error of psycopg for people; None: it is none."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    said = _said(error)
    found = _ADVICE.get(state) or _ADVICE.get(state[:2])
    if found is None:
        found = next((told for part, told in _TEXTS if part in str(error)), None)
    return f"{said}. {found.format(seconds=lock_seconds)}" if found else f"{said}."


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
    """What the server said, on one line; values of the records, which are in the detail, are left out."""
    text = error.diag.message_primary or str(error)
    return " ".join(text.split()).rstrip(".")
