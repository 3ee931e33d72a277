"""Change data capture whose connector, and whose server, are killed at any moment: no change is lost, those of a key
come in their order, and the table is the same in the end.

A stand-in for a host stores the last STATE of what came in whole lines, as one that is killed with the connector would.
``HEADWATER_TRIALS=100`` kills that many times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.connectors.process import Toy
from tests.services.postgres import Postgres
from tests.sql.sources import config_of

TRIALS = int(os.environ.get("HEADWATER_TRIALS", "10"))
_TABLES = """
CREATE TABLE kept (id int PRIMARY KEY, version int, pad text);
CREATE TABLE history (at serial, id int, version int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO history (id, version) VALUES (NEW.id, NEW.version); RETURN NEW; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO kept SELECT g, 1, repeat('x', 500) FROM generate_series(1, 2000) g;
CREATE PUBLICATION pub FOR TABLE kept;
"""
# Transactions of every size; versions of a key only ascend, also over a row that is deleted and comes again.
_BURST = """
DO $$ DECLARE number int; BEGIN
PERFORM setseed({seed});
FOR number IN 1..250 LOOP
  UPDATE kept SET version = version + 1 WHERE id % 2000 = (random() * 2000)::int;
  UPDATE kept SET version = version + 1 WHERE id BETWEEN number * 8 AND number * 8 + (random() * 12)::int;
  DELETE FROM kept WHERE id = (random() * 2000)::int;
  INSERT INTO kept SELECT id, max(version) + 1, repeat('y', 500) FROM history
    WHERE id = (SELECT (random() * 2000)::int) GROUP BY 1 ON CONFLICT DO NOTHING;
  COMMIT;
END LOOP;
UPDATE kept SET version = version + 1 WHERE id < 800;
END $$
"""


class Host:
    """What stores records and states.

    :ivar rows: the table as it has come.
    :ivar seen: every version of every key.
    :ivar state: the last one.
    """

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.seen: set[tuple[int, int]] = set()
        self.state: Any = None

    def store(self, output: bytes) -> None:
        """Take the whole lines of one process."""
        last: dict[int, int] = {}
        for line in output[: output.rfind(b"\n") + 1].split(b"\n")[:-1]:
            message = json.loads(line)
            if message["type"] == "STATE":
                self.state = [message["state"]]
            if message["type"] != "RECORD":
                continue
            row = message["record"]["data"]
            key, lsn = row["id"], row["_ab_cdc_lsn"]
            assert last.get(key, 0) <= lsn, "an older change came after a newer one"
            last[key] = lsn
            if row["_ab_cdc_deleted_at"]:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row["version"]
                self.seen.add((key, row["version"]))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    settings = {"wal_level": "logical", "max_replication_slots": "20", "max_wal_senders": "20"}
    with Postgres(settings) as server:
        server.sql(_TABLES)
        server.sql("CREATE INDEX ON history (id)")
        server.sql("SELECT pg_create_logical_replication_slot('slot', 'pgoutput')")
        yield server


def burst(server: Postgres, seed: int) -> None:
    """Many transactions; those that come to their end before the server does."""
    with suppress(psycopg.OperationalError):
        server.sql(_BURST.format(seed=seed % 1000 / 1000))


@pytest.mark.timeout(900 + 30 * TRIALS)
def test_no_change_is_lost_whoever_is_killed(server: Postgres, tmp_path: Path) -> None:
    toy = Toy(tmp_path, [str(Path(sys.executable).with_name("source-postgres"))])
    method = {"method": "CDC", "replication_slot": "slot", "publication": "pub"}
    toy.config = config_of(server.url(), tables=["kept"], replication_method=method)
    stream = {
        "name": "kept", "namespace": "public", "json_schema": {},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_primary_key": [["id"]], "is_resumable": True, "source_defined_cursor": True,
    }  # fmt: skip
    host = Host()
    due_from = 0
    killed = 0
    for seed in range(TRIALS):
        rng = random.Random(seed)
        burst(server, seed)
        began_with = host.state
        meanwhile = threading.Thread(target=burst, args=(server, seed + 500))
        meanwhile.start()
        with toy.start("read", {"stream": stream}, state=host.state) as process:  # type: ignore[arg-type]
            limit = rng.randrange(1, 3_000_000)
            if seed % 4 < 3:
                killed += process.hold(limit)
            else:  # in the middle of whatever it does, or at its end
                while len(process.stdout) < limit and process.popen.poll() is None:
                    time.sleep(0.001)
                killed += process.popen.poll() is None
            if seed % 3 == 2:
                server.restart("immediate")
            else:
                process.signal(signal.SIGKILL)
            run = process.end()
        meanwhile.join()
        host.store(run.stdout)
        if began_with is None and host.state is not None:  # whatever is committed from now on is in the log
            due_from = server.sql("SELECT max(at) FROM history")[0][0]
    for _ in range(2):
        last = toy.run("read", {"stream": stream}, state=host.state)
        assert last.code == 0, last.stdout[-2000:]
        host.store(last.stdout)
    assert host.rows == dict(server.sql("SELECT id, version FROM kept"))
    due = set(server.sql(f"SELECT id, version FROM history WHERE at > {due_from}"))
    assert len(due) > 1000 * TRIALS
    assert due - host.seen == set()
    assert killed > TRIALS // 2, "hardly anybody was killed: the test proves nothing"
    print(f"{TRIALS} trials, {killed} killed, {len(due):,} changes")
