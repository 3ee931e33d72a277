"""A Singer tap, run as one process for all streams."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headwater.bridge.foreign.singer_discovery import Discovery, Offer
from headwater.bridge.foreign.singer_read import Reading
from headwater.bridge.foreign.talk import CONFIG, Talk
from headwater.bridge.runners.base import Argument, FileArgument, Runner
from headwater.errors import ConfigError, ForeignError
from headwater.process.masking import Mask
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.lines import Noise
from headwater.protocol.messages import Control, Message, Spec, State
from headwater.protocol.singer import SingerMessage, settings_from_singer, state_to_singer
from headwater.protocol.singer_lines import decode_lines
from headwater.protocol.singer_selection import with_selection
from headwater.protocol.values import encode as encode_value

_CATALOG, _STATE = "catalog.json", "state.json"
LEARN_SECONDS = 60.0
"""How long a tap without discovery may run for its SCHEMA messages."""


class SingerProtocol:
    """How to talk to a tap.

    :param catalog: a Singer catalog, or the path of one, in place of discovery.
    :param discover: False: the tap has no discovery; its streams are learned from the SCHEMA messages of a run.
    :param catalog_option: ``--catalog`` or ``--properties``; default: found out.
    :param learn_seconds: the longest such a run.
    """

    def __init__(
        self,
        runner: Runner,
        mask: Mask,
        log: logging.Logger,
        *,
        catalog: Any = None,
        discover: bool = True,
        catalog_option: str | None = None,
        learn_seconds: float = LEARN_SECONDS,
    ) -> None:
        if catalog_option not in (None, "--catalog", "--properties"):
            raise ConfigError(f"catalog_option is {catalog_option!r}; it must be '--catalog' or '--properties'.")
        self._runner = runner
        self._mask = mask
        self._log = log
        self._option = catalog_option
        self._offer: Offer | None = Offer(_given(catalog)) if catalog is not None else None
        self._discovery = Discovery(runner, mask, log, discover=discover, learn_seconds=learn_seconds)

    def spec(self) -> Spec:
        """The tap's settings, where it tells them (``--about``, of Meltano's SDK); else any."""
        anything: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}
        with Talk(
            self._runner, ["--about", "--format=json"], {}, _pieces, self._mask, self._log, network=False
        ) as talk:
            said = b"".join(piece for piece in talk.messages() if isinstance(piece, bytes))
            ended_well = talk.exit().code == 0
        try:
            about = msgspec.json.decode(said[said.index(b"{") :]) if ended_well else {}
        except (ValueError, msgspec.MsgspecError):
            about = {}
        settings = about.get("settings") if isinstance(about, Mapping) else None
        schema = settings_from_singer(settings) if isinstance(settings, Mapping) else anything
        return Spec({"connectionSpecification": schema})

    def check(self, config: Mapping[str, Any]) -> Iterator[Control]:
        """Whether the tap's discovery works with these settings; where it has none, whether it begins to read.

        :raises ConfigError: when not, with its last words.
        """
        try:
            offer = yield from self._discovery.run(config, soon=True)
        except ForeignError as error:
            raise ConfigError(error.message, internal=error.internal) from None
        if not offer.learned:
            self._offer = self._offer or offer

    def discover(self, config: Mapping[str, Any]) -> Iterator[Control | Catalog]:
        """The tap's catalog, the user's, or what the tap's SCHEMA messages say."""
        if self._offer is None:
            self._offer = yield from self._discovery.run(config)
        yield self._offer.catalog()

    def read(self, config: Mapping[str, Any], catalog: ConfiguredCatalog, states: Sequence[State]) -> Iterator[Message]:
        """The tap's messages as the Airbyte protocol has them; see ``Readable.read``."""
        for found in self.discover(config):
            if isinstance(found, Control):
                config = found.config
                yield found
        offer = self._offer
        assert offer is not None
        reading = Reading(offer, catalog, config)
        states = yield from reading.usable(states)
        files: dict[str, bytes] = {}
        if states:
            files[_STATE] = encode_value(state_to_singer(states, reading.by_id))
        if not offer.learned:
            files[_CATALOG] = encode_value(with_selection(offer.raw, catalog))
        options = [self._option] if self._option else ["--catalog", "--properties"]
        for number, option in enumerate(options):
            files[CONFIG] = encode_value(reading.config)  # which the run before may have renewed
            with self._talk(files, option) as talk:
                last = offer.learned or number == len(options) - 1
                again = yield from reading.run(talk, may_try_again=not last)
            if not again:
                return

    def _talk(self, files: Mapping[str, bytes], option: str) -> Talk[SingerMessage]:
        arguments: list[Argument] = []
        for name, of in (("--config", CONFIG), (option, _CATALOG), ("--state", _STATE)):
            if of in files:
                arguments += [name, FileArgument(of)]
        return Talk(self._runner, arguments, files, decode_lines, self._mask, self._log)


def _pieces(block: bytes) -> Iterator[bytes | Noise]:
    yield block


def _given(catalog: Any) -> Mapping[str, Any]:
    """The user's own catalog.

    :raises ConfigError: when it is none, or its file can't be read.
    """
    if isinstance(catalog, (str, Path)):
        try:
            catalog = msgspec.json.decode(Path(catalog).read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(f"The Singer catalog {str(catalog)!r} can't be read ({error}).") from None
    if not isinstance(catalog, Mapping):
        raise ConfigError("The Singer catalog must be an object with a list in `streams`, or the path of such a file.")
    return catalog
