"""Group G: the gallery's connectors as images, of which some are badly made."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.checks import load
from headwater.acceptance.client_container import ClientContainer, client_of
from headwater.acceptance.connector import Connector
from headwater.acceptance.image_room import ImageRoom
from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome, Report
from headwater.acceptance.suite import chosen, run
from tests.acceptance.suite import GALLERY, TOKEN, settings, write
from tests.acceptance.suite import report as gallery_report
from tests.containers import base_image, one_at_a_time

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


def reloaded(image: str, folder: Path, change: Callable[[dict[str, Any]], None], layers: int = 0) -> str:
    """An image with another configuration, and so many layers more; gives its id.

    An engine of one architecture builds no image of another one, and to build a layer takes its time.
    """
    saved, made = folder / "saved.tar", folder / "made.tar"
    subprocess.run(["docker", "save", "-o", str(saved), image], check=True, capture_output=True)
    with tarfile.open(saved) as given, tarfile.open(made, "w") as tar:
        (manifest,) = json.loads(_member(given, "manifest.json"))
        config = json.loads(_member(given, manifest["Config"]))
        change(config)
        for number in range(layers):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as layer:
                _add(layer, f"layer-{number}", b"of many")
            _add(tar, f"{number}.tar", buffer.getvalue())
            config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}")
            config["history"].append({"created_by": "a test"})
        content = json.dumps(config).encode()
        name = hashlib.sha256(content).hexdigest()
        _add(tar, f"{name}.json", content)
        for layer in manifest["Layers"]:
            _add(tar, layer, _member(given, layer))
        manifest["Layers"] += [f"{number}.tar" for number in range(layers)]
        _add(tar, "manifest.json", json.dumps([{**manifest, "Config": f"{name}.json", "RepoTags": None}]).encode())
    subprocess.run(["docker", "load", "-i", str(made)], check=True, capture_output=True)
    return f"sha256:{name}"


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def test_an_image_for_another_architecture_is_caught(
    image: Callable[[str], str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", "for arm64")
    made = reloaded(image(""), tmp_path, lambda config: config.update(architecture="arm64"))
    (result,) = report(made, tmp_path, ["G8"]).results
    assert result.findings[0].message == "The image is for arm64."
    record_property("caught", "G8")


def test_an_image_of_many_layers_is_caught(
    image: Callable[[str], str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", "many layers")
    (result,) = report(reloaded(image(""), tmp_path, lambda config: None, layers=60), tmp_path, ["G9"]).results
    assert "layers" in result.findings[0].message
    record_property("caught", "G9")


def test_a_large_image_is_caught(
    image: Callable[[str], str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine tells of a larger one than there is: a gigabyte takes half a minute to build."""
    record_property("mutant", "of 1.2 GB")
    docker = tmp_path / "docker"
    real = shlex.quote(str(shutil.which("docker")))
    docker.write_text(f"""#!/bin/sh\n{real} "$@" | sed 's/"Size": [0-9]*/"Size": 1200000000/'\n""")
    docker.chmod(0o755)
    made = image("")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (result,) = report(made, tmp_path, ["G9"]).results
    assert result.findings[0].message == "The image is of 1.20 GB."
    record_property("caught", "G9")


def test_what_fills_the_source_runs_in_a_container(image: Callable[[str], str], tmp_path: Path) -> None:
    folder = tmp_path / "source-gallery"
    (folder / "integration_tests").mkdir(parents=True)
    grown = folder / "integration_tests" / "grown"
    write(folder / "secrets.json", {"word": "s3cret"})
    label = f"test={uuid.uuid4().hex}"
    (folder / "Dockerfile.client").write_text(f"FROM {base_image()}\nUSER root\nLABEL {label}\n")
    given = client_of(
        {
            "client_container_dockerfile_path": "Dockerfile.client", "secrets_path": "secrets.json",
            "setup_command": ["sh", "-c", "grep -q s3cret /tmp/config.json && cd /connector && ! touch no"],
            "between_syncs_command": ["touch", "/connector/integration_tests/grown"],
            "final_teardown_command": ["rm", "/connector/integration_tests/grown"],
        },
        folder,
    )  # fmt: skip
    assert isinstance(given, ClientContainer)
    found = gallery_report("correct", tmp_path, ["F11"], client=given, config={"grown": str(grown)})
    assert [result.outcome for result in found.results] == [Outcome.PASSED], "\n".join(summary(found))
    assert not grown.exists()
    left = ["docker", "images", "--all", "--quiet", "--filter", f"label={label}"]
    assert subprocess.run(left, capture_output=True, text=True, check=True).stdout == ""
    (tmp_path / "again").mkdir()
    broken = replace(given, commands={"setup": ["sh", "-c", "echo the database is not there >&2; exit 3"]})
    (result,) = gallery_report("correct", tmp_path / "again", ["C1"], client=broken).results
    assert result.outcome is Outcome.BROKEN
    assert "setup_command exited with 3: the database is not there" in str(result.reason)


def test_no_named_pipe_is_left_where_docker_can_not_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    connector = Connector(ImageRoom("image", "--image image", started=((), ("run",))), settings(tmp_path), tmp_path)
    gc.collect()  # what others left open would be closed meanwhile
    before = set(os.listdir("/proc/self/fd"))
    (result,) = run(connector, chosen(["B1"])).results
    assert result.outcome is Outcome.BROKEN
    assert "docker" in str(result.reason)
    assert not [path for path in tmp_path.iterdir() if path.is_fifo()]
    assert set(os.listdir("/proc/self/fd")) <= before


def test_each_check_of_images_has_a_bad_one() -> None:
    checked = {bad.check for bad in BAD.values()} | {"G8", "G9"}
    assert {id for id in load() if id[0] == "G"} == checked
