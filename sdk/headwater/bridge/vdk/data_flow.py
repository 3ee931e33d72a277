"""Flows in a data job, as vdk-data-sources offers them.

::

    def run(job_input):
        source = SourceDefinition("hub", "github", {"repositories": ["vmware/versatile-data-kit"]})
        destination = DestinationDefinition("db", "headwater-sqlite", "hub.db")
        with DataFlowInput(job_input) as flow_input:
            flow_input.start(DataFlowMappingDefinition(source, destination))
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any

from vdk.plugin.data_sources.data_source import IDataSource  # type: ignore[import-untyped]
from vdk.plugin.data_sources.factory import (  # type: ignore[import-untyped]
    DataSourceNotFoundException,
    SingletonDataSourceFactory,
)

from headwater import registry
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.vdk.data_source import ConnectorDataSource
from headwater.bridge.vdk.definitions import (
    DataFlowMappingDefinition,
    Definitions,
    DestinationDefinition,
    SourceDefinition,
    stream_definitions,
)
from headwater.bridge.vdk.destinations import Destination
from headwater.bridge.vdk.errors import classified
from headwater.bridge.vdk.flows import Flows
from headwater.bridge.vdk.foreign import FOREIGN
from headwater.bridge.vdk.runs import RETRY_SECONDS, ErrorCallback
from headwater.bridge.vdk.selection import Selection
from headwater.errors import ConfigError, HeadwaterError

log = logging.getLogger(__name__)

__all__ = [
    "DataFlowInput",
    "DataFlowMappingDefinition",
    "Definitions",
    "DestinationDefinition",
    "SourceDefinition",
]


class DataFlowInput:
    """Runs flows in a step of a data job; a context manager, which ends when all of them ended.

    Every flow runs in the background from :meth:`start` on. Two flows from one source read it twice, and each
    has its own states.

    :param job_input: what the step's ``run`` was given.
    :param error_callback: called with a ``DataSourceError`` for each failed stream. It may raise VDK's
        ``StopDataSourceStream`` (the failure is settled; as when it returns) or ``RetryDataSourceStream``
        (the stream is read again from its last state, three times at most, after 1, 2 and 4 seconds).
    """

    def __init__(
        self,
        job_input: Any,
        error_callback: ErrorCallback | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._flows = Flows(job_input, retry_seconds=retry_seconds)
        self._callback = error_callback

    def __enter__(self) -> DataFlowInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        # The step's own error goes on; what was started still lands, unless the whole job is interrupted.
        if not isinstance(error, Exception):
            self._flows.runs.stop()
        self._flows.wait()

    def close(self) -> None:
        """Wait until every flow ended.

        :raises DataSourcesAggregatedException: (VDK's) when streams failed: their errors, by stream.
        """
        self._flows.wait()
        self._flows.runs.raise_on_error()

    def start(
        self,
        flow_definition: DataFlowMappingDefinition | SourceDefinition,
        destination: DestinationDefinition | None = None,
        *,
        error_callback: ErrorCallback | None = None,
    ) -> None:
        """Start one flow: ``start(flow)``, or ``start(source, destination)``.

        Definitions of vdk-data-sources' own classes will do as well.

        :raises ConfigError: for a wrong setting of the source.
        :raises DefinitionError: for a wrong definition or an unknown method.
        :raises DataSourceNotFoundException: (VDK's) for an unknown source.
        """
        flow: Any = flow_definition
        if destination is not None:
            flow = DataFlowMappingDefinition(flow, destination)
        try:
            self._start(flow, error_callback or self._callback)
        except HeadwaterError as error:
            raise classified(error) from error.__cause__

    def start_flows(self, definitions: Definitions) -> None:
        """Start every flow of a configuration; see :func:`~headwater.bridge.vdk.toml_parser.load_config`."""
        for flow in definitions.flows:
            self.start(flow)

    def _start(self, flow: DataFlowMappingDefinition, callback: ErrorCallback | None) -> None:
        source, to = flow.from_source, flow.to_destination
        options = getattr(flow, "options", SqlOptions())
        destination = Destination(to.id, to.method, to.target, map_function=flow.map_function, options=options)
        selection = Selection(
            stream_definitions(flow),
            getattr(flow, "sync_mode", None),
            getattr(flow, "mode", None),
            getattr(flow, "states", None),
        )
        registered = {item.name: item.instance_class for item in SingletonDataSourceFactory().list()}
        cls = registered.get(source.name)
        if cls is None or issubclass(cls, ConnectorDataSource) or source.name in FOREIGN:
            connector = _connector(source.name, list(registered), cls)
            self._flows.connector(source.id, connector, source.config, destination, selection, callback)
            return
        made = self._vdk_source(source)
        self._flows.data_source(source.id, made, [destination], selection, callback, secrets=_secrets(made, source))

    def _vdk_source(self, source: SourceDefinition) -> IDataSource:
        factory = SingletonDataSourceFactory()
        made = factory.create_data_source(source.name)
        try:
            configuration = factory.create_configuration(source.name, source.config)
        except (TypeError, KeyError) as error:  # what VDK raises for a missing and for an unknown setting
            known = [field.name for field in _fields(source.name)]
            raise ConfigError(
                f"The settings of the source {source.id!r} ({source.name}) are wrong: {error}. "
                f"It takes: {', '.join(known) or 'none'}."
            ) from None
        made.configure(configuration)
        return made


def _connector(name: str, registered: list[str], cls: Any) -> Any:
    if name in FOREIGN:
        return FOREIGN[name]
    if cls is not None:
        return cls.connector
    if name.removeprefix("source-") not in registry.names():
        error = DataSourceNotFoundException(
            f"No data source {name!r} is installed. There are: "
            f"{', '.join(sorted({*registered, *registry.names()})) or 'none'}."
        )
        raise error
    return registry.find(name)


def _fields(name: str) -> list[Any]:
    for item in SingletonDataSourceFactory().list():
        if item.name == name:
            return list(item.config_class.__dataclass_fields__.values())
    return []


def _secrets(made: IDataSource, source: SourceDefinition) -> list[str]:
    """The values of a VDK source's settings that it declares sensitive."""
    sensitive = {field.name for field in _fields(source.name) if field.metadata.get("config_is_sensitive")}
    return [str(value) for name, value in source.config.items() if name in sensitive]
