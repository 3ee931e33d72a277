"""A connector's command line as a Singer tap: ``--config``, ``--catalog``, ``--state``, ``--discover``, ``--about``.

Standard output carries Singer's messages, or the one document that was asked for, and nothing else. Logs go to
standard error as ``INFO ...``, the last line of a run that failed is ``CRITICAL ...``, and secrets are masked. The
exit codes are those of :mod:`headwater.entrypoint`, and so is how a run is stopped.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any, NoReturn, TypeVar

import msgspec

from headwater.entrypoint import Command, as_generator, log, run_command
from headwater.errors import ConfigError, IncompleteError
from headwater.process.arguments import Parser, json_of, read_config, text_of
from headwater.process.environment import Environment
from headwater.process.relay import relay
from headwater.process.stop import CLOSED
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Control, ErrorTrace, Level, Log, Message, StreamDescriptor
from headwater.protocol.singer import Bookmarks, settings_to_singer
from headwater.protocol.singer_catalog import catalog_to_singer
from headwater.protocol.singer_selection import select
from headwater.protocol.values import encode
from headwater.source import Source
from headwater.tap_run import TapRun, TapWire

_CAPABILITIES = ["about", "catalog", "discover", "properties", "state"]


def launch(source_class: type[Source], argv: Sequence[str] | None = None) -> int:
    """Run a connector as a tap in this process; see :func:`headwater.entrypoint.launch`."""
    return _run(source_class, argv, ends=False)


def main(source_class: type[Source], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a connector as a tap, and end the process with it."""
    raise SystemExit(_run(source_class, argv, ends=True))


def _run(source_class: type[Source], argv: Sequence[str] | None, *, ends: bool) -> int:
    return run_command(
        source_class,
        argv,
        ends=ends,
        parse=parse_arguments,
        environment_class=_TapEnvironment,
        command_class=_TapCommand,
    )


# --- the command line -----------------------------------------------------------------------------------------


class _Version(Action):
    """Looked up only when it is asked for: it takes as long as all the rest."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        print(f"{parser.prog} {version(self.const)} (headwater {_own_version()})")  # noqa: T201 - nothing else is asked
        parser.exit()


def parse_arguments(source_class: type[Source], argv: Sequence[str] | None) -> Namespace:
    """The command (read, discover or about) and what belongs to it.

    :raises UsageError: for an unknown flag, or a missing one.
    :raises SystemExit: after ``--help`` or ``--version`` were answered.
    """
    parser = Parser(
        prog=f"tap-{source_class.name}",
        allow_abbrev=False,
        description="A Singer tap. Without --catalog it reads all streams.",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the settings, in JSON")
    parser.add_argument("--catalog", metavar="FILE", help="which streams and fields to read: what --discover prints")
    parser.add_argument("-p", "--properties", metavar="FILE", help="the same, by its older name")
    parser.add_argument("-s", "--state", metavar="FILE", help="where the last run ended: the value of its last STATE")
    parser.add_argument("-d", "--discover", action="store_true", help="print the catalog")
    parser.add_argument("--about", action="store_true", help="say which settings and capabilities there are")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of --about")
    parser.add_argument("--version", action=_Version, nargs=0, const=source_class, help="say the version")
    arguments = parser.parse_args(argv)
    arguments.debug = False
    arguments.command = "about" if arguments.about else "discover" if arguments.discover else "read"
    if arguments.config is None and not arguments.about:
        parser.error("the following arguments are required: --config")
    return arguments


def version(source_class: type[Source]) -> str:
    """The version of the distribution that a connector is in; 0 where that is not known."""
    from importlib.metadata import PackageNotFoundError, entry_points
    from importlib.metadata import version as of

    package = source_class.__module__.partition(".")[0]
    for point in entry_points(group="headwater.sources"):
        if point.value.partition(":")[0].partition(".")[0] == package and point.dist is not None:
            return str(point.dist.version)
    try:
        return of(package)
    except (PackageNotFoundError, ValueError):
        return str(getattr(sys.modules.get(package), "__version__", "0"))


def _own_version() -> str:
    import headwater

    return headwater.__version__


def about(source_class: type[Source]) -> dict[str, Any]:
    """What ``--about`` tells, in the form that Meltano's SDK gave it."""
    return {
        "name": f"tap-{source_class.name}",
        "description": (source_class.__doc__ or "").strip().partition("\n")[0],
        "version": version(source_class),
        "sdk_version": _own_version(),
        "capabilities": _CAPABILITIES,
        "settings": settings_to_singer(source_class.spec().raw["connectionSpecification"]),
    }


def _about_text(told: dict[str, Any]) -> str:
    required = told["settings"].get("required", ())
    lines = [f"{told['name']} {told['version']}: {told['description']}", "", "Settings:"]
    for name, setting in told["settings"].get("properties", {}).items():
        marks = [mark for mark, is_so in (("required", name in required), ("secret", setting.get("secret"))) if is_so]
        text = setting.get("description") or setting.get("title") or ""
        default = f"[{setting['default']}]" if setting.get("default") not in (None, "") else ""
        lines.append(f"  {name}{' (' + ', '.join(marks) + ')' if marks else ''}: {f'{text} {default}'.strip()}")
    return "\n".join([*lines, "", f"Capabilities: {', '.join(told['capabilities'])}", ""])


# --- the process ----------------------------------------------------------------------------------------------


class _TapEnvironment(Environment):
    """As of the Airbyte command line; only what is written where differs."""

    def __init__(self, *, closed: bool) -> None:
        super().__init__(closed=closed)
        self.tap_wire = TapWire(self.wire.fd, self.mask, self.stop, lambda: self.stop.request(CLOSED), self._stderr)
        self.wire = self.tap_wire
        self._output = type(self._output)(self.wire)
        if closed:
            self.wire.close()


class _TapCommand(Command):
    """One run of the tap."""

    _arguments: Namespace

    def __init__(self, source_class: type[Source], arguments: Namespace, environment: _TapEnvironment) -> None:
        super().__init__(source_class, arguments, environment)
        self._tap_wire = environment.tap_wire
        self._run_of_streams: TapRun | None = None

    def _dispatch(self) -> int:
        arguments = self._arguments
        if arguments.command == "about":
            told = about(self._source_class)
            self._tap_wire.put(_document(told) if arguments.format == "json" else _about_text(told).encode())
            return 0
        self._config = read_config(arguments.config)
        self._mask.add(self._secrets())
        source = self._connect()
        offered = source.discover()
        if arguments.command == "discover":
            self._tap_wire.put(_document(catalog_to_singer(offered)))
            return 0
        path = arguments.catalog or arguments.properties
        if path is None:
            selection = select(catalog_to_singer(offered), offered)
        else:
            selection = _understood(path, "catalog", lambda value: select(value, offered))
        streams = [stream.descriptor for stream in offered.streams]
        bookmarks = _bookmarks(arguments.state, streams)
        run = self._run_of_streams = TapRun(self._tap_wire, selection, bookmarks)
        catalog = ConfiguredCatalog(tuple(selected.configured for selected in selection.streams))
        states = [state for state in bookmarks.states() if state.stream in run.incremental]
        messages = as_generator(source.read(catalog, states))
        assert isinstance(messages, GeneratorType)
        try:
            relay(messages, self._stop, self._send)
        except IncompleteError:
            for stream, why in run.failures.items():
                self._wire.write(Log(Level.FATAL, f"Stream {stream} failed: {why}"))
            return 1
        return 0

    def _send(self, message: Message) -> None:
        with self._stop:  # what was told and what is noted of it belong together
            if isinstance(message, Control):
                changed = self._changed(message)
                _store(self._arguments.config, encode(changed.config))
            elif self._run_of_streams is not None:
                self._run_of_streams.tell(message)
            elif isinstance(message, (Log, ErrorTrace)):
                self._wire.write(message)


def _document(value: Any) -> bytes:
    return msgspec.json.format(encode(value), indent=2) + b"\n"


_T = TypeVar("_T")


def _understood(path: str, what: str, read: Callable[[Any], _T]) -> _T:
    """A file's content.

    :raises ConfigError: naming the file and what is wrong in it.
    """
    value = json_of(text_of(path, what), path, what)
    try:
        return read(value)
    except ConfigError as error:
        raise ConfigError(f"The {what} file {path}: {error.message}", internal=error.internal) from error


def _bookmarks(path: str | None, streams: list[StreamDescriptor]) -> Bookmarks:
    """Where the last run ended; without a file, or with an empty one, at the beginning."""
    if path is None or not text_of(path, "state").strip():
        return Bookmarks(None, streams)
    return _understood(path, "state", lambda value: Bookmarks(value, streams))


def _store(path: str, config: bytes) -> None:
    """Keep a config that the source changed (a token was rotated) where the next run reads it, which is how taps
    do it. Whole or not at all, where the folder allows that."""
    path = os.path.realpath(path)
    temporary = ""
    try:
        fd, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".config-")
        with open(fd, "wb") as file:
            file.write(config)
            file.flush()
            os.fsync(fd)
        os.chmod(temporary, os.stat(path).st_mode & 0o777)
        os.replace(temporary, path)
        return
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    try:  # the file alone is ours: it is mounted into a container
        with open(path, "r+b") as file:
            file.write(config)
            file.truncate()
    except OSError as error:
        log.error("The changed config can't be kept in %s: %s.", path, error.strerror)
