"""A connector that extends another, in a folder without a Dockerfile; wheels for another Python than this one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headwater.bridge.foreign import DockerSource
from headwater.errors import ConfigError
from headwater.image import build_image
from headwater.image.wheels import Target, collect
from tests.needs import missing

CONNECTORS = Path(__file__).parents[2] / "connectors"
PROJECT = """
[build-system]
requires = ["hatchling>=1.25,<2"]
build-backend = "hatchling.build"

[project]
name = "acme-source-github"
version = "2.1"
dependencies = ["headwater-source-github>=0.1"]

[project.scripts]
source-acme = "source_acme:Acme.main"

[tool.hatch.build.targets.wheel]
packages = ["source_acme"]
"""
CODE = """
from source_github import GithubSource

class Acme(GithubSource):
    name = "acme"
"""


def test_a_connector_that_extends_another_becomes_an_image_with_it(base: str, tmp_path: Path) -> None:
    folder = tmp_path / "source-acme"
    (folder / "source_acme").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "source_acme" / "__init__.py").write_text(CODE)
    wheels = tmp_path / "wheels"
    image = build_image(folder, base_image=base, tag="headwater-tests/source-acme:2.1", wheels=wheels)
    names = {wheel.name.split("-")[0] for wheel in wheels.glob("*.whl")}
    assert {"acme_source_github", "headwater_source_github", "headwater", "msgspec", "requests"} <= names
    source = type("Ours", (DockerSource,), {"image": image, "pull": "never"})
    assert "repositories" in source.from_config({}).spec().raw["connectionSpecification"]["properties"]


def test_wheels_fit_the_images_python_not_this_one(tmp_path: Path) -> None:
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    try:
        own = collect(CONNECTORS / "source-gitlab", Target(other, "x86_64", "glibc", "2.36"), tmp_path)
    except ConfigError as error:
        missing(f"needs wheels for Python {other}, which pip gets where it can: {error}")
    assert own.name.startswith("headwater_source_gitlab-")
    (msgspec,) = tmp_path.glob("msgspec-*.whl")
    assert f"cp{other.replace('.', '')}" in msgspec.name


def test_the_platforms_whose_wheels_fit() -> None:
    here = Target("3.11", "aarch64", "glibc", "2.17").platforms()
    assert here[0] == "manylinux_2_17_aarch64"
    assert "manylinux2014_aarch64" in here
    assert "manylinux_2_28_aarch64" not in here
    assert Target("3.11", "x86_64", "musl", "1.2").platforms()[0] == "musllinux_1_2_x86_64"


def test_packages_that_cannot_be_had_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="packages can't be had"):
        collect(str(tmp_path / "none-1.0-py3-none-any.whl"), Target("3.11", "x86_64", "glibc", "2.36"), tmp_path)
