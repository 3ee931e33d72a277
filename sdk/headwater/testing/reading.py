"""Reads for tests: to the end, with everything that was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from headwater.protocol.messages import ErrorTrace, Message, Records, State, Status, StreamStatus

if TYPE_CHECKING:
    from typing_extensions import Self

    from headwater.protocol.catalog import ConfiguredCatalog
    from headwater.protocol.readable import Readable


@dataclass
class ReadResult:
    """What a read gave.

    :ivar messages: all of it, in order.
    :ivar records: each configured stream's records, by its full name (with its namespace, if it has one).
    :ivar states: the last state of each stream: what a next read goes on from.
    :ivar statuses: each stream's statuses, in order.
    :ivar traces: why streams failed.
    :ivar error: what the read raised; None if it came to its end.
    """

    messages: list[Message] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    traces: list[ErrorTrace] = field(default_factory=list)
    error: Exception | None = None

    def ok(self) -> Self:
        """The result itself; raises what the read raised, if it failed."""
        if self.error is not None:
            raise self.error
        return self


def read(
    source: Readable,
    *streams: str,
    state: Sequence[State] | ReadResult | None = None,
    full_refresh: bool = False,
    same_job: bool = False,
) -> ReadResult:
    """Read a source to its end, or until it fails.

    :param streams: their names; none: all. Incremental where they can be, unless ``full_refresh``.
    :param state: where to go on from: states, or the result of an earlier read.
    :param same_job: this is another try of the job that the states are of: streams that are read whole get theirs too.
        A new job reads them from the beginning, as on Airbyte's platform.
    """
    states = state.states if isinstance(state, ReadResult) else list(state or ())
    catalog = source.discover().configured(streams or None, full_refresh=full_refresh)
    whole = {stream.descriptor for stream in catalog.streams if stream.sync_mode == "full_refresh"}
    if same_job:
        numbered = (replace(stream, generation_id=1, minimum_generation_id=1, sync_id=1) for stream in catalog.streams)
        catalog = replace(catalog, streams=tuple(numbered))
    else:
        states = [one for one in states if one.stream not in whole]
    return result_of(source.read(catalog, states), catalog)


def result_of(messages: Iterator[Message], catalog: ConfiguredCatalog) -> ReadResult:
    """What a read gave, read to its end or until it raised."""
    result = ReadResult()
    try:
        for message in messages:
            result.messages.append(message)
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        result.error = error
    last: dict[Any, State] = {}
    for stream in catalog.streams:
        result.records[str(stream.descriptor)] = []
        result.statuses[str(stream.descriptor)] = []
    for message in result.messages:
        if isinstance(message, Records):
            result.records.setdefault(str(message.stream), []).extend(message.rows())
        elif isinstance(message, State):
            last[message.stream] = message
        elif isinstance(message, StreamStatus):
            result.statuses.setdefault(str(message.stream), []).append(message.status)
        elif isinstance(message, ErrorTrace):
            result.traces.append(message)
    order = [stream.descriptor for stream in catalog.streams]
    result.states = [last[name] for name in sorted(last, key=lambda name: order.index(name) if name in order else -1)]
    return result
