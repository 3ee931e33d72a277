"""Runs the suite on a connector of the gallery, in this process."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Report
from headwater.acceptance.rooms import CommandRoom
from headwater.acceptance.settings import ConnectionCase, Settings
from headwater.acceptance.suite import chosen, run

GALLERY = Path(__file__).parent / "gallery"
RUN = GALLERY / "run.py"
TOKEN = "s3cr3t-t0ken/+=&x"
CONFIG = {"token": TOKEN, "region": "eu", "size": 45}


def gallery(name: str) -> Any:
    """A module of the gallery, in this process: it finds the others beside it, as in the connectors' own."""
    sys.path.insert(0, str(GALLERY))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(GALLERY))


def room(name: str) -> CommandRoom:
    """A connector of the gallery."""
    return CommandRoom((sys.executable, "-I", "-S", str(RUN), name), f"--command 'gallery {name}'")


def write(path: Path, value: Any) -> Path:
    """A file with JSON."""
    path.write_text(json.dumps(value))
    return path


def settings(folder: Path, config: Any = None, **changes: Any) -> Settings:
    """What the gallery is checked with.

    :param config: further settings of the connector.
    """
    given: dict[str, Any] = {
        "config": write(folder / "given-config.json", {**CONFIG, **(config or {})}),
        "connection": [ConnectionCase(write(folder / "wrong.json", {**CONFIG, "token": "wrong"}), "failed")],
        "empty_streams": {"empty": "is there to be empty"},
        "timeout": 120.0,
        **changes,
    }
    return Settings(**given)


def connector(name: str, folder: Path, **changes: Any) -> Connector:
    """A connector of the gallery, under test."""
    return Connector(room(name), settings(folder, **changes), folder)


def report(name: str, folder: Path, only: Sequence[str] = (), skip: Sequence[str] = (), **changes: Any) -> Report:
    """The report on a connector of the gallery."""
    with closing(connector(name, folder, **changes)) as found:
        return run(found, chosen(only, skip))
