"""A connector that somebody else wrote, seen as a source."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, cast

import msgspec

from headwater.bridge.foreign.airbyte import AirbyteProtocol
from headwater.bridge.foreign.singer import SingerProtocol
from headwater.bridge.foreign.talk import secrets_by_name
from headwater.bridge.runners.base import Runner
from headwater.bridge.runners.venv import VenvRunner
from headwater.bridge.transform import transformed
from headwater.errors import ConfigError, ForeignError
from headwater.process.masking import Mask
from headwater.projection import Projection
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import Control, Message, Records, Spec, State, StreamDescriptor
from headwater.secrets import secrets_in

S = TypeVar("S", bound="ForeignSource")

_LOG = logging.getLogger("headwater.source")


class Speaks(Protocol):
    """A protocol, spoken with a runner's processes."""

    def spec(self) -> Spec:
        """Which settings the connector takes."""

    def check(self, config: Mapping[str, Any]) -> Iterator[Control]:
        """Whether they work; raises ConfigError to say that they don't."""

    def discover(self, config: Mapping[str, Any]) -> Iterator[Control | Catalog]:
        """What the connector offers."""

    def read(self, config: Mapping[str, Any], catalog: ConfiguredCatalog, states: Sequence[State]) -> Iterator[Message]:
        """As ``Readable.read``."""


class ForeignSource:
    """A connector's process as a source (a ``Readable``): a runner and a protocol.

    Every call starts a process, which ends with it. Subclasses say what runs (:meth:`make_runner`) and may change
    records on the way (:meth:`transform`).

    :cvar protocol: ``airbyte`` or ``singer``.
    :cvar settings: a JSON Schema of its settings, for who must know them without starting it (VDK's list of data
        sources); what it marks as ``airbyte_secret`` is hidden in logs.
    :param config: the connector's settings, as it wants them.
    :param runner: what runs it; default: what the class says.
    :param options: of the protocol: see :class:`~headwater.bridge.foreign.singer.SingerProtocol`.
    :ivar name: for the log.
    :ivar config: the settings as they are now: a connector may change its own (a renewed token).
    :ivar keep: called with the settings whenever the connector changes them; they are for its next run.
    """

    name: str = ""
    protocol: ClassVar[str] = "airbyte"
    settings: ClassVar[Mapping[str, Any]] = {"type": "object", "properties": {}}

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        runner: Runner | None = None,
        protocol: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.config: Mapping[str, Any] = dict(config or {})
        self.keep: Callable[[Mapping[str, Any]], None] | None = None
        self.name = type(self).name or (runner.title if runner is not None else type(self).__name__)
        self._runner = runner
        self._mask = Mask(self.secrets(self.config))
        self._protocol_name = protocol or self.protocol
        self._options = dict(options or {})
        self._offered: dict[StreamDescriptor, frozenset[str] | None] = {}
        self._speaks: Speaks | None = None
        self._knows_secrets = False

    @classmethod
    def from_config(cls: type[S], config: Mapping[str, Any]) -> S:
        """The source with these settings; the connector itself looks at them when it is asked something."""
        return cls(config)

    @classmethod
    def secrets(cls, config: Mapping[str, Any]) -> list[str]:
        """What of a config no log may show."""
        return [*secrets_by_name(config), *secrets_in(config, cls.settings)]

    def make_runner(self) -> Runner:
        """What runs the connector; called once."""
        raise ConfigError(f"{type(self).__name__} does not say what runs it: give it a runner.")

    def transform(self, stream: StreamDescriptor, record: dict[str, Any]) -> Mapping[str, Any] | None:
        """Called with each record, where a subclass has it; None drops the record."""
        return record

    # --- the four commands -----------------------------------------------------------------------------------

    def spec(self) -> Spec:
        """Which settings the connector takes.

        :raises ForeignError: when it does not say.
        """
        found = self._speak().spec()
        self._hide(found.raw)
        return found

    def check(self) -> None:
        """Ask the connector whether the settings work.

        :raises ConfigError: when they don't, with its words.
        """
        self._learn_secrets()
        for control in self._speak().check(self.config):
            self._changed(control.config)

    def discover(self) -> Catalog:
        """What the connector offers with these settings."""
        catalog: Catalog | None = None
        self._learn_secrets()
        for found in self._speak().discover(self.config):
            if isinstance(found, Control):
                self._changed(found.config)
            else:
                catalog = found
        assert catalog is not None
        self._offered = {
            stream.descriptor: frozenset(stream.json_schema.get("properties") or ()) or None
            for stream in catalog.streams
        }
        return catalog

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """The connector's messages; see ``Readable.read``.

        Fields that the catalog leaves out are left out, whether or not the connector does that itself.
        """
        self._learn_secrets()
        projections = self._projections(catalog)
        changes_records = type(self).transform is not ForeignSource.transform
        messages = self._speak().read(self.config, catalog, state)
        try:
            for message in messages:
                if isinstance(message, Records):
                    if (projection := projections.get(message.stream)) is not None:
                        message.data = projection(message.data)
                        message.changes = projection.changes(message.changes)
                    yield transformed(message, self.transform) if changes_records else message
                    continue
                if isinstance(message, Control):
                    self._changed(message.config)
                yield message
        finally:
            cast(Any, messages).close()

    # -----------------------------------------------------------------------------------------------------------

    @property
    def runner(self) -> Runner:
        """What runs the connector."""
        if self._runner is None:
            self._runner = self.make_runner()
        return self._runner

    def _speak(self) -> Speaks:
        if self._speaks is None:
            self._speaks = self._make_protocol(self.runner, _LOG.getChild(self.name.replace(".", "_")))
        return self._speaks

    def _hide(self, spec: Mapping[str, Any]) -> None:
        schema = spec.get("connectionSpecification")
        if isinstance(schema, Mapping):
            self._mask.add(secrets_in(self.config, schema))
        self._knows_secrets = True

    def _learn_secrets(self) -> None:
        """Hide what the connector's spec marks as a secret, whatever its name. Its spec is asked once for all, where it
        can be kept beside an environment that never changes; of other connectors only when somebody asks for it, as
        some need seconds to say it."""
        if self._knows_secrets or self._protocol_name != "airbyte" or not isinstance(self.runner, VenvRunner):
            return
        self._knows_secrets = True
        file = self.runner.kept(repr(sorted(self._options.items())).encode())
        try:
            self._hide(msgspec.json.decode(file.read_bytes()))
        except (OSError, msgspec.MsgspecError):
            try:
                raw = self._speak().spec().raw
            except ForeignError as error:
                _LOG.debug("%s gives no spec that says what is secret: %s", self.name, error)
                return
            self._hide(raw)
            with contextlib.suppress(OSError):
                new = file.with_suffix(f".{os.getpid()}")
                new.write_bytes(msgspec.json.encode(raw))
                new.replace(file)

    def _make_protocol(self, runner: Runner, log: logging.Logger) -> Speaks:
        if self._protocol_name == "airbyte":
            return AirbyteProtocol(runner, self._mask, log, **self._options)
        if self._protocol_name == "singer":
            return SingerProtocol(runner, self._mask, log, **self._options)
        raise ConfigError(f"The protocol {self._protocol_name!r} is not known. Known are: airbyte, singer.")

    def _changed(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self._mask.add(self.secrets(config))
        if self.keep is not None:
            self.keep(config)

    def _projections(self, catalog: ConfiguredCatalog) -> dict[StreamDescriptor, Projection]:
        """Of the streams of which not all fields are wanted. What a connector gives besides what it declares is
        wanted with all of them, and not with some."""
        found = {}
        for stream in catalog.streams:
            wanted = stream.selected
            if wanted is not None and wanted != self._offered.get(stream.descriptor):
                found[stream.descriptor] = Projection(stream.stream.json_schema["properties"])
        return found
