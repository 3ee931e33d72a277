"""A plugin for pytest, which takes each ``acceptance-test-config.yml`` for a file of tests::

    pytest -p headwater.testing.plugin connectors/source-acme --acceptance-command source-acme

One test for each check, with its id; connectors in any language.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance import config_file
from headwater.acceptance.checks import Check
from headwater.acceptance.connector import Connector
from headwater.acceptance.given import whole, yaml_of
from headwater.acceptance.image_room import ImageRoom
from headwater.acceptance.rooms import CommandRoom, Room, folder_room, package_room
from headwater.acceptance.running import in_folder
from headwater.acceptance.suite import chosen, run_one
from headwater.testing.acceptance import tell


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's options."""
    group = parser.getgroup("acceptance", "acceptance of Airbyte connectors")
    group.addoption("--acceptance-command", metavar="COMMAND", help="the connector; default: its folder's own")
    group.addoption("--acceptance-package", metavar="REQUIREMENT", help="a Python distribution")
    group.addoption("--acceptance-image", metavar="IMAGE", help="an image, for docker")
    group.addoption("--acceptance-config", metavar="FILE", help="the connector's config; default: the config file's")
    group.addoption("--acceptance-only", metavar="IDS", default="", help="these checks")
    group.addoption("--acceptance-skip", metavar="IDS", default="", help="not these")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A connector's config file."""
    if file_path.name != config_file.NAME:
        return None
    found: pytest.Collector = _File.from_parent(parent, path=file_path)
    return found


class _File(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        """A test for each check."""
        option = self.config.getoption
        base = in_folder(self.path.parent)
        if option("--acceptance-config"):
            base = replace(base, config=Path(option("--acceptance-config")).resolve())
        loaded = config_file.load(self.path, yaml_of(self.path), base)
        self.temporary = tempfile.TemporaryDirectory(prefix="headwater-acceptance-")
        folder = Path(self.temporary.name) / "runs"
        folder.mkdir(0o755)
        settings = whole(replace(loaded.main, lacking=loaded.lacking))
        connector = self.connector = Connector(self._room(), settings, folder)
        only, skip = (option(name).split(",") if option(name) else [] for name in
                      ("--acceptance-only", "--acceptance-skip"))  # fmt: skip
        for check in chosen(only, skip):
            yield _Item.from_parent(self, name=check.id, connector=connector, check=check)

    def _room(self) -> Room:
        option = self.config.getoption
        if option("--acceptance-command"):
            return CommandRoom.of(option("--acceptance-command"))
        if option("--acceptance-package"):
            return package_room(option("--acceptance-package"))
        if option("--acceptance-image"):
            return ImageRoom.of(option("--acceptance-image"))
        return folder_room(self.path.parent)

    def teardown(self) -> None:
        """The recordings go."""
        self.connector.close()
        self.temporary.cleanup()


class _Item(pytest.Item):
    def __init__(self, *, connector: Connector, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self.connector, self.check = connector, check

    def runtest(self) -> None:
        """One check."""
        tell(run_one(self.connector, self.check), self.connector)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Its findings, without a traceback."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is, and what it says."""
        return self.path, 0, f"{self.check.id} {self.check.title}"
