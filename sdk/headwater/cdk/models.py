"""Between this SDK's messages and the airbyte-cdk's models.

The protocol's JSON is what both have in common, so all but records go that way: what the airbyte-cdk gets is
what it would read from the connector's command line. Its models drop fields that they don't know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteRecordMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.models import airbyte_protocol as protocol
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from serpyco_rs import SchemaValidationError

from headwater.config import Config
from headwater.errors import ConfigError, HeadwaterError, SourceError
from headwater.process.arguments import states_from_json
from headwater.process.masking import Mask
from headwater.protocol.airbyte import encode
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Change, ConnectionStatus, ErrorTrace, Log, Message, Records, State
from headwater.secrets import Secret

# --- what a source gives ---------------------------------------------------------------------------------


def models_of(message: Message, mask: Mask) -> Iterator[Any]:
    """A message as the airbyte-cdk's messages: one, or one a record of a batch.

    :param mask: takes the secrets out of texts; records, states and configs are data.
    """
    if isinstance(message, Records):
        yield from _records(message)
    else:
        yield AirbyteMessageSerializer.load(msgspec.json.decode(encode(_masked(message, mask))))


def model_of(message: Message, mask: Mask) -> Any:
    """The one message that anything but a batch of records is."""
    (model,) = models_of(message, mask)
    return model


def _records(batch: Records) -> Iterator[Any]:
    stream, namespace = batch.stream.name, batch.stream.namespace
    for place, row in enumerate(batch.rows()):
        changes = batch.changes.get(place)
        record = AirbyteRecordMessage(
            stream=stream,
            namespace=namespace,
            data=row,
            emitted_at=batch.emitted_at,
            meta=_meta(changes) if changes else None,
        )
        yield AirbyteMessage(type=Type.RECORD, record=record)


def _meta(changes: Sequence[Change]) -> Any:
    made = [
        protocol.AirbyteRecordMessageMetaChange(
            field=change.field, change=protocol.Change(change.change), reason=protocol.Reason(change.reason)
        )
        for change in changes
    ]
    return protocol.AirbyteRecordMessageMeta(changes=made)


def _masked(message: Message, mask: Mask) -> Message:
    def text(said: str | None) -> str | None:
        return None if said is None else mask(said)

    if isinstance(message, Log):
        return replace(message, message=mask(message.message), stack_trace=text(message.stack_trace))
    if isinstance(message, ErrorTrace):
        return replace(
            message,
            message=mask(message.message),
            internal_message=text(message.internal_message),
            stack_trace=text(message.stack_trace),
        )
    if isinstance(message, ConnectionStatus):
        return replace(message, message=text(message.message))
    return message


# --- what a source is given ------------------------------------------------------------------------------


def catalog_model(catalog: ConfiguredCatalog) -> Any:
    """A configured catalog as the airbyte-cdk's.

    :raises ConfigError: for what its models can't hold.
    """
    try:
        return ConfiguredAirbyteCatalogSerializer.load(catalog.to_json())
    except SchemaValidationError as error:
        raise ConfigError(f"configured catalog: the airbyte-cdk does not take it: {error}.") from None


def catalog_of(model: Any) -> ConfiguredCatalog:
    """A configured catalog from the airbyte-cdk's, or from its JSON.

    :raises ConfigError: naming what is wrong in it.
    """
    if isinstance(model, Mapping):
        return ConfiguredCatalog.from_json(model)
    try:
        return ConfiguredCatalog.from_json(ConfiguredAirbyteCatalogSerializer.dump(model))
    except SchemaValidationError as error:
        raise ConfigError(f"configured catalog: {error}.") from None


def state_models(states: Iterable[State]) -> list[Any]:
    """States as the airbyte-cdk's.

    :raises ConfigError: for what its models can't hold.
    """
    try:
        return [AirbyteStateMessageSerializer.load(dict(state.raw)) for state in states]
    except SchemaValidationError as error:
        raise ConfigError(f"state: the airbyte-cdk does not take it: {error}.") from None


def states_of(models: Any) -> list[State]:
    """States from the airbyte-cdk's, from their JSON, or from the oldest form: an object of states by stream.

    :raises ConfigError: naming the entry that is none.
    """
    if isinstance(models, Mapping) or not models:
        return states_from_json(models)
    return states_from_json([_state_json(model) for model in models])


def _state_json(model: Any) -> Any:
    if isinstance(model, AirbyteMessage):
        model = model.state
    return AirbyteStateMessageSerializer.dump(model) if isinstance(model, AirbyteStateMessage) else model


def settings_json(config: Config) -> dict[str, Any]:
    """Settings as a config file holds them, secrets included."""
    settings: dict[str, Any] = msgspec.to_builtins(config, enc_hook=_revealed)
    return _without_nulls(settings)


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nulls(part) if isinstance(part, dict) else part
        for name, part in value.items()
        if part is not None
    }


# --- errors ----------------------------------------------------------------------------------------------


class TracedError(AirbyteTracedException):  # type: ignore[misc]
    """An error as the airbyte-cdk wants it, which it makes an ERROR trace of.

    :param error: any error, also one that is a bug; its words are masked, also in the trace's stack.
    """

    def __init__(self, error: BaseException, mask: Mask) -> None:
        if isinstance(error, SystemExit):
            error = SourceError(f"The connector ended itself (sys.exit({error.code!r})). This is a bug of it.")
        if isinstance(error, HeadwaterError):
            message, internal, failure = error.message, error.internal, error.failure_type
            stream = StreamDescriptor(name=error.stream) if error.stream else None
        else:
            kind = type(error).__name__
            message = f"The connector failed: {kind}. This is a bug of the connector."
            internal, failure, stream = f"{kind}: {error}", "system_error", None
        super().__init__(
            message=mask(message),
            internal_message=None if internal is None else mask(internal),
            failure_type=FailureType(failure),
            exception=error,
            stream_descriptor=stream,
        )
        self._mask = mask
        # it is the user's turn, to whom the stack says nothing
        self._has_stack = not isinstance(error, ConfigError)

    def as_airbyte_message(self, stream_descriptor: Any = None) -> Any:
        """The trace, without secrets."""
        message = super().as_airbyte_message(stream_descriptor)
        stack = message.trace.error.stack_trace
        message.trace.error.stack_trace = self._mask(stack) if stack and self._has_stack else None
        return message
