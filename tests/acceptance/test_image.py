"""Group G: the gallery's connectors as images, of which some are badly made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.connector import Connector
from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome, Report
from headwater.acceptance.rooms import ImageRoom
from headwater.acceptance.suite import chosen, run
from tests.acceptance.suite import TOKEN, settings
from tests.containers import base_image, one_at_a_time

GALLERY = Path(__file__).parent / "gallery"
GOOD = """
COPY . /gallery/
RUN printf '#!/bin/sh\\nexec python -I -S /gallery/run.py correct "$@"\\n' > /entrypoint.sh && chmod 755 /entrypoint.sh
ENV AIRBYTE_ENTRYPOINT=/entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
LABEL io.airbyte.name=test/source-gallery io.airbyte.version=1.2.3
USER 1000
"""
METADATA = {"data": {"dockerRepository": "test/source-gallery", "dockerImageTag": "1.2.3"}}


@dataclass(frozen=True)
class Bad:
    """A badly made image: what its Dockerfile says besides."""

    check: str
    lines: str


AS_ROOT = "USER root\nRUN {}\nUSER 1000"


def before(command: str) -> str:
    """The entrypoint's script does something before it starts the connector."""
    return AS_ROOT.format(f"sed -i 's|exec|{command} \\|\\| exit 3; exec|' /entrypoint.sh")


BAD = {
    "no label": Bad("G1", "LABEL io.airbyte.version="),
    "another entrypoint": Bad("G2", "ENV AIRBYTE_ENTRYPOINT=/elsewhere.sh"),
    "no named pipes": Bad("G3", AS_ROOT.format("rm $(command -v mkfifo)")),
    "made for root": Bad("G4", "USER root\nRUN chmod 700 /gallery"),
    "needs a network": Bad("G5", before("grep -q -v lo: /proc/net/dev \\&\\& test $(wc -l < /proc/net/dev) -gt 3")),
    "writes beside itself": Bad("G6", AS_ROOT.format("chmod 777 /gallery") + "\n" + before("echo > /gallery/log")),
    "needs its own folder": Bad("G7", before('test "$(pwd)" != /source')),
    "a token in a variable": Bad("G10", f"ENV API_TOKEN={TOKEN}"),
    "does not pass signals on": Bad(
        "G11", AS_ROOT.format("sed -i 's/exec python/trap true TERM; python/' /entrypoint.sh")
    ),
    "another version": Bad("G12", "LABEL io.airbyte.version=1.2.4"),
}


@pytest.fixture(scope="session")
def image() -> Callable[[str], str]:
    """Makes images of the gallery's correct connector."""
    base = base_image()

    def build(more: str) -> str:
        with one_at_a_time("gallery"):
            text = f"FROM {base}\nUSER root\n{GOOD}\n{more}\n"
            words = ["docker", "build", "--quiet", "--network", "none", "-f", "-", str(GALLERY)]
            done = subprocess.run(words, input=text, capture_output=True, text=True, check=False,
                                  env={**os.environ, "DOCKER_BUILDKIT": "0"})  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

    return build


def report(name: str, folder: Path, only: list[str], **changes: Any) -> Report:
    inner = folder / "runs"
    inner.mkdir(0o755)
    connector = Connector(ImageRoom.of(name), settings(folder, metadata=METADATA, **changes), inner)
    return run(connector, chosen(only))


def test_a_well_made_image_passes(image: Callable[[str], str], tmp_path: Path) -> None:
    found = report(image(""), tmp_path, ["G", "B1", "C1", "E16", "X1", "X4"], config={"size": 6000}, trials=1)
    assert [result.id for result in found.results if result.outcome is not Outcome.PASSED] == [], "\n".join(
        summary(found)
    )


@pytest.mark.parametrize("name", BAD)
def test_a_badly_made_image_is_caught(
    image: Callable[[str], str], name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", name)
    bad = BAD[name]
    found = report(image(bad.lines), tmp_path, [bad.check], config={"size": 6000} if bad.check == "G11" else None)
    assert found.results[0].outcome in (Outcome.FAILED, Outcome.WARNED), found.results[0]
    assert found.results[0].findings
    record_property("caught", bad.check)
