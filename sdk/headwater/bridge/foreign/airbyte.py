"""A connector that speaks the Airbyte protocol, run as the Airbyte platform runs it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headwater.bridge.foreign.talk import CONFIG, Talk
from headwater.bridge.result import error_of
from headwater.bridge.runners.base import Argument, Exit, FileArgument, Runner
from headwater.errors import ConfigError, ForeignError, HeadwaterError, IncompleteError
from headwater.process.masking import Mask
from headwater.protocol.airbyte_lines import decode_lines
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import (
    CatalogMessage,
    ConnectionStatus,
    Control,
    ErrorTrace,
    Level,
    Log,
    Message,
    Records,
    Spec,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)
from headwater.protocol.values import encode as encode_value

_CATALOG, _STATE = "catalog.json", "state.json"


class AirbyteProtocol:
    """How to talk to a connector of the Airbyte protocol.

    :param arguments: before the command, such as ``--manifest-path`` takes none: they come after it.
    :param files: more files for it.
    """

    def __init__(
        self,
        runner: Runner,
        mask: Mask,
        log: logging.Logger,
        *,
        arguments: Sequence[Argument] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self._runner = runner
        self._mask = mask
        self._log = log
        self._arguments = tuple(arguments)
        self._files = dict(files or {})

    def spec(self) -> Spec:
        """The connector's spec, asked without a network.

        :raises ForeignError: when it gives none.
        """
        with self._talk("spec", {}, network=False) as talk:
            heard = _Heard(talk)
            found: Spec = heard.answer(Spec, self._hear(heard))
            return found

    def check(self, config: Mapping[str, Any]) -> Iterator[Control]:
        """Ask whether the settings work; gives the config where the connector changes it.

        :raises ConfigError: when they don't.
        """
        with self._talk("check", {CONFIG: encode_value(config)}) as talk:
            heard = _Heard(talk)
            for message in self._hear(heard):
                if isinstance(message, Control):
                    yield message
            status = heard.answer(ConnectionStatus, iter(()))
        if not status.succeeded:
            raise ConfigError(
                self._mask(status.message or f"The connector {talk.title} says that its settings do not work.")
            )

    def discover(self, config: Mapping[str, Any]) -> Iterator[Control | Catalog]:
        """What the connector offers, at the end; before that, the config where the connector changes it."""
        with self._talk("discover", {CONFIG: encode_value(config)}) as talk:
            heard = _Heard(talk)
            for message in self._hear(heard):
                if isinstance(message, Control):
                    yield message
            found = heard.answer(CatalogMessage, iter(()))
        try:
            yield Catalog.from_json(found.raw)
        except ConfigError as error:
            raise ForeignError(f"The connector {talk.title} offers something wrong: {error}") from None

    def read(self, config: Mapping[str, Any], catalog: ConfiguredCatalog, states: Sequence[State]) -> Iterator[Message]:
        """The connector's messages, and what became of it; see ``Readable.read``."""
        files = {CONFIG: encode_value(config), _CATALOG: encode_value(_complete(catalog).to_json())}
        if states:
            files[_STATE] = encode_value(state_file(states))
        with self._talk("read", files) as talk:
            reading = _Reading(talk, catalog)
            for message in talk.messages():
                yield from reading.take(message)
            yield from reading.end(talk.exit())

    def _talk(self, command: str, files: Mapping[str, bytes], *, network: bool = True) -> Talk[Message]:
        arguments: list[Argument] = [command]
        for option, name in (("--config", CONFIG), ("--catalog", _CATALOG), ("--state", _STATE)):
            if name in files:
                arguments += [option, FileArgument(name)]
        every = {**self._files, **files}
        return Talk(
            self._runner,
            [*arguments, *self._arguments],
            every,
            decode_lines,
            self._mask,
            self._log,
            network=network,
        )

    def _hear(self, heard: _Heard) -> Iterator[Message]:
        for message in heard.messages():
            if isinstance(message, Log):
                self._log.log(logging.DEBUG, "%s", message.message)
            yield message


def state_file(states: Sequence[State]) -> Any:
    """What a connector is given as ``--state``: a list, or the bare object of a LEGACY state."""
    if len(states) == 1 and states[0].type == "LEGACY" and isinstance(states[0].raw.get("data"), Mapping):
        return states[0].raw["data"]
    return [state.raw for state in states]


def _complete(catalog: ConfiguredCatalog) -> ConfiguredCatalog:
    """With generations, which the platform always gives."""
    now = int(time.time())
    return ConfiguredCatalog(
        tuple(
            stream
            if stream.generation_id is not None
            else replace(stream, generation_id=0, minimum_generation_id=0, sync_id=stream.sync_id or now)
            for stream in catalog.streams
        )
    )


class _Heard:
    """The messages of a command that has one answer."""

    def __init__(self, talk: Talk[Message]) -> None:
        self._talk = talk
        self._answers: list[Message] = []
        self._errors: list[ErrorTrace] = []

    def messages(self) -> Iterator[Message]:
        for message in self._talk.messages():
            if isinstance(message, ErrorTrace):
                self._errors.append(message)
            elif isinstance(message, (Spec, ConnectionStatus, CatalogMessage)):
                self._answers.append(message)
            yield message

    def answer(self, kind: type[Any], messages: Iterator[Message]) -> Any:
        """The answer, which counts whatever the exit code says, as on the platform.

        :raises HeadwaterError: what the connector said went wrong.
        :raises ForeignError: when it said nothing.
        """
        for _ in messages:
            pass
        end = self._talk.exit()
        for found in self._answers:
            if isinstance(found, kind):
                return found
        if self._errors:
            raise error_of(self._errors[-1])
        what = {Spec: "a spec", ConnectionStatus: "whether its settings work", CatalogMessage: "a catalog"}[kind]
        raise self._talk.ended_badly(end, f" and did not tell {what}")


class _Reading:
    """What a read has told so far of its streams."""

    def __init__(self, talk: Talk[Message], catalog: ConfiguredCatalog) -> None:
        self._talk = talk
        self._catalog = catalog
        self._status: dict[StreamDescriptor, Status] = {}
        self._errors: list[ErrorTrace] = []
        self._with_state: set[StreamDescriptor | None] = set()
        self._with_records: set[StreamDescriptor] = set()
        self._anything = False

    def take(self, message: Message) -> Iterator[Message]:
        """A message on its way."""
        self._anything = True
        if isinstance(message, Records):
            self._with_records.add(message.stream)
        elif isinstance(message, State):
            self._with_state.add(message.stream)
        elif isinstance(message, StreamStatus):
            if self._status.get(message.stream) is not Status.COMPLETE or message.status is Status.INCOMPLETE:
                self._status[message.stream] = message.status
        elif isinstance(message, ErrorTrace):
            self._errors.append(message)
        elif isinstance(message, (Spec, ConnectionStatus, CatalogMessage)):
            return  # out of place
        yield message

    def end(self, end: Exit) -> Iterator[Message]:
        """The output has ended: what of it is complete, and what went wrong.

        :raises HeadwaterError: what that is.
        """
        streams = [stream.descriptor for stream in self._catalog.streams]
        if not self._status and end.code == 0 and not self._errors and not self._talk.cut:
            for one in self._catalog.streams:  # a connector from before there were statuses
                if self._anything or not one.destination_sync_mode.startswith("overwrite"):
                    self._status[one.descriptor] = Status.COMPLETE
                    yield StreamStatus(one.descriptor, Status.COMPLETE)
        left = [stream for stream in streams if self._status.get(stream) is not Status.COMPLETE]
        for stream in left:
            if self._status.get(stream) is not Status.INCOMPLETE:
                yield StreamStatus(stream, Status.INCOMPLETE)
        yield from self._without_states()
        if error := self._error(end, left):
            raise error

    def _error(self, end: Exit, left: list[StreamDescriptor]) -> HeadwaterError | None:
        if self._errors:
            own = [trace for trace in self._errors if trace.stream is not None] or self._errors
            errors: dict[str, Exception] = {}
            for trace in own:
                errors.setdefault(str(trace.stream or ""), error_of(trace))
            return IncompleteError(errors)
        names = ", ".join(map(repr, map(str, left)))
        if end.code != 0:
            but = (
                f" before it had said that these streams are complete: {names}"
                if left
                else (" after it had said that all streams are complete")
            )
            return self._talk.ended_badly(end, but)
        if self._talk.cut:
            return self._talk.ended_badly(end, ", but its output is not whole")
        if left:
            return IncompleteError({str(stream): self._unfinished(stream) for stream in left})
        return None

    def _unfinished(self, stream: StreamDescriptor) -> ForeignError:
        last = self._status.get(stream)
        said = f"said {last.value} of it last" if last else "said nothing of it"
        return ForeignError(
            f"Stream {str(stream)!r} is incomplete: the connector {self._talk.title} ended with exit code 0, but "
            f"{said}, never COMPLETE. Its rows so far stay, its state is where that is safe. Run again; tell the "
            "connector's author if it persists.",
            stream=str(stream),
        )

    def _without_states(self) -> Iterator[Log]:
        if None in self._with_state:  # one for all
            return
        for stream in self._catalog.streams:
            name = stream.descriptor
            if stream.sync_mode == "incremental" and name in self._with_records and name not in self._with_state:
                yield Log(
                    Level.WARN,
                    f"Stream {str(name)!r}: the connector {self._talk.title} gave records but no state, so the next "
                    "run reads them again.",
                )
