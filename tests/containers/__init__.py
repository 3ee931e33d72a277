"""Tests against a Docker engine: this machine's, or one that ``tests/containers/engine`` starts."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.needs import missing

_SCRIPT = Path(__file__).with_name("engine")


def base_image() -> str:
    """An image with Python, in an engine that runs. Skips the test where there is none; fails it in CI."""
    image, reason = _engine()
    return image or missing(reason)


@functools.cache
def _engine() -> tuple[str, str]:
    try:
        import docker  # noqa: F401
    except ImportError:
        return "", "needs docker-py: pip install 'headwater[docker]'"
    done = subprocess.run([str(_SCRIPT)], capture_output=True, text=True, check=False)
    if done.returncode == 75:
        return "", f"needs a Docker engine: {done.stderr.strip()}"
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("BASE_IMAGE=")[2], ""
