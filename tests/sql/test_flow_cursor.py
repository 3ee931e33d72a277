"""A cursor and a key that a flow names: what is read by them, and what is wrong in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headwater import cli
from headwater.bridge.vdk.definitions import StreamDefinition
from headwater.bridge.vdk.selection import Selection
from headwater.errors import FlowError
from source_sqlite import SqliteSource

FLOW = """
[sources.shop]
name = "sqlite"
config = { path = "shop.db" }
[destinations.db]
target = "sqlite:///copy.db"
[[flows]]
from = "shop"
to = "db"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, updated_at DATETIME, note TEXT DEFAULT 'old')")
        db.execute("INSERT INTO orders (id, updated_at) VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 00:00:00')")
    return tmp_path


@pytest.mark.parametrize(
    ("said", "is_read_again"),
    [
        ('cursor_field = "updated_at"', False),
        ('cursor_field = "updated_at"\nsync_mode = "full_refresh"', True),
        ("", True),
    ],
)
def test_in_a_flow_file(shop: Path, said: str, is_read_again: bool) -> None:
    """What was changed without a later value of the cursor is seen by a full refresh alone."""
    (shop / "flow.toml").write_text(FLOW + f"[flows.streams.orders]\n{said}\n")
    assert cli.main(["run", str(shop / "flow.toml")]) == 0
    with closing(sqlite3.connect(shop / "shop.db")) as db, db:
        db.execute("UPDATE orders SET note = 'new' WHERE id = 1")
    assert cli.main(["run", str(shop / "flow.toml")]) == 0
    with closing(sqlite3.connect(shop / "copy.db")) as copy:
        rows = dict(copy.execute("SELECT id, note FROM orders"))
    assert rows == {1: "new" if is_read_again else "old", 2: "old"}


@pytest.mark.parametrize(
    ("said", "sync_mode"),
    [
        (StreamDefinition(cursor_field="updated_at"), "incremental"),
        (StreamDefinition(cursor_field="updated_at", sync_mode="incremental"), "incremental"),
        (StreamDefinition(cursor_field="updated_at", sync_mode="full_refresh"), "full_refresh"),
        (StreamDefinition(cursor_field="updated_at", mode="overwrite"), "full_refresh"),
        (StreamDefinition(), "full_refresh"),
    ],
)
def test_in_a_data_job(shop: Path, said: StreamDefinition, sync_mode: str) -> None:
    catalog = SqliteSource.from_config({"path": str(shop / "shop.db")}).discover()
    (orders,) = Selection({"orders": said}).choice.configured(catalog, ["append", "append_dedup"]).streams
    assert orders.sync_mode == sync_mode


@pytest.mark.parametrize("said", ['primary_key = ["ident"]', 'cursor_field = "ident"'])
def test_a_misspelt_column_is_told_before_anything_is_read(
    shop: Path, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    (shop / "flow.toml").write_text(FLOW + f"[flows.streams.orders]\n{said}\n")
    assert cli.main(["run", str(shop / "flow.toml")]) == 2
    assert (
        "Stream 'orders' has no column 'ident' for its key or cursor. It has: id, updated_at, note."
        in capsys.readouterr().err
    )
    catalog = SqliteSource.from_config({"path": str(shop / "shop.db")}).discover()
    definition = StreamDefinition(primary_key=[["ident", "x"]])
    with pytest.raises(FlowError, match="no column 'ident'"):
        Selection({"orders": definition}).choice.configured(catalog, ["append"])
