"""DuckDB's errors for people: what is wrong, and what to do."""

from __future__ import annotations

import sys

from headwater.bridge.sinks.meanings import DATABASES, USERS, Meaning, meaning

# It has no codes; its texts are in English everywhere.
_MEANINGS = (
    (
        "set lock",
        Meaning(DATABASES, "Another program has had the file open for {seconds:.0f} s: end it, then run again."),
    ),
    (
        "different configuration",
        Meaning(DATABASES, "This process has the file open with other settings: open it without any."),
    ),
    ("No space left", Meaning(DATABASES, "Make room, then run again; nothing was lost.")),
    ("ermission denied", Meaning(USERS, "Grant write access to the file and its folder.")),
    ("ead-only", Meaning(USERS, "Grant write access to the file and its folder.")),
    ("No such file", Meaning(USERS, "Is there such a folder?")),
    (
        "read enough bytes",
        Meaning(DATABASES, "The file is damaged, or was never made to its end. Delete it, or name another one."),
    ),
    ("not a valid DuckDB", Meaning(USERS, "Name another file; this one is something else, or damaged.")),
    (
        "onflict",
        Meaning(DATABASES, "Another connection of this process changed the same. Run again; nothing was lost."),
    ),
    ("depend on it", Meaning(DATABASES, "An index is on that column. Drop it, run again, and make it anew.")),
    (
        "failed to allocate",
        Meaning(DATABASES, "The machine has too little memory. Run again with fewer columns or larger memory."),
    ),
    (
        "Out of Memory",
        Meaning(DATABASES, "The machine has too little memory. Run again with fewer columns or larger memory."),
    ),
    (
        "storage version",
        Meaning(DATABASES, "The file is of another version of DuckDB: install that one, or name another file."),
    ),
    ("invalidated", Meaning(DATABASES, "An earlier error ended the work with this file. Run again; nothing was lost.")),
)


def meaning_of(error: Exception, lock_seconds: float) -> Meaning | None:
    """What an error of DuckDB means; None: it is none."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is None or not isinstance(error, duckdb.Error):
        return None
    return meaning(_MEANINGS, str(error)).told(_said(error), lock_seconds)


def refusal(error: Exception) -> str | None:
    """Why a record is refused; None: it is about anything else."""
    duckdb = sys.modules.get("duckdb")
    if isinstance(error, NoDecimal):
        return str(error)
    if duckdb is None:
        return None
    about_data = isinstance(error, (duckdb.DataError, duckdb.IntegrityError))
    if about_data or (isinstance(error, duckdb.InvalidInputException) and "JSON" in str(error)):
        return _said(error)
    return None


class NoDecimal(ValueError):
    """A number that a decimal column can't hold to its last digit."""


def _said(error: Exception) -> str:
    """The first line; those after it show the statement, and maybe a record."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")
