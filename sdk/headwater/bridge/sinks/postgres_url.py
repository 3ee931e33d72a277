"""A PostgreSQL database's URL: libpq's own, and ``schema``, which is ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from headwater.errors import FlowError

SCHEMES = ("postgresql", "postgres")
_SECRET = ("password", "sslpassword")


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
            raise FlowError(
                "A PostgreSQL URL looks like postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME; this one can't "
                "be read. Are the special characters of the password written as %XX?"
            ) from None
        known, _, host = parts.netloc.rpartition("@")
        user, _, password = known.partition(":")
        kept = [(name, value) for name, value in given if name != "schema"]
        secrets = [password, unquote(password), *(value for name, value in kept if name in _SECRET)]
        base = f"{f'{user}@' if user else ''}{host}{parts.path}"
        query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
        return cls(
            f"postgresql://{parts.netloc}{parts.path}{query}",
            f"postgresql://{base}",
            dict(given).get("schema", ""),
            tuple(secret for secret in secrets if secret),
        )

    def masked(self, text: str) -> str:
        """A text without the secrets of this URL."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "****")
        return text
