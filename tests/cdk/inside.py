"""What is done in airbyte-cdk's environment, by its own means."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.sources import Source
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from headwater.cdk import models, to_airbyte_cdk
from headwater.cdk.source import merged
from headwater.errors import ConfigError, IncompleteError, TransientError
from headwater.process.masking import Mask
from headwater.protocol.messages import (
    Change,
    Control,
    ErrorTrace,
    Estimate,
    Level,
    Log,
    Message,
    Records,
    State,
    StreamDescriptor,
)

Json = Any
LOGGER = logging.getLogger("airbyte")


def adapted(source: str) -> Any:
    """The source's class, for the airbyte-cdk."""
    module, _, name = source.partition(":")
    return to_airbyte_cdk(getattr(import_module(module), name))


def as_json(message: AirbyteMessage) -> Json:
    """A message as it is on the wire."""
    return orjson.loads(AirbyteEntrypoint.airbyte_message_to_string(message))


# --- through airbyte_cdk.test.entrypoint_wrapper -----------------------------------------------------------


def wrapped(source: str, command: str, config: Json = None, catalog: Json = None, state: Json = None) -> Json:
    """A command by the wrapper: its messages, and what was printed on the way."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        output = _wrapped(adapted(source)(), command, config, catalog, state)
    return {"messages": [as_json(message) for message in output.get_message_iterator()], "printed": printed.getvalue()}


def _wrapped(source: Any, command: str, config: Json, catalog: Json, state: Json) -> Any:
    if command == "discover":
        return entrypoint_wrapper.discover(source, config)
    if command == "read":
        states = None if state is None else [AirbyteStateMessageSerializer.load(one) for one in state]
        return entrypoint_wrapper.read(source, config, ConfiguredAirbyteCatalogSerializer.load(catalog), states)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [command]
        if config is not None:
            (Path(folder) / "config.json").write_bytes(orjson.dumps(config))
            arguments += ["--config", f"{folder}/config.json"]
        return entrypoint_wrapper._run_command(source, arguments)


# --- by the methods ----------------------------------------------------------------------------------------


def kind_of(source: str) -> Json:
    """What the class is to the airbyte-cdk."""
    made = adapted(source)
    return [made.__name__, issubclass(made, Source), made is adapted(source), made().name, made.__module__]


def files(method: str, text: str) -> Json:
    """What ``read_config``, ``read_catalog`` or ``read_state`` makes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.json"
        path.write_text(text)
        return _told(lambda: repr(getattr(adapted("tests.connectors.toy:ToySource"), method)(str(path))))


def called(source: str, method: str, config: Json, catalog: Json = None, state: Json = None) -> Json:
    """A method called without the entrypoint, with JSON where the airbyte-cdk has models."""
    made = adapted(source)()

    def call() -> Json:
        if method == "read":
            return [as_json(message) for message in made.read(LOGGER, config, catalog, state)]
        return repr(getattr(made, method)(LOGGER, config))

    return {**_told(call), "queue": [as_json(message) for message in made.message_repository.consume_queue()]}


def configured(source: str, config: Json) -> Json:
    """The config as the commands get it, and what was written on the way."""
    with tempfile.TemporaryDirectory() as folder:
        return [adapted(source)().configure(config, folder), len(list(Path(folder).iterdir()))]


def _told(call: Callable[[], Json]) -> Json:
    try:
        return {"result": call()}
    except AirbyteTracedException as error:
        trace = error.as_airbyte_message().trace.error
        return {
            "error": [trace.failure_type.value, trace.message, trace.internal_message, str(trace.stack_trace)],
            "stream": trace.stream_descriptor.name if trace.stream_descriptor else None,
        }


def every_kind() -> Json:
    """A message of each kind."""
    of = StreamDescriptor("things", "shop")
    messages: list[Message] = [
        Records(of, [b'{"id":1,"n":null}', b'{"id":2}'], 5, {1: [Change("x", "NULLED", "SOURCE_SERIALIZATION_ERROR")]}),
        Records(of, []),
        State.of_stream(of, {"__ab_no_cursor_state_message": True, "states": [{"a": None}]}, 2),
        State({"type": "GLOBAL", "global": {"shared_state": {"a": 1}, "stream_states": []}}),
        Log(Level.TRACE, "s3cret", "in s3cret"),
        ErrorTrace("s3cret", "transient_error", of, "s3cret", "s3cret"),
        Estimate(of, 7, 8),
        Control({"token": "s3cret"}),
    ]
    mask = Mask(["s3cret"])
    return [
        orjson.loads(orjson.dumps(AirbyteMessageSerializer.dump(m)))
        for one in messages
        for m in models.models_of(one, mask)
    ]


def errors() -> Json:
    """Errors as the airbyte-cdk's."""
    denied = ConfigError("No s3cret.", stream="orders", internal="s3cret")
    bug = RuntimeError("a s3cret bug")
    found = []
    for error in (denied, TransientError("Later."), IncompleteError({"a": denied, "b": bug}), bug, SystemExit(3)):
        try:
            raise error
        except BaseException as raised:
            made = models.TracedError(raised, Mask(["s3cret"]))
        trace = AirbyteMessageSerializer.dump(made.as_airbyte_message())["trace"]["error"]
        found.append({"stream_descriptor": None, "stack_trace": None, **trace})
    return found


def merges(config: Json, changes: Json) -> Json:
    """A changed config."""
    return merged(config, changes)
