"""B7: what looks like a secret is marked as one."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding
from headwater.acceptance.schemas import at, fields, types
from headwater.acceptance.secrets import looks_secret


@check("B7", "What looks like a secret is marked with `airbyte_secret`")
def secrets_marked(connector: Connector) -> Iterator[Finding]:
    """Passwords, tokens, keys by their name; and what is marked is a string or a number, not a constant."""
    for path, field in fields(connector.connection_specification):
        if field.get("airbyte_secret"):
            plain = set(types(field)) & {"string", "number", "integer"}
            if (not plain and "oneOf" not in field and "array" not in types(field)) or "const" in field:
                yield Finding(f"{at(path)}: `airbyte_secret` on what is no string or number.", connector.spec_run)
        elif looks_secret(path[-1], field):
            yield Finding(f"{at(path)} looks like a secret without `airbyte_secret: true`.", connector.spec_run)
