"""Our connectors pass the checks that depend on how they are run as packages and as images, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance_tests.test_connectors import CONNECTORS, ROOT, WORLDS, as_it_should_be, checked
from headwater.acceptance.image_room import ImageRoom
from headwater.acceptance.results import Outcome, Report
from headwater.acceptance.rooms import CommandRoom
from headwater.errors import ConfigError
from tests.containers import OWN, base_image, one_at_a_time
from tests.needs import missing

ONLY = ("A1", "A2", "A3", "A4", "A7", "A8", "B1", "C1", "C2", "D1", "E", "F1", "F2", "X1", "X4", "X5", "X12", "X20")
"""What can differ from one runner to another. What a message says does not."""
ALONE = ("E20", "E21", "E22", "E23", "E24", "E25", "E26", "E27")
"""Need reads of their own, and look at nothing but messages."""


def passed(report: Report) -> set[str]:
    """The checks that found nothing."""
    return {result.id for result in report.of(Outcome.PASSED)}


@pytest.fixture
def package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands of all connectors are: in one environment, which is made of this checkout once in a run."""
    from headwater.bridge.runners.venv import VenvRunner

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # of all processes of the run
    monkeypatch.setenv("HEADWATER_CACHE", str(shared / "environments-of-ours"))  # never of yesterday's code
    first, *others = (str(CONNECTORS / name) for name in WORLDS)
    runner = VenvRunner(first, more=(str(ROOT), *others))
    try:
        return runner.prepare().folder / "bin"
    except ConfigError as error:
        return missing(f"needs to install what headwater depends on: {error}")


@pytest.mark.parametrize("name", WORLDS)
def test_a_package_passes(name: str, package: Path, tmp_path: Path) -> None:
    room = CommandRoom((str(package / name),), f"--package {name}")
    report = checked(name, room, tmp_path, ONLY, ALONE)
    as_it_should_be(name, report)
    assert {"A8", "E1", "E16", "F2", "X1", "X20"} <= passed(report)


@pytest.mark.parametrize("name", WORLDS)
def test_an_image_passes(name: str, tmp_path: Path) -> None:
    from headwater.image import build_image

    base = base_image()
    with one_at_a_time(name):
        image = build_image(CONNECTORS / name, base_image=base, tag=f"headwater-tests/{name}:{OWN}")
    report = checked(name, ImageRoom.of(image), tmp_path, ("G", *ONLY), (*ALONE, "A7", "C2"), trials=1)
    as_it_should_be(name, report)
    assert {"G3", "G4", "G5", "G6", "G7", "E1", "E16", "F2"} <= passed(report)
