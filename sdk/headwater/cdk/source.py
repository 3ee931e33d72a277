"""A source of this SDK behind the airbyte-cdk's interface."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import Type
from airbyte_cdk.sources import Source as AirbyteSource
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from jsonschema import Draft7Validator

from headwater.cdk import models
from headwater.config import merged
from headwater.errors import ConfigError, TransientError
from headwater.process import arguments
from headwater.process.masking import Mask
from headwater.protocol.messages import (
    CatalogMessage,
    ConnectionStatus,
    Control,
    ErrorTrace,
    Log,
    Message,
)
from headwater.secrets import secrets_in
from headwater.source import Source

log = logging.getLogger("headwater")

# A part of a list of secrets that is this short would be found in any text.
_SHORTEST_SECRET = 4
_OUT_OF_TURN = (Type.TRACE, Type.CONTROL, Type.LOG)


class CdkSource(AirbyteSource):  # type: ignore[misc]
    """What the airbyte-cdk calls. :func:`headwater.cdk.to_airbyte_cdk` makes a subclass for each source.

    :cvar source_class: the source.
    :ivar message_repository: what the source said out of turn; the airbyte-cdk empties it.
    """

    source_class: ClassVar[type[Source]]
    # the source does it when it is made, and never tells a value
    check_config_against_spec: bool = False

    def __init__(self) -> None:
        self.message_repository = InMemoryMessageRepository()
        self._mask = Mask()
        self._config: Mapping[str, Any] = {}
        self._source: Source | None = None

    @property
    def name(self) -> str:
        """By which users know the source."""
        return self.source_class.name

    # --- the files of a command line ---------------------------------------------------------------------

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """The config, in today's form where it has an older one that the source takes: the airbyte-cdk's check
        knows only what the spec says. Its own sources write it, secrets included, to a file here; this does not.
        """
        schema = self.source_class.spec().raw["connectionSpecification"]
        if not Draft7Validator(schema).is_valid(config):
            with suppress(Exception):  # what is wrong with it is told by the command
                return {**config, **models.settings_json(self.source_class.from_config(config).config)}
        return config

    @staticmethod
    def read_config(config_path: str) -> dict[str, Any]:
        """A config file's content; raises the airbyte-cdk's traced config_error."""
        with traced(Mask()):
            return arguments.read_config(config_path)

    @classmethod
    def read_catalog(cls, catalog_path: str) -> Any:
        """A configured catalog; raises a traced config_error, for a wrong ``sync_mode`` too."""
        with traced(Mask()):
            return models.catalog_model(arguments.read_catalog(catalog_path))

    @classmethod
    def read_state(cls, state_path: str | None) -> list[Any]:
        """The states of a file, STREAM or GLOBAL or in an older form; raises a traced config_error."""
        with traced(Mask()):
            return models.state_models(arguments.read_state(state_path))

    # --- the commands ------------------------------------------------------------------------------------

    def spec(self, logger: logging.Logger | None = None) -> Any:
        """Which settings the source takes."""
        return models.model_of(self.source_class.spec(), self._mask).spec

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> Any:
        """Whether the settings work: FAILED for the user's errors and for a server that is down, as on the
        source's own command line; a bug is raised."""
        self._begin(logger, config)
        answer = ConnectionStatus(True)
        with traced(self._mask):
            try:
                self._connect(reads=False).check()
            except (ConfigError, TransientError) as error:
                answer = ConnectionStatus(False, error.message)
        return models.model_of(answer, self._mask).connectionStatus

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> Any:
        """What can be read."""
        self._begin(logger, config)
        with traced(self._mask):
            catalog = self._connect(reads=False).discover()
        return models.model_of(CatalogMessage(catalog.to_json()), self._mask).catalog

    def read(self, logger: logging.Logger, config: Mapping[str, Any], catalog: Any, state: Any = None) -> Iterator[Any]:
        """The configured streams' records, states and statuses, in the source's order.

        A failed stream gives its ERROR trace and INCOMPLETE and leaves the others running; at the end that is
        raised, with the gravest failure type.
        """
        self._begin(logger, config)
        with traced(self._mask):
            source = self._connect(reads=True)
            for message in source.read(models.catalog_of(catalog), models.states_of(state)):
                yield from self.message_repository.consume_queue()
                yield from self._models(message)
            yield from self.message_repository.consume_queue()

    # --- the source --------------------------------------------------------------------------------------

    def _begin(self, logger: logging.Logger, config: Mapping[str, Any]) -> None:
        """One command: the airbyte-cdk's log level and this config's secrets."""
        log.setLevel(logger.getEffectiveLevel())
        self._mask = Mask()
        self._keep(config)

    def _connect(self, *, reads: bool) -> Source:
        source = self._source = self.source_class.from_config(self._config)

        def emit(message: Message) -> None:
            if reads or isinstance(message, (Control, Log, ErrorTrace)):
                self._say(self._models(message))

        source.emit = emit  # type: ignore[method-assign]
        return source

    def _models(self, message: Message) -> Iterable[Any]:
        if isinstance(message, Control):
            message = self._changed(message)
        return models.models_of(message, self._mask)

    def _say(self, messages: Iterable[Any]) -> None:
        """What comes in the middle of reading. A wait, or a rotated token, is to be known at once: ``launch``
        gets it in its output; everybody else, who takes messages from the iterator, with the next one."""
        for message in messages:
            if sys.stdout is PRINT_BUFFER and message.type in _OUT_OF_TURN:
                PRINT_BUFFER.write(AirbyteEntrypoint.airbyte_message_to_string(message) + "\n")
                PRINT_BUFFER.flush()
            else:
                self.message_repository.emit_message(message)

    def _changed(self, message: Control) -> Control:
        """The whole of a changed config, as the platform replaces the old one."""
        self._keep(merged(self._config, message.config))
        if self._source is not None:
            try:
                self._source.config = self._source.config_class().parse(self._config)
            except ConfigError as error:
                log.warning("The connector changed its config to a wrong one. %s", error.message)
        return Control(self._config)

    def _keep(self, config: Mapping[str, Any]) -> None:
        """Keep the config, and keep its secrets out of every text: ours, and what the airbyte-cdk logs."""
        self._config = config
        secrets = list(secrets_in(config, self.source_class.spec().raw["connectionSpecification"]))
        self._mask.add(secrets)
        for secret in secrets:
            add_to_secrets(secret)
            for part in secret.split(","):  # a list of tokens
                if len(part.strip()) >= _SHORTEST_SECRET:
                    add_to_secrets(part.strip())


@contextmanager
def traced(mask: Mask) -> Iterator[None]:
    """Every error as one of the airbyte-cdk's, also ``sys.exit`` in the author's code."""
    try:
        yield
    except AirbyteTracedException:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it gets a trace
        # without the cause: the airbyte-cdk would log it with words that are not masked in all their forms
        raise models.TracedError(error, mask) from None
