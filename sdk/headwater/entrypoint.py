"""A connector's command line: ``spec``, ``check``, ``discover`` and ``read`` of the Airbyte protocol.

Standard output carries messages of the protocol and nothing else; what is printed or logged becomes LOG
messages; secrets are masked. The exit codes:

======== ==============================================================================================
0        all was done; for ``check`` also when the answer is no
1        it failed, and an ERROR trace says why; ``check`` besides says FAILED
2        the command line itself is wrong
130, 143 stopped by SIGINT, by SIGTERM: the last state covers what was written, and the stream in the
         making is INCOMPLETE
141      nobody read the output any more
======== ==============================================================================================

A ``check`` that fails for the user's sake (a setting) or for nobody's (a server that is down) answers FAILED
with exit code 0. When the connector itself broke, or its config file can't be read, there are both an ERROR
trace with exit code 1 and the status FAILED: the platform takes the status's message over the exit code.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Generator, Iterable, Sequence
from types import GeneratorType
from typing import Any, NoReturn

from headwater.config import merged
from headwater.errors import (
    ConfigError,
    HeadwaterError,
    IncompleteError,
    SourceError,
    Stopped,
    TransientError,
)
from headwater.process.arguments import UsageError, parse_arguments, read_catalog, read_config, read_state
from headwater.process.environment import Environment, log_level, open_missing, silence
from headwater.process.masking import Mask
from headwater.process.relay import relay
from headwater.process.stop import CLOSED
from headwater.protocol.messages import (
    CatalogMessage,
    ConnectionStatus,
    Control,
    ErrorTrace,
    Level,
    Log,
    Message,
)
from headwater.secrets import secrets_in
from headwater.source import Source

log = logging.getLogger("headwater")


def launch(source_class: type[Source], argv: Sequence[str] | None = None) -> int:
    """Run one command of a connector in this process, which gets its output, its logging and its signals
    back afterwards.

    :param argv: the arguments; None: the process's.
    :return: the exit code; see this module's beginning.
    """
    return run_command(source_class, argv, ends=False)


def main(source_class: type[Source], argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command of a connector, and end the process with it."""
    raise SystemExit(run_command(source_class, argv, ends=True))


def run_command(
    source_class: type[Source],
    argv: Sequence[str] | None,
    *,
    ends: bool,
    parse: Callable[[type[Source], Sequence[str] | None], Namespace] = parse_arguments,
    environment_class: type[Environment] = Environment,
    command_class: type[Command] | None = None,
) -> int:
    """Run one command of a connector; every command line that it has goes through here.

    :param ends: the process ends with it; else it gets its output, logs and signals back.
    :param parse: reads the arguments; it may raise UsageError.
    :return: the exit code.
    """
    environment = environment_class(closed=open_missing())
    usage: UsageError | None = None
    arguments = Namespace(command=None, debug=False)
    try:
        arguments = parse(source_class, argv)
    except UsageError as error:
        usage = error
        environment.say(error.usage)
    except SystemExit:  # --help and --version were answered
        return _answered()
    try:
        environment.open(log_level(debug=arguments.debug))
        if ends:
            environment.close_at_exit()
            gc.freeze()  # what is imported stays: searching it for garbage costs a tenth of a read
        code = (command_class or Command)(source_class, arguments, environment).run(usage)
    finally:
        environment.stop.uninstall()
        if not ends:
            environment.close(restore=True)
    if ends:
        environment.end(code)
    return code


def _answered() -> int:
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        silence()
        return CLOSED
    return 0


class Command:
    """One command of the Airbyte protocol in its environment."""

    def __init__(self, source_class: type[Source], arguments: Namespace, environment: Environment) -> None:
        self._source_class = source_class
        self._arguments = arguments
        self._mask = environment.mask
        self._wire = environment.wire
        self._stop = environment.stop
        self._config: dict[str, Any] = {}
        self._source: Source | None = None

    def run(self, usage: UsageError | None) -> int:
        """Do it; the exit code."""
        try:
            self._stop.arm()
            code = self._run(usage)
            self._stop.disarm()
        except Stopped:
            self._stop.disarm()
            code = self._stop.code or 1
            self._finish()
            if self._arguments.command == "read" and not self._wire.closed:
                self._wire.write(Log(Level.WARN, "The read was stopped; it goes on from its last state."))
        if self._wire.error is not None:
            return 1
        return CLOSED if self._wire.closed and code == 0 else code

    def _run(self, usage: UsageError | None) -> int:
        if usage is not None:
            self._tell(usage)
            return 2
        try:
            return self._dispatch()
        except IncompleteError as error:  # each stream's failure was told when it happened
            log.error("Some streams are incomplete: %s.", ", ".join(error.errors))
        except BaseException as error:
            if Stopped.is_behind(error):
                raise Stopped from error
            message = self._tell(error)
            self._finish()
            if self._arguments.command == "check":
                self._wire.write(ConnectionStatus(False, message))
        return 1

    def _finish(self) -> None:
        """The statuses that a source could not tell, or one with a ``read`` of its own did not."""
        for status in self._wire.unfinished():
            self._wire.write(status)

    def _dispatch(self) -> int:
        command = self._arguments.command
        if command == "spec":
            self._wire.write(self._source_class.spec())
            return 0
        self._config = read_config(self._arguments.config)
        self._mask.add(self._secrets())
        if command == "check":
            return self._check()
        source = self._connect()
        if command == "discover":
            self._wire.write(CatalogMessage(source.discover().to_json()))
            return 0
        catalog, state = read_catalog(self._arguments.catalog), read_state(self._arguments.state)
        messages = as_generator(source.read(catalog, state))
        assert isinstance(messages, GeneratorType)
        relay(messages, self._stop, self._send)
        return 0

    def _secrets(self) -> Iterable[str]:
        return secrets_in(self._config, self._source_class.spec().raw["connectionSpecification"])

    def _connect(self) -> Source:
        source = self._source = self._source_class.from_config(self._config)
        source.emit = self._send  # type: ignore[method-assign]
        directory = getattr(self._arguments, "http_cache", None)
        if directory is not None:
            _keep_answers(source, directory, self._mask)
        return source

    def _check(self) -> int:
        try:
            self._connect().check()
        except (ConfigError, TransientError) as error:
            if Stopped.is_behind(error):
                raise
            self._wire.write(ConnectionStatus(False, error.message))
        else:
            self._wire.write(ConnectionStatus(True))
        return 0

    def _send(self, message: Message) -> None:
        """What the source says, from its iterator or in the middle of reading."""
        if isinstance(message, Control):
            message = self._changed(message)
        elif self._arguments.command != "read" and not isinstance(message, (Log, ErrorTrace)):
            return  # check and discover read as well, and have nothing to say about streams
        self._wire.write(message)

    def _changed(self, message: Control) -> Control:
        """A changed config: the whole of it, as the platform replaces the old one. Its secrets are masked
        from now on, except here."""
        self._config = merged(self._config, message.config)
        self._mask.add(self._secrets())
        if self._source is not None:
            try:
                self._source.config = self._source.config_class().parse(self._config)
            except ConfigError as error:
                log.warning("The connector changed its config to a wrong one. %s", error.message)
        return Control(self._config)

    def _tell(self, error: BaseException) -> str:
        """A failure, as a log line and an ERROR trace; its message for the user."""
        if isinstance(error, SystemExit):
            error = SourceError(f"The connector ended itself (sys.exit({error.code!r})). This is a bug of it.")
        stack: str | None = "".join(traceback.format_exception(error))
        if isinstance(error, HeadwaterError):
            if isinstance(error, ConfigError) and not self._arguments.debug:
                stack = None  # it is the user's turn, to whom it says nothing
            trace = ErrorTrace(error.message, error.failure_type, None, error.internal, stack)
        else:
            name = type(error).__name__
            message = f"The connector failed: {name}. This is a bug of the connector."
            trace = ErrorTrace(message, "system_error", None, f"{name}: {error}", stack)
        self._wire.write(Log(Level.FATAL, trace.message, stack))
        self._wire.write(trace)
        return trace.message


def as_generator(messages: Iterable[Message]) -> Generator[Message, None, None]:
    """A child may override ``read`` with any iterator; this one can be told to stop."""
    yield from messages


def _keep_answers(source: Source, directory: str, mask: Mask) -> None:
    """Have a source's answers kept in a directory, and taken from there."""
    from headwater.http.cache_disk import OnDisk
    from headwater.http.source import HttpSource

    if not isinstance(source, HttpSource):
        raise ConfigError("--http-cache: this source asks no HTTP API.")
    source.answers = OnDisk(directory, mask, source.headers)
