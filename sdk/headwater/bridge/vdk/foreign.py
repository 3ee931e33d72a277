"""Everybody else's connectors as VDK's data sources: ``airbyte`` and ``singer-tap``.

Their settings say what runs; the connector's own are inside: ``config``, for a tap also ``tap_config``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from headwater.bridge.foreign.opened import KINDS, SINGER, TABLE, TEXT, open_source
from headwater.bridge.foreign.source import ForeignSource
from headwater.bridge.foreign.talk import secrets_by_name
from headwater.bridge.vdk.kept import KeptConfig
from headwater.errors import ConfigError
from headwater.protocol.messages import Spec

_TYPES = {"a text": "string", "a list of texts": "array", "a number": "number", "true or false": "boolean"}
_WORDS = {
    "package": "A requirement for pip, such as airbyte-source-faker==7.2.1; it gets an environment of its own",
    "command": "A program of this machine, with its first arguments",
    "manifest": "The path of a declarative manifest (manifest.yaml)",
    "image": "An image, run in a container of its own",
    "config": "The connector's own settings",
    "tap_name": "The tap: a command that is on the search path, else a distribution of PyPI",
    "tap_config": "The tap's own settings",
    "tap_auto_discover_schema": "Whether the tap has a discovery; without, its streams are learned from a run",
}


class AirbyteConnector:
    """A connector of the Airbyte protocol: a package, a command, a manifest or an image."""

    name: ClassVar[str] = "airbyte"
    protocol: ClassVar[str] = "airbyte"
    more: ClassVar[Mapping[str, str]] = {"config": TABLE}

    @classmethod
    def spec(cls) -> Spec:
        """What says which connector runs; its own settings are known to itself alone."""
        kinds = {name: kind for takes in KINDS.values() for name, kind in takes.items()}
        every = {**cls.more, **kinds, "environment": TABLE, "silence": "a number"}
        properties = {name: _property(name, kind) for name, kind in every.items()}
        return Spec({"connectionSpecification": {"type": "object", "properties": properties}})

    @classmethod
    def secrets(cls, settings: Mapping[str, Any]) -> list[str]:
        """What no log may show."""
        return list(secrets_by_name(settings))

    @classmethod
    def from_config(cls, settings: Mapping[str, Any]) -> ForeignSource:
        """The connector.

        :raises FlowError: for a setting that is wrong.
        """
        given = {name: value for name, value in settings.items() if name != "config"}
        config = _table(settings.get("config"), "config", cls.name)
        return open_source({"protocol": cls.protocol, **given}, config, where=f"The source {cls.name!r}")


class SingerTap(AirbyteConnector):
    """A Singer tap: a command, a package or an image. It takes the settings of vdk-singer."""

    name = "singer-tap"
    protocol = "singer"
    more = {
        "tap_name": TEXT,
        "tap_config": TABLE,
        "tap_auto_discover_schema": "true or false",
        "config": TABLE,
        **SINGER,
    }

    @classmethod
    def from_config(cls, settings: Mapping[str, Any]) -> ForeignSource:
        """The tap.

        :raises FlowError: for a setting that is wrong.
        """
        given = dict(settings)
        name = given.pop("tap_name", None)
        if name is not None and not any(kind in given for kind in KINDS):
            given["command" if shutil.which(str(name)) else "package"] = str(name)
        config = given.pop("tap_config", None)
        discover = given.pop("tap_auto_discover_schema", None)
        if discover is not None:
            given.setdefault("discover", discover)
        if config is not None:
            given["config"] = {
                **_table(config, "tap_config", cls.name),
                **_table(given.get("config"), "config", cls.name),
            }
        return super().from_config(given)


def opened(connector: Any, settings: KeptConfig) -> Any:
    """A connector with the settings that are kept for it; it may change them before it is read, too."""
    source = connector.from_config(settings.config)
    if isinstance(source, ForeignSource):
        source.keep = kept_by(connector, settings)
    return source


def kept_by(connector: Any, settings: KeptConfig) -> Callable[[Mapping[str, Any]], None]:
    """What keeps the config that a connector asks to keep: inside of what says which one runs, where that is said."""
    inside = isinstance(connector, type) and issubclass(connector, AirbyteConnector)

    def keep(config: Mapping[str, Any]) -> None:
        if inside:
            others = {name: value for name, value in settings.config.items() if name != "tap_config"}
            config = {**others, "config": config}
        settings.keep(config)

    return keep


FOREIGN: Mapping[str, type[AirbyteConnector]] = {each.name: each for each in (AirbyteConnector, SingerTap)}
"""By the name of the data source."""


def _table(value: Any, name: str, source: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"The source {source!r}: `{name}` must be a table.")
    return value


def _property(name: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _WORDS.get(name, name.replace("_", " ").capitalize())}
    if kind in _TYPES:
        found["type"] = _TYPES[kind]
    elif kind == TABLE:
        found["type"] = "object"
    return found
