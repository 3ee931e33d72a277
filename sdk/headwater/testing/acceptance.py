"""The acceptance suite in a connector's own tests: a test for each check.

::

    class TestAcme(AcceptanceTests):
        command = "source-acme"
        config = {"token": "t0ken"}
        skip = ("X6", "X7")

For connectors in other languages, or without a line of Python, there is ``headwater.testing.plugin``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from headwater.acceptance.checks import Check
from headwater.acceptance.connector import Connector
from headwater.acceptance.reports.terminal import details
from headwater.acceptance.results import Outcome, Result
from headwater.acceptance.rooms import CommandRoom, Room
from headwater.acceptance.settings import Settings
from headwater.acceptance.suite import chosen, finish, run_one

__all__ = ["AcceptanceTests", "AcceptanceWarning", "tell"]


class AcceptanceWarning(UserWarning):
    """What the suite warns of."""


class AcceptanceTests:
    """Checks a connector. To be inherited from.

    :cvar command: the connector's executable and its first arguments.
    :cvar config: its config.
    :cvar settings: anything else that the suite may be told.
    :cvar only: ids of checks, or of their groups; none: all.
    :cvar skip: which ones not.
    """

    command: ClassVar[str] = ""
    config: ClassVar[Mapping[str, Any] | None] = None
    settings: ClassVar[Settings] = Settings()
    only: ClassVar[Sequence[str]] = ()
    skip: ClassVar[Sequence[str]] = ()

    def room(self) -> Room:
        """Where it runs; override it for a container."""
        return CommandRoom.of(self.command)

    def given(self, folder: Path) -> Settings:
        """What the suite is told; override it for what a fixture knows.

        :param folder: for files.
        """
        from dataclasses import replace

        if self.config is None:
            return self.settings
        path = folder / "given-config.json"
        path.write_text(json.dumps(self.config))
        return replace(self.settings, config=path)

    @pytest.fixture(scope="class")
    def connector(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connector]:
        """The connector; its runs are shared by all tests of the class."""
        folder = tmp_path_factory.mktemp("acceptance")
        with closing(Connector(self.room(), self.given(folder), folder)) as connector:
            yield connector

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each check."""
        if "acceptance_check" in metafunc.fixturenames:
            checks = chosen(self.only, self.skip)
            metafunc.parametrize("acceptance_check", checks, ids=[check.id for check in checks])

    def test_acceptance(self, connector: Connector, acceptance_check: Check) -> None:
        """One check."""
        tell(run_one(connector, acceptance_check), connector)


def tell(result: Result, connector: Connector) -> None:
    """A result, as pytest has it: a failure, a skip with its reason, a warning."""
    finish(result, connector)
    if result.outcome is Outcome.SKIPPED:
        pytest.skip(result.reason or "")
    text = "\n".join(details(result, kept=True))
    if result.outcome is Outcome.WARNED:
        warnings.warn(AcceptanceWarning(text), stacklevel=2)
    elif result.outcome is not Outcome.PASSED:
        pytest.fail(f"the suite itself failed: {result.reason}" if result.outcome is Outcome.BROKEN else text, False)
