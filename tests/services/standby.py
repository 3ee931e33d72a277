"""A server of PostgreSQL that follows another one and answers queries meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from tests.services.postgres import Postgres, run_program, wait_until


class Standby(Postgres):
    """The server.

    :param primary: the one that it follows.
    :param settings: of postgresql.conf.
    """

    def __init__(self, primary: Postgres, settings: Mapping[str, str] | None = None) -> None:
        where = f"host=127.0.0.1 port={primary.port} user=postgres"
        super().__init__({**primary.settings, **(settings or {}), "primary_conninfo": where})
        self._primary = primary

    def fill(self) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres", "-D", str(self.data)]
        done = run_program("pg_basebackup", *where, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
        if done.returncode:
            raise RuntimeError(f"pg_basebackup failed: {done.stderr.decode()}")

    def receive(self) -> None:
        """Wait until it was told all that the other one has now. It may yet wait for its own queries to do it."""
        place = self._primary.sql("SELECT pg_current_wal_flush_lsn()::text")[0][0]
        wait_until(lambda: self.sql(f"SELECT pg_last_wal_receive_lsn() >= '{place}'") == [(True,)])
