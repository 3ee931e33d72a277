"""A connector's settings as a VDK configuration class.

VDK knows flat fields with a description, a default and a mark for secrets; a connector's spec is a JSON
Schema. What is nested stays one field, whose description says what goes into it.
"""

from __future__ import annotations

import dataclasses
import json
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vdk.plugin.data_sources.config import config_class, config_field  # type: ignore[import-untyped]
from vdk.plugin.data_sources.data_source import IDataSourceConfiguration  # type: ignore[import-untyped]

Schema = Mapping[str, Any]

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}


class Unset:
    """The value of a setting that nobody gave: it is left out, so the connector's own default holds."""

    def __repr__(self) -> str:
        return "not set"


UNSET = Unset()


def configuration_class(name: str, description: str, specification: Schema) -> type[Any]:
    """A VDK configuration class with one field for each setting.

    :param specification: the ``connectionSpecification`` of the connector's spec.
    """
    required = set(specification.get("required") or ())
    properties: Mapping[str, Schema] = specification.get("properties") or {}
    body: dict[str, Any] = {"__annotations__": {}, "__module__": __name__, "__doc__": description}
    for setting, schema in _ordered(properties):
        field = field_name(setting)
        body["__annotations__"][field] = _TYPES.get(_type(schema), Any)
        body[field] = _field(setting, schema, setting in required)
    made = type(f"{re.sub(r'[^A-Za-z0-9]', '_', name)}_configuration", (IDataSourceConfiguration,), body)
    # Keyword-only, so that a setting without a default may follow one with.
    found: type[Any] = config_class(name=name, description=description, kw_only=True)(made)
    return found


def config_of(configuration: Any, specification: Schema) -> dict[str, Any]:
    """The connector's config in a configuration that VDK filled; what is not set is left out."""
    config = {}
    for setting in specification.get("properties") or {}:
        value = getattr(configuration, field_name(setting), UNSET)
        if value is not UNSET and value is not None:
            config[setting] = value
    return config


def field_name(setting: str) -> str:
    """The setting's name as a Python identifier."""
    name = re.sub(r"\W", "_", setting)
    return f"{name}_" if keyword.iskeyword(name) or name[:1].isdigit() else name


def described(schema: Schema) -> str:
    """What a person must know of a setting: its description, its choices and what is inside it."""
    parts = [str(schema.get(key)).strip().rstrip(".") + "." for key in ("title", "description") if schema.get(key)]
    if choices := schema.get("enum"):
        parts.append(f"One of: {', '.join(map(_text, choices))}.")
    options = schema.get("oneOf") or schema.get("anyOf") or ()
    if options:
        parts.append("Either " + "; or ".join(map(_option, options)) + ".")
    elif inner := _inside(schema):
        parts.append(f"An object with {inner}.")
    if isinstance(schema.get("items"), Mapping):
        parts.append(f"A list of {_item(schema['items'])}.")
    if examples := schema.get("examples"):
        parts.append(f"For example {', '.join(map(_text, examples))}.")
    return " ".join(parts) or "(no description)"


def _field(setting: str, schema: Schema, required: bool) -> Any:
    secret = _secret(schema)
    description = described(schema)
    if field_name(setting) != setting:
        description = f"[{setting}] {description}"
    if required and "default" not in schema:
        return config_field(description=f"{description} (required)", is_sensitive=secret, repr=not secret)
    default = schema.get("default")
    if "const" in schema:
        default = schema["const"]
    kwargs: dict[str, Any] = {"is_sensitive": secret, "repr": not secret}
    if isinstance(default, (list, dict)):  # a dataclass takes no default that can be changed
        text = json.dumps(default)
        kwargs["default_factory"] = lambda: json.loads(text)
        kwargs["default"] = dataclasses.MISSING
        description = f"{description} (default: {text})"
    else:
        kwargs["default"] = default
    return config_field(description=description, **kwargs)


def _ordered(properties: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """As the spec's author ordered them (``order``), else as written."""
    items = [(name, schema) for name, schema in properties.items() if isinstance(schema, Mapping)]
    return iter(sorted(items, key=lambda item: item[1].get("order", len(items))))


def _type(schema: Schema) -> str:
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return kinds
    left = [kind for kind in kinds or () if kind != "null"]
    return left[0] if len(left) == 1 else ""


def _secret(schema: Schema) -> bool:
    """Whether anything in the setting is a secret."""
    if schema.get("airbyte_secret"):
        return True
    inner = [*(schema.get("properties") or {}).values(), *(schema.get("oneOf") or ()), schema.get("items")]
    inner += schema.get("anyOf") or ()
    return any(_secret(one) for one in inner if isinstance(one, Mapping))


def _option(schema: Schema) -> str:
    title = str(schema.get("title") or "").strip()
    inside = _inside(schema)
    return " ".join(part for part in (f"{title!r}" if title else "", f"({inside})" if inside else "") if part)


def _inside(schema: Schema) -> str:
    required = set(schema.get("required") or ())
    return ", ".join(
        _inner(name, inner, name in required)
        for name, inner in (schema.get("properties") or {}).items()
        if isinstance(inner, Mapping)
    )


def _inner(name: str, schema: Schema, required: bool) -> str:
    if "const" in schema:
        return f"{name} = {_text(schema['const'])}"
    marks = [mark for mark, holds in (("secret", _secret(schema)), ("required", required)) if holds]
    return f"{name} [{', '.join(marks)}]" if marks else name


def _item(schema: Schema) -> str:
    if inside := _inside(schema):
        return f"objects with {inside}"
    return f"{_type(schema) or 'value'}s"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
