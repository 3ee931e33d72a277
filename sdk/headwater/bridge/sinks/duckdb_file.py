"""The file of a DuckDB database, made."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from headwater.errors import DestinationConfigError


def look(path: str) -> None:
    """Refuse an SQLite database, which DuckDB would open as one: it downloads an extension that writes into it.

    :raises DestinationConfigError: when the file is one.
    """
    with suppress(OSError), open(path, "rb") as file:  # what can't be read, opening it tells
        if file.read(16) == b"SQLite format 3\0":
            raise DestinationConfigError(
                f"DuckDB, {path}: the file is an SQLite database. Name another file, or write into it by "
                "sqlite:// in place of duckdb://."
            )


def make(path: str) -> None:
    """Make the file where there is none, whole or not at all.

    DuckDB writes a new file's headers one after the other, and never opens a file that lacks one: where a process is
    killed meanwhile, nobody could write there any more. What can't be made here is left to whoever opens the file,
    and says why.
    """
    import duckdb

    file = Path(path)
    if path.startswith(":") or file.exists():
        return
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    with suppress(duckdb.Error, OSError):
        try:
            duckdb.connect(str(new)).close()
            try:
                os.link(new, file)  # never in the place of one that another process has made meanwhile
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                os.rename(new, file)
        finally:
            new.unlink(missing_ok=True)
