"""Whatever fails in whatever order, SQLite has every row exactly once after a run that ended well."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.bridge import Batch, sync
from headwater.bridge.sink import BatchSize
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError, SourceError
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import Message, State, StreamDescriptor
from tests.bridge.fakes import configured, records, state, status

NAMES = ("a", "b", "c")


class Resuming:
    """Gives each stream's numbers from where its state, or the GLOBAL one, says; fails after so many messages.

    :param plan: pages in order: a stream, how many records, and whether a state follows.
    """

    name = "resuming"

    def __init__(self, plan: Sequence[Any], kind: str, fail_after: int | None, error: BaseException) -> None:
        self.plan, self.kind, self.fail_after, self.error = plan, kind, fail_after, error

    def check(self) -> None: ...

    def discover(self) -> Catalog:
        return Catalog()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        for number, message in enumerate(self._messages(state)):
            if number == self.fail_after:
                raise self.error
            yield message

    def _messages(self, states: Sequence[State]) -> Iterator[Message]:
        start = dict.fromkeys(NAMES, 0)
        for one in states:
            if one.stream is None:
                start = dict(one.raw["global"]["shared_state"])
            else:
                start[one.stream.name] = one.raw["stream"]["stream_state"]["at"]
        at, done = dict.fromkeys(NAMES, 0), dict(start)
        yield from self._states(done, NAMES[0])  # as some do, before anything is read
        for stream, count, followed in self.plan:
            page = range(max(at[stream], start[stream]), at[stream] + count)
            at[stream] += count
            if page:
                yield records(stream, *page)
                done[stream] = page.stop
            if followed:
                yield from self._states(done, stream)
        for name in NAMES:
            if self.kind == "STREAM":
                yield from self._states(done, name)
            yield status(name)
        if self.kind == "GLOBAL":
            yield from self._states(done, NAMES[0])

    def _states(self, done: dict[str, int], stream: str) -> Iterator[Message]:
        if self.kind == "STREAM":
            yield state(stream, done[stream])
        else:
            yield State({"type": "GLOBAL", "global": {"shared_state": dict(done), "stream_states": []}})


class Failing(SqliteSink):
    """Fails before or after it has committed its n-th batch."""

    def __init__(self, path: Path, fail_at: int | None, after: bool, error: BaseException) -> None:
        super().__init__(path)
        self.fail_at, self.after, self.error, self.count = fail_at, after, error, 0

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        self.count += 1
        if self.count == self.fail_at and not self.after:
            raise self.error
        super().write(batch, covered)
        if self.count == self.fail_at:
            raise self.error


PLAN = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 6), st.booleans()), min_size=1, max_size=14)
RUN = st.fixed_dictionaries(
    {
        "fail_after": st.none() | st.integers(0, 25),
        "fail_at": st.none() | st.integers(1, 6),
        "after": st.booleans(),
        "interrupt": st.booleans(),
        "batch_bytes": st.sampled_from([10, 60, 10_000]),
        "rows": st.none() | st.integers(1, 5),
        "at_once": st.none() | st.integers(1, 4),
        "limit": st.none() | st.integers(1, 8),
    }
)


@settings(max_examples=60, deadline=None)
@given(plan=PLAN, kind=st.sampled_from(["STREAM", "GLOBAL"]), runs=st.lists(RUN, max_size=4))
def test_exactly_once(tmp_path_factory: Any, plan: list[Any], kind: str, runs: list[Any]) -> None:
    db = tmp_path_factory.mktemp("once") / "out.db"
    catalog = configured(*NAMES)
    fine: dict[str, Any] = dict.fromkeys(("fail_after", "fail_at", "after", "interrupt", "limit", "rows", "at_once"))
    for run in [*runs, {**fine, "batch_bytes": 50}]:
        stop: BaseException = KeyboardInterrupt() if run["interrupt"] else SourceError("died")
        refuse: BaseException = KeyboardInterrupt() if run["interrupt"] else DestinationError("full")
        source = Resuming(plan, kind, run["fail_after"], stop)
        sink = Failing(db, run["fail_at"], bool(run["after"]), refuse)
        sink.batch_size = BatchSize(run["batch_bytes"], run["rows"])
        sink.engine.batch_size = BatchSize(rows=run["at_once"])  # type: ignore[misc]
        # a trial reads one stream at a time, and a GLOBAL source can't do that
        limit = run["limit"] if kind == "STREAM" else None
        with suppress(SourceError, DestinationError, KeyboardInterrupt):
            sync(OneByOne(source) if limit else source, catalog, sink, limit=limit)
    with closing(sqlite3.connect(db)) as connection:
        for name in NAMES:
            found = [row[0] for row in connection.execute(f"SELECT id FROM {name} ORDER BY id")]
            assert found == list(range(sum(count for stream, count, _ in plan if stream == name)))


class OneByOne:
    """Leaves out the streams that were not asked for."""

    name = "one by one"

    def __init__(self, source: Resuming) -> None:
        self.source = source

    def check(self) -> None: ...

    def discover(self) -> Catalog:
        return Catalog()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        wanted = {one.descriptor for one in catalog.streams}
        for message in self.source.read(catalog, state):
            of: StreamDescriptor | None = getattr(message, "stream", None)
            if of is None or of in wanted:
                yield message
