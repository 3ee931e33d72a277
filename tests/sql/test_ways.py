"""The ways to a server: TLS and its modes, and a tunnel through a real SSH server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, TransientError
from headwater.testing import read
from source_postgres import PostgresSource
from tests.connectors.process import ROOT, environment
from tests.services.postgres import Postgres
from tests.services.sshd import Sshd
from tests.sql.sources import config_of, postgres_source, rows_of

PASSWORD = "p@ss:w/rd % ä"


@pytest.fixture(scope="module")
def secure() -> Iterator[Postgres]:
    with Postgres(tls=True) as server:
        server.sql(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        server.sql("CREATE TABLE t (id integer PRIMARY KEY)")
        server.sql("INSERT INTO t VALUES (1), (2)")
        server.sql("GRANT SELECT ON t TO reader")
        trust = "host all postgres 127.0.0.1/32 trust\n"
        server.hba(trust + "hostssl all reader 127.0.0.1/32 scram-sha-256\n")
        yield server


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with Sshd() as server:
        yield server


def source(server: Postgres, **settings: Any) -> PostgresSource:
    return postgres_source(server.url(user="reader", password=PASSWORD), **settings)


def ids(server: Postgres, **settings: Any) -> list[int]:
    return [row["id"] for row in rows_of(read(source(server, **settings)), "t")]


@pytest.mark.parametrize("mode", [None, "allow", "prefer", "require"])
def test_modes_that_trust_whoever_answers(secure: Postgres, mode: str | None) -> None:
    assert ids(secure, **({"ssl_mode": {"mode": mode}} if mode else {})) == [1, 2]


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_modes_that_look_at_the_certificate(secure: Postgres, mode: str) -> None:
    assert ids(secure, ssl_mode={"mode": mode, "ca_certificate": secure.authority.read_text()}) == [1, 2]


def test_a_certificate_of_another_authority_is_refused(secure: Postgres, sshd: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    made = ["-keyout", str(tmp_path / "k"), "-out", str(other), "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made], check=True, capture_output=True)
    with pytest.raises(ConfigError, match=r"certificate"):
        source(secure, ssl_mode={"mode": "verify-ca", "ca_certificate": other.read_text()}).check()


def test_verify_full_wants_the_name_of_the_host(secure: Postgres) -> None:
    ssl = {"mode": "verify-full", "ca_certificate": secure.authority.read_text()}
    with pytest.raises(ConfigError, match=r"localhost"):
        source(secure, host="localhost", ssl_mode=ssl).check()
    assert ids(secure, host="localhost", ssl_mode={**ssl, "mode": "verify-ca"}) == [1, 2]


def test_a_server_that_wants_tls_refuses_without(secure: Postgres) -> None:
    with pytest.raises(ConfigError, match=r"no encryption"):
        source(secure, ssl_mode={"mode": "disable"}).check()


def test_a_wrong_password_is_the_users_turn_and_is_not_told(secure: Postgres) -> None:
    with pytest.raises(ConfigError, match=r"password authentication failed") as told:
        postgres_source(secure.url(user="reader", password="wr0ng")).check()
    assert "wr0ng" not in str(told.value)


def test_a_server_that_is_not_there_may_be_there_later() -> None:
    with pytest.raises(TransientError, match=r"127.0.0.1:1/x"):
        postgres_source("postgresql://a:b@127.0.0.1:1/x").check()


def test_a_database_that_is_not_there(secure: Postgres) -> None:
    with pytest.raises(ConfigError, match='database "nowhere" does not exist'):
        source(secure, database="nowhere").check()


def through(sshd: Sshd, **settings: Any) -> dict[str, Any]:
    common = {"tunnel_host": "127.0.0.1", "tunnel_port": sshd.port, "tunnel_user": sshd.user}
    return {"tunnel_method": {**common, **settings}}


def by_key(sshd: Sshd, **settings: Any) -> dict[str, Any]:
    return through(sshd, tunnel_method="SSH_KEY_AUTH", ssh_key=sshd.key, **settings)


def by_password(sshd: Sshd, **settings: Any) -> dict[str, Any]:
    given = {"tunnel_user_password": sshd.password, **settings}
    return through(sshd, tunnel_method="SSH_PASSWORD_AUTH", **given)


def test_a_tunnel_with_a_key(secure: Postgres, sshd: Sshd) -> None:
    before = sshd.log().count("Accepted publickey")
    assert ids(secure, **by_key(sshd, tunnel_host_key=sshd.host_key)) == [1, 2]
    assert sshd.log().count("Accepted publickey") > before


def test_a_tunnel_with_a_password_and_tls_to_the_servers_own_name(secure: Postgres, sshd: Sshd) -> None:
    ssl = {"mode": "verify-full", "ca_certificate": secure.authority.read_text()}
    assert ids(secure, ssl_mode=ssl, **by_password(sshd)) == [1, 2]
    with pytest.raises(ConfigError, match=r"localhost"):
        source(secure, host="localhost", ssl_mode=ssl, **by_password(sshd)).check()


def test_who_is_refused_by_the_ssh_server_is_told(secure: Postgres, sshd: Sshd) -> None:
    with pytest.raises(ConfigError, match=r"tunnel_method.*Permission denied") as told:
        source(secure, **by_password(sshd, tunnel_user_password="wr0ng")).check()
    assert "wr0ng" not in str(told.value)
    with pytest.raises(ConfigError, match=r"tunnel_method.*Permission denied"):
        source(secure, **by_key(sshd, tunnel_user="ghost")).check()


def test_another_host_key_is_another_server(secure: Postgres, sshd: Sshd) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx1ZGljcm91c2x1ZGljcm91c2x1ZGljcm91c2x1ZGlj"
    with pytest.raises(ConfigError, match=r"Host key verification failed"):
        source(secure, **by_key(sshd, tunnel_host_key=other)).check()


def test_an_ssh_server_that_is_not_there(secure: Postgres, sshd: Sshd) -> None:
    with pytest.raises(TransientError, match=r"127.0.0.1:1 gives no tunnel"):
        source(secure, **by_key(sshd, tunnel_port=1)).check()


def test_a_host_that_looks_like_an_option_is_no_option(tmp_path: Path) -> None:
    """Some of ssh's options run programs, and the config may be somebody else's."""
    ran = tmp_path / "ran"
    tunnel = {"tunnel_method": "SSH_KEY_AUTH", "tunnel_host": f"-oProxyCommand=touch {ran}", "tunnel_user": "jump",
              "ssh_key": "none"}  # fmt: skip
    with pytest.raises(ConfigError, match=r"`tunnel_method`.*invalid characters"):
        postgres_source("postgresql://reader@127.0.0.1:1/shop", tunnel_method=tunnel).check()
    assert not ran.exists()


def test_a_tunnel_leaves_no_file_and_no_process(secure: Postgres, sshd: Sshd, tmp_path: Path) -> None:
    one = source(secure, **by_key(sshd))
    with one.connection():
        tunnel = one.tunnel()
        assert tunnel is not None and tunnel._process is not None
        folder, process = tunnel._private._path, tunnel._process.pid
        assert oct((folder / "key").stat().st_mode)[-3:] == "600" and oct(folder.stat().st_mode)[-3:] == "700"
    one.close()
    assert not folder.exists()
    assert not Path(f"/proc/{process}").exists()


def test_a_tunnel_ends_with_a_process_that_is_killed(secure: Postgres, sshd: Sshd) -> None:
    code = (
        "import json, sys, time; from source_postgres import PostgresSource\n"
        "source = PostgresSource.from_config(json.load(sys.stdin)); source.snapshot()._taken()\n"
        "print(source.tunnel()._process.pid, flush=True); time.sleep(600)"
    )
    import json

    config = json.dumps({**config_of(secure.url(user="reader", password=PASSWORD)), **by_key(sshd)}).encode()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=ROOT
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(config)
        process.stdin.close()
        ssh = int(process.stdout.readline())
        assert _is_running(ssh)
        process.send_signal(signal.SIGKILL)
        process.wait()
        until = time.monotonic() + 60
        while _is_running(ssh):
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
