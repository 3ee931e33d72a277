"""The tables of a stream, as one sync opens them."""

from __future__ import annotations

from dataclasses import dataclass, field

from headwater.bridge.sinks.books import Books
from headwater.bridge.sinks.engine import Engine
from headwater.bridge.sinks.nested import Splitter
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.target import Target
from headwater.bridge.states.sql import SqlStates
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import StreamDescriptor


@dataclass(slots=True)
class StreamTables:
    """A stream's tables, and what was done with them in this run.

    :ivar targets: the stream's own table first, then its child tables.
    :ivar whole: an overwrite: written beside the table from the beginning.
    :ivar splitter: takes records apart; None: they stay whole.
    :ivar written: a batch of this run is committed.
    :ivar told: the reasons of refused records that were logged.
    """

    stream: ConfiguredStream
    targets: list[Target]
    whole: bool
    splitter: Splitter | None = None
    written: bool = False
    told: set[str] = field(default_factory=set)

    @property
    def staged(self) -> bool:
        """Whether rows are written beside the tables, and take their place later."""
        return self.targets[0].staged


def open_tables(
    stream: ConfiguredStream, engine: Engine, books: Books, states: SqlStates, options: SqlOptions
) -> StreamTables:
    """Create the stream's tables, and the columns that they lack; in the caller's transaction."""
    overwrite = stream.destination_sync_mode.startswith("overwrite")
    splitter = None if options.nested == "json" else Splitter(stream, options.nested)
    tables = [stream] if splitter is None else splitter.streams()
    fields = [""] if splitter is None else [branch.name for branch in splitter.branches]
    descriptor = stream.descriptor
    all_registered = [books.registered(descriptor, name) for name in fields]
    before = all_registered[0].generation
    generation, minimum = stream.generation_id, stream.minimum_generation_id or 0
    if generation is None:
        generation = before + 1 if overwrite else before
    staged = overwrite or minimum > before
    stagings = [books.staging(registered.table) for registered in all_registered]
    continued = (
        staged and not overwrite and _continues(descriptor, generation, states, all(map(engine.exists, stagings)))
    )
    targets = []
    for table, name, registered, staging in zip(tables, fields, all_registered, stagings, strict=True):
        place = registered.table
        if not continued:
            engine.drop(staging)
        target = Target(engine, table, place, staging if staged else place, generation, child=bool(name))
        target.create()
        if not staged and generation != before:
            books.generation(target, generation)
        targets.append(target)
    return StreamTables(stream, targets, overwrite, splitter)


def _continues(stream: StreamDescriptor, generation: int, states: SqlStates, there: bool) -> bool:
    """Whether a sync of this generation was broken off, and goes on from where it was.

    :param there: the tables that it wrote are; otherwise its states say nothing.
    """
    states.staged = {stream: generation}
    states.forget(stream, generation if there else None)
    return bool(states.load_staged(stream))
