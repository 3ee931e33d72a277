"""X21 catches whoever reads a connector's output badly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome
from tests.acceptance.consumers import WAYS
from tests.acceptance.suite import report

SCRIPT = Path(__file__).with_name("consumers.py")


def consumer(way: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", str(SCRIPT), way)


def test_a_good_consumer_passes(tmp_path: Path) -> None:
    found = report("correct", tmp_path, ["X21"], consumer=consumer("correct"))
    assert [result.outcome for result in found.results] == [Outcome.PASSED], "\n".join(summary(found))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "correct"])
def test_a_bad_consumer_is_caught(way: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    record_property("mutant", way)
    (result,) = report("correct", tmp_path, ["X21"], consumer=consumer(way)).results
    assert result.outcome is Outcome.FAILED, result
    assert "consumers.py" in result.findings[0].message or "python" in result.findings[0].message
    record_property("caught", "X21")
