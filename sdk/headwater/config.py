"""Settings of a connector: typed fields, validated, and their JSON Schema for ``spec``.

::

    class GithubConfig(Config):
        token: Annotated[Secret, Setting("Token", "A personal access token.")]
        repositories: Annotated[list[str], Setting("Repositories", examples=["octo/alpha"])]
        start_date: Annotated[datetime | None, Setting("Start date")] = None

A choice between kinds of settings is a union of :class:`Config` classes with a tag each; it becomes
``oneOf`` with a ``const`` discriminator::

    class OAuth(Config, tag_field="option_title", tag="OAuth Credentials"): ...
    class Token(Config, tag_field="option_title", tag="PAT Credentials"): ...
    credentials: OAuth | Token

The machinery is msgspec's Struct; what is here makes Airbyte's spec of it and errors that name the field.
"""

from __future__ import annotations

import logging
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from headwater.errors import ConfigError
from headwater.secrets import Secret, secrets_of

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:  # in typing since Python 3.11, and only type checkers look at it

    def dataclass_transform(**_: object) -> Any:
        return lambda cls: cls


log = logging.getLogger("headwater")

C = TypeVar("C", bound="Config")


@dataclass(frozen=True)
class Setting:
    """What a user reads about a setting, and what its value must fulfil; goes into ``Annotated``.

    :ivar examples: shown in the spec.
    :ivar pattern: a regular expression that must be found in a string, or in every string of a list.
    :ivar min_length: the least number of characters or items.
    :ivar extra: annotations of Airbyte's UI, such as ``{"group": "auth", "airbyte_hidden": True,
        "pattern_descriptor": "YYYY-MM-DD"}``. Without an ``order`` the settings keep the class's order.
    """

    title: str | None = None
    description: str | None = None
    examples: Sequence[Any] | None = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def complaint(self, value: Any) -> str | None:
        """What is wrong with a value of the right type; None if nothing is."""
        texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        if self.pattern is not None and not all(
            re.search(self.pattern, text) for text in texts if isinstance(text, str)
        ):
            wanted = self.extra.get("pattern_descriptor") or f"the pattern {self.pattern}"
            return f"must match {wanted}"
        if isinstance(value, (str, list)) and self.min_length is not None and len(value) < self.min_length:
            of = "characters" if isinstance(value, str) else "entries"
            return f"needs at least {self.min_length} {of}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if self.minimum is not None and value < self.minimum:
                return f"must be at least {self.minimum}"
            if self.maximum is not None and value > self.maximum:
                return f"must be at most {self.maximum}"
        return None

    def annotate(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with what this setting says."""
        is_list = schema.get("type") == "array"
        length = "minItems" if is_list else "minLength"
        if is_list and self.pattern is not None:
            schema = {**schema, "items": {**schema["items"], "pattern": self.pattern}}
        said = {
            "title": self.title,
            "description": self.description,
            "examples": list(self.examples) if self.examples is not None else None,
            "pattern": None if is_list else self.pattern,
            "minimum": self.minimum,
            "maximum": self.maximum,
            length: self.min_length,
            **self.extra,
        }
        return {**schema, **{name: value for name, value in said.items() if value is not None}}


@dataclass_transform(frozen_default=True, kw_only_default=True)
class _ConfigMeta(msgspec.StructMeta):
    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        # msgspec wants both options said for each subclass anew
        return super().__new__(mcs, name, bases, namespace, **{"frozen": True, "kw_only": True, **options})


class Config(msgspec.Struct, metaclass=_ConfigMeta, frozen=True, kw_only=True):
    """Base of a connector's settings; subclasses are frozen and keyword-only."""

    @classmethod
    def parse(cls: type[C], value: Any) -> C:
        """Read a config file's content. Unknown keys are ignored (protocol rule R17); one that is nearly the name of
        a setting which is not there is told in a warning.

        :raises ConfigError: naming the setting at fault and what it must be; never its value.
        """
        if not isinstance(value, Mapping):
            raise ConfigError("config: a JSON object is needed.")
        try:
            return msgspec.convert(_prepare(value, cls, ""), cls, dec_hook=_decode_secret)
        except msgspec.ValidationError as error:
            raise ConfigError(_explain(str(error))) from None

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The ``connectionSpecification``: one plain JSON Schema, without references."""
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **_schema(cls)}
        return {**schema, "additionalProperties": True}


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A config file's content with changed settings, also those in nested ones."""
    both = {**config, **changes}
    for name, value in changes.items():
        old = config.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            both[name] = merged(old, value)
    return both


def _decode_secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("Expected `str`")  # msgspec adds where


# --- from what a user wrote to what msgspec reads ------------------------------------------------------


def _prepare(value: Any, hint: Any, path: str) -> Any:
    """The value as msgspec wants it: nulls of optional settings left out, a choice's missing tag filled in
    from the settings that are there (Airbyte's own sources don't ask for the tag). Settings are checked on
    the way.

    :raises ConfigError: when a setting's value has the right type and is wrong all the same.
    """
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, Setting) and (complaint := note.complaint(value)):
                raise ConfigError(f"config: setting `{path}` {complaint}.")
        return _prepare(value, inner, path)
    if isinstance(value, list):
        items = [part for part in _members(hint) if get_origin(part) is list]
        if items:
            (of,) = get_args(items[0])
            return [_prepare(item, of, f"{path}[{place}]") for place, item in enumerate(value)]
    choices = [part for part in _members(hint) if isinstance(part, type) and issubclass(part, Config)]
    if not choices or not isinstance(value, Mapping):
        return value
    chosen = choices[0] if len(choices) == 1 else _chosen(value, choices)
    return value if chosen is None else _prepare_object(value, chosen, path)


def _prepare_object(value: Mapping[str, Any], cls: type[Config], path: str) -> dict[str, Any]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    prepared: dict[str, Any] = {}
    for name, item in value.items():
        if name not in fields:
            prepared[name] = item
            _told_if_misspelt(name, [known for known in fields if known not in value], path)
        elif item is not None or fields[name].required:
            prepared[name] = _prepare(item, fields[name].type, f"{path}.{name}" if path else name)
    options = cls.__struct_config__
    if options.tag_field is not None and prepared.get(options.tag_field) is None:
        prepared[options.tag_field] = options.tag
    return prepared


def _told_if_misspelt(name: str, missing: Sequence[str], path: str) -> None:
    import difflib

    for meant in difflib.get_close_matches(name, missing, 1, 0.8):
        where = f"{path}.{name}" if path else name
        log.warning("config: there is no setting `%s`, so it is ignored. Is `%s` meant?", where, meant)


def _members(hint: Any) -> list[Any]:
    """The types that an annotation allows."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for part in get_args(hint) for member in _members(part)]
    return [hint]


def _chosen(value: Mapping[str, Any], choices: list[type[Config]]) -> type[Config] | None:
    """The kind of settings that was meant: by its tag, else by which required settings are there."""
    tags = {choice: choice.__struct_config__ for choice in choices}
    for choice, options in tags.items():
        if options.tag_field is not None and value.get(options.tag_field) == options.tag:
            return choice
    if any(value.get(str(options.tag_field)) is not None for options in tags.values()):
        return None  # a tag that nobody has: msgspec's error names it
    fitting = [
        choice
        for choice in choices
        if all(field.encode_name in value for field in msgspec.structs.fields(choice) if field.required)
    ]
    return (fitting or choices)[0]


_MISSING = re.compile(r"^Object missing required field `([^`]*)`(?: - at `\$\.?([^`]*)`)?$")
_WRONG = re.compile(r"^(.*?)(?: - at `(?:key in )?\$\.?([^`]*)`)?$", re.DOTALL)


def _explain(error: str) -> str:
    """msgspec's complaint in the words of a config's author, without the value."""
    if found := _MISSING.match(error):
        name, where = found.groups()
        return f"config: setting `{where + '.' if where else ''}{name}` is required."
    found = _WRONG.match(error)
    what, where = found.groups() if found else (error, "")
    for kind, example in (("datetime", "2024-01-31T00:00:00Z"), ("date", "2024-01-31"), ("time", "12:30:00Z")):
        if what.startswith("Invalid ") and what.endswith(f" encoded {kind}"):
            what = f"must be a {kind} such as {example}"
    if what.startswith("Invalid "):
        what = "is not one of the choices"
    what = re.sub(r"^Expected `(\w+)`(?:, got `(\w+)`)?", r"must be of type \1, not \2", what)
    return f"config: setting `{where}` {what.removesuffix(', not ')}."


# --- JSON Schema -----------------------------------------------------------------------------------------


def _schema(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        schema = _schema(inner)
        for note in notes:
            if isinstance(note, Setting):
                schema = note.annotate(schema)
        return schema
    if hint is Secret:
        return {"type": "string", "airbyte_secret": True}
    if isinstance(hint, type) and issubclass(hint, Config):
        return _object_schema(hint)
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema(get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _schema(get_args(hint)[1])}
    if get_origin(hint) in (Union, types.UnionType):
        return _choice_schema([part for part in get_args(hint) if part is not types.NoneType])
    schema = msgspec.json.schema(hint)
    definitions = schema.pop("$defs", {})
    if "$ref" in schema:  # an enumeration
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _object_schema(cls: type[Config]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    options = cls.__struct_config__
    if options.tag_field is not None:
        properties[options.tag_field] = {"type": "string", "const": options.tag, "order": 0}
    required = []
    for place, setting in enumerate(msgspec.structs.fields(cls), start=len(properties)):
        schema = {"order": place, **_schema(setting.type)}
        if setting.required:
            required.append(setting.encode_name)
        elif setting.default not in (None, msgspec.NODEFAULT) and not any(secrets_of(setting.default)):
            schema["default"] = msgspec.to_builtins(setting.default, enc_hook=str)
        properties[setting.encode_name] = schema
    title = str(options.tag or cls.__dict__.get("title") or cls.__name__)
    text = cls.__dict__.get("__doc__")
    described = {"description": " ".join(text.split())} if text else {}
    return {"title": title, **described, "type": "object", "required": required, "properties": properties}


def _choice_schema(members: list[Any]) -> dict[str, Any]:
    schemas = [_schema(member) for member in members]
    if len(schemas) == 1:
        return schemas[0]
    if all(schema.get("type") == "object" for schema in schemas):
        return {"type": "object", "oneOf": schemas}
    return {"oneOf": schemas}
