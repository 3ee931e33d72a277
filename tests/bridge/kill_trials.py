"""Syncs into SQLite that kill themselves at chosen moments: ``kill_trials.py FOLDER FIRST COUNT``.

Each trial forks twice; the child syncs, and ends itself with SIGKILL at a statement, within one (so many steps of
SQLite's machine) or between two messages of the source, as its seed says. Every fifth reads a connector in a process
of its own, and that is killed, too. Then a third sync runs to its end, and the rows are compared with the truth. It
writes how many were killed, by moment, and ends with 1 at a wrong row.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headwater.bridge import sync
from headwater.bridge.foreign import ForeignSource
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import HeadwaterError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Message, Records, State, Status, StreamDescriptor, StreamStatus

ROWS = 64
NAMES = ("a", "b")
MODES: tuple[Any, ...] = ("append", "append_dedup", "overwrite", "append")
MOMENTS = {"statement": 200, "steps": 60, "message": 30, "connector": 2 * ROWS}
"""About how many of each a sync has."""
CONNECTOR = Path(__file__).parent / "engines" / "trial_connector.py"
DEAD_CONNECTOR = 3


def row(number: int) -> bytes:
    """A record; some don't fit the schema, a few are none."""
    if number % 37 == 5:
        return b"{%d" % number
    made: dict[str, Any] = {"id": number, "v": "text" if number % 29 == 3 else number, "tags": [number, number + 1]}
    if number > ROWS // 2:
        made["late"] = {"x": number}
    return json.dumps(made).encode()


class Source:
    """Rows in pages of random length, with states now and then."""

    name = "numbers"

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def check(self) -> None: ...

    def discover(self) -> Catalog:
        return Catalog()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        at = dict.fromkeys(NAMES, 0)
        for one in state:
            assert one.stream is not None
            at[one.stream.name] = int((one.stream_state or {})["at"])
        while left := [name for name in NAMES if at[name] < ROWS]:
            name = self.random.choice(left)
            stream = StreamDescriptor(name)
            page = range(at[name], min(at[name] + self.random.randint(1, 20), ROWS))
            yield Records(stream, list(map(row, page)))
            at[name] = page.stop
            if self.random.random() < 0.4:
                yield State.of_stream(stream, {"at": page.stop})
        for name in NAMES:
            yield State.of_stream(StreamDescriptor(name), {"at": ROWS})
            yield StreamStatus(StreamDescriptor(name), Status.COMPLETE)


class Killing(SqliteSink):
    """Kills this process at the n-th moment of a kind."""

    moment = ""
    left = 0

    def reached(self, *_: object) -> None:
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(self) -> None:
        super().connect()
        connection: sqlite3.Connection = self.engine._open()  # type: ignore[attr-defined]
        if self.moment == "statement":
            connection.set_trace_callback(self.reached)
        elif self.moment == "steps":
            connection.set_progress_handler(self.reached, 300)


def catalog(mode: Any) -> ConfiguredCatalog:
    tags = {"type": "array", "items": {"type": "integer"}}
    schema = {"properties": {"id": {"type": "integer"}, "v": {"type": "integer"}, "tags": tags}}
    read: Any = "full_refresh" if mode == "overwrite" else "incremental"
    streams = (CatalogStream(name, schema, ("incremental", "full_refresh")) for name in NAMES)
    return ConfiguredCatalog(tuple(ConfiguredStream(s, read, mode, (), (("id",),)) for s in streams))


def foreign(seed: int) -> bool:
    """Whether a trial reads a connector in a process of its own."""
    return seed % 5 == 4


def good(seed: int) -> list[int]:
    """The numbers of the records that are some."""
    return [number for number in range(ROWS) if foreign(seed) or number % 37 != 5]


def run(path: Path, seed: int, attempt: int, moment: str) -> None:
    """One sync; in the child, where there is a moment to die at."""
    options = SqlOptions(refused="table", nested="tables" if seed % 4 != 3 else "json")
    sink = Killing(path, options=options)
    sink.moment = moment
    sink.left = random.Random(1000 * seed + attempt).randint(1, MOMENTS.get(moment, 1))
    source: Any = Source(1000 * seed + attempt)
    if foreign(seed):
        die_at = {"DIE_AT": str(sink.left)} if moment == "connector" else {}
        environment = {"SEED": str(1000 * seed + attempt), **die_at}
        runner = CommandRunner([sys.executable, "-I", "-S", str(CONNECTOR)], environment=environment, title="trial")
        source = ForeignSource({}, runner=runner)
    if moment == "message":
        source.read = _counted(source.read, sink.reached)
    sync(source, catalog(MODES[seed % 4]), sink, batch_bytes=600)


def _counted(read: Any, reached: Any) -> Any:
    def reading(*given: Any) -> Iterator[Message]:
        for message in read(*given):
            reached()
            yield message

    return reading


def check(path: Path, seed: int) -> None:
    """The rows are the truth, each exactly once, and nothing is left of the failed runs.

    :raises AssertionError: where they are not.
    """
    numbers = good(seed)
    with closing(sqlite3.connect(path)) as connection:

        def query(sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        for name in NAMES:
            found = query(f"SELECT id, v FROM {name} ORDER BY id")
            assert found == [(n, "text" if n % 29 == 3 else n) for n in numbers], (seed, name)
            refused = query(f"SELECT record FROM _headwater_refused WHERE stream = '{name}' ORDER BY record")
            assert [one for (one,) in refused] == sorted(row(n).decode() for n in range(ROWS) if n not in numbers), seed
            if seed % 4 != 3:
                joined = f"FROM {name} t JOIN {name}__tags c ON c._airbyte_parent_id = t._airbyte_raw_id"
                tags = query(f"SELECT t.id, c.value {joined} ORDER BY 1, 2")
                assert tags == [(n, m) for n in numbers for m in (n, n + 1)], (seed, name)
                assert query(f"SELECT count(*) FROM {name}__tags") == [(len(tags),)], (seed, name)
        assert query("SELECT * FROM _headwater_unsettled") == [], seed
        assert not query("SELECT name FROM sqlite_master WHERE name LIKE '%headwater_new%'"), seed


def readable(path: Path, seed: int) -> None:
    """The rows that an overwrite has not replaced yet are there.

    :raises AssertionError: where they are not.
    """
    with closing(sqlite3.connect(path)) as connection:
        for name in NAMES:
            found = connection.execute(f"SELECT id FROM {name} ORDER BY id").fetchall()
            assert found == [(n,) for n in good(seed)], (seed, name)


def main() -> None:
    """The command line."""
    logging.disable(logging.ERROR)  # of refused records, and of connectors that died
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    killed: Counter[str] = Counter()
    for seed in range(first, first + count):
        path = folder / f"{seed}.db"
        overwrite = MODES[seed % 4] == "overwrite"
        if overwrite:  # the old rows, which must be there whatever happens
            run(path, seed, 3, "")
        for attempt in range(2):
            moments = [moment for moment in MOMENTS if foreign(seed) or moment != "connector"]
            moment = random.Random(seed * 7 + attempt).choice(moments)
            child = os.fork()
            if child == 0:
                code = 0
                try:
                    run(path, seed, attempt, moment)
                except HeadwaterError:
                    code = DEAD_CONNECTOR if moment == "connector" else 1
                os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code in (0, DEAD_CONNECTOR if moment == "connector" else -signal.SIGKILL), (moment, code)
            killed[moment] += code != 0
            if overwrite:
                readable(path, seed)
        run(path, seed, 2, "")
        check(path, seed)
    print(json.dumps(killed))


if __name__ == "__main__":
    main()
