"""SQLite's errors for people: what is wrong, and what to do."""

from __future__ import annotations

import sqlite3

from headwater.bridge.sinks.meanings import DATABASES, USERS, Meaning, meaning

# By its texts, which are in English everywhere: Python gives the codes only from 3.11 on.
_MEANINGS = (
    (
        "locked",
        Meaning(DATABASES, "Another program has held the database for {seconds:.0f} s: end it, then run again."),
    ),
    ("disk is full", Meaning(DATABASES, "Make room, then run again; nothing was lost.")),
    ("readonly", Meaning(USERS, "Grant write access to the file and its folder.")),
    ("unable to open", Meaning(USERS, "Is there such a folder, and may it be written to?")),
    ("not a database", Meaning(USERS, "Name another file; this one is something else, or damaged.")),
    ("malformed", Meaning(DATABASES, "The file is damaged: restore a backup, or name another file.")),
    (
        "too many columns",
        Meaning(DATABASES, "The records have more keys than a table may have columns: select columns."),
    ),
    ("disk I/O", Meaning(DATABASES, "The disk or its file system fails; look at the system's log.")),
)


def meaning_of(error: Exception, busy_seconds: float) -> Meaning | None:
    """What an error of SQLite means; None: it is none."""
    if not isinstance(error, sqlite3.Error):
        return None
    return meaning(_MEANINGS, str(error)).told(str(error), busy_seconds)
