"""A connector and all that it needs, as wheels that fit the image's Python."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from headwater.errors import ConfigError
from headwater.image.connector import wheel_metadata

_LOG = logging.getLogger("headwater")


@dataclass(frozen=True)
class Target:
    """The Python that is to run the wheels.

    :ivar python: its version, such as ``3.11``.
    :ivar machine: such as ``x86_64``.
    :ivar libc: ``glibc`` or ``musl``, with ``version``, such as ``2.36``.
    """

    python: str
    machine: str
    libc: str
    version: str

    def is_here(self) -> bool:
        """Whether wheels that fit this Python fit it."""
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            (self.python, self.machine) == (here, platform.machine())
            and self.libc == (platform.libc_ver()[0] or "musl")
            and sys.platform == "linux"
        )

    def platforms(self) -> list[str]:
        """The tags of wheels that fit, the newest first."""
        major, _, minor = self.version.partition(".")
        name = "manylinux" if self.libc == "glibc" else "musllinux"
        found = [f"{name}_{major}_{number}_{self.machine}" for number in range(int(minor), -1, -1)]
        old = [f"manylinux{year}_{self.machine}" for year in ("2014", "2010", "1")] if name == "manylinux" else []
        return [*found, *old, f"linux_{self.machine}"]


def collect(what: Path | str, target: Target, into: Path, constraint: Path | None = None) -> Path:
    """Put the wheels of a connector's folder, or of a requirement, into a folder; gives the connector's own.

    Packages that are installed here from a folder of this machine, as Headwater in a checkout of it, are built from
    there; all others come from where pip gets its packages.

    :raises ConfigError: when pip can't have one, with its words.
    """
    into.mkdir(parents=True, exist_ok=True)
    if isinstance(what, Path):
        own = _built(what, into)
        _build_local(own, into)
        requirement = str(own)
    else:
        requirement = what
    pinned = ["--constraint", str(constraint)] if constraint else []
    if target.is_here():
        _pip("wheel", "--wheel-dir", str(into), "--find-links", str(into), *pinned, requirement)
    else:
        _LOG.info("The image has Python %s: only packages that are there as wheels for it fit.", target.python)
        chosen = [word for name in target.platforms() for word in ("--platform", name)]
        fitting = ["--only-binary=:all:", "--implementation", "cp", "--python-version", target.python, *chosen]
        _pip("download", "--dest", str(into), "--find-links", str(into), *fitting, *pinned, requirement)
    if isinstance(what, Path):
        return own
    name = _normal(re.split(r"[^\w.-]", what, maxsplit=1)[0])
    return next(wheel for wheel in into.glob("*.whl") if _normal(wheel.name.split("-")[0]) == name)


def _build_local(wheel: Path, into: Path) -> None:
    """Those of what a wheel requires that are installed from a folder."""
    for required in wheel_metadata(wheel).get_all("Requires-Dist") or ():
        name = re.split(r"[^\w.-]", required, maxsplit=1)[0]
        built = any(_normal(found.name.split("-")[0]) == _normal(name) for found in into.glob("*.whl"))
        folder = None if built or "extra ==" in required else _folder(name)
        if folder is not None:
            _build_local(_built(folder, into), into)


def _folder(name: str) -> Path | None:
    try:
        said = importlib.metadata.distribution(name).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    url = json.loads(said or "{}")
    return Path(unquote(urlsplit(url["url"]).path)) if "dir_info" in url else None


def _built(folder: Path, into: Path) -> Path:
    """The wheel of a project in a folder."""
    before = set(into.glob("*.whl"))
    uv = Path(sys.executable).with_name("uv")
    found = str(uv) if uv.exists() else shutil.which("uv")
    if found:  # starts faster than pip
        _run([found, "build", "--quiet", "--wheel", "--out-dir", str(into), str(folder)])
    else:
        _pip("wheel", "--no-deps", "--wheel-dir", str(into), str(folder))
    (made,) = set(into.glob("*.whl")) - before
    return made


def _pip(*arguments: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise ConfigError("Wheels are made by pip, which this environment does not have. Install pip into it.")
    _run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip or uv
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip() and "WARNING" not in line]
        raise ConfigError("The connector's packages can't be had: " + " / ".join(line.strip() for line in said[-6:]))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
