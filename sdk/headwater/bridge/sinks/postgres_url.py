"""A PostgreSQL database's URL: libpq's own, and ``schema``, which is ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from headwater.errors import FlowError

SCHEMES = ("postgresql", "postgres")
_SECRET = ("password", "sslpassword")
_UNREADABLE = (
    "A PostgreSQL URL looks like postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME; this one can't be read. "
    "Are the special characters of the password written as %XX?"
)


@dataclass(frozen=True)
class PostgresUrl:
    """Where to connect.

    :ivar conninfo: for libpq, which also takes ``PGPASSWORD``, ``~/.pgpass`` and its other settings.
    :ivar shown: for messages: without password and parameters.
    :ivar schema: where tables go that have no namespace; empty: the first schema of the user's search path.
    """

    conninfo: str = field(repr=False)
    shown: str
    schema: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, url: str) -> PostgresUrl:
        """``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME&sslmode=verify-full``.

        :raises FlowError: for what is no such URL. The message does not have the password in it.
        """
        try:
            parts = urlsplit(url)
            given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise FlowError(_UNREADABLE) from None
        # A #, / or ? of the password ends the host's place, and an @ the password: part of it would pass for a name.
        torn = "@" in parts.path if "@" not in parts.netloc else parts.netloc.count("@") > 1
        if torn or "#" in url:
            raise FlowError(_UNREADABLE)
        known, _, host = parts.netloc.rpartition("@")
        user, _, password = known.partition(":")
        kept = [(name, value) for name, value in given if name != "schema"]
        secrets = [password, unquote(password), *(value for name, value in kept if name in _SECRET)]
        base = f"{f'{user}@' if user else ''}{host}{parts.path}"
        query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
        conninfo = f"postgresql://{parts.netloc}{parts.path}{query}"
        _look_at(conninfo)
        return cls(
            conninfo,
            f"postgresql://{base}",
            dict(given).get("schema", ""),
            tuple(secret for secret in secrets if secret),
        )

    def masked(self, text: str) -> str:
        """A text without the secrets of this URL."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "****")
        return text


def _look_at(conninfo: str) -> None:
    """Raise for what libpq can't read, before anything is; its own words may have the password in them."""
    try:
        import psycopg
    except ImportError:
        return  # which whoever connects will tell
    try:
        known = psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        unknown = re.search(r'invalid URI query parameter: ("\w+")', str(error))
        raise FlowError(f"A PostgreSQL URL has no parameter {unknown[1]}." if unknown else _UNREADABLE) from None
    if any(port and not port.isdecimal() for port in str(known.get("port", "")).split(",")):
        raise FlowError(_UNREADABLE)
