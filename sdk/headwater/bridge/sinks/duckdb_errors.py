"""DuckDB's errors for people: what is wrong, and what to do."""

from __future__ import annotations

import sys

_ADVICE = (
    ("set lock", "Another program has had the file open for {seconds:.0f} s: end it, then run again."),
    ("different configuration", "This process has the file open with other settings: open it without any."),
    ("No space left", "Make room, then run again; nothing was lost."),
    ("ermission denied", "Grant write access to the file and its folder."),
    ("ead-only", "Grant write access to the file and its folder."),
    ("No such file", "Is there such a folder?"),
    ("read enough bytes", "The file is damaged, or was never made to its end. Delete it, or name another one."),
    ("not a valid DuckDB", "Name another file; this one is something else, or damaged."),
    ("onflict", "Another connection of this process changed the same. Run again; nothing was lost."),
    ("depend on it", "An index is on that column. Drop it, run again, and make it anew."),
    ("failed to allocate", "The machine has too little memory. Run again with fewer columns or larger memory."),
    ("Out of Memory", "The machine has too little memory. Run again with fewer columns or larger memory."),
    ("storage version", "The file is of another version of DuckDB: install that one, or name another file."),
    ("invalidated", "An earlier error ended the work with this file. Run again; nothing was lost."),
)


def advice(error: Exception, lock_seconds: float) -> str | None:
    """An error of DuckDB for people; None: it is none."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is None or not isinstance(error, duckdb.Error):
        return None
    said = _said(error)
    found = next((told for part, told in _ADVICE if part in str(error)), None)
    return f"{said}. {found.format(seconds=lock_seconds)}" if found else f"{said}."


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
