"""B7: what looks like a secret is marked as one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding
from headwater.acceptance.schemas import at, fields, types

_SECRET = re.compile(
    r"(^|_)(password|passwd|secret|client_secret|api_?key|access_?token|refresh_?token|auth_?token|token|jwt|"
    r"private_key|secret_access_key|service_account_key|personal_access_token|credentials_json|key_secret)$",
    re.IGNORECASE,
)
_OPEN = re.compile(r"(url|uri|expiry|expires|type|endpoint|method|name)(_|$)", re.IGNORECASE)


@check("B7", "What looks like a secret is marked with `airbyte_secret`")
def secrets_marked(connector: Connector) -> Iterator[Finding]:
    """Passwords, tokens, keys by their name; and what is marked is a string or a number, not a constant."""
    for path, field in fields(connector.connection_specification):
        plain = set(types(field)) & {"string", "number", "integer"}
        if field.get("airbyte_secret"):
            if (not plain and "oneOf" not in field and "array" not in types(field)) or "const" in field:
                yield Finding(f"{at(path)}: `airbyte_secret` on what is no string or number.", connector.spec_run)
        elif plain and _SECRET.search(path[-1]) and not _OPEN.search(path[-1]) and not {"const", "enum"} & set(field):
            yield Finding(f"{at(path)} looks like a secret without `airbyte_secret: true`.", connector.spec_run)
