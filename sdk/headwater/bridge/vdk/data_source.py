"""A connector as a VDK data source, for jobs that use vdk-data-sources itself.

That plugin reads each stream in a thread of its own, queues every record, and keeps a state as soon as the
record it came with is queued. What is said here is right (a state comes with the last record that it covers);
that a record is in the destination when its state is kept, only Headwater's own flows can promise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vdk.plugin.data_sources.config import ConfigClassMetadata  # type: ignore[import-untyped]
from vdk.plugin.data_sources.data_source import (  # type: ignore[import-untyped]
    DataSourcePayload,
    IDataSource,
    IDataSourceStream,
)
from vdk.plugin.data_sources.factory import data_source  # type: ignore[import-untyped]

from headwater import registry
from headwater.bridge.foreign.source import ForeignSource
from headwater.bridge.vdk.config_fields import config_of, configuration_class
from headwater.bridge.vdk.errors import DefinitionError, classified, without_secrets
from headwater.bridge.vdk.foreign import FOREIGN
from headwater.bridge.vdk.mapping import metadata_of
from headwater.bridge.vdk.states import GLOBAL, plain_json, stream_state
from headwater.errors import IncompleteError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import ErrorTrace, Level, Log, Records, State
from headwater.secrets import secrets_in

if TYPE_CHECKING:
    from headwater.source import Source

log = logging.getLogger(__name__)

_LOUD = (Level.FATAL, Level.ERROR, Level.WARN)
_CLASSES: dict[str, type[ConnectorDataSource]] = {}


class ConnectorDataSource(IDataSource):  # type: ignore[misc]
    """Base of the data sources made of connectors; see :func:`data_source_class`."""

    connector: ClassVar[type[Source]]

    def __init__(self) -> None:
        self._config: dict[str, Any] | None = None
        self._streams: list[ConnectorStream] = []

    def configure(self, config: Any) -> None:
        """Take the settings, as VDK read them or as a plain mapping."""
        specification = specification_of(self.connector)
        self._config = dict(config) if isinstance(config, Mapping) else config_of(config, specification)

    def connect(self, state: Any) -> None:
        """Find the streams, and where each was read up to.

        :raises ConfigError: for a wrong setting.
        """
        if self._config is None:
            raise DefinitionError(f"The data source {self.connector.name!r} was not configured.")
        try:
            catalog = self.connector.from_config(self._config).discover()
        except Exception as error:  # noqa: BLE001 - raised again, without secrets
            raise _shown(error, self.connector, self._config) from None
        self._streams = [
            ConnectorStream(self.connector, self._config, stream, _start(state, stream))
            for stream in catalog.configured().streams
        ]

    def streams(self) -> list[ConnectorStream]:
        """All streams of the connector."""
        return list(self._streams)

    def secrets(self) -> list[str]:
        """The secret values of its settings, which no log may show."""
        return secrets_of(self.connector, self._config or {})

    def disconnect(self) -> None:
        """Forget the streams."""
        self._streams = []


class ConnectorStream(IDataSourceStream):  # type: ignore[misc]
    """One stream of a connector.

    Each read makes a source of its own, since VDK reads streams in several threads.
    """

    def __init__(
        self, connector: type[Source], config: Mapping[str, Any], stream: ConfiguredStream, start: list[State]
    ) -> None:
        self._connector = connector
        self._config = config
        self._stream = stream
        self._start = start

    def name(self) -> str:
        """The stream's full name."""
        return str(self._stream.descriptor)

    def read(self) -> Iterator[DataSourcePayload]:
        """The records; a state rides on the last record that it covers, or comes alone.

        :raises HeadwaterError: what the connector raised, without secrets.
        """
        try:
            source = self._connector.from_config(self._config)
            yield from _payloads(source.read(ConfiguredCatalog((self._stream,)), self._start))
        except Exception as error:  # noqa: BLE001 - raised again, without secrets
            cause: Exception = error
            if isinstance(error, IncompleteError) and len(error.errors) == 1:
                cause = next(iter(error.errors.values()))
            raise _shown(cause, self._connector, self._config) from None


def data_source_class(name: str) -> type[ConnectorDataSource]:
    """The VDK data source of an installed connector: always the same class for the same connector.

    :raises ConfigError: when no connector of that name is installed.
    """
    connector: Any = FOREIGN.get(name) or registry.find(name)
    made = _CLASSES.get(name)
    if made is None or made.connector is not connector:
        title = (connector.__doc__ or "").strip().splitlines()
        description = f"{title[0].strip() if title else name} (Headwater connector)"
        config = configuration_class(name, description, specification_of(connector))
        made = type(connector.__name__, (ConnectorDataSource,), {"connector": connector})
        made = _CLASSES[name] = data_source(name=name, config_class=config)(made)
    return made


def register(factory: Any) -> None:
    """Register every installed connector with VDK, and what runs everybody else's.

    One that can't be imported is told in the log and left out, and so is one whose name another data source
    has: VDK itself would replace that in silence.
    """
    there = {item.name: item.instance_class for item in factory.list()}
    for name in (*FOREIGN, *registry.names()):
        try:
            made = data_source_class(name)
            ConfigClassMetadata(made.__data_source__config__class__).get_config_fields()
        except Exception as error:  # noqa: BLE001 - one broken connector must not break the vdk command
            log.warning("The connector %r can't be used: %s: %s", name, type(error).__name__, error)
            continue
        other = there.get(name)
        if other is not None and not issubclass(other, ConnectorDataSource):
            log.warning(
                "The connector %r is not registered: the data source %s.%s has that name.",
                name,
                other.__module__,
                other.__qualname__,
            )
            continue
        factory.register_data_source_class(made)


def specification_of(connector: type[Any]) -> Mapping[str, Any]:
    """The JSON Schema of a connector's settings."""
    if issubclass(connector, ForeignSource):  # which would have to be started to be asked
        return connector.settings
    found: Mapping[str, Any] = connector.spec().raw["connectionSpecification"]
    return found


def secrets_of(connector: Any, config: Mapping[str, Any]) -> list[str]:
    """The secret values of a connector's settings."""
    known = getattr(connector, "secrets", None)  # somebody else's: no spec says which are
    found = known(config) if known is not None else secrets_in(config, specification_of(connector))
    return list(found)


def _shown(error: Exception, connector: type[Source], config: Mapping[str, Any]) -> Exception:
    return classified(without_secrets(error, secrets_of(connector, config)))


def _start(state: Any, stream: ConfiguredStream) -> list[State]:
    """Where a stream was read up to: its own state, or that of all streams, which Headwater's flows keep. One that is
    read whole begins anew: given the state of a finished full refresh, it would give nothing."""
    name = str(stream.descriptor)
    if state is None or stream.sync_mode == "full_refresh":
        return []
    if own := state.read_stream(name):
        return [stream_state(name, own)]
    whole = state.read_others(GLOBAL)
    return [State(whole)] if whole else []


def _payloads(messages: Iterator[Any]) -> Iterator[DataSourcePayload]:
    held: DataSourcePayload | None = None  # a state may follow it
    for message in messages:
        if isinstance(message, Records):
            metadata = metadata_of(message.stream, message.emitted_at)
            for row in message.rows():
                if held is not None:
                    yield held
                held = DataSourcePayload(row, dict(metadata), {}, message.stream.name)
        elif isinstance(message, State):
            table = message.stream.name if message.stream else None
            data = held.data if held is not None else None
            about = held.metadata if held is not None else {}
            yield DataSourcePayload(data, about, plain_json(message.raw), table)
            held = None
        elif isinstance(message, Log):
            log.log(logging.WARNING if message.level in _LOUD else logging.DEBUG, message.message)
        elif isinstance(message, ErrorTrace):
            log.error("Stream %r: %s", str(message.stream), message.message)
    if held is not None:
        yield held
