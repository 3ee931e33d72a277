"""One run of a connector's process: its messages, what else it says, and how it ended."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import msgspec

from headwater.bridge.runners.base import Argument, Exit, Runner
from headwater.errors import ForeignError
from headwater.process.masking import Mask
from headwater.protocol.lines import Lines, Noise
from headwater.protocol.messages import ErrorTrace, Level, Log

M = TypeVar("M")

CONFIG = "config.json"
"""The name of the config's file."""

_NOISE = 100  # lines of noise that are told; the others are counted
_LAST_WORDS = 600
_SHOWN = 500  # characters of a line of noise
_SAID = 4096  # of a line of standard error
_LOOKED_AT = 2**16  # bytes of a line in which secrets are hidden, before it is cut: no part of one is left over
# Names of settings that hold a secret, where no spec says which do.
_SECRET = re.compile(
    r"secret|token|passw|pwd|(?<!primary_)(?<!replication_)key|credential|private|cert|jwt|dsn|connection_string|cookie"
    r"|session|auth(?!or)",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"://[^/@:\s]*:([^/@\s]+)@")
_SHORTEST_SECRET = 4
_LEVEL = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL)[: ]\s*")
_FRAME = re.compile(r"\s+at |\s*\.\.\. \d+ (more|common)|Node\.js v\d|[\s^~]+$")


class Talk(Generic[M]):
    """A process that was started, and what it says; a context manager that ends it.

    :param decode: makes messages of a block of whole lines.
    :param mask: hides secrets in what goes to the log and into errors.
    :param log: gets what it writes to standard error, line by line, at INFO.
    :ivar cut: its last line was cut off.
    :raises ConfigError: when it can't be started.
    """

    def __init__(
        self,
        runner: Runner,
        arguments: Sequence[Argument],
        files: Mapping[str, bytes],
        decode: Callable[[bytes], Iterator[M | Noise]],
        mask: Mask,
        log: logging.Logger,
        *,
        network: bool = True,
    ) -> None:
        self.title = runner.title
        self.cut = False
        self._decode = decode
        self._mask = mask
        self._noise = 0
        self._last_log = ""
        self._lines = Lines()
        self._process = runner.start(arguments, files, network=network, said=lambda line: _log(log, mask(line)))

    def __enter__(self) -> Talk[M]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.close()

    def messages(self) -> Iterator[M | Log]:
        """What it says until its output ends; noise as log messages.

        :raises ForeignError: when it says nothing for too long, or something that can't be gone on after.
        """
        while chunk := self._process.read():
            if block := self._lines.feed(chunk):
                yield from self._told(self._decode(block))
        if rest := self._lines.rest():
            yield from self._last(rest)
        if self._noise > _NOISE:
            yield Log(Level.INFO, f"({self._noise - _NOISE} more lines that are no messages are left out)")

    def exit(self) -> Exit:
        """How it ended, once its output has."""
        return self._process.wait()

    def file(self, name: str) -> bytes:
        """The present content of one of its files."""
        return self._process.file(name)

    def ended_badly(self, end: Exit, but: str = "") -> ForeignError:
        """That it ended so, with its last words.

        :param but: what was still to come from it.
        """
        words = self.last_words(end)
        said = f" It said last: {words}" if words else ""
        cut = " Its last line was cut off." if self.cut else ""
        error = ForeignError(
            f"The connector {self.title} {end.reason}{but}.{cut}{said}", internal=self._mask(end.stderr)
        )
        if end.was_ended:
            error.failure_type = "transient_error"
        return error

    def last_words(self, end: Exit) -> str:
        """What it said last of what went wrong, without secrets: the end of standard error, else of its log."""
        lines = telling(end.stderr)
        critical = [line for line in lines if line.startswith(("CRITICAL", "FATAL", "ERROR"))]
        words = " / ".join(critical[-2:] or lines[-2:]) or self._last_log
        return self._mask(words)[-_LAST_WORDS:]

    def _told(self, found: Iterator[M | Noise]) -> Iterator[M | Log]:
        for message in found:
            if isinstance(message, Noise):
                self._noise += 1
                text = message.line[:_LOOKED_AT].decode("utf-8", "replace").strip() if self._noise <= _NOISE else ""
                if text:
                    yield Log(Level.INFO, self._mask(text)[:_SHOWN])
            elif isinstance(message, Log):
                yield self._log(message)
            elif isinstance(message, ErrorTrace):
                yield cast(M, self._without_secrets(message))
            else:
                yield message

    def _log(self, message: Log) -> Log:
        text = self._mask(message.message)
        if message.level in (Level.FATAL, Level.ERROR):
            self._last_log = text
        return Log(message.level, text, message.stack_trace and self._mask(message.stack_trace))

    def _without_secrets(self, trace: ErrorTrace) -> ErrorTrace:
        return replace(
            trace,
            message=self._mask(trace.message),
            internal_message=trace.internal_message and self._mask(trace.internal_message),
            stack_trace=trace.stack_trace and self._mask(trace.stack_trace),
        )

    def _last(self, rest: bytes) -> Iterator[M | Log]:
        """What came after the last end of a line: whole only where it can be read."""
        try:
            found = list(self._decode(rest))
        except ForeignError:
            found = [Noise(rest)]
        self.cut = any(isinstance(one, Noise) for one in found) and rest.lstrip().startswith(b"{")
        if self.cut:
            yield Log(Level.WARN, f"The last line of {self.title} was cut off: {len(rest)} bytes of it are left out.")
        else:
            yield from self._told(iter(found))


def config_of(talk: Talk[Any], before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The config as the connector left it in its file; None where it did not change it, or is writing it now."""
    try:
        found = msgspec.json.decode(talk.file(CONFIG))
    except (ForeignError, msgspec.MsgspecError):
        return None
    return found if isinstance(found, Mapping) and found and found != before else None


def _log(log: logging.Logger, line: str) -> None:
    """A line of its standard error, at the level with which it begins (as those of taps do), else as information."""
    found = _LEVEL.match(line)
    level: int = getattr(logging, found[1]) if found else logging.INFO
    log.log(level, "%s", line[found.end() if found else 0 :][:_SAID])


def telling(stderr: str) -> list[str]:
    """The lines of a standard error that say something: not where in the code it was, which Node, Java and .NET tell
    after what went wrong."""
    return [line.strip() for line in stderr.splitlines() if line.strip() and not _FRAME.match(line)]


def secrets_by_name(config: Any, *, secret: bool = False) -> Iterator[str]:
    """Every value of a config that stands under a name that sounds like a secret, for want of a spec; also the
    password of a URL."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from secrets_by_name(value, secret=secret or bool(_SECRET.search(str(name))))
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from secrets_by_name(value, secret=secret)
    elif isinstance(config, str):
        if secret and len(config) >= _SHORTEST_SECRET:
            yield config
        yield from (word for word in _IN_URL.findall(config) if len(word) >= _SHORTEST_SECRET)
