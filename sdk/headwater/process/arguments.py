"""What a connector is told on its command line, and the files named there."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from headwater.errors import ConfigError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import State

if TYPE_CHECKING:
    from headwater.source import Source


class UsageError(ConfigError):
    """The command line itself is wrong.

    :ivar usage: how it would be right, for a person at a terminal.
    """

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Raises a wrong command line as UsageError, where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"Command line: {message}.", self.format_usage())


_COMMANDS = {
    "spec": "say which settings the connector takes",
    "check": "prove that the settings work",
    "discover": "say which streams can be read",
    "read": "read the streams of a configured catalog",
}
_FILES = {
    "config": ("check", "discover", "read"),
    "catalog": ("read",),
}


class _Version(argparse.Action):
    """Looked up only when it is asked for: it takes as long as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        import headwater

        package = self.const.__module__.partition(".")[0]
        try:
            own = version(package)
        except (PackageNotFoundError, ValueError):
            own = getattr(sys.modules.get(package), "__version__", "0")
        print(f"{parser.prog} {own} (headwater {headwater.__version__})")  # noqa: T201 - nothing else is asked
        parser.exit()


def parse_arguments(source_class: type[Source], argv: Sequence[str] | None) -> argparse.Namespace:
    """The command, ``config``, ``catalog`` and ``state`` (file names), ``http_cache`` (a directory's) and ``debug``.

    :param source_class: whose name and version are told.
    :param argv: None: the process's own.
    :raises UsageError: an unknown command or flag, or a missing one.
    :raises SystemExit: after ``--help`` or ``--version`` were answered.
    """
    parser = Parser(prog=f"source-{source_class.name}", allow_abbrev=False, description="An Airbyte source.")
    parser.add_argument("--version", action=_Version, nargs=0, const=source_class, help="say the version")
    parser.add_argument("--debug", action="store_true", help="log more")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
        # a default here would undo a --debug in front of the command
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="log more")
        for file, of in _FILES.items():
            if name in of:
                command.add_argument(f"--{file}", required=True, metavar="FILE", help=f"the {file}, in JSON")
        if name in _FILES["config"]:
            command.add_argument(
                "--http-cache", metavar="DIR", help="for development: keep the API's answers there, and read them again"
            )
        if name == "read":
            command.add_argument("--state", metavar="FILE", help="where the last read ended, in JSON")
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.error(f"a command is needed, one of {', '.join(_COMMANDS)}")
    return arguments


def read_config(path: str) -> dict[str, Any]:
    """A config file's content.

    :raises ConfigError: naming the file, when it can't be read or holds no JSON object.
    """
    value = json_of(text_of(path, "config"), path, "config")
    if not isinstance(value, dict):
        raise ConfigError(f"The config file {path} must hold a JSON object, not {_kind(value)}.")
    return value


def read_catalog(path: str) -> ConfiguredCatalog:
    """A configured catalog.

    :raises ConfigError: naming the file and what is wrong in it.
    """
    value = json_of(text_of(path, "catalog"), path, "catalog")
    if isinstance(value, Mapping) and "streams" not in value and isinstance(value.get("catalog"), Mapping):
        raise ConfigError(
            f"The catalog file {path} holds what `discover` prints. A read needs a configured catalog, which says "
            "which streams are read and how: `headwater discover --configured` writes one."
        )
    try:
        return ConfiguredCatalog.from_json(value)
    except ConfigError as error:
        raise ConfigError(f"The catalog file {path}: {error.message}", internal=error.internal) from error


def read_state(path: str | None) -> list[State]:
    """The states of a state file, in any form in which they are handed around.

    :param path: None or an empty file: none.
    :raises ConfigError: naming the file and what is wrong in it.
    """
    text = text_of(path, "state") if path else ""
    if not path or not text.strip():
        return []
    value = json_of(text, path, "state")
    try:
        return states_from_json(value)
    except ConfigError as error:
        raise ConfigError(f"The state file {path}: {error.message}", internal=error.internal) from error


def states_from_json(value: Any) -> list[State]:
    """States as the platform or a person writes them: a list of states, one alone, whole STATE messages, or
    the oldest form, an object of the streams' states by name. ``{}`` and null are no state.

    :raises ConfigError: for anything else, naming the entry.
    """
    if isinstance(value, list):
        return [_state(entry, f"entry {place}") for place, entry in enumerate(value) if entry]
    if value is None or value == {}:
        return []
    if isinstance(value, Mapping) and not _is_state(value):
        value = {"type": "LEGACY", "data": value}
    return [_state(value, "the state")]


def _is_state(value: Mapping[str, Any]) -> bool:
    kinds = ("STREAM", "GLOBAL", "LEGACY", "STATE")
    stream = value.get("stream")
    return value.get("type") in kinds or (isinstance(stream, Mapping) and "stream_descriptor" in stream)


def _state(value: Any, where: str) -> State:
    if isinstance(value, Mapping) and value.get("type") == "STATE":
        value = value.get("state")
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a JSON object, not {_kind(value)}.")
    kind = value.get("type")
    if kind is None and "data" not in value:  # some writers leave the type out
        kind = "STREAM" if "stream" in value else "GLOBAL" if "global" in value else None
        value = {**value, "type": kind} if kind else value
    needed = {"STREAM": "stream", "GLOBAL": "global", "LEGACY": "data", None: "data"}.get(kind)
    if needed is None:
        raise ConfigError(f"{where} has the type {kind!r}; STREAM, GLOBAL and LEGACY are known.")
    content = value.get(needed)
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} needs an object in `{needed}`, not {_kind(content)}.")
    entries = [content] if needed == "stream" else content.get("stream_states", [])
    if needed == "data":
        return State(value)
    if entries is not None and not isinstance(entries, list):
        raise ConfigError(f"{where}: `stream_states` must be a list, not {_kind(entries)}.")
    for entry in entries or ():
        _check_stream_state(entry, where)
    return State(value)


def _check_stream_state(entry: Any, where: str) -> None:
    descriptor = entry.get("stream_descriptor") if isinstance(entry, Mapping) else None
    if not isinstance(descriptor, Mapping) or not isinstance(descriptor.get("name"), str):
        raise ConfigError(f"{where} needs a `stream_descriptor` with a string in `name`.")
    blob = entry.get("stream_state")
    if blob is not None and not isinstance(blob, Mapping):
        name = descriptor["name"]
        raise ConfigError(f"{where}, stream {name!r}: `stream_state` must be an object, not {_kind(blob)}.")


def text_of(path: str, what: str) -> str:
    """A file's text; raises ConfigError naming the file, and ``what`` it is."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError:
        raise ConfigError(f"The {what} file {path} is not text in UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = getattr(error, "strerror", None) or "not a file's name"
        raise ConfigError(f"The {what} file {path} can't be read: {reason}.") from None


def json_of(text: str, path: str, what: str) -> Any:
    """A file's content as JSON; raises ConfigError naming the file, and ``what`` it is."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:  # its message says where, and never quotes the text
        is_lines = what == "state" and error.msg == "Extra data"
        hint = " One list of states, or of STATE messages, is needed, not a line for each." if is_lines else ""
        raise ConfigError(f"The {what} file {path} is not JSON: {error}.{hint}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The {what} file {path} can't be read as JSON: {type(error).__name__}.") from None


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return kinds.get(type(value), "null" if value is None else "a number")
