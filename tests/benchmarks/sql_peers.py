"""Who else reads databases, in an environment of their own below .venv-peers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .process import ROOT, Failed

_ROOM = ROOT / ".venv-peers" / "sql"
_PACKAGES = (
    "dlt[sql_database]>=1.4,<2",
    "psycopg2-binary>=2.9,<3",
    "PyMySQL>=1.1,<2",
    "meltanolabs-tap-postgres>=0.10,<1",
)


@dataclass(frozen=True)
class Reader:
    """Who reads what.

    :ivar least: how many times its rows per CPU second Headwater's are due to be; None: nobody says.
    """

    database: str
    name: str
    command: tuple[str, ...]
    least: float | None = None


def peers(where: dict[str, str], folder: Path) -> list[Reader]:
    """The peers.

    :param where: the databases by name.
    :param folder: for their files.
    :raises Failed: when one can't be installed, or does not find the table.
    """
    python = _room()
    drivers = {"postgres": "postgresql+psycopg2", "mysql": "mysql+pymysql"}
    urls = {name: f"{drivers[name]}:{at.partition(':')[2]}" if name in drivers else f"sqlite:///{at}"
            for name, at in where.items() if name != "log"}  # fmt: skip
    dlt, singer = (str(Path(__file__).with_name(name)) for name in ("sql_dlt.py", "sql_singer.py"))
    found = []
    for name, url in urls.items():
        due = 10.0 if name == "postgres" else 5.0
        found.append(Reader(name, "dlt, extract", (str(python), dlt, url, "extract"), due))
        found.append(Reader(name, "dlt, rows counted", (str(python), dlt, url, "count"), due))
        if name != "postgres":
            tap = _tap(name, (str(python), singer), {"sqlalchemy_url": url}, folder)
            found.append(Reader(name, "singer-sdk", tap, due))
    if "postgres" in where:
        parts = urlsplit(where["postgres"])
        known = {"user": parts.username, "password": "x", "database": "postgres", "filter_schemas": ["public"]}
        config = {"host": parts.hostname, "port": parts.port, **known}
        tap = _tap("postgres", (str(python.with_name("tap-postgres")),), config, folder)
        found.append(Reader("postgres", "meltanolabs tap-postgres", tap, 25.0))
    if "log" in where:
        found += _log(where["log"].partition("#")[0], python, folder)
    return found


def _log(url: str, python: Path, folder: Path) -> list[Reader]:
    """Who reads the log of changes; the tap only where the server has wal2json."""
    script = str(Path(__file__).with_name("sql_log.py"))
    found = [Reader("log", "psycopg2, pgoutput by hand", (str(python), script, "loop", url))]
    parts = urlsplit(url)
    known = {"user": parts.username, "password": "x", "database": "postgres", "filter_schemas": ["public"]}
    config = {"host": parts.hostname, "port": parts.port, "replication_idle_exit_seconds": 2, **known}
    if "tap" in _slots(url):
        tap = str(python.with_name("tap-postgres"))
        command = _tap("log", (tap,), config, folder, method="LOG_BASED")
        command = (tap, *command[3:])  # its config names the slot
        file = str(folder / "tap-log-config.json")
        found.append(
            Reader("log", "meltanolabs tap-postgres, wal2json", (str(python), script, "tap", url, file, *command))
        )
    return found


def _slots(url: str) -> set[str]:
    import psycopg

    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT slot_name FROM pg_replication_slots")}


def _tap(
    name: str, command: tuple[str, ...], config: dict[str, Any], folder: Path, method: str = "FULL_TABLE"
) -> tuple[str, ...]:
    """The command line of a Singer tap that reads the table."""
    files = {kind: folder / f"tap-{name}-{kind}.json" for kind in ("config", "catalog")}
    files["config"].write_text(json.dumps(config))
    told = (*command, "--config", str(files["config"]))
    made = subprocess.run([*told, "--discover"], capture_output=True, check=False)
    if made.returncode:
        raise Failed(f"{command[-1]}: {made.stderr[-600:].decode(errors='replace')}")
    streams = [stream for stream in json.loads(made.stdout)["streams"] if stream["table_name"] == "bench"]
    for stream in streams:
        stream["replication_method"] = method
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    files["catalog"].write_text(json.dumps({"streams": streams}))
    return (*told, "--catalog", str(files["catalog"]))


def _room() -> Path:
    """The peers' Python, in an environment which is made when it is not there."""
    python = _ROOM / "bin" / "python"
    if python.exists():
        return python
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise Failed("uv is needed to install the peers.")
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, str(_ROOM)],
        [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *_PACKAGES],
    ):
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if made.returncode:
            shutil.rmtree(_ROOM, ignore_errors=True)
            raise Failed(f"The peers can't be installed: {made.stderr.strip()[-600:]}")
    return python
