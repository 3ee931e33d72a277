"""The secrets of a config, and the forms in which they could be written somewhere."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from headwater.acceptance.schemas import types

SHORTEST = 6
"""Characters; a shorter secret is found in anything."""
_CHUNK = 1 << 20
MASK = "****"


_SECRET = re.compile(
    r"(^|_)(password|passwd|secret|client_secret|api_?key|access_?token|refresh_?token|auth_?token|token|jwt|"
    r"private_key|secret_access_key|service_account_key|personal_access_token|credentials_json|key_secret)$",
    re.IGNORECASE,
)
_OPEN = re.compile(r"(url|uri|expiry|expires|type|endpoint|method|name)(_|$)", re.IGNORECASE)


def looks_secret(name: str, field: Mapping[str, Any]) -> bool:
    """Whether a setting is one by its name and type, whatever its specification marks."""
    plain = set(types(field)) & {"string", "number", "integer"}
    return bool(plain and _SECRET.search(name) and not _OPEN.search(name) and not {"const", "enum"} & set(field))


def values(schema: Any, config: Any) -> Iterator[str]:
    """The values of the settings that the specification marks as secrets."""
    return _values(schema, config, "", lambda name, field: bool(field.get("airbyte_secret")))


def unmarked(schema: Any, config: Any) -> Iterator[str]:
    """The values of those that look like secrets, and that it does not mark."""
    return _values(
        schema, config, "", lambda name, field: not field.get("airbyte_secret") and looks_secret(name, field)
    )


def _values(schema: Any, config: Any, name: str, wanted: Callable[[str, Mapping[str, Any]], bool]) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if wanted(name, schema):
        yield from (str(one) for one in (config if isinstance(config, list) else [config]) if _scalar(one))
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and isinstance(config, Mapping):
        for key, value in config.items():
            yield from _values(properties.get(key), value, str(key), wanted)
    for keyword in ("oneOf", "anyOf", "allOf"):
        for variant in schema.get(keyword) or ():
            yield from _values(variant, config, name, wanted)
    if isinstance(config, list):
        for item in config:
            yield from _values(schema.get("items"), item, name, wanted)


def _scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def likely(config: Any) -> Iterator[str]:
    """The values of the settings whose names sound like secrets, where no specification says which are; numbers too."""
    from headwater.bridge.foreign.talk import secrets_by_name

    def texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: texts(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [texts(inner) for inner in value]
        return str(value) if _scalar(value) else value

    yield from secrets_by_name(texts(config))


def replaced(schema: Any, config: Any, canary: str) -> Any:
    """The config with a canary in place of each secret."""
    secrets = set(values(schema, config))

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        return canary if isinstance(value, str) and value in secrets else value

    return walk(config)


def forms(secret: str) -> dict[str, bytes]:
    """A secret in each form that gives it away, by the form's name."""
    raw = secret.encode("utf-8", "surrogatepass")
    found = {
        "as it is": raw,
        "percent-encoded": quote(secret, safe="").encode(),
        "percent-encoded, with slashes": quote(secret).encode(),
        "as in a form": quote_plus(secret).encode(),
        "as a JSON string": json.dumps(secret)[1:-1].encode(),
        "as a JSON string within one": json.dumps(json.dumps(secret))[3:-3].encode(),
        "as Python writes it": repr(secret)[1:-1].encode(),
        "in hexadecimal": raw.hex().encode(),
        "backwards": raw[::-1],
    }
    for name, encode in (("base64", base64.b64encode), ("url-safe base64", base64.urlsafe_b64encode)):
        for shift in range(3):
            # what is before and after it in the same base64 text decides the characters at its ends
            whole = encode(b"\0" * shift + raw)
            start = (0, 2, 3)[shift]
            end = (len(raw) + shift) * 8 // 6
            if end - start >= SHORTEST:
                found[f"in {name}, shifted by {shift}"] = whole[start:end]
    return {name: form for name, form in found.items() if len(form) >= SHORTEST}


def leaks(paths: Iterable[Path], secrets: Iterable[str]) -> Iterator[tuple[Path, int, str]]:
    """Where files hold a secret: the file, the place, and the form. Files of any size."""
    wanted: dict[bytes, str] = {}
    for secret in secrets:
        for name, form in forms(secret).items():
            wanted.setdefault(form, name)
    if not wanted:
        return
    overlap = max(map(len, wanted)) - 1
    for path in paths:
        with path.open("rb") as file:
            before, place = b"", 0
            while chunk := file.read(_CHUNK):
                data = before + chunk
                for form, name in wanted.items():
                    at = data.find(form)
                    while at >= 0:
                        if at + len(form) > len(before):
                            yield path, place - len(before) + at, name
                        at = data.find(form, at + 1)
                before = data[-overlap:]
                place += len(chunk)


class Masking:
    """Takes secrets out of what reports show."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets if len(secret) >= 4 for form in (*forms(secret).values(), secret.encode())}
        self._forms = sorted((form.decode("utf-8", "replace") for form in found), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text
