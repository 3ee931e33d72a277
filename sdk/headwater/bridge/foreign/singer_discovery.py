"""What a tap offers: from its discovery, or, for want of one, from the SCHEMA messages of a run."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from headwater.bridge.foreign.talk import CONFIG, Talk, config_of
from headwater.bridge.runners.base import Argument, Exit, FileArgument, Runner
from headwater.errors import ConfigError, ForeignError
from headwater.process.masking import Mask
from headwater.protocol.catalog import Catalog, CatalogStream
from headwater.protocol.lines import Noise
from headwater.protocol.messages import Control, Records
from headwater.protocol.singer import Schema, SingerMessage
from headwater.protocol.singer_catalog import Entry, entries
from headwater.protocol.singer_lines import decode_lines
from headwater.protocol.values import encode as encode_value
from headwater.schemas.references import resolved

_MESSAGE = re.compile(rb'"type"\s*:\s*"(?:SCHEMA|RECORD|STATE)"', re.IGNORECASE)
# How the libraries of command lines say that they don't know an option: argparse, click, docopt, Go's flag and others.
_NO_OPTION = re.compile(
    r"(unrecognized|unknown|unexpected|invalid|illegal|no such|undefined|not defined)[^\n]{0,40}-?-discover",
    re.IGNORECASE,
)
_USAGE, _ERROR = re.compile(r"^\s*usage:", re.IGNORECASE | re.MULTILINE), re.compile(r"\berror\b", re.IGNORECASE)
_MOST = 256 * 2**20


class Offer:
    """A tap's streams.

    :param raw: the Singer catalog.
    :ivar learned: it was made of SCHEMA messages: the tap takes no catalog, and gives all it has.
    """

    def __init__(self, raw: Mapping[str, Any], *, learned: bool = False) -> None:
        self.raw = raw
        self.learned = learned
        self.entries = entries(raw)

    def catalog(self) -> Catalog:
        """As the Airbyte protocol has it."""
        return Catalog(tuple(_stream(entry, learned=self.learned) for entry in self.entries))


def _stream(entry: Entry, *, learned: bool) -> CatalogStream:
    stream = entry.stream()
    stream = replace(stream, json_schema=_cleaned(resolved(stream.json_schema)))
    if "incremental" in stream.supported_sync_modes or (entry.method is not None and not learned):
        return stream
    # Nothing is said of how it is read, so only the tap knows whether its state is of use.
    return replace(stream, supported_sync_modes=("full_refresh", "incremental"), source_defined_cursor=True)


def _cleaned(node: Any) -> Any:
    """Without ``multipleOf``, which taps use for the scale of decimals and no destination can keep to."""
    if isinstance(node, Mapping):
        return {
            key: _cleaned(part)
            for key, part in node.items()
            if not (key == "multipleOf" and isinstance(part, (int, float)))
        }
    return [_cleaned(part) for part in node] if isinstance(node, list) else node


class Discovery:
    """Asks a tap what it offers.

    :param discover: False: it has no discovery.
    :param learn_seconds: the longest run for its SCHEMA messages.
    """

    def __init__(
        self, runner: Runner, mask: Mask, log: logging.Logger, *, discover: bool, learn_seconds: float
    ) -> None:
        self._runner = runner
        self._mask = mask
        self._log = log
        self._discover = discover
        self._learn_seconds = learn_seconds
        self._renewed: Mapping[str, Any] | None = None

    def run(self, config: Mapping[str, Any], *, soon: bool = False) -> Generator[Control, None, Offer]:
        """What it offers; gives the config where the tap changes it.

        :param soon: one record proves that it works.
        :raises ForeignError: when it does not say, with its last words.
        """
        self._renewed = None
        if self._discover:
            found = yield from self._ask(["--discover"], config, soon=soon)
            if isinstance(found, Offer):
                return found
            if found.code != 0 and not _knows_no_discovery(found.stderr):
                raise self._failed("--discover", found)
            self._log.info("%s has no discovery: its streams are learned from a run.", self._runner.title)
        found = yield from self._ask([], self._renewed or config, soon=soon)
        if isinstance(found, Offer):
            return found
        raise self._failed("a run without a catalog", found)

    def _failed(self, what: str, end: Exit) -> ForeignError:
        return ForeignError(
            f"The tap {self._runner.title} {end.reason} and {what} told no streams. Give it a `catalog`, or look "
            f"at its settings.{_last(end, self._mask)}",
            internal=self._mask(end.stderr),
        )

    def _ask(
        self, options: list[str], config: Mapping[str, Any], *, soon: bool
    ) -> Generator[Control, None, Offer | Exit]:
        files = {CONFIG: encode_value(config)}
        arguments: list[Argument] = ["--config", FileArgument(CONFIG), *options]
        with Talk(self._runner, arguments, files, _pieces, self._mask, self._log) as talk:
            answer = _Answer(self._learn_seconds, soon=soon)
            for piece in talk.messages():
                if isinstance(piece, bytes) and answer.take(piece):
                    break
            else:
                end = talk.exit()
                if (changed := config_of(talk, config)) is not None:
                    self._renewed = changed
                    yield Control(changed)
                found = answer.offer(complete=end.code == 0)
                return end if found is None else found
            if (changed := config_of(talk, config)) is not None:
                yield Control(changed)
            found = answer.offer(complete=True)
            assert found is not None
            return found


def _knows_no_discovery(said: str) -> bool:
    """Whether what a tap said means that it has no ``--discover``: it names the option as unknown, or says nothing but
    how it is used, without it. A usage besides an error is of something else, such as a missing option."""
    return bool(_NO_OPTION.search(said)) or (
        bool(_USAGE.search(said)) and not _ERROR.search(said) and "--discover" not in said
    )


def _pieces(block: bytes) -> Iterator[bytes | Noise]:
    yield block


def _last(end: Exit, mask: Mask) -> str:
    lines = [line.strip() for line in end.stderr.splitlines() if line.strip()]
    return f" It said last: {mask(' / '.join(lines[-2:]))[-600:]}" if lines else ""


class _Answer:
    """A tap's output, of which it shows only in the end whether it is a catalog or messages."""

    def __init__(self, learn_seconds: float, *, soon: bool) -> None:
        self._soon = soon
        self._until = time.monotonic() + learn_seconds
        self._text: list[bytes] = []
        self._size = 0
        self._schemas: dict[str, Schema] = {}
        self._messages = False

    def take(self, block: bytes) -> bool:
        """A block of lines; whether nothing more is needed."""
        if not self._messages and not _MESSAGE.search(block):
            self._text.append(block)
            self._size += len(block)
            if self._size > _MOST:
                raise ForeignError(f"The tap's catalog is larger than {_MOST // 2**20} MiB.")
            return False
        self._messages = True
        for message in decode_lines(block):
            self._learn(message)
            if self._soon and isinstance(message, Records):
                return True
        return bool(self._schemas) and time.monotonic() > self._until

    def _learn(self, message: SingerMessage | Noise) -> None:
        if isinstance(message, Schema):
            self._schemas[message.stream] = message
        elif isinstance(message, Records):
            self._schemas.setdefault(message.stream.name, Schema(message.stream.name, {}))

    def offer(self, *, complete: bool) -> Offer | None:
        """The catalog; None where there is none.

        :param complete: the tap ended well.
        """
        if not complete:
            return None
        if self._schemas:
            return Offer({"streams": [_learned(schema) for schema in self._schemas.values()]}, learned=True)
        text = b"\n".join(self._text).decode("utf-8", "replace")
        for start in (found.start() for found in re.finditer(r"^\s*\{", text, re.MULTILINE)):
            try:
                value, _ = json.JSONDecoder().raw_decode(text, text.index("{", start))
            except ValueError:
                continue
            if isinstance(value, Mapping) and "streams" in value:
                try:
                    return Offer(value)
                except ConfigError as error:
                    raise ForeignError(f"The tap's catalog is wrong: {error}") from None
        return None


def _learned(schema: Schema) -> dict[str, Any]:
    root = {"inclusion": "available", "table-key-properties": list(schema.key_properties)}
    if len(schema.bookmark_properties) == 1:
        root["valid-replication-keys"] = list(schema.bookmark_properties)
    return {
        "tap_stream_id": schema.stream,
        "stream": schema.stream,
        "schema": schema.schema,
        "key_properties": list(schema.key_properties),
        "metadata": [{"breadcrumb": [], "metadata": root}],
    }
