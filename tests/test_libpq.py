"""A login that fails has the server's SQLSTATE, in whatever language the server speaks, which says whose turn it is."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from headwater import libpq
from headwater.errors import ConfigError, DestinationError, TransientError
from headwater.sql.session import Address
from source_postgres import PostgresSource
from tests.bridge.databases import Database
from tests.bridge.landing import stream
from tests.services.postgres import Postgres
from tests.sql.sources import postgres_source

GERMAN = "Passwort-Authentifizierung"


@pytest.fixture(scope="module")
def german() -> Iterator[Postgres]:
    """A server that speaks German; ``writer`` needs a password, and only for some databases."""
    with Postgres(language="de") as server:
        server.sql("CREATE ROLE writer LOGIN PASSWORD 'right'")
        server.sql("CREATE ROLE one LOGIN PASSWORD 'right' CONNECTION LIMIT 0")
        server.sql("CREATE DATABASE closed")
        server.sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        server.hba(
            "host all postgres 127.0.0.1/32 trust\nhost postgres,closed,nowhere writer,one 127.0.0.1/32 scram-sha-256\n"
        )
        yield server


def refused(server: Postgres, case: str) -> str:
    """The URL of a login that this server refuses."""
    return {
        "28P01": server.url(user="writer", password="wr0ng"),
        "28000": server.url("template1", user="writer", password="right"),
        "3D000": server.url("nowhere", user="writer", password="right"),
        "42501": server.url("closed", user="writer", password="right"),
        "53300": server.url(user="one", password="right"),
    }[case]


@pytest.mark.parametrize("state", ["28P01", "28000", "3D000", "42501", "53300"])
def test_a_login_that_fails_has_the_servers_state(german: Postgres, state: str) -> None:
    with pytest.raises(psycopg.Error) as told:
        libpq.Connection.connect(refused(german, state))
    assert told.value.sqlstate == state
    # What it says is as psycopg has it: no state, no place in the server's code.
    with pytest.raises(psycopg.OperationalError) as plain:
        psycopg.connect(refused(german, state))
    assert str(told.value) == str(plain.value)


def test_a_host_of_several_addresses(german: Postgres) -> None:
    """psycopg tries them one by one, and makes one error of theirs."""
    with pytest.raises(psycopg.errors.InvalidPassword, match=GERMAN) as told:
        libpq.Connection.connect(
            host="127.0.0.1,127.0.0.1", port=f"1,{german.port}", dbname="postgres", user="writer", password="wr0ng"
        )
    assert "Connection refused" in str(told.value)


def test_a_password_that_is_wanted_and_not_given(german: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    with pytest.raises(psycopg.errors.InvalidPassword, match="no password supplied"):
        libpq.Connection.connect(german.url(user="writer"))


def test_what_fails_after_the_login_is_told_as_ever(german: Postgres) -> None:
    def told(connection: psycopg.Connection[Any]) -> str:
        with connection, pytest.raises(psycopg.errors.UndefinedTable) as failed:
            connection.execute("SELECT * FROM nothing")
        return str(failed.value)

    assert told(libpq.Connection.connect(german.url())) == told(psycopg.connect(german.url()))


def test_libpqs_own_failures_have_no_state() -> None:
    with pytest.raises(psycopg.OperationalError, match="refused") as told:
        libpq.Connection.connect("postgresql://a:b@127.0.0.1:1/x")
    assert told.value.sqlstate is None


@pytest.mark.parametrize(
    ("state", "todo"),
    [
        ("28P01", "Look at the user and the password"),
        ("28000", "look at the user, pg_hba.conf"),
        ("3D000", "Create the database"),
        ("42501", "Grant the user that right"),
        ("53300", "takes no more connections"),
    ],
)
def test_a_destination_whose_server_speaks_german(german: Postgres, state: str, todo: str) -> None:
    with pytest.raises(DestinationError, match=todo) as told:
        Database("postgres", refused(german, state)).land(stream(properties={"id": {"type": "integer"}}), {"id": 1})
    assert told.value.failure_type == ("system_error" if state == "53300" else "config_error")
    assert "wr0ng" not in str(told.value)


@pytest.mark.parametrize("state", ["28P01", "28000", "3D000", "42501", "53300"])
def test_a_source_whose_server_speaks_german(german: Postgres, state: str) -> None:
    for kind in (PostgresSource, Alchemical):
        with pytest.raises(TransientError if state == "53300" else ConfigError, match="FATAL") as told:
            postgres_source(refused(german, state), kind).check()
        assert "wr0ng" not in str(told.value)


def test_a_source_that_sqlalchemy_connects(german: Postgres) -> None:
    german.sql("CREATE TABLE numbers AS SELECT 1 AS id")
    assert [stream.name for stream in postgres_source(german.url(), Alchemical).discover().streams] == ["numbers"]


@contextmanager
def pooler(says: str) -> Iterator[str]:
    """The URL of what refuses every login as PgBouncer 1.18 does: whatever it is, the state is 08P01."""
    fields = b"".join(code + text.encode() + b"\0" for code, text in ((b"S", "FATAL"), (b"C", "08P01"), (b"M", says)))
    answer = b"E" + struct.pack(">I", len(fields) + 5) + fields + b"\0"

    class Refusing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while start := self.request.recv(4):
                (size,) = struct.unpack(">I", start)
                asked = self.request.recv(size - 4, socket.MSG_WAITALL)
                if asked[:4] == struct.pack(">I", 80877103):  # for TLS
                    self.request.sendall(b"N")
                else:
                    self.request.sendall(answer)
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"postgresql://writer:wr0ng@127.0.0.1:{server.server_address[1]}/some"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("says", "todo", "users"),
    [
        ("password authentication failed", "Look at the user and the password", True),
        ("no such database: some", "Create the database", True),
        ("server login has been failing", "", False),
    ],
)
def test_a_pooler_that_gives_one_state_to_all(says: str, todo: str, users: bool) -> None:
    with pooler(says) as url:
        with pytest.raises(DestinationError, match=rf"{says}\..*{todo}") as told:
            Database("postgres", url).land(stream(properties={"id": {"type": "integer"}}), {"id": 1})
        assert told.value.failure_type == ("config_error" if users else "system_error")
        with pytest.raises(ConfigError if users else TransientError, match=says):
            postgres_source(url).check()


class Alchemical(PostgresSource):
    """Gives SQLAlchemy's URL."""

    def url(self) -> URL:
        found = super().url()
        return found.for_sqlalchemy() if isinstance(found, Address) else found
