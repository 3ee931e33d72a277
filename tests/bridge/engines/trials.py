"""Syncs that something kills at a moment that a seed chooses: ``trials.py KIND FOLDER FIRST COUNT``.

Killed are this process (before or after a statement, or at any instant), the connector (at a line of its output),
and PostgreSQL's server (at any instant: crashed by ``pg_ctl stop -m immediate``, or all its processes by SIGKILL).
Each trial is killed twice; a third sync runs to its end, and the rows must be the truth. It writes how often who was
killed, and ends with 1 at a wrong row. Every sync is a fork of this process, which has imported everything.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headwater.bridge import sync
from headwater.bridge.foreign import ForeignSource
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sink import BatchSize
from headwater.errors import HeadwaterError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from tests.bridge.databases import Database
from tests.bridge.engines.trial_connector import NAMES, ROWS
from tests.services.postgres import Postgres

CONNECTOR = Path(__file__).with_name("trial_connector.py")
MODES: tuple[Any, ...] = ("append", "append_dedup", "overwrite", "append")
WHO = {
    "duckdb": ("statement", "statement", "instant", "instant", "connector"),
    "postgres": ("statement", "statement", "instant", "crash", "server", "connector"),
}
AT_ANY_INSTANT = ("instant", "crash", "server")
STATEMENTS = {"duckdb": 260, "postgres": 150}
"""About how many moments before and after one a sync has."""
LINES = 2 * ROWS
FAILED = 3


def catalog(mode: Any) -> ConfiguredCatalog:
    tags = {"type": "array", "items": {"type": "integer"}}
    schema = {"properties": {"id": {"type": "integer"}, "v": {"type": "integer"}, "tags": tags}}
    read: Any = "full_refresh" if mode == "overwrite" else "incremental"
    streams = (CatalogStream(name, schema, ("incremental", "full_refresh")) for name in NAMES)
    return ConfiguredCatalog(tuple(ConfiguredStream(s, read, mode, (), (("id",),)) for s in streams))


def run(db: Database, seed: int, attempt: int, who: str) -> None:
    """One sync."""
    chance = random.Random(1000 * seed + attempt)
    environment = {"SEED": str(1000 * seed + attempt)}
    if who == "connector":
        environment["DIE_AT"] = str(chance.randint(1, LINES * 3 // 4))
    runner = CommandRunner([sys.executable, "-I", "-S", str(CONNECTOR)], environment=environment, title="trial")
    sink = db.sink(refused="table", nested="tables" if seed % 4 != 3 else "json")
    if who == "statement":
        _die_at(sink.engine, chance.randint(1, STATEMENTS[db.kind]))
    sink.batch_size = BatchSize(600, 4 if seed % 3 == 1 else None)
    sink.engine.batch_size = BatchSize(rows=3 if seed % 3 else None)  # type: ignore[misc]
    sync(ForeignSource({}, runner=runner), catalog(MODES[seed % 4]), sink)


def _die_at(engine: Any, number: int) -> None:
    """Let this process die before or after the n-th statement."""
    left = [number]

    def counted(work: Any) -> Any:
        def working(*given: Any) -> Any:
            for before in (True, False):
                left[0] -= 1
                if left[0] <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                if before:
                    found = work(*given)
            return found

        return working

    engine.rows, engine.load = counted(engine.rows), counted(engine.load)


def child(db: Database, seed: int, attempt: int, who: str) -> int:
    """A sync in a process of its own: its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 0
    try:
        run(db, seed, attempt, who)
    except HeadwaterError as error:
        code = FAILED
        if who in ("", "statement", "instant"):
            traceback.print_exception(error)
    except BaseException as error:
        traceback.print_exception(error)
        code = 9
    os._exit(code)


def killed(db: Database, server: Postgres | None, seed: int, attempt: int, longest: float) -> str:
    """A sync that is killed, maybe; who was."""
    who = random.Random(seed * 7 + attempt).choice(WHO[db.kind])
    pid = child(db, seed, attempt, who)
    if who in AT_ANY_INSTANT:
        time.sleep(random.Random(seed * 11 + attempt).uniform(0, longest))
    if who == "instant":
        os.kill(pid, signal.SIGKILL)
    elif who in ("crash", "server"):
        assert server is not None
        server.stop("immediate") if who == "crash" else server.kill()
    _, status = os.waitpid(pid, 0)
    if who in ("crash", "server"):
        assert server is not None
        server.start()
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, FAILED if who in ("crash", "server", "connector") else -signal.SIGKILL), (who, code)
    return who if code else "nobody"


def check(db: Database, seed: int) -> None:
    """The rows are the truth, each exactly once, and nothing is left of the failed runs.

    :raises AssertionError: where they are not.
    """
    schema = "" if db.kind == "duckdb" else f"t{seed}."
    for name in NAMES:
        found = db.query(f"SELECT id, v FROM {schema}{name} ORDER BY id")
        assert found == [(n, "text" if n % 29 == 3 else str(n)) for n in range(ROWS)], (seed, name, found)
        if seed % 4 != 3:
            child_table = f"{schema}{name}__tags"
            joined = f"FROM {schema}{name} t JOIN {child_table} c ON c._airbyte_parent_id = t._airbyte_raw_id"
            tags = db.query(f"SELECT t.id, c.value {joined} ORDER BY 1, 2")
            assert tags == [(n, m) for n in range(ROWS) for m in (n, n + 1)], (seed, name)
            assert db.query(f"SELECT count(*) FROM {child_table}") == [(len(tags),)], (seed, name)
    assert db.query(f"SELECT * FROM {schema}_headwater_unsettled") == [], seed
    assert not db.query("SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%headwater_new%'")
    states = db.query(f"SELECT flow, type, stream, state FROM {schema}_headwater_state ORDER BY stream")
    assert [(flow, kind, name) for flow, kind, name, _ in states] == [("default", "STREAM", name) for name in NAMES]
    assert {json.loads(state)["stream"]["stream_state"]["at"] for *_, state in states} == {ROWS}


def finished(db: Database, seed: int) -> float:
    """A sync that nobody kills; how many seconds it took."""
    began = time.monotonic()
    _, status = os.waitpid(child(db, seed, 2, ""), 0)
    assert status == 0, f"the last sync of trial {seed} failed"
    return time.monotonic() - began


def checked(db: Database, seed: int) -> None:
    """:func:`check` in a process of its own: DuckDB's threads must not be in one that forks."""
    pid = os.fork()
    if pid == 0:
        try:
            check(db, seed)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, f"trial {seed}: wrong rows"


def main() -> None:
    """The command line."""
    logging.disable(logging.ERROR)  # of refused records, and connectors that die
    kind, folder, first, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if find_spec("pandas") is None:
        sys.modules["pandas"] = None  # type: ignore[assignment]  # DuckDB looks for it at each parameter
    dead: Counter[str] = Counter()
    # A server that is killed has its syncs to disk; nothing else would be lost without.
    with Postgres({"fsync": "on"}) if kind == "postgres" else nullcontext() as server:

        def database(seed: int) -> Database:
            file = f"duckdb:///{folder / f'{seed}.db'}"
            return Database(kind, file if server is None else f"{server.url()}?schema=t{seed}")

        shortest = finished(database(-1), 0)
        for seed in range(first, first + count):
            db = database(seed)
            for attempt in range(2):
                dead[killed(db, server, seed, attempt, shortest)] += 1
            shortest = min(shortest, finished(db, seed) * 2)
            checked(Database(kind, db.url.partition("?")[0]), seed)
    print(json.dumps(dead))


if __name__ == "__main__":
    main()
