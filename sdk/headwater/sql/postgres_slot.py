"""A replication slot of PostgreSQL: what was changed since, in the order of commits.

The slot is read by SQL functions over an ordinary connection. Peeking moves nothing: the slot is moved on at the next
read, to what the stored state says, so the server keeps each change until its record was stored.
"""

from __future__ import annotations

import logging
import secrets
import struct
import time
from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, TransientError
from headwater.protocol.messages import StreamDescriptor
from headwater.sql.copying import copied
from headwater.sql.pgoutput import Message, lsn_of, lsn_text, parse
from headwater.sql.postgres import Postgres
from headwater.sql.snapshot import Snapshot
from headwater.waiting import pause

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("headwater")

_PEEK = """COPY (SELECT data FROM pg_logical_slot_peek_binary_changes({slot}, {upto}::pg_lsn, NULL,
'proto_version', '1', 'publication_names', {names})) TO STDOUT (FORMAT binary)"""


_PUBLISHED = """
SELECT schemaname, tablename, EXISTS (
  SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indrelid = c.oid
  WHERE n.nspname = p.schemaname AND c.relname = p.tablename AND c.relreplident = 'i' AND i.indisreplident
  AND NOT i.indisprimary
) FROM pg_publication_tables p WHERE pubname = {publication}
"""
_PATIENCE = 60.0
"""Seconds to wait for somebody else who reads the slot."""
_STEP = 64
"""Messages that are taken at once."""
_SIZE = struct.Struct(">i").unpack_from


class Slot:
    """A slot and a publication.

    :param name: the slot's.
    :param publication: which tables' changes are told.
    """

    def __init__(self, database: Postgres, name: str, publication: str) -> None:
        self.database = database
        self.name = name
        self.publication = publication

    def check(self, connection: Connection) -> frozenset[StreamDescriptor]:
        """The tables that are published, and of whose rows the log tells the primary key.

        :raises ConfigError: when the server, the user, the slot or the publication is not ready.
        """
        ask, literal = self.database.value, self.database.literal
        level = ask(connection, "SHOW wal_level")
        if level != "logical":
            raise ConfigError(f"Change data capture needs the server's wal_level to be logical; it is {level}.")
        if not ask(connection, "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user"):
            user = self.database.user(connection)
            raise ConfigError(
                f"The user lacks REPLICATION, without which no slot is read: ALTER ROLE {user} REPLICATION."
            )
        plugin = ask(connection, f"SELECT plugin FROM pg_replication_slots WHERE slot_name = {literal(self.name)}"
                     " AND database = current_database()")  # fmt: skip
        if plugin != "pgoutput":
            what = f"is one of the plugin {plugin}" if plugin else "is not there"
            raise ConfigError(
                f"The replication slot {self.name!r} {what}. Make it: "
                f"SELECT pg_create_logical_replication_slot({literal(self.name)}, 'pgoutput')."
            )
        if not ask(connection, f"SELECT 1 FROM pg_publication WHERE pubname = {literal(self.publication)}"):
            raise ConfigError(
                f"There is no publication {self.publication!r}. Make it: CREATE PUBLICATION ... FOR TABLE ..."
            )
        rows = list(connection.exec_driver_sql(_PUBLISHED.format(publication=literal(self.publication))))
        for schema, name, _ in filter(itemgetter(2), rows):
            log.warning(
                "Table %s.%s is read whole: the log tells rows that are gone by another index than its primary key. "
                "ALTER TABLE ... REPLICA IDENTITY DEFAULT, or FULL, mends that.", schema, name,
            )  # fmt: skip
        return frozenset(
            StreamDescriptor(str(name), str(schema)) for schema, name, by_another in rows if not by_another
        )

    def advance(self, connection: Connection, lsn: int) -> None:
        """Let the server forget what was committed before.

        :raises ConfigError: when it has forgotten more than that already.
        """
        known = self.database.value(
            connection,
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots"
            f" WHERE slot_name = {self.database.literal(self.name)}",
        )
        if known is not None and lsn_of(known) > lsn:
            raise ConfigError(
                f"state: it ends at {lsn_text(lsn)}, and the replication slot {self.name!r} begins at {known}: what "
                "was changed in between is lost. Clear the streams' states, so that they are read anew."
            )
        if known is not None and lsn_of(known) < lsn:
            self._take_turns(connection)
            target = f"{self.database.literal(lsn_text(lsn))}::pg_lsn"
            self.database.value(
                connection, f"SELECT pg_replication_slot_advance({self.database.literal(self.name)}, {target})::text"
            )

    def _take_turns(self, connection: Connection) -> None:
        """Wait until nobody else reads the slot: the connection of a connector that was killed ends when the server
        sees that, and not before.

        :raises TransientError: when somebody still does after a minute.
        """
        query = f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = {self.database.literal(self.name)}"
        until, told = time.monotonic() + _PATIENCE, False
        while (process := self.database.value(connection, query)) is not None:
            who = f"The replication slot {self.name!r} is read by process {process} of the server"
            if time.monotonic() > until:
                raise TransientError(f"{who}. Let only one connector at a time read a slot.")
            if not told:
                log.warning("%s, which is waited for.", who)
            told = True
            pause(0.1)

    def now(self, connection: Connection) -> int:
        """The end of the log."""
        return lsn_of(str(self.database.value(connection, "SELECT pg_current_wal_flush_lsn()::text")))

    def messages(self, connection: Connection, upto: int) -> Iterator[Message]:
        """What was committed since the slot was moved on, up to a place in the log. A large transaction waits on the
        server's disk, and comes row by row."""
        self._take_turns(connection)
        literal = self.database.literal
        publication = '"' + self.publication.replace('"', '""') + '"'
        query = _PEEK.format(slot=literal(self.name), upto=literal(lsn_text(upto)), names=literal(publication))
        driver = self.database.driver(connection)
        with self.database.bytes_as_they_are(connection), driver.cursor() as cursor, cursor.copy(query.encode()):
            for data in _values(copied(driver, _STEP)):
                message = parse(data)
                if message is not None:
                    yield message


def _values(steps: Iterator[bytes]) -> Iterator[bytes]:
    """The values of a COPY of one column in the binary format, without nulls.

    https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
    """
    rest, at = b"", 19  # what stands before the first row
    for step in steps:
        data = rest + step if rest else step
        end = len(data)
        while end - at >= 6:
            begin = at + 6
            after = begin + _SIZE(data, at + 2)[0]
            if after > end:
                break
            yield data[begin:after]
            at = after
        rest, at = (data[at:], 0) if at <= end else (data, at)


class SlotSnapshot(Snapshot):
    """The point in time at which a slot of its own begins: whatever is committed later is told by slots, and nothing
    that is seen here.

    :ivar lsn: that place in the log; set with the first connection.
    """

    def __init__(self, database: Postgres) -> None:
        super().__init__(database)
        self.lsn = 0

    def _held(self) -> tuple[Any, str | None]:
        from headwater import libpq

        database = self.database
        assert isinstance(database, Postgres)
        holder = None
        try:
            holder = libpq.Connection.connect(**database.driver_arguments(), replication="database", autocommit=True)
            cursor = holder.cursor()
            name = f"headwater_{secrets.token_hex(8)}"
            cursor.execute(f"CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT".encode())
            found = cursor.fetchone()
        except Exception as error:
            if holder is not None:
                holder.close()
            raise database.failure(error, "to make a temporary replication slot for the first read") from error
        assert found is not None
        self.lsn = lsn_of(found[1])
        return holder, str(found[2])
