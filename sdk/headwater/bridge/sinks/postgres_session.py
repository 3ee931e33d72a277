"""What every transaction and statement of ours in PostgreSQL has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from headwater.bridge.sinks.names import quoted


def begin(lock_seconds: float, schema: str) -> bytes:
    """What a transaction begins with: its settings, for itself alone."""
    settings: Mapping[str, str] = {
        "lock_timeout": f"{lock_seconds * 1000:.0f}",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
    }
    said = "".join(f"SET LOCAL {name} TO '{value}';" for name, value in settings.items())
    path = f"SET LOCAL search_path TO {quoted(schema)};" if schema else ""
    return f"BEGIN;{said}{path}".encode()


_MARKS = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|\?|%""")


@lru_cache(maxsize=1000)
def marked(sql: str) -> bytes:
    """The statement with psycopg's marks in place of ``?``."""

    def one(found: re.Match[str]) -> str:
        text = found[0]
        return "%s" if text == "?" else text.replace("%", "%%")

    return _MARKS.sub(one, sql).encode()
